// SPDX-License-Identifier: Apache-2.0
// @segment/analytics-node, the current Node.js library of Segment.
import { Analytics } from '@segment/analytics-node';

export function create(host, writeKey) {
  const analytics = new Analytics({ host, writeKey, flushInterval: 100 });
  return {
    call: (type, message, done) => analytics[type](message, done),
    close: () => analytics.closeAndFlush({ timeout: 60000 }),
  };
}
