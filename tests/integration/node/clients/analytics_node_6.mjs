// SPDX-License-Identifier: Apache-2.0
// analytics-node 6, the library before it, which many services still run.
import Analytics from 'analytics-node';

import { flushAll } from './flush_all.mjs';

export function create(host, writeKey) {
  // Its three retries bridge 1.4 s only. Without an errorHandler a batch that fails for good is
  // an unhandled rejection, which ends the process.
  const analytics = new Analytics(writeKey, {
    host, flushInterval: 100, retryCount: 8, errorHandler: () => {},
  });
  return {
    call: (type, message, done) => analytics[type](message, done),
    close: () => flushAll(analytics),
  };
}
