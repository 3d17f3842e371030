// openid-client: the certified client library, which reads the metadata as an OAuth 2 server's.

import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const require = createRequire(process.env.NODE_PACKAGES + '/');
const client = await import(pathToFileURL(require.resolve('openid-client')).href);
const run = promisify(execFile);

const CALLBACK = 'http://127.0.0.1:33419/cb';

let text = '';
for await (const chunk of process.stdin) text += chunk;
const plan = JSON.parse(text);
const seen = { steps: [] };

async function main() {
  const challenged = await fetch(plan.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
  const named = /resource_metadata="([^"]+)"/.exec(challenged.headers.get('www-authenticate') ?? '')?.[1];
  const described = await (await fetch(named)).json();
  seen.steps.push('challenge and resource metadata');
  const issuer = new URL(described.authorization_servers[0]);
  const wanted = { client_name: 'openid-client', redirect_uris: [CALLBACK], token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] };
  const config = await client.dynamicClientRegistration(issuer, wanted, client.None(), { algorithm: 'oauth2', execute: [client.allowInsecureRequests] });
  seen.client = config.clientMetadata();
  seen.steps.push('discovery and registration');

  const verifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope: described.scopes_supported.join(' '),
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    resource: described.resource,
  });
  const { stdout } = await run(plan.python, [plan.browser, url.href], { env: { ...process.env, STAND_IN_KEY: plan.key } });
  const answer = new URL(stdout.trim());
  seen.answer = Object.fromEntries(answer.searchParams);
  const more = { resource: described.resource };
  const tokens = await client.authorizationCodeGrant(config, answer, { pkceCodeVerifier: verifier, expectedState: state }, more);
  seen.steps.push('code exchange');

  const mcp = async (token, method, params) => {
    const headers = new Headers({ 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2025-06-18' });
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    const response = await client.fetchProtectedResource(config, token, new URL(plan.url), 'POST', body, headers);
    if (response.status !== 200) throw new Error(`${method}: ${response.status} ${await response.text()}`);
    return (await response.json()).result;
  };
  const visit = async (token) => {
    const tools = (await mcp(token, 'tools/list', {})).tools.map((tool) => tool.name);
    return { tools, outcome: await mcp(token, 'tools/call', { name: plan.tool, arguments: plan.arguments }) };
  };
  const refused = async (work) => {
    try {
      await work();
    } catch (error) {
      return error.error ?? error.cause?.[0]?.parameters?.error ?? `${error.name}: ${error.message}`;
    }
    return 'it was accepted';
  };
  seen.first = await visit(tokens.access_token);
  const renewed = await client.refreshTokenGrant(config, tokens.refresh_token, more);
  seen.steps.push('refresh');
  seen.second = await visit(renewed.access_token);
  seen.tokens = [tokens, renewed];
  await client.tokenRevocation(config, renewed.refresh_token);
  seen.steps.push('revocation');
  seen.after_revocation = await refused(() => visit(renewed.access_token));
}

try {
  await main();
} catch (error) {
  seen.failure = `${error.name}: ${error.message} ${error.code ?? ''} ${JSON.stringify(error.cause ?? '')} ${error.stderr ?? ''}`.slice(0, 3000);
}
process.stdout.write(JSON.stringify(seen) + '\n');
