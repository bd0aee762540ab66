import { CallgateError, type Grant, isObject, messageOf, newId } from "@callgate/core";
import { type Indexer, type Ledger, openIndexer, openLedger } from "@callgate/ledger";
import type { Logger } from "pino";
import { ApprovalStore } from "./approvals.ts";
import { BudgetBook } from "./budget.ts";
import { compilePolicies, NOTHING_YET } from "./compiled.ts";
import type { Config } from "./config/index.ts";
import { type DeclaredSession, DeclaredSessions } from "./declared-sessions.ts";
import { Fleet } from "./fleet.ts";
import { FlowWatch } from "./flow-watch.ts";
import type { Gate } from "./gate.ts";
import { openSigningKey, openStateKey, type SigningKey } from "./identity/keys.ts";
import { issueToken, type TokenRequest, TokenVerifier } from "./identity/token.ts";
import { IDENTITY } from "./identity.ts";
import { Parking } from "./parking.ts";
import { keepDefinitions, pinnedDefinition } from "./pins.ts";
import { RateCaps } from "./rate-cap.ts";
import { compileRedaction } from "./record-redaction.ts";
import { Registry } from "./registry.ts";
import { Relay } from "./relay.ts";
import { needsSandbox, SandboxPool } from "./sandboxed/pool.ts";
import type { Served } from "./served.ts";
import { Session, SessionState } from "./session.ts";
import { StateSeal } from "./state.ts";
import { Subscriptions } from "./subscriptions.ts";
import { TokenStates } from "./token-states.ts";
import type { LinkOwner } from "./upstream/link.ts";
import type { ToolDefinition } from "./upstream/upstream.ts";

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
  readonly declared = new DeclaredSessions();
  config: Config;
  #log: Logger;
  #signing: SigningKey;
  readonly #fleet: Fleet;
  readonly #pool: SandboxPool;
  readonly #tokenStates = new TokenStates();
  /** Sessions that stand for a token, for requests of the stateless era. */
  #byToken = new Map<string, Session>();
  #open = new Set<Session>();
  #listeners = new Set<(kind: ListKind) => void>();
  #sweep: NodeJS.Timeout;
  #closing = false;
  #indexer: Indexer | undefined;

  private constructor(
    config: Config,
    gate: Gate,
    tokens: TokenVerifier,
    signing: SigningKey,
    pool: SandboxPool,
    log: Logger,
  ) {
    this.#pool = pool;
    this.config = config;
    this.gate = gate;
    this.tokens = tokens;
    this.#signing = signing;
    this.#log = log;
    this.relay = new Relay(gate, this.subscriptions);
    this.#fleet = new Fleet(
      {
        onDefinitions: (server, tools) => this.#defined(server, tools),
        onListChanged: (kind) => this.#announce(kind),
        onResourceUpdated: (server, params) => this.subscriptions.updated(server, params),
      },
      pool,
      log,
    );
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
    const pool = new SandboxPool(config.sandbox);
    let ledger: Ledger | undefined;
    let approvals: ApprovalStore | undefined;
    try {
      // What the configuration requires of the sandbox must be there before anything is called; the boot record says what is.
      if (needsSandbox(config)) await pool.open();
      const layers = await pool.layers();
      ledger = await openLedger({
        folder: config.data,
        ...(config.ledger.encryption && { fileKey: config.ledger.encryption.key.reveal() }),
        sync: config.ledger.sync === "off" ? "off" : "full",
        payloads: config.ledger.payloads,
        signatures: config.ledger.signatures,
        anchors: config.ledger.anchors,
        ...config.ledger.retention,
        onAnchorError: ({ name, error }) =>
          log.warn({ anchor: name, err: error }, "an anchor does not keep the ledger's checkpoints"),
        onKeepError: (error) => log.warn({ err: error.message }, "an old segment of the ledger cannot be taken out"),
        boot: {
          callgate: IDENTITY.version,
          node: process.version,
          config: config.digest,
          ...(layers && { sandbox: layers }),
        },
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
        code: config.code,
        redaction: compileRedaction(config.ledger.redact),
        registry: new Registry(config.naming, log, (server, tool, digest) =>
          pinnedDefinition(config.data, server, tool, digest),
        ),
        budgets: new BudgetBook(config.budgets),
        rates: new RateCaps(),
        ledger,
        approvals,
        seal: new StateSeal(stateKey, config.approvals.ttl),
        parking: new Parking(config.approvals.ttl),
        log,
      };
      const broker = new Broker(
        config,
        gate,
        new TokenVerifier(signing, audienceOf(config), config.agents),
        signing,
        pool,
        log,
      );
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
      await pool.close();
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
      this.#fleet.all().some((u) => {
        const value = u.negotiated?.capabilities[family];
        return isObject(value) && (member === undefined || value[member] === true);
      });
    const configs = Object.values(this.config.servers);
    const resources = configs.some((c) => c.manifest.resources) && has("resources");
    const prompts = configs.some((c) => c.manifest.prompts) && has("prompts");
    const modern = this.#fleet.all().some((u) => u.negotiated?.era === "modern");
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
      // Scripts log too.
      ...((this.config.code !== undefined || (configs.some((c) => c.manifest.logging) && has("logging"))) && {
        logging: {},
      }),
    };
  }

  /** A new session for a connection, or a place in the declared one of its grant. Close it with `endSession`. */
  openSession(grant: Grant, owner: LinkOwner): Session {
    const session = new Session(grant, owner, this.#stateFor(grant));
    this.#open.add(session);
    return session;
  }

  /** The session of a token, for requests that come without one. */
  sessionOf(grant: Grant, makeOwner: () => LinkOwner): Session {
    const { agent, user } = grant.principal;
    const key = JSON.stringify([agent, user ?? null, grant.sessionId ?? grant.tokenId ?? null]);
    let session = this.#byToken.get(key);
    if (!session) {
      session = this.openSession(grant, makeOwner());
      this.#byToken.set(key, session);
    }
    return session;
  }

  /** Whether the session that a grant is for is over: its token is good for nothing then. */
  isOver(grant: Grant): boolean {
    return grant.sessionId !== undefined && this.declared.get(grant.sessionId) === undefined;
  }

  /** A watch on the flow of a new session; undefined where nothing asks for one. */
  newWatch(): FlowWatch | undefined {
    const { flow } = this.config;
    return flow.watch === "always" || this.gate.policies.watchesFlow ? new FlowWatch(flow) : undefined;
  }

  /** A bearer token of this broker. Throws `TOKEN_REQUEST_INVALID`. */
  async issue(request: Omit<TokenRequest, "audience">): Promise<string> {
    return await issueToken(this.#signing, { ...request, audience: audienceOf(this.config) });
  }

  /** Ends the declared sessions that have expired. */
  async sweepDeclared(): Promise<void> {
    await this.#forgetDeclared(this.declared.sweep());
  }

  /** Ends a declared session with all that is open in it. */
  async endDeclared({ state }: DeclaredSession): Promise<void> {
    this.declared.end(state.id);
    await this.#forgetDeclared([state.id]);
  }

  async #forgetDeclared(ids: readonly string[]): Promise<void> {
    for (const session of this.#open) if (ids.includes(session.id)) await this.endSession(session);
    for (const id of ids) this.gate.budgets.forget(id);
  }

  #stateFor(grant: Grant): SessionState {
    const { sessionId, tokenId } = grant;
    if (sessionId !== undefined) {
      const known = this.declared.get(sessionId)?.state;
      if (known) return known;
      // The faces turn such a grant away; this is for the moment between their look and this one.
      const over = new SessionState(sessionId, undefined);
      over.ended = true;
      return over;
    }
    const known = tokenId === undefined ? undefined : this.#tokenStates.get(tokenId);
    if (known) return known.state;
    const state = new SessionState(newId("ses"), this.newWatch());
    if (tokenId !== undefined) this.#tokenStates.keep(tokenId, state, (grant.expiresAt ?? 0) * 1000);
    return state;
  }

  /** The sessions that are open, oldest first. */
  sessions(): Iterable<Session> {
    return this.#open;
  }

  async endSession(session: Session): Promise<void> {
    this.#open.delete(session);
    for (const [key, known] of this.#byToken) if (known === session) this.#byToken.delete(key);
    await this.subscriptions.end(session);
    // A session with a token outlives its connections: coming back MUST NOT renew its budget.
    if (!session.hasToken) this.gate.budgets.forget(session.id);
    const principal = session.linkKey("principal");
    const last = ![...this.#open].some((s) => s.linkKey("principal") === principal);
    await this.#fleet.release(session.linkKey("session"), ...(last ? [principal] : []));
  }

  /** Takes a changed configuration. Rejects and changes nothing if its policies do not load. */
  async reload(config: Config): Promise<void> {
    const before = this.config;
    const change = this.#fleet.plan(config);
    // Compiled against what the unchanged servers offer now; a server that is new is compiled in when it is up.
    const trial = new Registry(config.naming, this.#log.child({}, { level: "silent" }));
    for (const server of Object.values(config.servers)) {
      const known = change.kept.get(server.name);
      if (known) trial.update(known.withConfig(server), known.definitions);
    }
    if (change.own) trial.update(change.own, change.own.definitions);
    const policies = compilePolicies(config, trial);
    this.config = config;
    Object.assign(this.gate, {
      naming: config.naming,
      limits: config.limits,
      loop: config.loop,
      approvalTimes: config.approvals,
      code: config.code,
      redaction: compileRedaction(config.ledger.redact),
    });
    this.gate.registry.rename(config.naming);
    this.gate.registry.keepOnly(new Set(Object.keys(config.servers)));
    this.gate.budgets.reload(config.budgets);
    this.tokens.reload(config.agents);
    this.#fleet.take(config, change);
    for (const server of this.#fleet.all()) this.gate.registry.update(server, server.definitions);
    this.gate.policies = policies;
    await Promise.all([...change.gone.map((s) => s.close()), ...change.fresh.map((s) => s.start())]);
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
    await this.#fleet.close();
    await this.#pool.close();
    clearTimeout(patience);
    this.gate.approvals.close();
    await this.#indexer?.close();
    await this.gate.ledger.close();
  }

  async #start(): Promise<void> {
    this.#fleet.take(this.config, this.#fleet.plan(this.config));
    for (const server of this.#fleet.all()) this.gate.registry.update(server, server.definitions);
    await Promise.all(this.#fleet.all().map((server) => server.start()));
    this.gate.policies = compilePolicies(this.config, this.gate.registry);
    this.gate.ledger.appendLater({
      kind: "config",
      detail: { now: this.config.digest, policies: this.gate.policies.digest },
    });
    this.#ready = true;
  }
  #ready = false;

  #defined(server: Served, tools: readonly ToolDefinition[]): void {
    const changed = this.gate.registry.update(server, tools);
    // For commands that check policies while no server runs.
    keepDefinitions(this.config.data, server.name, this.gate.registry.pinned(server.name)).catch((error: unknown) =>
      this.#log.warn({ err: messageOf(error) }, "accepted definitions could not be kept"),
    );
    if (!this.#ready) return;
    if (changed) this.#recompile();
    this.#announce("tools");
  }

  /** New definitions can change what policies are checked against. A set that no longer loads is replaced by one that denies. */
  #recompile(): void {
    try {
      this.gate.policies = compilePolicies(this.config, this.gate.registry);
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
    await this.sweepDeclared();
    for (const id of this.#tokenStates.sweep()) this.gate.budgets.forget(id);
    const before = Date.now() - IDLE_MS;
    for (const [, session] of this.#byToken) if (session.lastUsed < before) await this.endSession(session);
  }
}

/** The audience of the tokens that this broker takes: one name for a data folder, so that a changed port does not end them. */
export function audienceOf(config: Config): string {
  return `callgate:${config.http.path}`;
}
