// The story that every generated client lives through, with this one: what compiles here under
// strict settings has the types that the document promises, and what runs has the values.
//
// TOKENHOUSE_URL and TOKENHOUSE_OPERATOR_TOKEN say where the server is and who runs it.

import assert from "node:assert/strict";

import { QueryClient } from "@tanstack/react-query";
import createFetchClient from "openapi-fetch";

import {
  getCurrentUserOptions,
  loginMutation,
} from "./generated/client/@tanstack/react-query.gen.js";
import { createClient, createConfig } from "./generated/client/client/index.js";
import {
  createClient as createOAuthClient,
  createTenant,
  createUser,
  exchangeToken,
  getCurrentUser,
  listUsers,
  login,
  logout,
  refreshSession,
  signup,
  updateUser,
} from "./generated/client/sdk.gen.js";
import type {
  OAuthError,
  Problem,
  SignedIn,
  UserPage,
} from "./generated/client/types.gen.js";
import { zUserInfo } from "./generated/client/zod.gen.js";
import type { paths } from "./generated/paths.js";

function setting(name: string): string {
  const value = process.env[name];
  assert(value, `${name} is not set`);
  return value;
}

function done(step: string): void {
  console.log(`step: ${step}`);
}

type TokenSession = Extract<SignedIn, { delivery: "body" }>;

/** `delivery` says which of the two a session is, to the compiler too. */
function tokens(session: SignedIn): TokenSession {
  assert(session.delivery === "body");
  return session;
}

const baseUrl = setting("TOKENHOUSE_URL");
const slug = `ts-${Date.now().toString(36)}`;
const path = { tenant: slug };
const ada = {
  name: "Ada Lovelace",
  email: "ada@example.com",
  password: "correct horse battery staple",
};

// Authentication: `auth` is asked for the token of every operation that needs one.
const operator = createClient(
  createConfig({ baseUrl, auth: setting("TOKENHOUSE_OPERATOR_TOKEN") }),
);
const anyone = createClient(createConfig({ baseUrl }));

const { data: tenant } = await createTenant({
  client: operator,
  body: { slug, name: "TypeScript" },
  throwOnError: true,
});
assert.equal(tenant.slug, slug);
assert.equal(tenant.state, "active");
done("create a tenant");

const { data: reports } = await createOAuthClient({
  client: operator,
  path,
  body: {
    client_name: "Reports",
    grant_types: ["client_credentials"],
    scope: "tokenhouse:admin:read",
  },
  throwOnError: true,
});
assert(reports.client_secret?.startsWith("ths_"));
done("create a client");

const { data: user } = await signup({
  client: anyone,
  path,
  body: { ...ada, avatar_url: "https://example.com/ada.png" },
  throwOnError: true,
});
assert.equal(user.email, ada.email);
done("sign up");

const taken = await signup({ client: anyone, path, body: ada });
assert.equal(taken.response?.status, 409);
const conflict: Problem | undefined = taken.error;
assert(conflict !== undefined);
assert(conflict.type.endsWith("/problems/email-taken"));
assert.equal(conflict.status, 409);
done("email-taken is a typed problem");

const { data: opened } = await login({
  client: anyone,
  path,
  body: { email: ada.email, password: ada.password, delivery: "body" },
  throwOnError: true,
});
const session = tokens(opened);
assert.equal(session.user.user_id, user.user_id);
done("log in");

const refused = await login({
  client: anyone,
  path,
  body: { email: ada.email, password: "wrong", delivery: "body" },
});
assert.equal(refused.response?.status, 401);
const problem: Problem | undefined = refused.error;
assert(problem !== undefined);
assert(problem.type.endsWith("/problems/wrong-credentials"));
done("wrong-credentials is a typed problem");

async function refresh(refresh_token: string): Promise<TokenSession> {
  const { data } = await refreshSession({
    client: anyone,
    path,
    body: { refresh_token },
    throwOnError: true,
  });
  return tokens(data);
}
const successor = await refresh(session.refresh_token);
assert.notEqual(successor.refresh_token, session.refresh_token);
done("refresh");

const again = await refresh(session.refresh_token);
assert.equal(again.refresh_token, successor.refresh_token);
done("a retried refresh has the same successor");

// By the SDK, by TanStack Query, and by openapi-fetch on the types of openapi-typescript.
const signedIn = createClient(createConfig({ baseUrl, auth: again.access_token }));
const { data: current } = await getCurrentUser({
  client: signedIn,
  path,
  throwOnError: true,
});
const queries = new QueryClient();
const queried = await queries.fetchQuery(getCurrentUserOptions({ client: signedIn, path }));
const byFetch = createFetchClient<paths>({ baseUrl });
const fetched = await byFetch.GET("/t/{tenant}/auth/current-user", {
  params: { path },
  headers: { Authorization: `Bearer ${again.access_token}` },
});
assert.deepEqual([current, queried, fetched.data], [user, user, user]);
assert.deepEqual(zUserInfo.parse(current), user);
assert(loginMutation({ client: anyone, path }).mutationFn);
done("current user");

const emails = [ada.email];
for (const name of ["grace", "alan", "edsger", "barbara"]) {
  const { data } = await createUser({
    client: operator,
    path,
    body: { name, email: `${name}@example.com` },
    throwOnError: true,
  });
  emails.push(data.email);
}
const listed: string[] = [];
let pages = 0;
for (let cursor: string | null | undefined; cursor !== null; pages += 1) {
  const answer: { data: UserPage } = await listUsers({
    client: operator,
    path,
    query: { limit: 2, ...(cursor === undefined ? {} : { cursor }) },
    throwOnError: true,
  });
  const page = answer.data;
  listed.push(...page.items.map((item) => item.email));
  cursor = page.next_cursor;
}
assert.equal(pages, 3);
assert.deepEqual(listed.toSorted(), emails.toSorted());
done("list users page by page");

const { data: changed } = await updateUser({
  client: operator,
  path: { ...path, user_id: user.user_id },
  body: { name: "Ada", avatar_url: null },
  throwOnError: true,
});
assert.deepEqual([changed.name, changed.avatar_url], ["Ada", null]);
assert.equal(changed.email, ada.email);
done("clear one member with null");

const machine = createClient(
  createConfig({ baseUrl, auth: `${reports.client_id}:${reports.client_secret}` }),
);
const { data: granted } = await exchangeToken({
  client: machine,
  path,
  body: { grant_type: "client_credentials", scope: "tokenhouse:admin:read" },
  throwOnError: true,
});
const reader = createClient(createConfig({ baseUrl, auth: granted.access_token }));
const { data: read } = await listUsers({ client: reader, path, throwOnError: true });
assert.equal(read.items.length, emails.length);
done("exchange client credentials");

const unknown = await exchangeToken({
  client: createClient(createConfig({ baseUrl, auth: "nobody:nothing" })),
  path,
  body: { grant_type: "client_credentials" },
});
assert.equal(unknown.response?.status, 401);
const invalid: OAuthError | undefined = unknown.error;
assert.equal(invalid?.error, "invalid_client");
done("invalid_client is a typed OAuth error");

const left = await logout({
  client: anyone,
  path,
  body: { refresh_token: again.refresh_token },
  throwOnError: true,
});
assert.equal(left.response.status, 204);
const ended = await refreshSession({
  client: anyone,
  path,
  body: { refresh_token: again.refresh_token },
});
assert.equal(ended.response?.status, 401);
done("log out");
