import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";

const FOLDER = path.resolve(import.meta.dirname, "..");
const BINARY =
  process.env.TOKENHOUSE_BINARY ?? path.resolve(FOLDER, "../../target/debug/tokenhouse");
const PATIENCE = 60_000;

/** A server of ours, and what it printed. */
interface Running {
  child: ChildProcess;
  output: string[];
}

function start(program: string, words: string[], settings: Record<string, string>): Running {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("TOKENHOUSE_"));
  const env = { ...Object.fromEntries(inherited), ...settings, NODE_ENV: "production" as const };
  const child = spawn(program, words, { cwd: FOLDER, env, stdio: ["ignore", "pipe", "pipe"] });
  // A run that is ended before its time must not leave servers behind.
  process.once("exit", () => child.kill("SIGKILL"));
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => output.push(chunk.toString()));
  }
  return { child, output };
}

/** Asks until the server answers; its own words when it ends instead. */
async function answers(url: string, { child, output }: Running): Promise<void> {
  const limit = Date.now() + PATIENCE;
  while (Date.now() < limit && child.exitCode === null && child.signalCode === null) {
    const answer = await fetch(url).catch(() => null);
    if (answer?.ok) return;
    await wait(50);
  }
  throw new Error(`${url} does not answer:\n${output.join("")}`);
}

async function stop({ child }: Running): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}

/** A loopback port that nobody listens on right now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}

/** `tokenhouse dev` on SQLite in a folder of its own. It can be stopped and started again. */
export class Tokenhouse {
  readonly #data = mkdtempSync(path.join(tmpdir(), "tokenhouse-example-"));
  #running: Running | null = null;

  private constructor(
    private readonly port: number,
    private readonly managementPort: number,
  ) {}

  static async start(): Promise<Tokenhouse> {
    const server = new Tokenhouse(await freePort(), await freePort());
    await server.up();
    return server;
  }

  get url(): string {
    return `http://localhost:${this.port}`;
  }

  async up(): Promise<void> {
    this.#running = start(BINARY, ["dev"], {
      TOKENHOUSE_LISTEN: `127.0.0.1:${this.port}`,
      TOKENHOUSE_MANAGEMENT_LISTEN: `127.0.0.1:${this.managementPort}`,
      TOKENHOUSE_DATA_DIR: this.#data,
      // The application stands between browsers and this server, and says whose call it passes on.
      TOKENHOUSE_TRUSTED_PROXIES: "127.0.0.0/8,::1/128",
    });
    await answers(`http://127.0.0.1:${this.managementPort}/readyz`, this.#running);
    // Written last: the demo tenant is there, too.
    const limit = Date.now() + PATIENCE;
    while (!this.#operatorToken()) {
      if (Date.now() > limit) throw new Error("dev.json is not written");
      await wait(20);
    }
  }

  async down(): Promise<void> {
    if (this.#running) await stop(this.#running);
    this.#running = null;
  }

  async dispose(): Promise<void> {
    await this.down();
    rmSync(this.#data, { recursive: true, force: true });
  }

  /** The admin API, as the operator. */
  async admin(method: string, route: string, body?: object): Promise<unknown> {
    const answer = await fetch(`http://127.0.0.1:${this.port}/admin/v1/tenants${route}`, {
      method,
      headers: {
        Authorization: `Bearer ${this.#operatorToken()}`,
        "Content-Type": "application/json",
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${route}: ${answer.status} ${text}`);
    return text ? (JSON.parse(text) as unknown) : null;
  }

  #operatorToken(): string | null {
    try {
      const file: unknown = JSON.parse(readFileSync(path.join(this.#data, "dev.json"), "utf8"));
      return (file as { operator_token: string }).operator_token;
    } catch {
      return null;
    }
  }
}

/** The production build of the application. */
export class Application {
  private constructor(
    readonly url: string,
    private readonly running: Running,
  ) {}

  static async start(tokenhouse: Tokenhouse): Promise<Application> {
    const port = await freePort();
    const next = path.join(FOLDER, "node_modules/next/dist/bin/next");
    const words = [next, "start", "--hostname", "127.0.0.1", "--port", String(port)];
    const running = start(process.execPath, words, {
      NEXT_TELEMETRY_DISABLED: "1",
      TOKENHOUSE_URL: tokenhouse.url,
    });
    await answers(`http://127.0.0.1:${port}/icon.svg`, running);
    return new Application(`http://localhost:${port}`, running);
  }

  dispose(): Promise<void> {
    return stop(this.running);
  }
}
