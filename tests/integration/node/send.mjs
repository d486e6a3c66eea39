// SPDX-License-Identifier: Apache-2.0
// Sends with one of the clients, as told on standard input: a line with a number sends so many
// more messages of the corpus; the end of input flushes and ends. Prints one JSON line for each
// call, {"call": number, "type", "with": arguments}, and one when the client reports how it
// went, {"done": number, "error"}.
//   node send.mjs CLIENT GATEWAY_URL INGEST_KEY
import { createInterface } from 'node:readline';

import { message } from './corpus.mjs';

const [name, url, key] = process.argv.slice(2);
const { create } = await import(`./clients/${name}.mjs`);
const client = create(url, key);
const print = (line) => process.stdout.write(JSON.stringify(line) + '\n');

let next = 0;
function send() {
  const number = next;
  next += 1;
  const [type, fields] = message(number);
  print({ call: number, type, with: fields });
  client.call(type, fields, (error) => print({ done: number, error: error ? String(error) : null }));
}

for await (const line of createInterface({ input: process.stdin })) {
  for (let left = Number(line); left > 0; left -= 1) send();
}
await client.close();
