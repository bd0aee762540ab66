import type { Registered } from "./registry.ts";
import type { Session } from "./session.ts";
import type { Link } from "./upstream/link.ts";
import type { Pending } from "./upstream/peer.ts";
import { UpstreamFailure } from "./upstream/peer.ts";

interface Subscription {
  readonly entry: Registered;
  readonly link: Link;
  /** The open stream at a server of the stateless era. */
  readonly stream: Pending | undefined;
}

/** Which session watches which resource, and through which link, so that an update reaches those who asked and nobody else. */
export class Subscriptions {
  #bySession = new Map<Session, Map<string, Subscription>>();

  /** Notes a subscription that the server has accepted. */
  note(session: Session, uri: string, entry: Registered, link: Link): void {
    this.#of(session).set(uri, { entry, link, stream: undefined });
  }

  /** Subscribes at a server of the stateless era: a stream that stays open. */
  listen(session: Session, uri: string, entry: Registered, link: Link): void {
    const stream = link.request(
      "subscriptions/listen",
      { notifications: { resourceSubscriptions: [uri] } },
      { timeout: 0 },
    );
    stream.reply.catch(() => this.#bySession.get(session)?.delete(uri));
    this.#of(session).set(uri, { entry, link, stream });
  }

  /** An update on a shared link goes to every session that watches the resource at that server. */
  updated(server: string, params: Record<string, unknown> | undefined): void {
    const uri = String(params?.["uri"]);
    for (const [session, watched] of this.#bySession)
      if (watched.get(uri)?.entry.server === server)
        session.owner.onNotification("notifications/resources/updated", params, server);
  }

  async drop(session: Session, uri: string): Promise<void> {
    const subscription = this.#bySession.get(session)?.get(uri);
    if (!subscription) return;
    this.#bySession.get(session)?.delete(uri);
    const { link, stream, entry } = subscription;
    if (stream) return stream.cancel(new UpstreamFailure("cancelled", "unsubscribed"));
    // On a shared link somebody else may still watch.
    const others = [...this.#bySession.values()].some((w) => w.get(uri)?.link === link);
    if (!others && !link.closed)
      await link
        .request("resources/unsubscribe", { uri }, { timeout: entry.upstream.config.timeout })
        .reply.catch(() => {});
  }

  async end(session: Session): Promise<void> {
    const watched = [...(this.#bySession.get(session)?.keys() ?? [])];
    await Promise.all(watched.map((uri) => this.drop(session, uri)));
    this.#bySession.delete(session);
  }

  #of(session: Session): Map<string, Subscription> {
    let watched = this.#bySession.get(session);
    if (!watched) {
      watched = new Map();
      this.#bySession.set(session, watched);
    }
    return watched;
  }
}
