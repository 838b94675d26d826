import { expect, expectHome, signIn, test } from "./fixtures";

test("a profile is changed, and what the server refuses is said at its field", async ({
  page,
  tenant,
  user,
}) => {
  await signIn(page, tenant, user);
  await page.getByRole("button", { name: "Edit profile" }).click();
  const phone = page.getByLabel("Phone number");
  await page.getByLabel("Nickname").fill("Countess");
  await phone.fill("0800");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(phone).toHaveAccessibleDescription(/^Phone number must be a number such as/);
  await expect(phone).toBeFocused();
  await phone.fill("+441632960961");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("+441632960961")).toBeVisible();
  await page.reload();
  await expectHome(page);
  await expect(page.getByText("Countess")).toBeVisible();

  await page.getByRole("button", { name: "Edit profile" }).click();
  await page.getByLabel("Nickname").fill("");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Countess")).toHaveCount(0);
  await page.reload();
  await expectHome(page);
  await expect(page.getByText("Countess")).toHaveCount(0);
  await expect(page.getByText("+441632960961")).toBeVisible();
});

test("an application that was allowed in is listed, and disconnected", async ({
  page,
  tenant,
  user,
}) => {
  const { tokenhouse } = tenant.installation;
  const callback = `${tenant.installation.application.url}/icon.svg`;
  const client = (await tenant.admin("POST", "/clients", {
    client_name: "Photo Prints",
    redirect_uris: [callback],
    token_endpoint_auth_method: "none",
    application_type: "native",
  })) as { client_id: string };

  // At Tokenhouse's own pages, as a browser that was sent there by the application.
  const query = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: callback,
    response_type: "code",
    scope: "openid email",
    code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    code_challenge_method: "S256",
  });
  await page.goto(`${tokenhouse.url}/t/${tenant.slug}/oauth2/authorize?${query.toString()}`);
  await page.locator('input[type="email"], input[name="email"]').fill(user.email);
  await page.locator('input[type="password"]').fill(user.password);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: /allow/i }).click();
  await page.waitForURL(/icon\.svg\?.*code=/);

  await page.goto(tenant.url("/login"));
  await page.getByLabel("Email address").fill(user.email);
  await page.getByLabel("Password", { exact: true }).fill(user.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByText("May see: openid, email")).toBeVisible();
  await page.getByRole("button", { name: "Disconnect Photo Prints" }).click();
  await expect(page.getByRole("status").getByText("Photo Prints is disconnected.")).toBeVisible();
  await expectHome(page);
});
