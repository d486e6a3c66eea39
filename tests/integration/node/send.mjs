// SPDX-License-Identifier: Apache-2.0
// Sends the six calls and 1,000 more events with the unmodified Segment SDK, and prints one
// JSON line for each call ({"call": type, "with": arguments}) and for each event as the SDK
// put it on the wire ({"wire": event}).
//   node send.mjs GATEWAY_URL INGEST_KEY
import { Analytics } from '@segment/analytics-node';

const [host, writeKey] = process.argv.slice(2);
const BULK = 1000;
const print = (line) => process.stdout.write(JSON.stringify(line) + '\n');

const analytics = new Analytics({ host, writeKey, flushAt: 50, flushInterval: 100, maxRetries: 3 });
analytics.on('error', (error) => {
  console.error('SDK error:', error.code, error.reason ?? '');
  process.exitCode = 1;
});
analytics.on('http_request', ({ body }) => {
  const { batch } = typeof body === 'string' ? JSON.parse(body) : body;
  for (const event of batch) print({ wire: event });
});

const call = (type, message) => {
  print({ call: type, with: message });
  analytics[type](message);
};

const unicode = 'Zoë 漢字 🚀 \u0000\u001f"\\/ \u2028 e\u0301 العربية';
const nested = {
  list: [1, 'two', null, true, [], {}, [[[3]]]],
  deep: { a: { b: { c: { d: { e: [{ f: 'g' }] } } } } },
  numbers: [0, -1, 14.99, 1e21, 1e-7, 0.1 + 0.2, Number.MAX_SAFE_INTEGER, 5e-324],
  'key with space': '', '': 'empty key', 'quote"key': 'x', nothing: null, [unicode]: unicode,
};

call('identify', { userId: 'u-1', traits: { name: unicode, plan: null, address: { city: 'Köln' } } });
call('track', { userId: 'u-1', event: unicode, properties: nested });
call('page', { userId: 'u-1', category: 'Docs', name: 'Start', properties: { url: 'https://example.com/ä' } });
call('screen', { anonymousId: 'anon-1', category: 'App', name: 'Home', properties: nested });
call('group', { userId: 'u-1', groupId: 'g-1', traits: { employees: 12, name: unicode } });
call('alias', { userId: 'u-1', previousId: 'anon-1' });
call('track', {
  userId: 'u-2', event: 'With context', properties: {},
  context: { ip: '203.0.113.9', device: { type: 'phone' }, own: nested },
  integrations: { All: false, 'Some Destination': { option: [1, { a: 2 }] } },
});
for (let i = 0; i < BULK; i += 1) {
  call('track', {
    userId: `bulk-${i % 7}`, event: 'Bulk', properties: { i, half: i / 2, text: `${i} ${unicode}` },
  });
}
await analytics.closeAndFlush({ timeout: 30000 });
