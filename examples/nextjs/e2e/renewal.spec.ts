import type { BrowserContext } from "@playwright/test";

import {
  cookieNames,
  countCalls,
  dropAccessToken,
  expect,
  expectHome,
  expectLogin,
  signIn,
  test,
} from "./fixtures";

const NAMES = ["current-user", "profile", "consents"];

for (const where of ["", ", also where there are no locks"]) {
  test(`requests that find the token expired at once share one refresh${where}`, async ({
    page,
    context,
    tenant,
    user,
  }) => {
    if (where) await deafen(context);
    await signIn(page, tenant, user);
    await dropAccessToken(context);
    const calls = countCalls(context);
    // It waits until all have been refused, so that they do meet.
    await page.route("**/auth/refresh", async (route) => {
      for (const name of NAMES) await expect.poll(() => calls(`GET ${name} 401`)).toBe(1);
      await route.continue();
    });
    await page.reload();
    await expectHome(page);
    expect(calls("POST refresh 200")).toBe(1);
    for (const name of NAMES) {
      expect(calls(`GET ${name} 401`), name).toBe(1);
      expect(calls(`GET ${name} 200`), name).toBe(1);
    }
    expect(await cookieNames(context, tenant)).toContain("tokenhouse_access");
  });
}

test("a change is sent again after the refresh, and only once taken", async ({
  page,
  context,
  tenant,
  user,
}) => {
  await signIn(page, tenant, user);
  await page.getByRole("button", { name: "Edit profile" }).click();
  await page.getByLabel("Nickname").fill("Countess");
  await dropAccessToken(context);
  const calls = countCalls(context);
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("status").getByText("Your profile is saved.")).toBeVisible();
  await expect(page.getByText("Countess")).toBeVisible();
  expect(calls("PATCH profile 401")).toBe(1);
  expect(calls("POST refresh 200")).toBe(1);
  expect(calls("PATCH profile 200")).toBe(1);
});

test("two tabs that refresh at the same time do it once", async ({ page, context, tenant, user }) => {
  await signIn(page, tenant, user);
  const other = await context.newPage();
  await other.goto(tenant.url());
  await expectHome(other);

  await dropAccessToken(context);
  const calls = countCalls(context);
  // The first refresh waits until both tabs have been refused, so that they do meet.
  await context.route("**/auth/refresh", async (route) => {
    await expect.poll(() => calls("GET current-user 401")).toBe(2);
    await route.continue();
  });
  await Promise.all([page.reload(), other.reload()]);
  await Promise.all([expectHome(page), expectHome(other)]);
  expect(calls("POST refresh 200")).toBe(1);
});

test("two tabs that both refresh, without knowing of each other, both stay signed in", async ({
  page,
  context,
  tenant,
  user,
}) => {
  await signIn(page, tenant, user);
  const other = await context.newPage();
  await other.goto(tenant.url());
  await expectHome(other);

  await deafen(context);
  await dropAccessToken(context);
  const calls = countCalls(context);
  let waiting = 0;
  await context.route("**/auth/refresh", async (route) => {
    waiting += 1;
    await expect.poll(() => waiting).toBe(2);
    await route.continue();
  });
  await Promise.all([page.reload(), other.reload()]);
  await Promise.all([expectHome(page), expectHome(other)]);
  expect(calls("POST refresh 200"), "the server's retry window let both in").toBe(2);

  // And the cookies that are left are good for another round.
  await context.unroute("**/auth/refresh");
  await dropAccessToken(context);
  await page.reload();
  await expectHome(page);
  expect(calls("POST refresh 200")).toBe(3);
});

test("a refresh whose answer was lost is tried again, and nobody is signed out", async ({
  page,
  context,
  tenant,
  user,
}) => {
  await signIn(page, tenant, user);
  await dropAccessToken(context);
  let lost = 0;
  await page.route("**/auth/refresh", async (route) => {
    if (lost > 0) return route.continue();
    lost += 1;
    // The server did rotate the token; the browser never hears of it.
    await route.fetch();
    return route.abort("connectionreset");
  });
  await page.reload();
  await expectHome(page);
  expect(lost).toBe(1);
});

test("a session that an administrator ended leads to the login page", async ({
  page,
  tenant,
  user,
}) => {
  await signIn(page, tenant, user);
  await tenant.admin("POST", `/users/${user.id}/end-sessions`);
  await expect
    .poll(async () => {
      await page.reload();
      return page.getByRole("heading", { name: /^(Sign in to|Hello)/ }).innerText();
    })
    .toContain("Sign in to");
  await page.goto(tenant.url());
  await expectLogin(page);
});

/** Takes away what tabs know of each other. */
async function deafen(context: BrowserContext): Promise<void> {
  await context.addInitScript(() => {
    Object.defineProperty(navigator, "locks", { value: undefined });
    BroadcastChannel.prototype.postMessage = () => undefined;
  });
}
