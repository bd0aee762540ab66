import { type Grant, isObject } from "@callgate/core";
import type { Transport } from "@modelcontextprotocol/server";
import type { Broker } from "../broker.ts";
import type { Exchange } from "../exchange.ts";
import type { Session } from "../session.ts";
import type { Message, RequestId } from "../upstream/message.ts";

const MAX_URIS = 1000;

/** A `subscriptions/listen` whose resources are subscribed to at their servers; those that could not be are left out of it. */
export interface Watched {
  readonly message: Message;
  /** Lets go of the resources. */
  end(): void;
}

/** Subscribes to the resources that a `subscriptions/listen` names; undefined if it names none. Never rejects. */
export async function watchResources(
  broker: Broker,
  message: Message,
  grant: Grant,
  session: Session,
): Promise<Watched | undefined> {
  const filter = message.params?.["notifications"];
  const wanted =
    isObject(filter) && Array.isArray(filter["resourceSubscriptions"]) ? filter["resourceSubscriptions"] : [];
  const uris = wanted.filter((u): u is string => typeof u === "string").slice(0, MAX_URIS);
  if (uris.length === 0) return undefined;
  const granted: string[] = [];
  for (const uri of uris) {
    const exchange: Exchange = { era: "modern", capabilities: {}, notify() {}, onCancel: undefined, cancelled: false };
    const answer = await broker.relay.handle("resources/subscribe", { uri }, grant, session, exchange);
    if (!("error" in answer)) granted.push(uri);
  }
  return {
    message: {
      ...message,
      params: { ...message.params, notifications: { ...(filter as object), resourceSubscriptions: granted } },
    },
    end: () => {
      for (const uri of granted) void broker.subscriptions.drop(session, uri);
    },
  };
}

/** A transport whose `subscriptions/listen` requests go through `watch` before anyone else sees them, and are let go when cancelled. */
export function watchingTransport(
  inner: Transport,
  watch: (message: Message) => Promise<Watched | undefined>,
): Transport {
  const watched = new Map<RequestId, Promise<Watched | undefined>>();
  const letGo = (id: RequestId): void => {
    const one = watched.get(id);
    watched.delete(id);
    void one?.then((w) => w?.end());
  };
  const outer: Transport = {
    start: () => inner.start(),
    send: (message, options) => inner.send(message, options),
    close: () => inner.close(),
  };
  inner.onclose = () => {
    for (const id of [...watched.keys()]) letGo(id);
    outer.onclose?.();
  };
  inner.onerror = (error) => outer.onerror?.(error);
  inner.onmessage = (received, extra) => {
    const message = received as Message;
    if (message.method === "notifications/cancelled") letGo(message.params?.["requestId"] as RequestId);
    if (message.method !== "subscriptions/listen" || message.id === undefined)
      return outer.onmessage?.(received, extra);
    const watching = watch(message);
    watched.set(message.id, watching);
    void watching.then((w) => outer.onmessage?.((w?.message ?? message) as typeof received, extra));
  };
  return outer;
}
