// One handshake session of the TypeScript SDK v1: lists, calls, is told of a change, lists again, and ends it.
//
// Reads targets on stdin, writes one JSON line per target with what the client saw. `change` is a command that changes
// the policy; `seconds` is how long the client waits to be told.

import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

// The packages are installed elsewhere: resolve from there, not from this file.
const require = createRequire(process.env.NODE_PACKAGES + '/');
const load = (name) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/${name}`)).href);
const { Client } = await load('client/index.js');
const { StreamableHTTPClientTransport } = await load('client/streamableHttp.js');
const { ToolListChangedNotificationSchema } = await load('types.js');

const run = promisify(execFile);
const names = ({ tools }) => tools.map((tool) => tool.name);

async function within(seconds, what, done) {
  const end = Date.now() + seconds * 1000;
  while (!done()) {
    if (Date.now() > end) throw new Error(`${what} did not come within ${seconds} s`);
    await sleep(20);
  }
}

async function visit(target, seen) {
  const noting = async (url, init) => {
    const response = await fetch(url, init);
    seen.requests.push([init?.method ?? 'GET', response.status]);
    return response;
  };
  const client = new Client({ name: 'client-checks', version: '1.0.0' });
  const wire = new StreamableHTTPClientTransport(new URL(target.url), { requestInit: { headers: target.headers }, fetch: noting });
  let told = 0;
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
    told ||= performance.now();
  });
  try {
    await client.connect(wire);
    seen.protocol = wire.protocolVersion ?? null;
    seen.session = wire.sessionId ?? null;
    seen.before = names(await client.listTools());
    seen.call = await client.callTool({ name: target.tool, arguments: target.arguments });
    // Only who holds a stream can be told.
    await within(target.seconds, 'the stream', () => seen.requests.some(([method, status]) => method === 'GET' && status === 200));
    const [command, ...args] = target.change;
    await run(command, args, { env: target.env });
    const began = performance.now();
    await within(target.seconds, 'the notification', () => told > 0);
    seen.told_after = Math.max(0, told - began) / 1000;
    seen.after = names(await client.listTools());
    await wire.terminateSession();
  } finally {
    await client.close();
  }
}

let text = '';
for await (const chunk of process.stdin) text += chunk;
const plan = JSON.parse(text);
for (const target of plan.targets) {
  const seen = { label: target.label, requests: [] };
  try {
    await Promise.race([
      visit(target, seen),
      sleep(plan.seconds * 1000, undefined, { ref: false }).then(() => {
        throw new Error(`nothing came of it within ${plan.seconds} s`);
      }),
    ]);
  } catch (error) {
    seen.failure = `${error.name}: ${error.message}`;
  }
  process.stdout.write(JSON.stringify(seen) + '\n');
}
process.exit(0);
