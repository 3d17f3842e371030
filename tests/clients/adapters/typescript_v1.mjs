// Drives the TypeScript SDK v1: reads targets on stdin, writes one JSON line per target with what the client saw.

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// The packages are installed elsewhere: resolve from there, not from this file.
const require = createRequire(process.env.NODE_PACKAGES + '/');
const load = (name) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/${name}`)).href);
const { Client } = await load('client/index.js');
const { SSEClientTransport } = await load('client/sse.js');
const { StdioClientTransport } = await load('client/stdio.js');
const { StreamableHTTPClientTransport } = await load('client/streamableHttp.js');

async function call(client, { tool, arguments: args }) {
  try {
    return { result: await client.callTool({ name: tool, arguments: args }) };
  } catch (error) {
    return { error: { code: error.code, message: error.message } };
  }
}

function transport(target, seen) {
  if (!target.url) {
    const [command, ...args] = target.command;
    return new StdioClientTransport({ command, args, env: target.env, stderr: 'ignore' });
  }
  const noting = async (url, init) => {
    const response = await fetch(url, init);
    seen.statuses.push(response.status);
    return response;
  };
  const Transport = target.transport === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport;
  return new Transport(new URL(target.url), { requestInit: { headers: target.headers }, fetch: noting });
}

async function visit(target, seen) {
  const client = new Client({ name: 'client-checks', version: '1.0.0' });
  const wire = transport(target, seen);
  try {
    await client.connect(wire);
    // Over HTTP+SSE the transport keeps it to itself; over stdio it is not told.
    seen.protocol = wire.protocolVersion ?? wire._protocolVersion ?? null;
    seen.server = client.getServerVersion();
    seen.instructions = client.getInstructions() ?? null;
    await client.ping();
    seen.tools = (await client.listTools()).tools;
    seen.outcomes = [];
    for (const one of target.calls) seen.outcomes.push(await call(client, one));
  } finally {
    await client.close();
  }
}

let text = '';
for await (const chunk of process.stdin) text += chunk;
const plan = JSON.parse(text);
for (const target of plan.targets) {
  const seen = { label: target.label, statuses: [] };
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came of it within ${plan.seconds} s`)), plan.seconds * 1000);
  });
  try {
    await Promise.race([visit(target, seen), late]);
  } catch (error) {
    seen.failure = `${error.name}: ${error.message}`;
  } finally {
    clearTimeout(timer);
  }
  process.stdout.write(JSON.stringify(seen) + '\n');
}
process.exit(0);
