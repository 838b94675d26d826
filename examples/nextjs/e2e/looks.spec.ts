import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";

import { dropAccessToken, expect, expectHome, signIn, test } from "./fixtures";

const background = (page: Page) =>
  page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
const LIGHT = "rgb(245, 246, 250)";
const DARK = "rgb(14, 16, 22)";

test("dark mode follows the system, and a choice outlives the reload", async ({ page, tenant }) => {
  await page.emulateMedia({ colorScheme: "dark" });
  await page.goto(tenant.url("/login"));
  expect(await background(page)).toBe(DARK);
  await page.emulateMedia({ colorScheme: "light" });
  expect(await background(page)).toBe(LIGHT);

  await page.getByRole("radio", { name: "Dark" }).check();
  expect(await background(page)).toBe(DARK);
  // The server knows: there is no flash of the other theme, whatever scripts do.
  const html = await (await page.request.get(tenant.url("/login"))).text();
  expect(html).toContain('data-theme="dark"');
  await page.goto(tenant.url("/signup"));
  await expect(page.getByRole("radio", { name: "Dark" })).toBeChecked();
  expect(await background(page)).toBe(DARK);
  await page.getByRole("radio", { name: "Like the system" }).check();
  expect(await background(page)).toBe(LIGHT);
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`axe finds nothing on any page, ${colorScheme}`, async ({ page, tenant, user, installation }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.goto(installation.application.url);
    await expectAccessible(page);
    await page.goto(`${installation.application.url}/nobody-here`);
    await expectAccessible(page);

    await page.goto(tenant.url("/signup"));
    await page.getByRole("button", { name: "Create account" }).click();
    await expect(page.locator("[aria-invalid]")).toHaveCount(3);
    await expectAccessible(page);

    await page.goto(tenant.url("/login"));
    await expectAccessible(page);
    await page.getByLabel("Email address").fill(user.email);
    await page.getByLabel("Password", { exact: true }).fill("not the password");
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByRole("alert").filter({ hasText: "Wrong email" })).toBeVisible();
    await expectAccessible(page);

    await signIn(page, tenant, user);
    await expectAccessible(page);
    await page.getByRole("button", { name: "Edit profile" }).click();
    await page.getByLabel("Website").fill("nonsense");
    await page.getByRole("button", { name: "Save" }).click();
    await expect(page.locator("[aria-invalid]")).toHaveCount(1);
    await expectAccessible(page);
    await page.getByRole("button", { name: "Sign out" }).click();
    await expect(page.getByRole("status").getByText("You’re signed out.")).toBeVisible();
    await expectAccessible(page);
  });
}

test("every page fits a phone", async ({ page, tenant, user, installation }) => {
  await page.setViewportSize({ width: 320, height: 640 });
  const expectFits = async () => {
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width, page.url()).toBe(320);
  };
  for (const url of [installation.application.url, tenant.url("/signup"), tenant.url("/login")]) {
    await page.goto(url);
    await expectFits();
  }
  await signIn(page, tenant, user);
  await expectFits();
  await page.getByRole("button", { name: "Edit profile" }).click();
  await expectFits();
});

test("no page asks anybody but the application for anything", async ({
  page,
  context,
  tenant,
  user,
  installation,
}) => {
  const origins = new Set<string>();
  context.on("request", (request) => origins.add(new URL(request.url()).origin));
  await page.goto(installation.application.url);
  await signIn(page, tenant, user);
  await dropAccessToken(context);
  await page.reload();
  await expectHome(page);
  expect([...origins]).toEqual([installation.application.url]);

  const answer = await page.goto(tenant.url("/login"));
  const policy = answer?.headers()["content-security-policy"] ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain("unsafe");
});

async function expectAccessible(page: Page): Promise<void> {
  // Scripts have to run before the page is what people get.
  await expect(page.locator("button:disabled, fieldset:disabled")).toHaveCount(0);
  // On the way from page to page, Next takes the old title away before it brings the new one.
  await expect(page).toHaveTitle(/./);
  const { violations } = await new AxeBuilder({ page })
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"])
    .analyze();
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
  expect(found, page.url()).toEqual([]);
}
