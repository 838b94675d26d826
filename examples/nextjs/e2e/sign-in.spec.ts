import type { Route } from "@playwright/test";

import { cookieNames, expect, expectHome, expectLogin, signIn, test } from "./fixtures";

test("a wrong password is refused, and the right one then taken", async ({ page, tenant, user }) => {
  await page.goto(tenant.url("/login"));
  const password = page.getByLabel("Password", { exact: true });
  await page.getByLabel("Email address").fill(user.email);
  await password.fill("not the password");
  await page.getByRole("button", { name: "Sign in" }).click();
  const alert = page.getByRole("alert").filter({ hasText: "Wrong email address or password." });
  await expect(alert).toBeVisible();
  await expect(password).toBeFocused();
  await expect(page.getByLabel("Email address")).toHaveValue(user.email);

  await password.fill(user.password);
  await page.keyboard.press("Enter");
  await expectHome(page);
});

test("a keyboard is enough to sign in and out", async ({ page, tenant, user }) => {
  await page.goto(tenant.url("/login"));
  const focused = page.locator(":focus");
  await expect(page.getByRole("button", { name: "Sign in" })).toBeEnabled();
  await expect(page.getByLabel("Email address")).toBeFocused();
  await page.keyboard.type(user.email);
  await page.keyboard.press("Tab");
  await page.keyboard.type(user.password);
  await page.keyboard.press("Tab");
  await expect(focused).toHaveAccessibleName("Show password");
  await page.keyboard.press("Space");
  await expect(page.getByLabel("Password", { exact: true })).toHaveValue(user.password);
  await expect(page.getByLabel("Password", { exact: true })).toHaveAttribute("type", "text");
  await page.keyboard.press("Tab");
  await expect(focused).toHaveAccessibleName("Sign in");
  await page.keyboard.press("Enter");

  // The focus goes on in the page's content, and is not lost.
  await expectHome(page);
  await expect(page.getByRole("heading", { name: "Hello, Ada Lovelace" })).toBeFocused();
  await page.keyboard.press("Shift+Tab");
  await expect(focused).toHaveAccessibleName("Sign out");
  await page.keyboard.press("Enter");
  await expectLogin(page);
  await expect(page.getByLabel("Email address")).toBeFocused();
});

test("password managers and pasting are welcome", async ({ page, context, tenant, user }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.goto(tenant.url("/login"));
  const email = page.getByLabel("Email address");
  const password = page.getByLabel("Password", { exact: true });
  await expect(email).toHaveAttribute("autocomplete", "username");
  await expect(password).toHaveAttribute("autocomplete", "current-password");
  await email.fill(user.email);
  await page.evaluate((text) => navigator.clipboard.writeText(text), user.password);
  await password.focus();
  await page.keyboard.press("Control+V");
  await expect(password).toHaveValue(user.password);
  await page.keyboard.press("Enter");
  await expectHome(page);
});

test("a button says that it is busy, and sends nothing twice", async ({ page, tenant, user }) => {
  await page.goto(tenant.url("/login"));
  await page.getByLabel("Email address").fill(user.email);
  await page.getByLabel("Password", { exact: true }).fill(user.password);
  const held: Route[] = [];
  await page.route("**/auth/login", (route) => {
    held.push(route);
  });
  await page.getByRole("button", { name: "Sign in" }).click();
  const busy = page.getByRole("button", { name: "Signing in…" });
  await expect(busy).toHaveAttribute("aria-disabled", "true");
  await expect(busy).toBeFocused();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Space");
  await page.getByLabel("Password", { exact: true }).press("Enter");
  await Promise.all(held.map((route) => route.continue()));
  await expectHome(page);
  expect(held).toHaveLength(1);
});

test("signing out ends the session here and in the other tab", async ({
  page,
  context,
  tenant,
  user,
}) => {
  await signIn(page, tenant, user);
  const other = await context.newPage();
  await other.goto(tenant.url());
  await expectHome(other);

  await page.getByRole("button", { name: "Sign out" }).click();
  await expectLogin(page);
  await expect(page.getByRole("status").getByText("You’re signed out.")).toBeVisible();
  await expectLogin(other);
  await expect(other.getByRole("status").getByText("You signed out in another tab.")).toBeVisible();
  expect(await cookieNames(context, tenant)).toEqual([]);

  await page.goto(tenant.url());
  await expectLogin(page);

  // Signing in again takes the other tab along.
  await signIn(page, tenant, user);
  await expectHome(other);
});

test("a form that was sent without scripts shows no password to anybody", async ({
  browser,
  tenant,
}) => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(tenant.url("/login"));
  await expect(page.getByRole("button", { name: "Sign in" })).toBeDisabled();
  await expect(page.locator("form")).toHaveAttribute("method", "post");
  await context.close();
});
