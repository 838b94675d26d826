import { type BrowserContext, expect, type Page, test as base } from "@playwright/test";

import { Application, Tokenhouse } from "./servers";

export { expect };

export const PASSWORD = "correct horse battery staple";

let count = 0;

/** A name that no other test has. */
export function unique(prefix: string): string {
  count += 1;
  return `${prefix}${process.pid}x${count}`;
}

/** A tenant, whose application is the one under test. */
export class Tenant {
  private constructor(
    readonly slug: string,
    readonly installation: Installation,
  ) {}

  static async create(installation: Installation, settings: object): Promise<Tenant> {
    const slug = unique("acme-");
    const allowed_origins = [installation.application.url];
    await installation.tokenhouse.admin("POST", "", {
      slug,
      settings: { allowed_origins, ...settings },
    });
    return new Tenant(slug, installation);
  }

  /** A page of the application. */
  url(page = ""): string {
    return `${this.installation.application.url}/${this.slug}${page}`;
  }

  admin(method: string, route: string, body?: object): Promise<unknown> {
    return this.installation.tokenhouse.admin(method, `/${this.slug}${route}`, body);
  }

  async user(): Promise<User> {
    const email = `${unique("ada")}@example.com`;
    const made = await this.admin("POST", "/users", { name: "Ada Lovelace", email, password: PASSWORD });
    return { id: (made as { user_id: string }).user_id, email, password: PASSWORD };
  }
}

export interface User {
  id: string;
  email: string;
  password: string;
}

/** A Tokenhouse and the application in front of it. */
export interface Installation {
  tokenhouse: Tokenhouse;
  application: Application;
}

export async function install(): Promise<Installation> {
  const tokenhouse = await Tokenhouse.start();
  try {
    return { tokenhouse, application: await Application.start(tokenhouse) };
  } catch (error) {
    await tokenhouse.dispose();
    throw error;
  }
}

export async function uninstall({ tokenhouse, application }: Installation): Promise<void> {
  await application.dispose();
  await tokenhouse.dispose();
}

interface Fixtures {
  /** Makes a tenant of this test's own. */
  newTenant: (settings?: object) => Promise<Tenant>;
  tenant: Tenant;
  user: User;
  /** What went wrong in the browser. A test that expects something takes it out. */
  complaints: string[];
}

export const test = base.extend<Fixtures, { installation: Installation }>({
  installation: [
    async ({}, use) => {
      const installation = await install();
      await use(installation);
      await uninstall(installation);
    },
    { scope: "worker" },
  ],
  newTenant: async ({ installation }, use) => {
    await use((settings = {}) => Tenant.create(installation, settings));
  },
  tenant: async ({ newTenant }, use) => {
    await use(await newTenant());
  },
  user: async ({ tenant }, use) => {
    await use(await tenant.user());
  },
  complaints: [
    async ({ context }, use) => {
      const complaints: string[] = [];
      context.on("weberror", (error) => complaints.push(error.error().message));
      context.on("console", (message) => {
        // Refusals are logged by the browser itself, and are what many tests are about.
        const isRefusal = message.text().startsWith("Failed to load resource");
        if (message.type() === "error" && !isRefusal) complaints.push(message.text());
      });
      await use(complaints);
      expect(complaints, "the browser has nothing to complain about").toEqual([]);
    },
    { auto: true },
  ],
});

/** Signs in by the form. */
export async function signIn(page: Page, tenant: Tenant, user: User): Promise<void> {
  await page.goto(tenant.url("/login"));
  await page.getByLabel("Email address").fill(user.email);
  await page.getByLabel("Password", { exact: true }).fill(user.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expectHome(page);
}

/** The home page, with everything that it asks for. */
export async function expectHome(page: Page): Promise<void> {
  await expect(page.getByRole("heading", { name: "Hello, Ada Lovelace" })).toBeVisible();
  await expect(page.getByText("Account id")).toBeVisible();
  await expect(page.getByText("Nickname")).toBeVisible();
  await expect(page.getByText("No application may see your account.")).toBeVisible();
}

export async function expectLogin(page: Page): Promise<void> {
  await expect(page.getByRole("heading", { name: /^Sign in to/ })).toBeVisible();
}

/** The names of the tenant's cookies. */
export async function cookieNames(context: BrowserContext, tenant: Tenant): Promise<string[]> {
  const all = await context.cookies(`${tenant.installation.application.url}/t/${tenant.slug}/auth/x`);
  return all.map(({ name }) => name).filter((name) => name.startsWith("tokenhouse")).sort();
}

/** What a browser does when the access token's time is up: the cookie's `Max-Age` is the token's. */
export async function dropAccessToken(context: BrowserContext): Promise<void> {
  await context.clearCookies({ name: "tokenhouse_access" });
}

/** Counts the calls of the session API from now on, as `METHOD name status`. */
export function countCalls(context: BrowserContext): (call: string) => number {
  const seen = new Map<string, number>();
  context.on("response", (response) => {
    const { pathname } = new URL(response.url());
    const [, name] = /^\/t\/[^/]+\/auth\/(.+)$/.exec(pathname) ?? [];
    if (!name) return;
    const call = `${response.request().method()} ${name} ${response.status()}`;
    seen.set(call, (seen.get(call) ?? 0) + 1);
  });
  return (call) => seen.get(call) ?? 0;
}
