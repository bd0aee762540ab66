import { CallgateError, type Diagnostic, type Grant, isObject, messageOf } from "@callgate/core";
import { type Indexer, type Ledger, openIndexer, openLedger } from "@callgate/ledger";
import { loadPolicies, type PolicySet } from "@callgate/policy";
import type { Logger } from "pino";
import { ApprovalStore } from "./approvals.ts";
import { BudgetBook } from "./budget.ts";
import type { Config } from "./config/index.ts";
import type { Gate } from "./gate.ts";
import { openSigningKey, openStateKey } from "./identity/keys.ts";
import { TokenVerifier } from "./identity/token.ts";
import { IDENTITY } from "./identity.ts";
import { Parking } from "./parking.ts";
import { pinnedDefinition } from "./pins.ts";
import { Registry } from "./registry.ts";
import { Relay } from "./relay.ts";
import { Session } from "./session.ts";
import { StateSeal } from "./state.ts";
import { compileRedaction } from "./steps/redact.ts";
import { Subscriptions } from "./subscriptions.ts";
import type { LinkOwner } from "./upstream/link.ts";
import { Upstream } from "./upstream/upstream.ts";

/** Something that agents may want to hear: a list changed. */
export type ListKind = "tools" | "resources" | "prompts";

const IDLE_MS = 60 * 60_000;
const SWEEP_MS = 60_000;
const SHUTDOWN_MS = 5_000;

/** Everything behind the faces: servers, policies, budgets, ledger. One for a data folder. */
export class Broker {
  readonly gate: Gate;
  readonly relay: Relay;
  readonly tokens: TokenVerifier;
  readonly subscriptions = new Subscriptions();
  config: Config;
  #log: Logger;
  #upstreams = new Map<string, Upstream>();
  /** Sessions that stand for a token, for requests of the stateless era. */
  #byToken = new Map<string, Session>();
  #open = new Set<Session>();
  #listeners = new Set<(kind: ListKind) => void>();
  #sweep: NodeJS.Timeout;
  #closing = false;
  #indexer: Indexer | undefined;

  private constructor(config: Config, gate: Gate, tokens: TokenVerifier, log: Logger) {
    this.config = config;
    this.gate = gate;
    this.tokens = tokens;
    this.#log = log;
    this.relay = new Relay(gate, this.subscriptions);
    this.#sweep = setInterval(() => void this.#sweepIdle(), SWEEP_MS);
    this.#sweep.unref();
  }

  /**
   * Opens the ledger, starts the servers, compiles the policies. Throws `CallgateError`: `LEDGER_LOCKED` and its like, or
   * `POLICY_INVALID` with every diagnostic. A server that does not start is no error: its tools are missing until it does.
   */
  static async open(config: Config, log: Logger): Promise<Broker> {
    const signing = await openSigningKey(config.data);
    const stateKey = await openStateKey(config.data);
    let ledger: Ledger | undefined;
    let approvals: ApprovalStore | undefined;
    try {
      ledger = await openLedger({
        folder: config.data,
        sync: config.ledger.sync === "off" ? "off" : "full",
        payloads: config.ledger.payloads,
        anchors: config.ledger.anchors,
        ...config.ledger.retention,
        onAnchorError: ({ name, error }) =>
          log.warn({ anchor: name, err: error }, "an anchor does not keep the ledger's checkpoints"),
        boot: { callgate: IDENTITY.version, node: process.version, config: config.digest },
        onFailure: (error) => log.fatal({ err: error.message }, "the ledger failed: every call is refused from now on"),
      });
      if (ledger.recovered > 0)
        log.warn({ calls: ledger.recovered }, "calls of an earlier run have no outcome: recorded as unknown");
      approvals = new ApprovalStore(config.data);
      const gate: Gate = {
        naming: config.naming,
        limits: config.limits,
        loop: config.loop,
        approvalTimes: config.approvals,
        policies: NOTHING_YET,
        redaction: compileRedaction(config.ledger.redact),
        registry: new Registry(config.naming, log, (server, tool, digest) =>
          pinnedDefinition(config.data, server, tool, digest),
        ),
        budgets: new BudgetBook(config.budgets),
        ledger,
        approvals,
        seal: new StateSeal(stateKey, config.approvals.ttl),
        parking: new Parking(config.approvals.ttl),
        log,
      };
      const broker = new Broker(config, gate, new TokenVerifier(signing, audienceOf(config), config.agents), log);
      try {
        if (config.ledger.search)
          broker.#indexer = openIndexer(config.data, (error) =>
            log.warn({ err: error.message }, "the index of words has stopped: searches fall behind"),
          );
        await broker.#start();
      } catch (error) {
        await broker.close();
        throw error;
      }
      return broker;
    } catch (error) {
      approvals?.close();
      await ledger?.close().catch(() => {});
      throw error;
    }
  }

  /** Calls `listener` whenever a list that agents see may have changed. Returns how to stop. */
  onListChanged(listener: (kind: ListKind) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What the servers together can do, as MCP server capabilities. */
  capabilities(): Record<string, unknown> {
    const has = (family: string, member?: string): boolean =>
      [...this.#upstreams.values()].some((u) => {
        const value = u.negotiated?.capabilities[family];
        return isObject(value) && (member === undefined || value[member] === true);
      });
    const configs = Object.values(this.config.servers);
    const resources = configs.some((c) => c.manifest.resources) && has("resources");
    const prompts = configs.some((c) => c.manifest.prompts) && has("prompts");
    const modern = [...this.#upstreams.values()].some((u) => u.negotiated?.era === "modern");
    return {
      tools: { listChanged: true },
      ...(resources && {
        resources: {
          listChanged: true,
          ...((has("resources", "subscribe") || modern) && { subscribe: has("resources", "subscribe") }),
        },
      }),
      ...(prompts && { prompts: { listChanged: true } }),
      ...((resources || prompts) && has("completions") && { completions: {} }),
      ...(configs.some((c) => c.manifest.logging) && has("logging") && { logging: {} }),
    };
  }

  /** A new session for a connection. Close it with `endSession`. */
  openSession(grant: Grant, owner: LinkOwner): Session {
    const session = new Session(grant, owner);
    this.#open.add(session);
    return session;
  }

  /** The session of a token, for requests that come without one. */
  sessionOf(grant: Grant, makeOwner: () => LinkOwner): Session {
    const { agent, user } = grant.principal;
    const key = JSON.stringify([agent, user ?? null, grant.tokenId ?? null]);
    let session = this.#byToken.get(key);
    if (!session) {
      session = this.openSession(grant, makeOwner());
      this.#byToken.set(key, session);
    }
    return session;
  }

  /** The sessions that are open, oldest first. */
  sessions(): Iterable<Session> {
    return this.#open;
  }

  async endSession(session: Session): Promise<void> {
    this.#open.delete(session);
    for (const [key, known] of this.#byToken) if (known === session) this.#byToken.delete(key);
    await this.subscriptions.end(session);
    this.gate.budgets.forget(session.id);
    const principal = session.linkKey("principal");
    const last = ![...this.#open].some((s) => s.linkKey("principal") === principal);
    await Promise.all(
      [...this.#upstreams.values()].flatMap((u) => [u.release(session.id), ...(last ? [u.release(principal)] : [])]),
    );
  }

  /** Takes a changed configuration. Rejects and changes nothing if its policies do not load. */
  async reload(config: Config): Promise<void> {
    const before = this.config;
    const kept = new Map<string, Upstream>();
    const fresh: Upstream[] = [];
    for (const server of Object.values(config.servers)) {
      const known = this.#upstreams.get(server.name);
      const same = known && connectionOf(known.config) === connectionOf(server);
      if (same) kept.set(server.name, known);
      else fresh.push(this.#makeUpstream(server));
    }
    // Compiled against what the unchanged servers offer now; a server that is new is compiled in when it is up.
    const trial = new Registry(config.naming, this.#log.child({}, { level: "silent" }));
    for (const server of Object.values(config.servers)) {
      const upstream = kept.get(server.name);
      if (upstream) trial.update(upstream.withConfig(server), upstream.definitions);
    }
    const policies = compile(config, trial);
    const gone = [...this.#upstreams.values()].filter((u) => !kept.has(u.name));
    this.config = config;
    Object.assign(this.gate, {
      naming: config.naming,
      limits: config.limits,
      loop: config.loop,
      approvalTimes: config.approvals,
      redaction: compileRedaction(config.ledger.redact),
    });
    this.gate.registry.rename(config.naming);
    this.gate.registry.keepOnly(new Set(Object.keys(config.servers)));
    this.gate.budgets.reload(config.budgets);
    this.tokens.reload(config.agents);
    this.#upstreams = new Map(
      Object.keys(config.servers).map((name) => [
        name,
        kept.get(name) ?? (fresh.find((u) => u.name === name) as Upstream),
      ]),
    );
    for (const upstream of kept.values()) {
      upstream.config = config.servers[upstream.name] as typeof upstream.config;
      this.gate.registry.update(upstream, upstream.definitions);
    }
    this.gate.policies = policies;
    await Promise.all([...gone.map((u) => u.close()), ...fresh.map((u) => u.start())]);
    this.#recompile();
    this.gate.ledger.appendLater({
      kind: "config",
      detail: { before: before.digest, now: config.digest, policies: this.gate.policies.digest },
    });
    this.#announce("tools");
    this.#log.info({ config: config.digest }, "configuration reloaded");
  }

  /** Ends everything in order: servers, sessions, ledger. */
  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    clearInterval(this.#sweep);
    this.gate.parking.close();
    const patience = setTimeout(() => this.#log.warn("servers take long to end"), SHUTDOWN_MS);
    await Promise.all([...this.#upstreams.values()].map((u) => u.close()));
    clearTimeout(patience);
    this.gate.approvals.close();
    await this.#indexer?.close();
    await this.gate.ledger.close();
  }

  async #start(): Promise<void> {
    for (const server of Object.values(this.config.servers))
      this.#upstreams.set(server.name, this.#makeUpstream(server));
    for (const upstream of this.#upstreams.values()) this.gate.registry.update(upstream, undefined);
    await Promise.all([...this.#upstreams.values()].map((u) => u.start()));
    this.gate.policies = compile(this.config, this.gate.registry);
    this.gate.ledger.appendLater({
      kind: "config",
      detail: { now: this.config.digest, policies: this.gate.policies.digest },
    });
    this.#ready = true;
  }
  #ready = false;

  #makeUpstream(server: Config["servers"][string]): Upstream {
    const upstream: Upstream = new Upstream(
      server,
      IDENTITY,
      {
        onDefinitions: (tools) => {
          const changed = this.gate.registry.update(upstream, tools);
          if (!this.#ready) return;
          if (changed) this.#recompile();
          this.#announce("tools");
        },
        onListChanged: (kind) => this.#announce(kind),
        onResourceUpdated: (params) => this.subscriptions.updated(server.name, params),
      },
      this.#log,
    );
    return upstream;
  }

  /** New definitions can change what policies are checked against. A set that no longer loads is replaced by one that denies. */
  #recompile(): void {
    try {
      this.gate.policies = compile(this.config, this.gate.registry);
    } catch (error) {
      this.gate.policies = NOTHING_YET;
      const diagnostics = error instanceof CallgateError ? error.diagnostics : [];
      this.#log.error(
        { err: messageOf(error), diagnostics },
        "the policies do not fit the tools any more: every call is denied until they do",
      );
    }
  }

  #announce(kind: ListKind): void {
    for (const listener of this.#listeners) listener(kind);
  }

  async #sweepIdle(): Promise<void> {
    const before = Date.now() - IDLE_MS;
    for (const [, session] of this.#byToken) if (session.lastUsed < before) await this.endSession(session);
  }
}

/** Denies everything: in force until policies are compiled. */
const NOTHING_YET: PolicySet = {
  digest: `sha256:${"0".repeat(64)}`,
  policies: [],
  decide: () => ({
    verdict: "deny",
    reasons: [
      {
        rule: "callgate/no-policies",
        message: "no policies are in force",
        remedy: "tell an operator: the broker's policies did not load",
      },
    ],
    errors: [],
    obligations: [],
    policies: `sha256:${"0".repeat(64)}`,
  }),
  mayList: () => false,
};

function compile(config: Config, registry: Registry): PolicySet {
  const loaded = loadPolicies(config.policies, registry.facts());
  if (loaded.ok) return loaded.set;
  const diagnostics: readonly Diagnostic[] = loaded.diagnostics;
  throw new CallgateError(
    "POLICY_INVALID",
    `${diagnostics.length} ${diagnostics.length === 1 ? "problem" : "problems"} in the policies`,
    { diagnostics },
  );
}

/** What of a server's configuration needs a new connection when it changes. */
function connectionOf(config: Config["servers"][string]): string {
  const { manifest, timeout: _timeout, ...connection } = config;
  const settings = "env" in connection ? connection.env : connection.headers;
  const secrets = Object.values(settings).map((v) => (typeof v === "string" ? v : v.reveal()));
  return JSON.stringify({ ...connection, secrets, callbacks: manifest.callbacks, logging: manifest.logging });
}

/** The audience of the tokens that this broker takes: one name for a data folder, so that a changed port does not end them. */
export function audienceOf(config: Config): string {
  return `callgate:${config.http.path}`;
}
