import { cookieNames, expect, expectHome, expectLogin, PASSWORD, test, unique } from "./fixtures";

const ADDRESS = "Email address";

test("a user signs up, is signed in, and still is after a reload", async ({ page, context, tenant }) => {
  const email = `${unique("ada")}@example.com`;
  await page.goto(tenant.url());
  await expectLogin(page);
  await page.getByRole("link", { name: "Create an account" }).click();
  await page.getByLabel("Name").fill("Ada Lovelace");
  await page.getByLabel(ADDRESS).fill(email);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Create account" }).click();

  await expectHome(page);
  await expect(page).toHaveURL(tenant.url());
  await expect(page.getByRole("status").getByText("Your account is ready.")).toBeVisible();
  await expect(page.getByText(email).first()).toBeVisible();

  await page.reload();
  await expectHome(page);
  await page.goto(tenant.url("/login"));
  await expectHome(page);

  // No script can read a token, and the browser remembers nothing but the hint.
  expect(await cookieNames(context, tenant)).toEqual(["tokenhouse_access", "tokenhouse_refresh"]);
  expect(await page.evaluate(() => document.cookie)).not.toContain("tokenhouse");
  const stored = await page.evaluate(() => Object.entries(localStorage));
  expect(stored).toHaveLength(1);
  expect(JSON.parse(stored[0]?.[1] ?? "")).toEqual({ state: { isSignedIn: true }, version: 0 });
});

test("an unusual email address is as good as any", async ({ page, tenant }) => {
  // RFC 5322 has many more characters than most people's idea of an address.
  const email = `${unique("o'hara&sons!/")}@example.com`;
  await page.goto(tenant.url("/signup"));
  await page.getByLabel("Name").fill("Ada Lovelace");
  await page.getByLabel(ADDRESS).fill(email);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Create account" }).click();
  await expectHome(page);
  await expect(page.getByText(email).first()).toBeVisible();
});

test("what is wrong with a sign-up is said at its fields", async ({ page, tenant }) => {
  await page.goto(tenant.url("/signup"));
  const submit = page.getByRole("button", { name: "Create account" });
  const [name, email] = [page.getByLabel("Name"), page.getByLabel(ADDRESS)];
  const password = page.getByLabel("Password", { exact: true });

  await submit.click();
  await expect(name).toHaveAccessibleDescription("Name is missing.");
  await expect(name).toBeFocused();
  await expect(password).toHaveAccessibleDescription(/^Password is missing\./);

  await name.fill("Ada Lovelace");
  await email.fill("nowhere");
  await password.fill("Password1");
  await submit.click();
  await expect(name).not.toHaveAttribute("aria-invalid");
  await expect(email).toHaveAccessibleDescription(/^Email address must be an email address/);
  await expect(email).toBeFocused();
  await expect(password).toHaveAccessibleDescription(/^Password is too easy to guess/);

  await email.fill(`${unique("ada")}@example.com`);
  await password.fill("short");
  await submit.click();
  await expect(password).toHaveAccessibleDescription(/^Password must have at least 8 characters\./);
  await expect(password).toBeFocused();
  await expect(email).not.toHaveAttribute("aria-invalid");
});

test("an email address that is taken is said at its field", async ({ page, tenant, user }) => {
  await page.goto(tenant.url("/signup"));
  await page.getByLabel("Name").fill("Somebody Else");
  await page.getByLabel(ADDRESS).fill(user.email.toUpperCase());
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Create account" }).click();
  const email = page.getByLabel(ADDRESS);
  await expect(email).toHaveAccessibleDescription(/^This address has an account already\./);
  await expect(email).toBeFocused();
});

test("a tenant that lets nobody sign up says so", async ({ page, newTenant }) => {
  const tenant = await newTenant({ signup_open: false });
  await page.goto(tenant.url("/signup"));
  await page.getByLabel("Name").fill("Ada Lovelace");
  await page.getByLabel(ADDRESS).fill("ada@example.com");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Create account" }).click();
  await expect(page.getByRole("alert").filter({ hasText: "Sign-up is closed" })).toBeVisible();
});
