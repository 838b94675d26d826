import { cookieNames, countCalls, expect, expectHome, signIn, test } from "./fixtures";

// The only test that waits for a clock: a minute is the shortest life that a token can have. Its file
// comes first, so that the minute passes while the other worker runs everything else.
test("an access token that really expires is renewed in silence", async ({
  page,
  context,
  newTenant,
}) => {
  const tenant = await newTenant({ access_token_ttl: 60 });
  await signIn(page, tenant, await tenant.user());
  expect(await cookieNames(context, tenant)).toEqual(["tokenhouse_access", "tokenhouse_refresh"]);
  await expect
    .poll(() => cookieNames(context, tenant), { timeout: 90_000, intervals: [500] })
    .toEqual(["tokenhouse_refresh"]);

  const calls = countCalls(context);
  await page.reload();
  await expectHome(page);
  expect(calls("POST refresh 200")).toBe(1);
  expect(await cookieNames(context, tenant)).toEqual(["tokenhouse_access", "tokenhouse_refresh"]);
});
