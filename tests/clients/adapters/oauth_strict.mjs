// oauth4webapi: a client that checks every MUST of every answer, and refuses what is not exactly right.

import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const require = createRequire(process.env.NODE_PACKAGES + '/');
const oauth = await import(pathToFileURL(require.resolve('oauth4webapi')).href);
const run = promisify(execFile);

const CALLBACK = 'http://127.0.0.1:33418/cb';
const PLAIN = { [oauth.allowInsecureRequests]: true };

let text = '';
for await (const chunk of process.stdin) text += chunk;
const plan = JSON.parse(text);
const seen = { steps: [] };

async function mcp(token, method, params) {
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2025-06-18' };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const response = await oauth.protectedResourceRequest(token, 'POST', new URL(plan.url), new Headers(headers), body, PLAIN);
  if (response.status !== 200) throw new Error(`${method}: ${response.status} ${await response.text()}`);
  return (await response.json()).result;
}

async function visit(token) {
  const tools = (await mcp(token, 'tools/list', {})).tools.map((tool) => tool.name);
  return { tools, outcome: await mcp(token, 'tools/call', { name: plan.tool, arguments: plan.arguments }) };
}

async function code(as, client, resource, scope) {
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const url = new URL(as.authorization_endpoint);
  const asked = { client_id: client.client_id, redirect_uri: CALLBACK, response_type: 'code', state, resource, scope };
  asked.code_challenge = await oauth.calculatePKCECodeChallenge(verifier);
  asked.code_challenge_method = 'S256';
  for (const [name, value] of Object.entries(asked)) if (value) url.searchParams.set(name, value);
  const { stdout } = await run(plan.python, [plan.browser, url.href], { env: { ...process.env, STAND_IN_KEY: plan.key } });
  const answer = new URL(stdout.trim());
  seen.answer = Object.fromEntries(answer.searchParams);
  return { verifier, params: oauth.validateAuthResponse(as, client, answer, state) };
}

async function refused(work) {
  try {
    await work();
  } catch (error) {
    return error.error ?? error.cause?.[0]?.parameters?.error ?? `${error.name}: ${error.message}`;
  }
  return 'it was accepted';
}

async function main() {
  const step = (name) => seen.steps.push(name);
  const challenged = await fetch(plan.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
  const challenge = challenged.headers.get('www-authenticate') ?? '';
  const metadata = /resource_metadata="([^"]+)"/.exec(challenge)?.[1];
  if (challenged.status !== 401 || !metadata) throw new Error(`the challenge is ${challenged.status} ${challenge}`);
  step('challenge');
  const resource = new URL(plan.url);
  const described = await oauth.resourceDiscoveryRequest(resource, PLAIN);
  if (described.url !== metadata) throw new Error(`the challenge names ${metadata}, and the rules lead to ${described.url}`);
  const rs = await oauth.processResourceDiscoveryResponse(resource, described);
  step('protected resource metadata');
  const issuer = new URL(rs.authorization_servers[0]);
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { ...PLAIN, algorithm: 'oauth2' }));
  step('authorization server metadata');
  const wanted = { client_name: 'oauth4webapi', redirect_uris: [CALLBACK], token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] };
  const client = await oauth.processDynamicClientRegistrationResponse(await oauth.dynamicClientRegistrationRequest(as, wanted, PLAIN));
  seen.client = client;
  step('registration');
  const none = oauth.None();
  const more = { ...PLAIN, additionalParameters: { resource: rs.resource } };
  const first = await code(as, client, rs.resource, rs.scopes_supported?.join(' '));
  step('authorization response');
  const exchange = () => oauth.authorizationCodeGrantRequest(as, client, none, first.params, CALLBACK, first.verifier, more);
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, await exchange());
  step('code exchange');
  seen.first = await visit(tokens.access_token);
  const refresh = (token) => oauth.refreshTokenGrantRequest(as, client, none, token, more);
  const renewed = await oauth.processRefreshTokenResponse(as, client, await refresh(tokens.refresh_token));
  step('refresh');
  seen.second = await visit(renewed.access_token);
  seen.tokens = [tokens, renewed];
  const revocation = await oauth.revocationRequest(as, client, none, renewed.refresh_token, PLAIN);
  await oauth.processRevocationResponse(revocation);
  step('revocation');
  seen.after_revocation = await refused(() => visit(renewed.access_token));
  const again = await code(as, client, rs.resource);
  const once = () => oauth.authorizationCodeGrantRequest(as, client, none, again.params, CALLBACK, again.verifier, more);
  const good = await oauth.processAuthorizationCodeResponse(as, client, await once());
  seen.replayed_code = await refused(async () => oauth.processAuthorizationCodeResponse(as, client, await once()));
  seen.after_replay = await refused(() => visit(good.access_token));
  const third = await code(as, client, rs.resource);
  const wrong = () => oauth.authorizationCodeGrantRequest(as, client, none, third.params, CALLBACK, oauth.generateRandomCodeVerifier(), more);
  seen.wrong_verifier = await refused(async () => oauth.processAuthorizationCodeResponse(as, client, await wrong()));
}

try {
  await main();
} catch (error) {
  seen.failure = `${error.name}: ${error.message} ${JSON.stringify(error.cause ?? '')} ${error.stderr ?? ''}`.slice(0, 3000);
}
process.stdout.write(JSON.stringify(seen) + '\n');
