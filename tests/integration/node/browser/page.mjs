// SPDX-License-Identifier: Apache-2.0
// A page with @segment/analytics-next from npm, in the browser build that comes with it. The
// test calls `load` and `send` of window.page.
import { message } from '/corpus.mjs';

let analytics = window.analytics;

// The arguments of each call in the order of the browser library, its options last.
const positional = {
  identify: (it) => [it.userId, it.traits],
  track: (it) => [it.event, it.properties],
  page: (it) => [it.category, it.name, it.properties],
  screen: (it) => [it.category, it.name, it.properties],
  group: (it) => [it.groupId, it.traits],
  alias: (it) => [it.userId, it.previousId],
};

window.page = {
  // With the arguments of AnalyticsBrowser.load; done when the library is ready to send.
  async load(settings, options) {
    analytics = window.AnalyticsNext.AnalyticsBrowser.load(settings, options);
    await analytics;
  },

  // Sends the messages `first` to `end` (not included); returns {number: {type, with}} as JSON.
  // Does not wait for them: the library's promises are about a first attempt.
  send(first, end) {
    const calls = {};
    for (let number = first; number < end; number += 1) {
      const [type, { userId, anonymousId, ...fields }] = message(number);
      // Who it is about is the library's to remember, from the last identify.
      const identity = type === 'identify' || type === 'alias' ? { userId } : {};
      calls[number] = { type, with: { ...identity, ...fields } };
    }
    // Before the calls, for the library writes into its arguments.
    const text = JSON.stringify(calls);
    for (const { type, with: fields } of Object.values(calls)) {
      const { context, integrations } = fields;
      analytics[type](...positional[type](fields), { context, integrations });
    }
    return text;
  },
};
