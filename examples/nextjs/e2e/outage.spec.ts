import { cookieNames, expect, expectHome, install, signIn, Tenant, test, uninstall } from "./fixtures";

const UNREACHABLE = "We can’t reach the server right now.";

test("a server that is down is said so, signs nobody out, and is found again", async ({
  page,
  context,
}) => {
  // Its own installation: the others must not notice.
  const installation = await install();
  const { tokenhouse } = installation;
  try {
    const tenant = await Tenant.create(installation, {});
    const user = await tenant.user();
    await page.goto(tenant.url("/login"));
    await page.getByLabel("Email address").fill(user.email);
    await page.getByLabel("Password", { exact: true }).fill(user.password);

    await tokenhouse.down();
    const submit = page.getByRole("button", { name: "Sign in" });
    await submit.click();
    const alert = page.getByRole("alert").filter({ hasText: UNREACHABLE });
    await expect(alert).toBeVisible();
    await expect(page.getByLabel("Email address")).toHaveValue(user.email);
    await tokenhouse.up();
    await submit.click();
    await expectHome(page);

    // Signed in, with nothing but the refresh token left, and nobody there to take it.
    await tokenhouse.down();
    await context.clearCookies({ name: "tokenhouse_access" });
    await page.reload();
    await expect(page.getByRole("heading", { name: "Your account" })).toBeVisible();
    await expect(alert.first()).toBeVisible();
    await expect(page.getByRole("button", { name: "Try again" })).toBeVisible();
    await page.getByRole("button", { name: "Sign out" }).click();
    await expect(page.getByText(/^You’re still signed in\./)).toBeVisible();

    // The page recovers by itself.
    await tokenhouse.up();
    await expectHome(page);
    await expect(alert).toHaveCount(0);
    expect(await cookieNames(context, tenant)).toEqual(["tokenhouse_access", "tokenhouse_refresh"]);

    // Nor does it go on saying what is no longer so.
    await page.getByRole("button", { name: "Sign out" }).click();
    await expect(page.getByRole("status").getByText("You’re signed out.")).toBeVisible();
    await expect(page.getByText(/^You’re still signed in\./)).toHaveCount(0);
  } finally {
    await uninstall(installation);
  }
});

test("what is known stays on the page while a store is busy", async ({ page, tenant, user }) => {
  await signIn(page, tenant, user);
  await page.route("**/auth/profile", (route) =>
    route.fulfill({
      status: 503,
      contentType: "application/problem+json",
      headers: { "Retry-After": "1" },
      body: JSON.stringify({
        type: "http://localhost/problems/store-unavailable",
        title: "A store does not answer",
        status: 503,
        detail: "Try again later.",
        instance: "urn:uuid:00000000-0000-4000-8000-000000000000",
      }),
    }),
  );
  await page.getByRole("button", { name: "Edit profile" }).click();
  await page.getByLabel("Nickname").fill("Countess");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("alert").filter({ hasText: UNREACHABLE })).toBeVisible();
  await expect(page.getByLabel("Nickname")).toHaveValue("Countess");
  await page.unroute("**/auth/profile");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Countess")).toBeVisible();
});

test("an answer that the document does not promise is not believed", async ({
  page,
  tenant,
  user,
}) => {
  await signIn(page, tenant, user);
  await page.route("**/auth/current-user", (route) =>
    route.fulfill({ json: { user_id: 7, name: "Mallory" } }),
  );
  await page.reload();
  await expect(page.getByRole("alert").filter({ hasText: "doesn’t understand" })).toBeVisible();
  await expect(page.getByText("Mallory")).toHaveCount(0);
});
