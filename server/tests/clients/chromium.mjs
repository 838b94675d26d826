// The pages in a real browser: login, consent, deny, sign-up, chooser, logout; no script may fail,
// no policy may be broken, and nothing is fetched from elsewhere.

import http from 'node:http';
import fs from 'node:fs';
import { chromium } from 'playwright-core';
import { check, settings } from './browser.mjs';

const { issuer, web, invitation, username, password, chromium: executablePath, screenshots } = settings;
let posted;
const rp = http.createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    if (request.method === 'POST') posted = new URLSearchParams(Buffer.concat(chunks).toString());
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>The application</title>back');
  });
});
await new Promise((resolve) => rp.listen(0, '127.0.0.1', resolve));
const redirect_uri = `http://127.0.0.1:${rp.address().port}/callback`;
const authorize = (more = {}) => `${issuer}/oauth2/authorize?${new URLSearchParams({
  client_id: web.client_id,
  redirect_uri,
  response_type: 'code',
  scope: 'openid profile email offline_access',
  state: 'st&te',
  code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
  code_challenge_method: 'S256',
  ...more,
})}`;

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
const problems = [];
async function context(options = {}) {
  const made = await browser.newContext(options);
  made.on('page', (page) => {
    page.on('pageerror', (error) => problems.push(`error: ${error}`));
    page.on('console', (message) => {
      // A page that refuses has an error status, which Chromium notes as an error of its own.
      if (message.type() === 'error' && !/the server responded with a status of 4/.test(message.text())) problems.push(`console: ${message.text()}`);
    });
    page.on('request', (request) => {
      const { origin } = new URL(request.url());
      const known = [new URL(issuer).origin, new URL(redirect_uri).origin];
      if (!known.includes(origin)) problems.push(`a request to ${request.url()}`);
    });
  });
  return made;
}
async function shot(page, name) {
  if (!screenshots) return;
  fs.mkdirSync(screenshots, { recursive: true });
  for (const [device, width, height] of [['phone', 390, 844], ['desktop', 1280, 860]]) {
    for (const colorScheme of ['light', 'dark']) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: `${screenshots}/${name}-${device}-${colorScheme}.png` });
    }
  }
}
async function fits(page, name) {
  await page.setViewportSize({ width: 320, height: 640 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  check(!wide, `${name} fits a screen of 320 pixels`);
}

try {
  for (const javaScriptEnabled of [true, false]) {
    const own = await context({ javaScriptEnabled });
    const page = await own.newPage();
    await page.goto(authorize());
    check(await page.title() !== '', 'the page has a title');
    if (javaScriptEnabled) { await shot(page, 'login'); await fits(page, 'login'); }
    await page.fill('#username', username);
    await page.fill('#password', 'wrong');
    await page.click('#login-submit');
    await page.waitForSelector('[role=alert]');
    if (javaScriptEnabled) await shot(page, 'login-wrong');
    await page.fill('#password', password);
    await page.click('#login-submit');
    await page.waitForSelector('#consent-allow');
    if (javaScriptEnabled) { await shot(page, 'consent'); await fits(page, 'consent'); }
    await page.click('#consent-deny');
    await page.waitForURL(`${redirect_uri}**`);
    check(new URL(page.url()).searchParams.get('error') === 'access_denied', 'a no arrives');

    await page.goto(authorize());
    await page.click('#consent-allow');
    await page.waitForURL(`${redirect_uri}**`);
    const back = new URL(page.url()).searchParams;
    check(back.get('code') && back.get('state') === 'st&te' && back.get('iss') === issuer, 'a yes arrives');

    posted = undefined;
    await page.goto(authorize({ response_mode: 'form_post' }));
    if (!javaScriptEnabled) {
      await page.click('#continue');
    }
    await page.waitForURL(redirect_uri);
    check(posted?.get('code') && posted.get('state') === 'st&te', 'a form arrives');

    await page.goto(authorize({ prompt: 'select_account' }));
    if (javaScriptEnabled) { await shot(page, 'accounts'); await fits(page, 'accounts'); }
    await page.click('#account-other');
    await page.waitForSelector('#login-submit');

    await page.goto(`${issuer}/oauth2/logout`);
    if (javaScriptEnabled) { await shot(page, 'logout'); await fits(page, 'logout'); }
    await page.click('#logout-confirm');
    await page.waitForSelector('text=You are signed out');
    if (javaScriptEnabled) await shot(page, 'signed-out');
    await page.goto(authorize({ prompt: 'none' }));
    check(new URL(page.url()).searchParams.get('error') === 'login_required', 'nobody is signed in');
    // The browser remembers what was allowed on the server's side; the next round asks again.
    await own.close();
    if (javaScriptEnabled) await withdraw();
  }

  const own = await context();
  const page = await own.newPage();
  await page.goto(`${issuer}/signup`);
  await shot(page, 'signup');
  await fits(page, 'signup');
  await page.evaluate(() => document.querySelector('form').setAttribute('novalidate', ''));
  await page.fill('#username', 'x');
  await page.fill('#password', 'short');
  await page.click('#signup-submit');
  await page.waitForSelector('#username-problem');
  await page.waitForSelector('#password-problem');
  await shot(page, 'signup-wrong');

  await page.goto(invitation.link);
  await shot(page, 'invitation');
  await fits(page, 'invitation');
  check(await page.inputValue('#username') === invitation.email, 'the address is there');
  check(!await page.isEditable('#username'), 'the address is fixed');
  check(await page.inputValue('#name') === invitation.name, 'the name is there');
  await page.fill('#password', 'password1');
  await page.click('#signup-submit');
  await page.waitForSelector('#password-problem');
  await shot(page, 'invitation-wrong');
  check(!page.url().includes('thi_'), 'the token is in no address any more');
  await page.fill('#password', password);
  await page.click('#signup-submit');
  await page.waitForSelector('text=You are signed in');
  await page.goto(invitation.link);
  await page.waitForSelector('text=can not be used');
  await shot(page, 'invitation-used');

  await page.goto(authorize({ redirect_uri: 'https://evil.example/' }));
  await page.waitForSelector('text=not registered');
  await shot(page, 'error');
  await own.close();
  check(problems.length === 0, `nothing goes wrong: ${problems.join('; ')}`);
} finally {
  await browser.close();
  rp.close();
  rp.closeAllConnections();
}
console.log('ok');

// Withdraws the consent, as the user would by the session API.
async function withdraw() {
  const login = await fetch(`${issuer}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: username, password, delivery: 'body' }),
  });
  const { access_token } = await login.json();
  await fetch(`${issuer}/auth/consents/${web.client_id}`, { method: 'DELETE', headers: { authorization: `Bearer ${access_token}` } });
}
