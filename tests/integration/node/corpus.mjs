// SPDX-License-Identifier: Apache-2.0
// What every client sends: one message of each call with values that are easily damaged on the
// way, and any number of ordinary ones. Each message carries its number in `context.call`, so
// that it is recognised wherever it turns up.

const unicode = 'Zoë 漢字 🚀 \u0000\u001f"\\/ \u2028 e\u0301 العربية';

const nested = {
  list: [1, 'two', null, true, [], {}, [[[3]]]],
  deep: { a: { b: { c: { d: { e: [{ f: 'g' }] } } } } },
  numbers: [0, -1, 14.99, 1e21, 1e-7, 0.1 + 0.2, Number.MAX_SAFE_INTEGER, 5e-324],
  'key with space': '', '': 'empty key', 'quote"key': 'x', nothing: null, [unicode]: unicode,
};

const messages = [
  ['identify', { userId: 'u-1', traits: { name: unicode, plan: null, address: { city: 'Köln' } } }],
  ['track', { userId: 'u-1', event: unicode, properties: nested }],
  ['page', {
    userId: 'u-1', category: 'Docs', name: 'Start', properties: { url: 'https://example.com/ä' },
  }],
  ['screen', { anonymousId: 'anon-1', category: 'App', name: 'Home', properties: nested }],
  ['group', { userId: 'u-1', groupId: 'g-1', traits: { employees: 12, name: unicode } }],
  ['alias', { userId: 'u-1', previousId: 'anon-1' }],
  ['track', {
    userId: 'u-2', event: 'With context', properties: {},
    context: { ip: '203.0.113.9', device: { type: 'phone' }, own: nested },
    integrations: { All: false, 'Some Destination': { option: [1, { a: 2 }] } },
  }],
];

// Message number `number` as [type, message]: the special ones first, then ordinary ones.
export function message(number) {
  const [type, fields] = messages[number] ?? ['track', {
    userId: `bulk-${number % 7}`, event: 'Bulk', properties: { half: number / 2, text: unicode },
  }];
  return [type, { ...fields, context: { ...fields.context, call: number } }];
}
