import { type Client, createClient } from "./generated/client";
import { type Notice, Renewal } from "./renewal";

/** Calls that make or end a session: their 401 says what it says, and nothing is retried. */
const OWN_ANSWER = /\/auth\/(signup|login|refresh|logout)$/;

/** How often one request may ask for a renewal: a server that takes none of them must not be asked for ever. */
const MOST_RENEWALS = 2;

/** How one tenant's session API is called from a browser. */
export interface SessionClient {
  client: Client;
  /** Tells the other tabs that somebody signed in here. */
  announceSignIn: () => void;
  /** Hears what other tabs announce, until the returned function is called. */
  listen: () => () => void;
}

interface Events {
  /** The session is over: the server knows the refresh token no more. */
  onEnded: () => void;
  /** Somebody, perhaps somebody else, signed in in another tab. */
  onSignInElsewhere: () => void;
}

export function createSessionClient(tenant: string, events: Events): SessionClient {
  let channel: BroadcastChannel | null = null;
  const announce = (notice: Notice) => channel?.postMessage(notice);
  const renewal = new Renewal(tenant, createClient({ baseUrl: "" }), announce);

  /** `fetch`, but an ended access token is renewed and the request sent again, unseen by the caller. */
  const send: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    for (let renewals = 0; ; renewals += 1) {
      const seen = renewal.generation;
      const answer = await fetch(request.clone());
      if (answer.status !== 401 || OWN_ANSWER.test(new URL(request.url).pathname)) return answer;
      // The tab that went first may have come back with nothing, so one more try is this tab's own.
      if (renewals === MOST_RENEWALS) return answer;
      if (!(await renewal.renew(seen))) {
        events.onEnded();
        return answer;
      }
    }
  };

  return {
    client: createClient({ baseUrl: "", fetch: send }),
    announceSignIn: () => announce("signed-in"),
    listen: () => {
      const listening = new BroadcastChannel(`tokenhouse:${tenant}`);
      listening.onmessage = ({ data }: MessageEvent<Notice>) => {
        renewal.noteRenewed();
        if (data === "signed-in") events.onSignInElsewhere();
      };
      channel = listening;
      return () => {
        listening.close();
        channel = null;
      };
    },
  };
}
