import { isObject, messageOf } from "@callgate/core";
import type { Logger } from "pino";
import { allowedCapabilities, callbackAllowed, EVERYTHING } from "../callbacks.ts";
import { type ConnectedServer, childEnv, revealAll } from "../config/index.ts";
import { type Identity, type Negotiated, shakeHands } from "./handshake.ts";
import { openHttpWire } from "./http.ts";
import { Link, type LinkOwner } from "./link.ts";
import { type Era, WIRE_CODES } from "./message.ts";
import { listAll } from "./pages.ts";
import { Peer, RefusedRequest, UpstreamFailure } from "./peer.ts";
import { openStdioWire } from "./stdio.ts";

/** A tool definition as the server sent it. */
export type ToolDefinition = Readonly<Record<string, unknown>> & { readonly name: string };

/** What the owner of an upstream is told. */
export interface UpstreamEvents {
  /** The control link is up, or the server said that its tools changed: here are all of them. */
  onDefinitions(tools: readonly ToolDefinition[]): void;
  /** Something else changed: `resources`, `prompts`. */
  onListChanged(kind: "resources" | "prompts"): void;
  /** A resource that somebody subscribed to on the shared link changed. */
  onResourceUpdated(params: Record<string, unknown> | undefined): void;
}

const FIRST_BACKOFF_MS = 200;
const MAX_BACKOFF_MS = 30_000;
const STABLE_MS = 10_000;
const HANDSHAKE_MS = 30_000;
const PROBE_MS = 5_000;
const LISTEN = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true };

/**
 * One configured server: a control link that lists and watches, which shared calls use too, and a link for each owner where the
 * server may call back. A lost control link is opened again with a growing delay; an owner's link is opened again on its next call.
 */
export class Upstream {
  config: ConnectedServer;
  /** The tools as last listed; undefined until the server was up once. */
  definitions: readonly ToolDefinition[] | undefined;
  #identity: Identity;
  #events: UpstreamEvents;
  #log: Logger;
  #links = new Map<string, Promise<Link>>();
  /** Every connection that is open or opening: what `close` must end. */
  #peers = new Set<Peer>();
  #speaks: { modern?: boolean; legacy?: boolean } = {};
  #control: Link | undefined;
  #starting: Promise<void> | undefined;
  #backoff = FIRST_BACKOFF_MS;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(config: ConnectedServer, identity: Identity, events: UpstreamEvents, log: Logger) {
    this.config = config;
    this.#identity = identity;
    this.#events = events;
    this.#log = log.child({ server: config.name });
  }

  get name(): string {
    return this.config.name;
  }

  /** What the server said of itself on the control link; undefined while it is down. */
  get negotiated(): Negotiated | undefined {
    return this.#control?.negotiated;
  }

  /** The same server seen through another configuration, for trying one out. MUST NOT be called on. */
  withConfig(config: ConnectedServer): Upstream {
    return Object.create(this, { config: { value: config } }) as Upstream;
  }

  /** Opens the control link and lists the tools. Never rejects: a server that is down is tried again in the background. */
  start(): Promise<void> {
    this.#starting ??= this.#openControl().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  /** The link for a call by this owner. Rejects with `UpstreamFailure` while the server cannot be reached. */
  async link(era: Era, key: string, owner: LinkOwner): Promise<Link> {
    if (this.config.connection === "shared") {
      if (this.#control) return this.#control;
      await this.start();
      if (this.#control) return this.#control;
      throw new UpstreamFailure(
        "unreachable",
        `the server \`${this.name}\` is not running; the broker keeps trying to start it`,
      );
    }
    const id = `${era}\0${key}`;
    const known = this.#links.get(id);
    if (known) return known;
    const opening = this.#open(era, this.#guarded(owner), () => this.#links.delete(id));
    this.#links.set(id, opening);
    opening.catch(() => this.#links.delete(id));
    return opening;
  }

  /** Closes the links of an owner that is gone. */
  async release(key: string): Promise<void> {
    for (const era of ["legacy", "modern"]) {
      const id = `${era}\0${key}`;
      const opening = this.#links.get(id);
      this.#links.delete(id);
      await opening?.then((link) => link.close()).catch(() => {});
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#links.clear();
    await Promise.all([...this.#peers].map((peer) => peer.close()));
  }

  /** The owner as the server may see it: what the manifest does not allow is neither declared nor served. */
  #guarded(owner: LinkOwner): LinkOwner {
    const allowed = this.config.manifest.callbacks;
    return {
      name: owner.name,
      capabilities: allowedCapabilities(allowed, owner.capabilities),
      onRequest: (callback) =>
        callbackAllowed(allowed, callback.method)
          ? owner.onRequest(callback, this.name)
          : Promise.reject(
              new RefusedRequest({
                code: WIRE_CODES.methodNotFound,
                message: `\`${callback.method}\` is not allowed for this server`,
              }),
            ),
      onNotification: (method, params) => {
        if (method !== "notifications/message" || this.config.manifest.logging)
          owner.onNotification(method, params, this.name);
      },
    };
  }

  async #openControl(): Promise<void> {
    const owner: LinkOwner = {
      name: `control of ${this.name}`,
      // Some servers offer a tool only to a client that can answer what it asks: it must be listed to be pinned and called at all.
      capabilities: allowedCapabilities(this.config.manifest.callbacks, EVERYTHING),
      onRequest: () =>
        Promise.reject(
          new RefusedRequest({ code: WIRE_CODES.methodNotFound, message: "this connection has no client to ask" }),
        ),
      onNotification: (method, params) => void this.#changed(method, params),
    };
    try {
      const opened = Date.now();
      const link = await this.#open(this.config.era === "legacy" ? "legacy" : "modern", owner, (error) => {
        this.#control = undefined;
        if (Date.now() - opened > STABLE_MS) this.#backoff = FIRST_BACKOFF_MS;
        this.#again(error);
      });
      const tools = await listTools(link, this.config.timeout);
      if (link.closed) return;
      this.#control = link;
      if (link.negotiated.era === "modern") this.#watch(link);
      this.#offer(tools);
    } catch (error) {
      this.#again(error);
    }
  }

  #offer(tools: readonly ToolDefinition[]): void {
    this.definitions = tools;
    this.#events.onDefinitions(tools);
  }

  #again(error: unknown): void {
    if (this.#closed) return;
    const delay = this.#backoff;
    this.#backoff = Math.min(this.#backoff * 2, MAX_BACKOFF_MS);
    this.#log.warn({ err: messageOf(error), retryMs: delay }, "server is down");
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.start(), delay);
  }

  /** The stateless era tells of changes on a stream that the client asks for; it ends with the link. */
  #watch(link: Link): void {
    const pending = link.request("subscriptions/listen", { notifications: LISTEN }, { timeout: 0 });
    pending.reply.catch(() => {});
  }

  async #changed(method: string, params: Record<string, unknown> | undefined): Promise<void> {
    if (method === "notifications/resources/updated") return this.#events.onResourceUpdated(params);
    if (method === "notifications/resources/list_changed") return this.#events.onListChanged("resources");
    if (method === "notifications/prompts/list_changed") return this.#events.onListChanged("prompts");
    if (method !== "notifications/tools/list_changed" || !this.#control) return;
    try {
      this.#offer(await listTools(this.#control, this.config.timeout));
    } catch (error) {
      this.#log.warn({ err: messageOf(error) }, "listing the changed tools failed; the old list stays");
    }
  }

  /** Opens one link, in the wanted era where the server speaks it. */
  async #open(want: Era, owner: LinkOwner, onClose: (error?: Error) => void): Promise<Link> {
    const fixed = this.config.era === "auto" ? undefined : this.config.era;
    const prefer = fixed ?? (this.#speaks[want] === false ? other(want) : want);
    const only = fixed !== undefined || this.#speaks[prefer] === true;
    try {
      return await this.#connect(prefer, only, owner, onClose);
    } catch (error) {
      // Some servers of the older era exit on a request before `initialize`: a second process gets the plain handshake.
      if (only || this.config.transport !== "stdio" || !(error instanceof UpstreamFailure)) throw error;
      return await this.#connect(other(prefer), true, owner, onClose);
    }
  }

  async #connect(prefer: Era, only: boolean, owner: LinkOwner, onClose: (error?: Error) => void): Promise<Link> {
    let link: Link | undefined;
    const peer = new Peer({
      onRequest: (message, related) =>
        link
          ? link.serve(message, related)
          : Promise.reject(new RefusedRequest({ code: WIRE_CODES.invalidRequest, message: "not initialized" })),
      onNotification: (message, related) => link?.hear(message, related),
      onClose: (error) => {
        this.#peers.delete(peer);
        if (!link) return;
        link.closed = true;
        onClose(error);
      },
    });
    const config = this.config;
    try {
      peer.attach(
        config.transport === "stdio"
          ? await openStdioWire(
              { command: config.command, args: config.args, env: childEnv(config), cwd: config.cwd },
              peer.wireEvents(),
              this.#log,
            )
          : openHttpWire({ url: new URL(config.url), headers: revealAll(config.headers) }, peer.wireEvents()),
      );
    } catch (error) {
      throw new UpstreamFailure(
        "unreachable",
        `the server \`${this.name}\` cannot be started: ${messageOf(error)}`,
        error,
      );
    }
    this.#peers.add(peer);
    try {
      // `close` may have come while the process was starting: it could not know of this one yet.
      if (this.#closed) throw new UpstreamFailure("cancelled", "the broker is stopping");
      const negotiated = await shakeHands(peer, {
        identity: this.#identity,
        capabilities: owner.capabilities,
        prefer,
        only,
        timeout: HANDSHAKE_MS,
        probeTimeout: config.transport === "stdio" ? PROBE_MS : HANDSHAKE_MS,
      });
      this.#speaks[negotiated.era] = true;
      if (negotiated.era !== prefer) this.#speaks[prefer] = false;
      link = new Link(peer, negotiated, owner, this.#identity, config.connection === "shared");
      link.onClosed = () => this.#peers.delete(peer);
      this.#log.debug({ era: negotiated.era, version: negotiated.version, owner: owner.name }, "link open");
      return link;
    } catch (error) {
      this.#peers.delete(peer);
      await peer.close();
      throw error instanceof UpstreamFailure
        ? error
        : new UpstreamFailure(
            "unreachable",
            messageOf(error),
            error,
            `the server \`${this.name}\` could not be connected to`,
          );
    }
  }
}

function other(era: Era): Era {
  return era === "modern" ? "legacy" : "modern";
}

async function listTools(link: Link, timeout: number): Promise<ToolDefinition[]> {
  return isObject(link.negotiated.capabilities["tools"])
    ? (await listAll(link, "tools/list", "tools", timeout)).filter(isDefinition)
    : [];
}

/** What can be a tool's definition: anything with a name. The rest of it is the server's business. */
export function isDefinition(item: unknown): item is ToolDefinition {
  return isObject(item) && typeof item["name"] === "string";
}
