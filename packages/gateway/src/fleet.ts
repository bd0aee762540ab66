import type { Logger } from "pino";
import type { Config, ConnectedServer, ModuleServer as ModuleConfig, ServerConfig } from "./config/index.ts";
import { IDENTITY } from "./identity.ts";
import { CodeServer } from "./sandboxed/code-server.ts";
import { ModuleServer } from "./sandboxed/module-server.ts";
import type { SandboxPool } from "./sandboxed/pool.ts";
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
  /** The broker's own tools, if there are to be any. */
  readonly own: CodeServer | undefined;
}

/** The servers of a configuration, each started and stopped once. */
export class Fleet {
  #servers = new Map<string, Served>();
  /** What each server was made from. */
  readonly #configs = new WeakMap<Served, ServerConfig>();
  /** The broker's own tools, where agents may run scripts. */
  #own: CodeServer | undefined;
  readonly #pool: SandboxPool;
  #events: FleetEvents;
  #log: Logger;

  constructor(events: FleetEvents, pool: SandboxPool, log: Logger) {
    this.#pool = pool;
    this.#events = events;
    this.#log = log;
  }

  all(): Served[] {
    return [...this.#servers.values(), ...(this.#own ? [this.#own] : [])];
  }

  /** What becomes of the servers under another configuration. Changes nothing: see `take`. */
  plan(config: Config): Change {
    const kept = new Map<string, Served>();
    const fresh: Served[] = [];
    for (const server of Object.values(config.servers)) {
      const known = this.#servers.get(server.name);
      const before = known && this.#configs.get(known);
      if (before && connectionOf(before) === connectionOf(server)) kept.set(server.name, known);
      else fresh.push(this.#make(server));
    }
    const gone = [...this.#servers.values()].filter((server) => kept.get(server.name) !== server);
    return { kept, fresh, gone, own: config.code && new CodeServer(config.code, this.#pool) };
  }

  /** Takes a planned change over. The servers that are new are not started yet, those that are gone not closed. */
  take(config: Config, { kept, fresh, own }: Change): void {
    const made = new Map(fresh.map((server) => [server.name, server]));
    this.#servers = new Map(
      Object.values(config.servers).flatMap((server) => {
        const served = kept.get(server.name) ?? made.get(server.name);
        return served ? [[server.name, served] as const] : [];
      }),
    );
    for (const [name, served] of kept) this.#configure(served, config.servers[name] as ServerConfig);
    // The runs that wait for a person are known to the one that is there.
    if (this.#own && config.code) this.#own.reload(config.code);
    else this.#own = own;
  }

  async release(...keys: readonly string[]): Promise<void> {
    await Promise.all(this.all().flatMap((server) => keys.map((key) => server.release(key))));
  }

  async close(): Promise<void> {
    await Promise.all(this.all().map((server) => server.close()));
  }

  #configure(served: Served, config: ServerConfig): Served {
    served.config = config;
    this.#configs.set(served, config);
    return served;
  }

  #make(config: ServerConfig): Served {
    return this.#configure(config.transport === "module" ? this.#module(config) : this.#upstream(config), config);
  }

  #module(config: ModuleConfig): Served {
    const server: Served = new ModuleServer(
      config,
      this.#pool,
      (tools) => this.#events.onDefinitions(server, tools),
      this.#log,
    );
    return server;
  }

  #upstream(config: ConnectedServer): Served {
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
  // What a module may do is not a matter of its connection, but of the manifest; what it is, of its digest.
  if (connection.transport === "module") return JSON.stringify([connection.file, connection.module.digest]);
  const settings = connection.transport === "stdio" ? connection.env : connection.headers;
  const secrets = Object.values(settings).map((v) => (typeof v === "string" ? v : v.reveal()));
  return JSON.stringify({ ...connection, secrets, callbacks: manifest.callbacks, logging: manifest.logging });
}
