import type { Grant, Operation } from "@callgate/core";
import { isObject, messageOf, qualifiedName } from "@callgate/core";
import { governCall } from "./call.ts";
import { OWN_SERVER } from "./config/names.ts";
import type { Answer, Exchange } from "./exchange.ts";
import type { Gate } from "./gate.ts";
import { holdsScopes, listedTools } from "./listed.ts";
import { overhearList } from "./overhear.ts";
import type { Registered } from "./registry.ts";
import { ResourceIndex } from "./resource-index.ts";
import type { Session } from "./session.ts";
import type { Subscriptions } from "./subscriptions.ts";
import type { Link } from "./upstream/link.ts";
import { WIRE_CODES } from "./upstream/message.ts";
import { ListRefused, listAll } from "./upstream/pages.ts";

/** How long a client may keep a list, in milliseconds; a change is announced anyway. */
const LIST_TTL_MS = 60_000;

/** The methods that the relay answers; every other is unknown, and left to the SDK to refuse as its era wants. */
export const RELAYED: ReadonlySet<string> = new Set([
  "ping",
  "tools/list",
  "tools/call",
  "resources/list",
  "resources/templates/list",
  "resources/read",
  "resources/subscribe",
  "resources/unsubscribe",
  "prompts/list",
  "prompts/get",
  "completion/complete",
  "logging/setLevel",
]);

/**
 * What an agent may ask beside the handshake: one method after another, for every face and era. Lists are put together here; whatever
 * acts or reads at a server goes through the life of a call.
 */
export class Relay {
  #gate: Gate;
  #subscriptions: Subscriptions;
  #index = new ResourceIndex();

  constructor(gate: Gate, subscriptions: Subscriptions) {
    this.#gate = gate;
    this.#subscriptions = subscriptions;
  }

  /** Answers a request. Never rejects. */
  async handle(
    method: string,
    params: Record<string, unknown>,
    grant: Grant,
    session: Session,
    exchange: Exchange,
  ): Promise<Answer> {
    try {
      return await this.#route(method, params, grant, session, exchange);
    } catch (error) {
      this.#gate.log.error({ method, session: session.id, err: messageOf(error) }, "a request failed in the broker");
      return { error: { code: WIRE_CODES.internal, message: "internal error" } };
    }
  }

  async #route(
    method: string,
    params: Record<string, unknown>,
    grant: Grant,
    session: Session,
    exchange: Exchange,
  ): Promise<Answer> {
    switch (method) {
      case "ping":
        return { result: {} };
      case "tools/list":
        return { result: { tools: this.listTools(grant), ...PRIVATE } };
      case "tools/call":
        return this.callTool(params, grant, session, exchange);
      case "resources/list":
        return this.#list("resources/list", "resources", "resources/read", grant, session, exchange);
      case "resources/templates/list":
        return this.#list("resources/templates/list", "resourceTemplates", "resources/read", grant, session, exchange);
      case "prompts/list":
        return this.#list("prompts/list", "prompts", "prompts/get", grant, session, exchange);
      case "resources/read":
      case "resources/subscribe":
        return this.#resource(method, params, grant, session, exchange);
      case "resources/unsubscribe":
        await this.#subscriptions.drop(session, String(params["uri"]));
        return { result: {} };
      case "prompts/get":
        return this.#prompt(params, grant, session, exchange);
      case "completion/complete":
        return this.#complete(params, grant, session, exchange);
      case "logging/setLevel":
        return this.#setLevel(params, session, exchange);
      default:
        return { error: { code: WIRE_CODES.methodNotFound, message: "Method not found" } };
    }
  }

  /** The tools this grant may call, as agents see them. */
  listTools(grant: Grant): Readonly<Record<string, unknown>>[] {
    const { code } = this.#gate;
    const byScript = code?.list === "scripts" && code.scopes.every((scope) => grant.scopes.includes(scope));
    return listedTools(this.#gate, grant).flatMap((entry) =>
      entry.listed && (!byScript || entry.server === OWN_SERVER) ? [entry.listed] : [],
    );
  }

  async callTool(params: Record<string, unknown>, grant: Grant, session: Session, exchange: Exchange): Promise<Answer> {
    const name = params["name"];
    const given = params["arguments"];
    if (typeof name !== "string" || (given !== undefined && !isObject(given)))
      return {
        error: {
          code: WIRE_CODES.invalidParams,
          message: "`tools/call` needs a `name` and, if any, `arguments` as an object",
        },
      };
    const args = given ?? {};
    const bare = this.#gate.registry.get(name)?.name ?? name;
    return governCall(
      this.#gate,
      grant,
      session,
      { operation: "tools/call", name, args, params: { name: bare, arguments: args } },
      exchange,
    );
  }

  async #list(
    method: string,
    key: string,
    operation: Operation,
    grant: Grant,
    session: Session,
    exchange: Exchange,
  ): Promise<Answer> {
    const found: unknown[] = [];
    for (const { entry, items } of await this.#gather(method, key, operation, grant, session, exchange)) {
      const shown = items.filter(isObject).map((item) => {
        const name = qualifiedName(this.#gate.naming, entry.server, String(item["name"]));
        return key === "prompts" ? { ...item, name } : item;
      });
      overhearList(session, `${entry.server}/${method}`, entry.labels, shown);
      found.push(...shown);
    }
    return { result: { [key]: found, ...PRIVATE } };
  }

  /** One list from every server that the grant may reach; a server that fails is left out, and the log says so. */
  async #gather(method: string, key: string, operation: Operation, grant: Grant, session: Session, exchange: Exchange) {
    const entries = this.#reachable(operation, grant);
    const lists = await Promise.all(
      entries.map(async (entry) => {
        try {
          const link = await this.#link(entry, session, exchange);
          if (!isObject(link.negotiated.capabilities[key === "prompts" ? "prompts" : "resources"]))
            return { entry, items: [] };
          const items = await listAll(link, method, key, entry.upstream.config.timeout);
          if (key === "resources") this.#index.learn(entry.server, items);
          if (key === "resourceTemplates") this.#index.learnTemplates(entry.server, items);
          return { entry, items };
        } catch (error) {
          // A server without templates need not know the method.
          if (!(error instanceof ListRefused && error.unknownMethod))
            this.#gate.log.warn({ server: entry.server, method, err: messageOf(error) }, "a server's list is left out");
          return { entry, items: [] };
        }
      }),
    );
    return lists;
  }

  async #resource(
    operation: "resources/read" | "resources/subscribe",
    params: Record<string, unknown>,
    grant: Grant,
    session: Session,
    exchange: Exchange,
  ): Promise<Answer> {
    const uri = params["uri"];
    if (typeof uri !== "string")
      return { error: { code: WIRE_CODES.invalidParams, message: `\`${operation}\` needs a \`uri\`` } };
    const server = await this.#serverOf(uri, grant, session, exchange);
    const name = server === undefined ? "/resources/read" : `${server}/${operation}`;
    const request = { operation, name, args: { uri }, params: { uri } };
    if (operation === "resources/read") return governCall(this.#gate, grant, session, request, exchange);

    // A stateless server is subscribed to by a stream that stays open; an older one by the request itself.
    const entry = this.#gate.registry.get(name);
    let older: Link | undefined;
    const inPlace = (link: Link): Record<string, unknown> | undefined => {
      if (link.negotiated.era === "legacy") older = link;
      else if (entry) this.#subscriptions.listen(session, uri, entry, link);
      return older ? undefined : {};
    };
    const answer = await governCall(this.#gate, grant, session, { ...request, inPlace }, exchange);
    if (older && entry && !("error" in answer)) this.#subscriptions.note(session, uri, entry, older);
    return answer;
  }

  /** Which server has a resource: the one that listed it or a template for it; the only one; or, after asking again, nobody. */
  async #serverOf(uri: string, grant: Grant, session: Session, exchange: Exchange): Promise<string | undefined> {
    const entries = this.#reachable("resources/read", grant);
    const servers = new Set(entries.map((e) => e.server));
    const known = this.#index.find(uri, servers);
    if (known !== undefined) return known;
    if (entries.length === 1) return entries[0]?.server;
    await this.#gather("resources/list", "resources", "resources/read", grant, session, exchange);
    await this.#gather("resources/templates/list", "resourceTemplates", "resources/read", grant, session, exchange);
    return this.#index.find(uri, servers);
  }

  async #prompt(params: Record<string, unknown>, grant: Grant, session: Session, exchange: Exchange): Promise<Answer> {
    const found = this.#splitPrompt(params["name"], grant);
    const args = { name: params["name"], arguments: params["arguments"] ?? {} };
    const { arguments: given } = params;
    const sent = { name: found?.bare ?? "", ...(given !== undefined && { arguments: given }) };
    const name = found ? `${found.server}/prompts/get` : "/prompts/get";
    return governCall(this.#gate, grant, session, { operation: "prompts/get", name, args, params: sent }, exchange);
  }

  async #complete(
    params: Record<string, unknown>,
    grant: Grant,
    session: Session,
    exchange: Exchange,
  ): Promise<Answer> {
    const ref = isObject(params["ref"]) ? params["ref"] : {};
    let server: string | undefined;
    let sentRef: Record<string, unknown> = ref;
    if (ref["type"] === "ref/prompt") {
      const found = this.#splitPrompt(ref["name"], grant);
      server = found?.server;
      sentRef = { ...ref, name: found?.bare ?? "" };
    } else if (typeof ref["uri"] === "string") server = await this.#serverOf(ref["uri"], grant, session, exchange);
    const name = server === undefined ? "/completion/complete" : `${server}/completion/complete`;
    return governCall(
      this.#gate,
      grant,
      session,
      { operation: "completion/complete", name, args: params, params: { ...params, ref: sentRef } },
      exchange,
    );
  }

  /** `server__prompt`, or a bare name with a single server. */
  #splitPrompt(name: unknown, grant: Grant): { server: string; bare: string } | undefined {
    if (typeof name !== "string") return undefined;
    const entries = this.#reachable("prompts/get", grant);
    if (this.#gate.naming === "bare") return entries[0] && { server: entries[0].server, bare: name };
    const entry = entries.find((e) => name.startsWith(`${e.server}__`));
    return entry && { server: entry.server, bare: name.slice(entry.server.length + 2) };
  }

  /** The level goes to every server that may log to this session; servers of the stateless era are told with each request. */
  async #setLevel(params: Record<string, unknown>, session: Session, exchange: Exchange): Promise<Answer> {
    const upstreams = new Set(
      [...this.#gate.registry.all()]
        .map((e) => e.upstream)
        .filter((u) => u.config.manifest.logging && u.config.connection !== "shared"),
    );
    await Promise.all(
      [...upstreams].map(async (upstream) => {
        try {
          const link = await upstream.link(exchange.era, session.linkKey(upstream.config.connection), session.owner);
          if (link.negotiated.era === "legacy" && isObject(link.negotiated.capabilities["logging"]))
            await link.request("logging/setLevel", { level: params["level"] }, { timeout: upstream.config.timeout })
              .reply;
        } catch (error) {
          this.#gate.log.debug(
            { server: upstream.name, err: messageOf(error) },
            "the log level did not reach a server",
          );
        }
      }),
    );
    session.logLevel = String(params["level"]);
    return { result: {} };
  }

  #reachable(operation: Operation, grant: Grant): Registered[] {
    const principal = { ...grant.principal, scopes: grant.scopes };
    return this.#gate.registry
      .ofOperation(operation)
      .filter((e) => holdsScopes(grant, e) && this.#gate.policies.mayList(principal, e));
  }

  #link(entry: Registered, session: Session, exchange: Exchange): Promise<Link> {
    return entry.upstream.link(exchange.era, session.linkKey(entry.upstream.config.connection), session.owner);
  }
}

/** Lists are one principal's: no cache may share them (MCP 2026-07-28, SEP-2549). Older clients ignore these members. */
const PRIVATE = { ttlMs: LIST_TTL_MS, cacheScope: "private" };
