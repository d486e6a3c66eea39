// SPDX-License-Identifier: Apache-2.0
// A flush of analytics-node and its forks sends one batch, not all that waits.

export async function flushAll(analytics) {
  while (analytics.queue.length > 0) await analytics.flush();
}
