// A browser without scripts: cookies, redirects and forms, for clients that need someone to sign in.

export class Browser {
  #cookies = new Map();

  async #send(url, init = {}) {
    const headers = { ...init.headers };
    const origin = new URL(url).host;
    const own = [...this.#cookies].filter(([key]) => key.startsWith(origin + ' '));
    if (own.length > 0) headers.cookie = own.map(([key, value]) => `${key.split(' ')[1]}=${value}`).join('; ');
    const response = await fetch(url, { ...init, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) {
      const [pair] = line.split(';');
      const at = pair.indexOf('=');
      const key = `${origin} ${pair.slice(0, at)}`;
      if (/max-age=0/i.test(line)) this.#cookies.delete(key);
      else this.#cookies.set(key, pair.slice(at + 1));
    }
    return response;
  }

  // Opens an address, signs in and decides; the first address that begins with `stop`, or the last page.
  async walk(url, { stop, username, password, decision = 'allow', method = 'GET' }) {
    let next = { url: String(url), init: { method } };
    for (let step = 0; step < 20; step += 1) {
      if (stop && next.url.startsWith(stop)) return { url: new URL(next.url) };
      const response = await this.#send(next.url, next.init);
      const location = response.headers.get('location');
      if (location) {
        next = { url: new URL(location, next.url).href, init: {} };
        continue;
      }
      const html = await response.text();
      const form = this.#form(html, next.url);
      if (form && html.includes('id="login-submit"')) {
        next = this.#post(form, { username, password, action: 'login' });
      } else if (form && html.includes('id="consent-allow"')) {
        next = this.#post(form, { decision });
      } else if (form && html.includes('id="logout-confirm"')) {
        next = this.#post(form, { decision: 'logout' });
      } else {
        return { url: new URL(next.url), status: response.status, html };
      }
    }
    throw new Error('pages without end');
  }

  #form(html, base) {
    const found = /<form method="post" action="([^"]*)">([\s\S]*?)<\/form>/.exec(html);
    if (!found) return undefined;
    const members = {};
    for (const [, name, value] of found[2].matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)) {
      members[name] = value.replaceAll('&#38;', '&').replaceAll('&amp;', '&');
    }
    return { action: new URL(found[1], base).href, members };
  }

  #post(form, more) {
    const body = new URLSearchParams({ ...form.members, ...more });
    return { url: form.action, init: { method: 'POST', body } };
  }
}

export function check(condition, what) {
  if (!condition) throw new Error(`not so: ${what}`);
}

// What must be refused, and how.
export async function refused(attempt, fits, what) {
  let error;
  try {
    await attempt();
  } catch (thrown) {
    error = thrown;
  }
  check(error !== undefined, `${what} is refused`);
  check(fits(error), `${what} is refused rightly, not with ${error}`);
}

export const settings = JSON.parse(process.argv[2]);
