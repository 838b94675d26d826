import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "e2e",
  fullyParallel: true,
  forbidOnly: true,
  retries: 0,
  workers: 2,
  reporter: "list",
  // For waiting, never for measuring: a busy machine is slow.
  timeout: 180_000,
  expect: { timeout: 30_000 },
  use: {
    locale: "en-GB",
    launchOptions: {
      executablePath: process.env.TOKENHOUSE_TEST_CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    },
  },
});
