// npm `openid-client`: discovery, code with PKCE, refresh, introspection, revocation, user info,
// client credentials, private_key_jwt, the `iss` check, logout.

import * as client from 'openid-client';
import { Browser, check, refused, settings } from './browser.mjs';

const { issuer, web, keyed, redirect_uri, username, password } = settings;
const options = { execute: [client.allowInsecureRequests] };

async function signIn(config, browser, more = {}) {
  const verifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const nonce = client.randomNonce();
  const address = client.buildAuthorizationUrl(config, {
    redirect_uri,
    scope: 'openid profile email offline_access',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...more,
  });
  const { url } = await browser.walk(address, { stop: redirect_uri, username, password });
  return { url, checks: { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true } };
}

const config = await client.discovery(new URL(issuer), web.client_id, web.client_secret, undefined, options);
check(config.serverMetadata().issuer === issuer, 'the issuer is the one that was asked for');
const browser = new Browser();
const { url, checks } = await signIn(config, browser, { max_age: '3600' });
const tokens = await client.authorizationCodeGrant(config, url, { ...checks, maxAge: 3600 });
const claims = tokens.claims();
check(claims.aud === web.client_id && typeof claims.sid === 'string', 'the ID token is for the client');

const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
check(info.email === username, 'user info tells the address');

const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
check(refreshed.claims().sub === claims.sub, 'a refresh is about the same user');
check(refreshed.refresh_token !== tokens.refresh_token, 'refresh tokens rotate');

const active = await client.tokenIntrospection(config, refreshed.access_token);
check(active.active && active.client_id === web.client_id, 'the token is active');
await client.tokenRevocation(config, refreshed.refresh_token);
await refused(
  () => client.refreshTokenGrant(config, refreshed.refresh_token),
  (error) => error.error === 'invalid_grant',
  'a revoked refresh token',
);

// Someone else's answer (RFC 9207).
const second = await signIn(config, browser);
const forged = new URL(second.url);
forged.searchParams.set('iss', `${issuer}x`);
await refused(
  () => client.authorizationCodeGrant(config, forged, second.checks),
  (error) => /iss/.test(error.message) || /iss/.test(error.cause?.message ?? ''),
  'an answer of another issuer',
);
await client.authorizationCodeGrant(config, second.url, second.checks);
await refused(
  () => client.authorizationCodeGrant(config, second.url, second.checks),
  (error) => error.error === 'invalid_grant',
  'a code that was used',
);

const own = await client.clientCredentialsGrant(config, { scope: 'orders' });
check(own.token_type === 'bearer' && own.scope === 'orders', 'the client acts for itself');

// private_key_jwt, with the key that the client registered.
const key = await crypto.subtle.importKey('jwk', keyed.private_jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
const method = client.PrivateKeyJwt({ key, kid: keyed.private_jwk.kid });
const secretless = await client.discovery(new URL(issuer), keyed.client_id, undefined, method, options);
const third = await signIn(secretless, browser);
const signed = await client.authorizationCodeGrant(secretless, third.url, third.checks);
check(signed.claims().aud === keyed.client_id, 'a client proves itself with its key');

const end = client.buildEndSessionUrl(config, {
  id_token_hint: tokens.id_token,
  post_logout_redirect_uri: redirect_uri,
  state: 'bye',
});
const bye = await browser.walk(end, { stop: redirect_uri });
check(bye.url.searchParams.get('state') === 'bye', 'the user is signed out and comes back');
const silent = await browser.walk(client.buildAuthorizationUrl(config, { redirect_uri, scope: 'openid', prompt: 'none', code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256' }), { stop: redirect_uri });
check(silent.url.searchParams.get('error') === 'login_required', 'nobody is signed in any more');
console.log('ok');
