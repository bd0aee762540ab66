import type { Logger } from "pino";
import type { Config, ServerConfig } from "./config/index.ts";
import { IDENTITY } from "./identity.ts";
import type { Served } from "./served.ts";
import { type ToolDefinition, Upstream } from "./upstream/upstream.ts";

/** What the owner of a fleet is told of its servers. */
export interface FleetEvents {
  onDefinitions(server: Served, tools: readonly ToolDefinition[]): void;
  onListChanged(kind: "resources" | "prompts"): void;
  onResourceUpdated(server: string, params: Record<string, unknown> | undefined): void;
}

/** What a changed configuration does to a fleet. */
export interface Change {
  /** Servers whose connection goes on, by name. */
  readonly kept: ReadonlyMap<string, Served>;
  readonly fresh: readonly Served[];
  readonly gone: readonly Served[];
}

/** The servers of a configuration, each started and stopped once. */
export class Fleet {
  #servers = new Map<string, Served>();
  #events: FleetEvents;
  #log: Logger;

  constructor(events: FleetEvents, log: Logger) {
    this.#events = events;
    this.#log = log;
  }

  all(): Served[] {
    return [...this.#servers.values()];
  }

  /** What becomes of the servers under another configuration. Changes nothing: see `take`. */
  plan(config: Config): Change {
    const kept = new Map<string, Served>();
    const fresh: Served[] = [];
    for (const server of Object.values(config.servers)) {
      const known = this.#servers.get(server.name);
      if (known && connectionOf(known.config) === connectionOf(server)) kept.set(server.name, known);
      else fresh.push(this.#make(server));
    }
    return { kept, fresh, gone: this.all().filter((server) => kept.get(server.name) !== server) };
  }

  /** Takes a planned change over. The servers that are new are not started yet, those that are gone not closed. */
  take(config: Config, { kept, fresh }: Change): void {
    const made = new Map(fresh.map((server) => [server.name, server]));
    this.#servers = new Map(
      Object.values(config.servers).flatMap((server) => {
        const served = kept.get(server.name) ?? made.get(server.name);
        return served ? [[server.name, served] as const] : [];
      }),
    );
    for (const [name, served] of kept) served.config = config.servers[name] as ServerConfig;
  }

  async release(...keys: readonly string[]): Promise<void> {
    await Promise.all(this.all().flatMap((server) => keys.map((key) => server.release(key))));
  }

  async close(): Promise<void> {
    await Promise.all(this.all().map((server) => server.close()));
  }

  #make(config: ServerConfig): Served {
    if (config.transport === "module") throw new Error("no modules yet");
    const upstream: Upstream = new Upstream(
      config,
      IDENTITY,
      {
        onDefinitions: (tools) => this.#events.onDefinitions(upstream, tools),
        onListChanged: (kind) => this.#events.onListChanged(kind),
        onResourceUpdated: (params) => this.#events.onResourceUpdated(config.name, params),
      },
      this.#log,
    );
    return upstream;
  }
}

/** What of a server's configuration needs a new connection when it changes. */
function connectionOf(config: ServerConfig): string {
  const { manifest, timeout: _timeout, ...connection } = config;
  const settings =
    connection.transport === "stdio" ? connection.env : connection.transport === "http" ? connection.headers : {};
  const secrets = Object.values(settings).map((v) => (typeof v === "string" ? v : v.reveal()));
  return JSON.stringify({ ...connection, secrets, callbacks: manifest.callbacks, logging: manifest.logging });
}
