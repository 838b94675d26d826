import { cookieNames, expect, expectHome, expectLogin, signIn, test } from "./fixtures";

test("two tenants live side by side in one browser", async ({ page, context, newTenant }) => {
  const [acme, globex] = [await newTenant(), await newTenant()];
  const [ada, bert] = [await acme.user(), await globex.user()];
  const other = await context.newPage();
  await signIn(page, acme, ada);
  await other.goto(globex.url());
  await expectLogin(other);
  expect(await cookieNames(context, globex)).toEqual([]);

  await signIn(other, globex, bert);
  await page.reload();
  await expectHome(page);
  await expect(page.getByText(ada.email).first()).toBeVisible();
  await expect(page.getByText(bert.email)).toHaveCount(0);
  await expect(other.getByText(bert.email).first()).toBeVisible();

  await page.getByRole("button", { name: "Sign out" }).click();
  await expectLogin(page);
  await other.reload();
  await expectHome(other);
  expect(await cookieNames(context, acme)).toEqual([]);
  expect(await cookieNames(context, globex)).toEqual(["tokenhouse_access", "tokenhouse_refresh"]);

  // Whoever is a user there is nobody here.
  await page.getByLabel("Email address").fill(bert.email);
  await page.getByLabel("Password", { exact: true }).fill(bert.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("alert").filter({ hasText: "Wrong email" })).toBeVisible();
});

test("a workspace is found by its name, and what doesn't exist is said", async ({
  page,
  installation,
  tenant,
}) => {
  await page.goto(installation.application.url);
  const workspace = page.getByLabel("Workspace");
  for (const [asked, answer] of [
    ["", /^Workspace is missing\./],
    ["No Such!", /^A workspace has small letters/],
    ["nobody-here", /^There is no workspace called nobody-here\./],
  ] as const) {
    await workspace.fill(asked);
    await page.getByRole("button", { name: "Continue" }).click();
    await expect(workspace).toHaveAccessibleDescription(answer);
    await expect(workspace).toBeFocused();
  }
  await workspace.fill(tenant.slug);
  await page.getByRole("button", { name: "Continue" }).click();
  await expectLogin(page);
  await expect(page).toHaveURL(tenant.url("/login"));

  const answer = await page.goto(`${installation.application.url}/nobody-here/login`);
  expect(answer?.status()).toBe(404);
  await expect(page.getByRole("heading", { name: "There is nothing here" })).toBeVisible();
});

test("the audit log has the browser's address, not the application's", async ({ page, tenant, user }) => {
  // What a load balancer in front of the application would say.
  await page.setExtraHTTPHeaders({ "X-Forwarded-For": "203.0.113.7" });
  await signIn(page, tenant, user);
  await expect
    .poll(async () => {
      const events = await tenant.admin("GET", "/audit-events?limit=100");
      return (events as { items: { ip: string | null }[] }).items.map(({ ip }) => ip);
    })
    .toContain("203.0.113.7");
});

test("only the session API appears under the application's origin", async ({
  page,
  installation,
  tenant,
}) => {
  const at = (path: string) => page.request.get(`${installation.application.url}${path}`);
  expect((await at(`/t/${tenant.slug}/auth/current-user`)).status()).toBe(401);
  for (const path of [
    `/t/${tenant.slug}/oauth2/jwks`,
    `/t/${tenant.slug}/auth/../oauth2/jwks`,
    `/t/${tenant.slug}/auth/%2e%2e/oauth2/jwks`,
    `/t/${tenant.slug}/auth/..%2foauth2/jwks`,
    "/admin/v1/tenants",
  ]) {
    expect((await at(path)).status(), path).toBe(404);
  }
});
