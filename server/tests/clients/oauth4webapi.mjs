// npm `oauth4webapi`: every answer is checked against the specifications, member by member.

import * as oauth from 'oauth4webapi';
import { Browser, check, settings } from './browser.mjs';

const { issuer, web, spa, keyed, redirect_uri, username, password } = settings;
const insecure = { [oauth.allowInsecureRequests]: true };
const url = new URL(issuer);

for (const algorithm of ['oidc', 'oauth2']) {
  const answer = await oauth.discoveryRequest(url, { algorithm, ...insecure });
  await oauth.processDiscoveryResponse(url, answer);
}
const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, insecure));
check(as.authorization_response_iss_parameter_supported === true, 'answers say who gave them');

const key = await crypto.subtle.importKey('jwk', keyed.private_jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
const clients = [
  [{ client_id: web.client_id }, oauth.ClientSecretBasic(web.client_secret)],
  [{ client_id: web.client_id }, oauth.ClientSecretPost(web.client_secret)],
  [{ client_id: spa.client_id }, oauth.None()],
  [{ client_id: keyed.client_id }, oauth.PrivateKeyJwt({ key, kid: keyed.private_jwk.kid })],
];
const browser = new Browser();
for (const [client, authentication] of clients) {
  const verifier = oauth.generateRandomCodeVerifier();
  const nonce = oauth.generateRandomNonce();
  const state = oauth.generateRandomState();
  const address = new URL(as.authorization_endpoint);
  address.search = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri,
    response_type: 'code',
    scope: 'openid email offline_access',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    nonce,
    state,
  });
  const back = await browser.walk(address, { stop: redirect_uri, username, password });
  const parameters = oauth.validateAuthResponse(as, client, back.url, state);
  const answer = await oauth.authorizationCodeGrantRequest(as, client, authentication, parameters, redirect_uri, verifier, insecure);
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer, { expectedNonce: nonce, requireIdToken: true });
  await oauth.validateApplicationLevelSignature(as, answer, insecure);
  const { sub } = oauth.getValidatedIdTokenClaims(tokens);

  const info = await oauth.userInfoRequest(as, client, tokens.access_token, insecure);
  const claims = await oauth.processUserInfoResponse(as, client, sub, info);
  check(claims.email === username, 'user info tells the address');

  const again = await oauth.refreshTokenGrantRequest(as, client, authentication, tokens.refresh_token, insecure);
  const fresh = await oauth.processRefreshTokenResponse(as, client, again);
  if (client.client_id !== spa.client_id) {
    const asked = await oauth.introspectionRequest(as, client, authentication, fresh.access_token, insecure);
    const active = await oauth.processIntrospectionResponse(as, client, asked);
    check(active.active === true && active.sub === sub, 'the token is active');
    const own = await oauth.clientCredentialsGrantRequest(as, client, authentication, { scope: 'orders' }, insecure);
    await oauth.processClientCredentialsResponse(as, client, own);
  }
  const revoked = await oauth.revocationRequest(as, client, authentication, fresh.refresh_token, insecure);
  await oauth.processRevocationResponse(revoked);

  // The access token as a resource server reads it (RFC 9068).
  const request = new Request('http://rs.example/', { headers: { authorization: `Bearer ${tokens.access_token}` } });
  const jwt = await oauth.validateJwtAccessToken(as, request, issuer, insecure);
  check(jwt.client_id === client.client_id, 'the access token says whose it is');
}
console.log('ok');
