// SPDX-License-Identifier: Apache-2.0
// RudderStack's fork of analytics-node. It compresses its bodies, and sends one at a time.
import Analytics from '@rudderstack/rudder-sdk-node';

import { flushAll } from './flush_all.mjs';

export function create(dataPlaneUrl, writeKey) {
  const analytics = new Analytics(writeKey, {
    dataPlaneUrl, flushInterval: 100, retryCount: 8, errorHandler: () => {}, logLevel: 'none',
  });
  return {
    call: (type, message, done) => analytics[type](message, done),
    close: () => flushAll(analytics),
  };
}
