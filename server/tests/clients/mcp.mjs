// npm `@modelcontextprotocol/conformance`: what clients of the Model Context Protocol need of an
// authorization server. It waits for a person to open the address that it prints: that is us.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import path from 'node:path';
import { Browser, check, settings } from './browser.mjs';

// The suite uses `none` wherever a server knows it, so its client is a public one.
const { issuer, spa, username, password } = settings;
const packages = path.dirname(path.dirname(createRequire(import.meta.url).resolve('jose/package.json')));
// It needs a newer Node than others do, and brings its own.
const newer = [`node-${process.platform}-${process.arch}`]
  .map((name) => path.join(packages, name, 'bin/node'))
  .find((file) => existsSync(file));
const probe = createServer().listen(0, '127.0.0.1');
await new Promise((resolve) => probe.once('listening', resolve));
const { port } = probe.address();
await new Promise((resolve) => probe.close(resolve));

const child = spawn(newer ?? process.execPath, [
  path.join(packages, '@modelcontextprotocol/conformance/dist/index.js'),
  'authorization',
  '--url', issuer,
  '--client-id', spa.client_id,
  '--port', String(port),
], { stdio: ['ignore', 'pipe', 'pipe'] });
let said = '';
const browser = new Browser();
const walks = [];
for (const stream of [child.stdout, child.stderr]) {
  stream.on('data', (chunk) => {
    const from = said.length;
    said += chunk;
    const address = /^http\S+\/oauth2\/authorize\?\S+$/m.exec(said.slice(Math.max(0, said.lastIndexOf('\n', from))));
    if (address && !walks.some(([known]) => known === address[0])) {
      walks.push([address[0], browser.walk(address[0], { username, password })]);
    }
  });
}
const code = await new Promise((resolve) => child.once('close', resolve));
await Promise.all(walks.map(([, walk]) => walk));
check(walks.length > 0, `someone was asked to sign in: ${said}`);
check(code === 0, `the conformance suite is content: ${said}`);
check(!/FAILURE|✗/.test(said), `nothing failed: ${said}`);
console.log(said.split('\n').filter((line) => /passed|failed|warning/i.test(line)).join('\n'));
console.log('ok');
