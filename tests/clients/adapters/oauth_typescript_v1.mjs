// The OAuth client of the TypeScript SDK v1: discovery, registration, consent, token, calls, refresh.

import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const require = createRequire(process.env.NODE_PACKAGES + '/');
const load = (name) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/${name}`)).href);
const { Client } = await load('client/index.js');
const { UnauthorizedError } = await load('client/auth.js');
const { StreamableHTTPClientTransport } = await load('client/streamableHttp.js');

const CALLBACK = 'http://localhost:33418/oauth/callback';
const run = promisify(execFile);

let text = '';
for await (const chunk of process.stdin) text += chunk;
const plan = JSON.parse(text);
const seen = { requests: [], tokens: [] };

class Memory {
  get redirectUrl() {
    return CALLBACK;
  }
  get clientMetadata() {
    return {
      client_name: 'TypeScript SDK 1.x',
      redirect_uris: [CALLBACK],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
  }
  state() {
    return 'state-of-the-client';
  }
  clientInformation() {
    return seen.client;
  }
  saveClientInformation(client) {
    seen.client = client;
  }
  tokens() {
    return this.kept;
  }
  saveTokens(tokens) {
    this.kept = tokens;
    seen.tokens.push(tokens);
  }
  saveCodeVerifier(verifier) {
    this.verifier = verifier;
  }
  codeVerifier() {
    return this.verifier;
  }
  async redirectToAuthorization(url) {
    seen.authorize = url.href;
    const environment = { ...process.env, STAND_IN_KEY: plan.key };
    const { stdout } = await run(plan.python, [plan.browser, url.href], { env: environment });
    seen.answer = Object.fromEntries(new URL(stdout.trim()).searchParams);
  }
}

const memory = new Memory();
const noting = async (url, init) => {
  const response = await fetch(url, init);
  seen.requests.push(`${init?.method ?? 'GET'} ${new URL(url).pathname} ${response.status}`);
  return response;
};
const transport = () => new StreamableHTTPClientTransport(new URL(plan.url), { authProvider: memory, fetch: noting });

async function visit() {
  const client = new Client({ name: 'client-checks', version: '1.0.0' });
  const wire = transport();
  try {
    await client.connect(wire);
    seen.protocol = wire.protocolVersion ?? null;
    const tools = (await client.listTools()).tools.map((tool) => tool.name);
    return { tools, outcome: await client.callTool({ name: plan.tool, arguments: plan.arguments }) };
  } finally {
    await client.close();
  }
}

try {
  const first = transport();
  try {
    await new Client({ name: 'client-checks', version: '1.0.0' }).connect(first);
    seen.failure = 'it was let in without a token';
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    await first.finishAuth(seen.answer.code);
  }
  seen.first = await visit();
  // As after half an hour: the server does not know the token any more, and the client refreshes.
  memory.kept = { ...memory.kept, access_token: memory.kept.access_token + 'x' };
  seen.second = await visit();
} catch (error) {
  seen.failure = `${error.name}: ${error.message} ${error.stderr ?? ''}`;
}
process.stdout.write(JSON.stringify(seen) + '\n');
process.exit(0);
