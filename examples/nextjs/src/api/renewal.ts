import type { Client } from "./generated/client";
import { refreshSession } from "./generated/sdk.gen";

/** What tabs of one tenant tell each other. */
export type Notice = "renewed" | "signed-in";

/**
 * Keeps the session of one tenant alive: exchanges the refresh cookie when the access token has
 * ended, once, however many requests and tabs find out at the same time.
 *
 * Within a tab they share one promise. Across tabs a Web Lock lets one go and the others wait, and a
 * channel tells those that come later. None of it is needed for safety: a second refresh within the
 * server's retry window gets the same successor. It only saves requests.
 */
export class Renewal {
  /** Counts what this tab knows of: its own renewals and those of other tabs. */
  #generation = 0;
  #inFlight: Promise<boolean> | null = null;

  constructor(
    private readonly tenant: string,
    private readonly client: Client,
    private readonly announce: (notice: Notice) => void,
  ) {}

  get generation(): number {
    return this.#generation;
  }

  /** There are fresh cookies: another tab renewed the session. */
  noteRenewed(): void {
    this.#generation += 1;
  }

  /**
   * Renews the session unless somebody did since `seen`. Whether there still is a session; throws
   * when nobody can say, and then nobody is signed out.
   */
  renew(seen: number): Promise<boolean> {
    if (this.#generation !== seen) return Promise.resolve(true);
    this.#inFlight ??= this.#alone(() => this.#exchange()).finally(() => {
      this.#inFlight = null;
    });
    return this.#inFlight;
  }

  async #exchange(): Promise<boolean> {
    const { error, response } = await refreshSession({
      client: this.client,
      path: { tenant: this.tenant },
    });
    // On a network error there is no response, whatever the generated type says.
    const answer: Response | undefined = response;
    if (answer?.status === 401) return false;
    if (error !== undefined) throw error;
    this.#generation += 1;
    this.announce("renewed");
    return true;
  }

  async #alone(work: () => Promise<boolean>): Promise<boolean> {
    // Absent outside secure contexts.
    const locks: LockManager | undefined = navigator.locks;
    if (!locks) return work();
    const name = `tokenhouse-renewal:${this.tenant}`;
    const done = await locks.request(name, { ifAvailable: true }, async (lock) =>
      lock ? work() : null,
    );
    if (done !== null) return done;
    // Another tab is at it. When it is done, its cookies are this tab's too: try with them.
    await locks.request(name, () => undefined);
    return true;
  }
}
