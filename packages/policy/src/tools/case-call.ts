import {
  type BudgetFacts,
  type CallFacts,
  EFFECTS,
  LABELS,
  type Label,
  type LoopFacts,
  type ScriptFacts,
  type SessionFacts,
  type ToolEffect,
} from "@callgate/core";
import { isMap, type Node } from "yaml";
import type { SourceFile } from "../source.ts";
import { type CaseTool, toolOf, wordsOf } from "./case-tools.ts";
import { type History, readHistory } from "./history.ts";

/** What a case takes for granted of an agent that the configuration knows. */
export interface KnownAgent {
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
}

/** Where cases are read: what there is to call, by whom, and what sessions trust from the start. */
export interface CasePlace {
  readonly tools: readonly CaseTool[];
  /** Absent where there is no configuration: then any name will do. */
  readonly agents?: Readonly<Record<string, KnownAgent>>;
  readonly trusted?: Readonly<Record<string, unknown>>;
}

/** What a call of a case may state. */
export const CALL_FIELDS = [
  "principal",
  "history",
  "tool",
  "args",
  "session",
  "loop",
  "budget",
  "script",
  "flow",
  "time",
] as const;

type Fields = ReadonlyMap<string, { readonly value: Node | null }>;

/** Noon of a Monday, for cases that name no time. */
const NOON = Date.UTC(2026, 0, 5, 12);

/** Reads the facts of one call. What `history` makes of the session and the flow gives way to what `session` and `flow` state. */
export function readFacts(
  file: SourceFile,
  node: Node | null,
  fields: Fields,
  place: CasePlace,
  principal: CallFacts["principal"] | undefined,
): CallFacts | undefined {
  const value = (name: string): Node | null | undefined => fields.get(name)?.value;
  const tool = fields.has("tool")
    ? toolOf(file, value("tool"), place.tools)
    : file.report("the call has no `tool`", node, "name it as `callgate ledger` does: `server__tool`");
  const caller = fields.has("principal")
    ? readPrincipal(file, value("principal"), place)
    : (principal ?? file.report("the call has no `principal`", node, "name an agent of the configuration"));
  const time = fields.has("time") ? Date.parse(file.text(value("time"), "`time`") ?? "") : NOON;
  if (Number.isNaN(time))
    return file.report("`time` is no point in time", value("time"), "write for example 2026-03-01T12:00:00Z");
  const history = fields.has("history")
    ? readHistory(file, value("history"), place.tools, place.trusted ?? {})
    : undefined;
  const session = readSession(file, value("session"), time, history);
  if (!tool || !caller) return undefined;
  const args = fields.has("args") ? file.plain(value("args")) : {};
  const flow = readFlow(file, value("flow"), history?.flow.facts(tool.name, args));
  const { result: _, ...facts } = tool;
  return {
    principal: caller,
    tool: facts,
    args,
    session,
    loop: {
      ...{ repeats: 1, period: 0, sameResult: false },
      ...typed<LoopFacts>(file, value("loop"), { repeats: "number", period: "number", sameResult: "boolean" }, "loop"),
    },
    budget: {
      ...{ callsLeft: -1, costLeft: -1 },
      ...typed<BudgetFacts>(file, value("budget"), { callsLeft: "number", costLeft: "number" }, "budget"),
    },
    ...(flow && { flow }),
    ...(fields.has("script") && { script: readScript(file, value("script")) }),
    time,
  };
}

function readPrincipal(
  file: SourceFile,
  node: Node | null | undefined,
  { agents }: CasePlace,
): CallFacts["principal"] | undefined {
  const knownAs = (agent: string): KnownAgent | undefined =>
    agents && Object.hasOwn(agents, agent) ? agents[agent] : undefined;
  if (!isMap(node)) {
    const agent = file.text(node, "`principal`");
    if (agent === undefined) return undefined;
    const known = knownAs(agent);
    if (known || !agents) return { agent, roles: known?.roles ?? [], scopes: known?.scopes ?? [] };
    return file.report(
      `there is no agent \`${agent}\``,
      node,
      "name one of the configuration, or write out `{agent, roles, scopes}`",
    );
  }
  const fields = file.fields(node, ["agent", "roles", "scopes", "user"], "`principal`");
  const agent = file.text(fields?.get("agent")?.value, "`agent`");
  if (!fields || agent === undefined) return undefined;
  const known = knownAs(agent);
  const list = (name: "roles" | "scopes"): readonly string[] =>
    fields.has(name) ? (file.texts(fields.get(name)?.value, `\`${name}\``) ?? []) : (known?.[name] ?? []);
  const user = fields.has("user") ? file.text(fields.get("user")?.value, "`user`") : undefined;
  return { agent, roles: list("roles"), scopes: list("scopes"), ...(user !== undefined && { user }) };
}

function readSession(
  file: SourceFile,
  node: Node | null | undefined,
  time: number,
  history: History | undefined,
): SessionFacts {
  const known: SessionFacts = {
    id: "ses_test",
    labels: history?.flow.labels ?? [],
    calls: history?.calls ?? 0,
    cost: 0,
    started: time,
  };
  if (!node) return known;
  const fields = file.fields(node, ["id", "labels", "calls", "cost", "started"], "`session`");
  if (!fields) return known;
  const numberOf = (name: string, otherwise: number): number => {
    const value = file.scalar(fields.get(name)?.value);
    if (!fields.has(name) || typeof value === "number") return (value as number | undefined) ?? otherwise;
    file.report(`\`${name}\` must be a number`, fields.get(name)?.value);
    return otherwise;
  };
  const started = fields.has("started") ? Date.parse(file.text(fields.get("started")?.value, "`started`") ?? "") : time;
  if (Number.isNaN(started)) file.report("`started` is no point in time", fields.get("started")?.value);
  return {
    id: fields.has("id") ? (file.text(fields.get("id")?.value, "`id`") ?? known.id) : known.id,
    labels: wordsOf<Label>(file, fields.get("labels")?.value, "labels", LABELS) ?? known.labels,
    calls: numberOf("calls", known.calls),
    cost: numberOf("cost", 0),
    started,
  };
}

function readScript(file: SourceFile, node: Node | null | undefined): ScriptFacts {
  const none: ScriptFacts = { depth: 0, tools: [], effects: [], complete: true };
  const fields = node ? file.fields(node, ["depth", "tools", "effects", "complete"], "`script`") : undefined;
  if (!fields) return none;
  const depth = file.scalar(fields.get("depth")?.value) ?? none.depth;
  const complete = file.scalar(fields.get("complete")?.value) ?? none.complete;
  if (typeof depth !== "number") file.report("`depth` must be a number", fields.get("depth")?.value);
  if (typeof complete !== "boolean") file.report("`complete` must be true or false", fields.get("complete")?.value);
  return {
    depth: Number(depth),
    tools: fields.has("tools") ? (file.texts(fields.get("tools")?.value, "`tools`") ?? []) : [],
    effects: wordsOf<ToolEffect>(file, fields.get("effects")?.value, "effects", EFFECTS) ?? [],
    complete: complete === true,
  };
}

function readFlow(
  file: SourceFile,
  node: Node | null | undefined,
  watched: CallFacts["flow"],
): CallFacts["flow"] | undefined {
  if (node === undefined) return watched;
  const given = record(file, node, ["origins", "inside", "action"], "`flow`") as Partial<
    NonNullable<CallFacts["flow"]>
  >;
  if (!given) return watched;
  return {
    origins: { ...watched?.origins, ...given.origins },
    inside: { ...watched?.inside, ...given.inside },
    action: given.action ?? watched?.action ?? "model",
  };
}

function record(
  file: SourceFile,
  node: Node | null | undefined,
  known: readonly string[],
  what: string,
): Record<string, unknown> | undefined {
  return file.fields(node, known, what) && (file.plain(node) as Record<string, unknown>);
}

function typed<T extends object>(
  file: SourceFile,
  node: Node | null | undefined,
  types: { readonly [K in keyof T]: string },
  name: string,
): Partial<T> {
  if (!node) return {};
  const read = record(file, node, Object.keys(types), `\`${name}\``) ?? {};
  for (const [field, value] of Object.entries(read)) {
    const type = (types as Record<string, string>)[field];
    if (type !== undefined && typeof value !== type) file.report(`\`${field}\` must be a ${type}`, node);
  }
  return read as Partial<T>;
}
