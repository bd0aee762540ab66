import { type Digest, messageOf, type Naming, qualifiedName, stringifyJson, type ToolFacts } from "@callgate/core";
import type { ResultFlow } from "@callgate/policy";
import type { Logger } from "pino";
import { definitionDigest } from "./config/definition.ts";
import type { ServedConfig, ToolLimits } from "./config/types.ts";
import { changedFields } from "./pins.ts";
import type { Served } from "./served.ts";
import { declaredFacts, operationsOf } from "./tool-facts.ts";
import { type HeaderDeclaration, headerDeclarations } from "./upstream/param-headers.ts";
import type { ToolDefinition } from "./upstream/upstream.ts";
import { type Check, compileSchema } from "./validate.ts";

/** Something an agent may call: a tool whose definition is the pinned one, or a server's resources, prompts or completion. */
export interface Registered extends ToolFacts {
  readonly upstream: Served;
  readonly limits: ToolLimits;
  /** Which parts of a result carry its labels. */
  readonly flow: ResultFlow;
  readonly checkArgs: Check | undefined;
  readonly checkResult: Check | undefined;
  /** True where results of the stateless era must be wrapped for older clients (non-object output schema). */
  readonly wrapsResult: boolean;
  readonly paramHeaders: readonly HeaderDeclaration[];
  /** The definition as agents see it, for lists; absent for what is not a tool. */
  readonly listed: Readonly<Record<string, unknown>> | undefined;
}

/** A tool in a manifest whose live definition is not the one that was pinned. */
export interface Quarantined {
  readonly server: string;
  readonly name: string;
  readonly reason: string;
}

const NO_LIMITS: ToolLimits = { cost: 1 };
const WHOLE: ResultFlow = { untrusted: "all" };
/** The definition with this digest that a person accepted, if it was kept. */
type AcceptedDefinition = (server: string, tool: string, digest: Digest) => ToolDefinition | undefined;

/** What is registered: manifests joined with what the servers offer. Rebuilt for a server whenever its definitions change. */
export class Registry {
  #naming: Naming;
  #log: Logger;
  #byServer = new Map<
    string,
    { entries: Map<string, Registered>; quarantined: Map<string, Quarantined>; missing: ToolFacts[] }
  >();
  #all = new Map<string, Registered>();
  /** The last definition that matched its pin, for saying what a drifted one changed. */
  #matched = new Map<string, ToolDefinition>();
  #accepted: AcceptedDefinition;

  /** `accepted` finds a definition that a person accepted in an earlier run; it is asked only when one has drifted. */
  constructor(naming: Naming, log: Logger, accepted: AcceptedDefinition = () => undefined) {
    this.#naming = naming;
    this.#log = log;
    this.#accepted = accepted;
  }

  get(qualified: string): Registered | undefined {
    return this.#all.get(qualified);
  }

  quarantined(qualified: string): Quarantined | undefined {
    for (const server of this.#byServer.values()) {
      const found = server.quarantined.get(qualified);
      if (found) return found;
    }
    return undefined;
  }

  all(): Iterable<Registered> {
    return this.#all.values();
  }

  /** The servers' entries in configuration order, for one operation. */
  ofOperation(operation: ToolFacts["operation"]): Registered[] {
    return [...this.#all.values()].filter((e) => e.operation === operation);
  }

  /**
   * The policy room's view: everything that can be called, and what a manifest names but a server does not offer now. A policy about
   * a server that is down is no mistake; without a schema its arguments are not type-checked until the server is back.
   */
  facts(): ToolFacts[] {
    return [...this.#all.values(), ...[...this.#byServer.values()].flatMap((s) => s.missing)];
  }

  /** Takes a server's definitions; true if what can be called or listed changed. */
  update(upstream: Served, definitions: readonly ToolDefinition[] | undefined): boolean {
    const entries = new Map<string, Registered>();
    const quarantined = new Map<string, Quarantined>();
    const config = upstream.config;
    if (definitions) this.#addTools(upstream, definitions, entries, quarantined);
    for (const facts of operationsOf(config)) entries.set(facts.qualified, plainEntry(upstream, facts));
    const before = this.#byServer.get(config.name);
    const missing = Object.values(config.manifest.tools).flatMap((tool): ToolFacts[] => {
      const qualified = qualifiedName(this.#naming, config.name, tool.name);
      const known = this.#matched.get(`${config.name}\0${tool.name}`);
      return entries.has(qualified) ? [] : [declaredFacts(config.name, qualified, tool, known)];
    });
    this.#byServer.set(config.name, { entries, quarantined, missing });
    this.#all = new Map([...this.#byServer.values()].flatMap((s) => [...s.entries]));
    return !before || fingerprint(before.entries) !== fingerprint(entries);
  }

  /** The definitions of a server's tools that have their pinned digest, or had it in this run. */
  pinned(server: string): ToolDefinition[] {
    return [...(this.#byServer.get(server)?.entries.values() ?? [])].flatMap((entry) => {
      const definition = this.#matched.get(`${server}\0${entry.name}`);
      return entry.operation === "tools/call" && definition ? [definition] : [];
    });
  }

  /** Takes a changed naming; every server MUST be updated after it. */
  rename(naming: Naming): void {
    this.#naming = naming;
  }

  /** Drops servers that are no longer configured. */
  keepOnly(servers: ReadonlySet<string>): void {
    for (const name of [...this.#byServer.keys()]) if (!servers.has(name)) this.#byServer.delete(name);
    this.#all = new Map([...this.#byServer.values()].flatMap((s) => [...s.entries]));
  }

  #addTools(
    upstream: Served,
    definitions: readonly ToolDefinition[],
    entries: Map<string, Registered>,
    quarantined: Map<string, Quarantined>,
  ): void {
    const config = upstream.config;
    const offered = new Map(definitions.map((d) => [d.name, d]));
    for (const [name, tool] of Object.entries(config.manifest.tools)) {
      const qualified = qualifiedName(this.#naming, config.name, name);
      const definition = offered.get(name);
      if (!definition) {
        this.#log.warn({ server: config.name, tool: name }, "the manifest names a tool that the server does not offer");
        continue;
      }
      const digest = digestOfOffered(definition);
      const key = `${config.name}\0${name}`;
      if (digest !== tool.digest) {
        const before = this.#matched.get(key) ?? this.#accepted(config.name, name, tool.digest);
        const changed = before ? difference(before, definition) : "";
        const reason = `its definition is not the pinned one${changed ? ` (changed: ${changed})` : ""}`;
        quarantined.set(qualified, { server: config.name, name, reason });
        this.#log.warn(
          { server: config.name, tool: name, pinned: tool.digest, offered: digest, before, now: definition },
          `tool quarantined: ${reason}; review it and run \`callgate pin --accept ${config.name} ${name}\``,
        );
        continue;
      }
      this.#matched.set(key, definition);
      try {
        entries.set(qualified, toolEntry(upstream, qualified, definition, config, name));
      } catch (error) {
        quarantined.set(qualified, {
          server: config.name,
          name,
          reason: `its schema cannot be compiled: ${messageOf(error)}`,
        });
        this.#log.warn(
          { server: config.name, tool: name, err: messageOf(error) },
          "tool quarantined: its schema cannot be compiled",
        );
      }
    }
  }
}

function difference(before: ToolDefinition, now: ToolDefinition): string {
  return changedFields(before, now)
    .map((c) => c.field)
    .join(", ");
}

/** A definition that has no canonical form (a lone surrogate, say) fits no pin. */
function digestOfOffered(definition: ToolDefinition): Digest | undefined {
  try {
    return definitionDigest(definition);
  } catch {
    return undefined;
  }
}

function toolEntry(
  upstream: Served,
  qualified: string,
  definition: ToolDefinition,
  config: ServedConfig,
  name: string,
): Registered {
  const tool = config.manifest.tools[name] as NonNullable<(typeof config.manifest.tools)[string]>;
  const facts = declaredFacts(config.name, qualified, tool, definition);
  const { inputSchema, outputSchema } = facts;
  const { execution: _execution, ...shown } = definition;
  return {
    ...facts,
    upstream,
    limits: tool.limits,
    flow: tool.result,
    checkArgs: inputSchema && compileSchema(inputSchema, "arguments"),
    checkResult: outputSchema && compileSchema(outputSchema, "structuredContent"),
    wrapsResult: outputSchema !== undefined && outputSchema["type"] !== "object",
    paramHeaders: inputSchema ? headerDeclarations(inputSchema) : [],
    // `execution` announces task support, which the broker does not relay.
    listed: { ...shown, name: qualified, ...(tool.description !== undefined && { description: tool.description }) },
  };
}

function plainEntry(upstream: Served, facts: ToolFacts): Registered {
  return {
    ...facts,
    upstream,
    limits: NO_LIMITS,
    flow: WHOLE,
    checkArgs: facts.inputSchema && compileSchema(facts.inputSchema, "arguments"),
    checkResult: undefined,
    wrapsResult: false,
    paramHeaders: [],
    listed: undefined,
  };
}

function fingerprint(entries: ReadonlyMap<string, Registered>): string {
  return stringifyJson(
    [...entries].map(([name, e]) => [
      name,
      e.digest,
      e.listed,
      e.scopes,
      e.effects,
      e.labels,
      e.limits,
      e.arguments,
      e.flow,
    ]),
  );
}
