// Swagger UI of a tenant: "Authorize" signs in by authorization code with PKCE, and requests are then the
// user's. No script may fail, no policy may be broken, and nothing is fetched from elsewhere.

import { chromium } from 'playwright-core';
import { check, settings } from './browser.mjs';

const { issuer, docs, username, password, chromium: executablePath } = settings;
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
const problems = [];
const sent = [];

try {
  const context = await browser.newContext();
  context.on('page', (page) => {
    page.on('pageerror', (error) => problems.push(`error: ${error}`));
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(`console: ${message.text()}`);
    });
  });
  context.on('request', (request) => {
    sent.push(request);
    if (new URL(request.url()).origin !== new URL(issuer).origin && !request.url().startsWith('data:')) {
      problems.push(`a request to ${request.url()}`);
    }
  });
  const page = await context.newPage();
  await page.goto(`${issuer}/docs/`);
  await page.click('.auth-wrapper .btn.authorize');
  const form = page.locator('.auth-container', { hasText: 'TenantLogin' }).first();
  await form.locator('[data-name="clientId"]').fill(docs.client_id);
  const popup = context.waitForEvent('page');
  await form.locator('button.authorize').click();

  const login = await popup;
  const closed = login.waitForEvent('close');
  await login.fill('#username', username);
  await login.fill('#password', password);
  await login.click('#login-submit');
  await login.click('#consent-allow');
  await closed;
  await form.getByRole('button', { name: 'Logout' }).or(form.getByText('Logout')).first().waitFor();
  await page.click('.dialog-ux .close-modal');

  const asked = sent.map((request) => new URL(request.url())).find((url) => url.pathname.endsWith('/oauth2/authorize'));
  check(asked.searchParams.get('code_challenge_method') === 'S256', 'it uses PKCE');
  check(asked.searchParams.get('scope') === 'openid profile email', 'it asks for what the document says');
  const exchange = sent.find((request) => request.url() === `${issuer}/oauth2/token`);
  check(new URLSearchParams(exchange.postData()).has('code_verifier'), 'it proves that it asked');

  const operation = page.locator('#operations-Session-get_current_user');
  await operation.locator('.opblock-summary-control').click();
  await operation.locator('button.execute').click();
  const answer = operation.locator('.live-responses-table');
  await answer.waitFor();
  const shown = await answer.innerText();
  check(shown.includes('200') && shown.includes(username), `the user is told: ${shown}`);
  check(problems.length === 0, problems.join('\n'));
} finally {
  await browser.close();
}
console.log('ok');
