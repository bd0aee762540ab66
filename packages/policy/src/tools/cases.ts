import {
  type BudgetFacts,
  type CallFacts,
  type Diagnostic,
  LABELS,
  type LoopFacts,
  type SessionFacts,
  type Span,
  type ToolFacts,
  type Verdict,
} from "@callgate/core";
import { isMap, type Node } from "yaml";
import type { PolicySource } from "../port.ts";
import { SourceFile } from "../source.ts";
import { closest } from "../suggest.ts";

/** The names of files of test cases, beside the policies they try. */
export const CASE_FILE = /\.test\.ya?ml$/;

/** One call, and what the policies must say of it. What is not given is not looked at. */
export interface PolicyCase {
  readonly name: string;
  readonly span: Span;
  readonly call: CallFacts;
  readonly verdict: Verdict;
  /** Ids of the rules that made the verdict, in any order, and no others. */
  readonly rules?: readonly string[];
  /** Their reasons, in any order, and no others. */
  readonly reasons?: readonly string[];
  /** Each of the obligations, in their order, with `rule` left out if it does not matter. */
  readonly obligations?: readonly Readonly<Record<string, unknown>>[];
}

/** What a case takes for granted of an agent that the configuration knows. */
export interface KnownAgent {
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
}

/**
 * Whether a file holds cases and no policies. The name alone does not make it so: a file with `policies` is always loaded, as a
 * forbid MUST NOT get lost by how its file is called.
 */
export function isCaseFile(source: PolicySource): boolean {
  if (!CASE_FILE.test(source.file)) return false;
  const { root } = new SourceFile(source);
  return isMap(root) && root.has("cases") && !root.has("policies");
}

/**
 * Reads one given call, written as a case is (`principal`, `tool`, `args`, `session` ...) with neither name nor expectation.
 */
export function readCall(
  source: PolicySource,
  tools: readonly ToolFacts[],
  agents: Readonly<Record<string, KnownAgent>>,
): { readonly call: CallFacts | undefined; readonly diagnostics: readonly Diagnostic[] } {
  const file = new SourceFile(source);
  if (file.diagnostics.length > 0) return { call: undefined, diagnostics: file.diagnostics };
  const fields = file.fields(file.root, CALL_FIELDS, "a call");
  const call = fields && readFacts(file, file.root, fields, tools, agents);
  return { call: file.diagnostics.length > 0 ? undefined : call, diagnostics: file.diagnostics };
}

const CALL_FIELDS = ["principal", "tool", "args", "session", "loop", "budget", "flow", "time"];

/** Noon of a Monday, for cases that name no time. */
const NOON = Date.UTC(2026, 0, 5, 12);

/** Reads a file of cases. Every finding is reported; a case with one is left out. */
export function readCases(
  source: PolicySource,
  tools: readonly ToolFacts[],
  agents: Readonly<Record<string, KnownAgent>>,
): { readonly cases: readonly PolicyCase[]; readonly diagnostics: readonly Diagnostic[] } {
  const file = new SourceFile(source);
  if (file.diagnostics.length > 0) return { cases: [], diagnostics: file.diagnostics };
  const top = file.fields(file.root, ["cases"], "a file of cases");
  if (top && !top.has("cases")) file.report("the file has no `cases`", file.root, "start it with `cases:` and a list");
  const list = top?.get("cases");
  const cases = (list ? (file.items(list.value, "`cases`") ?? []) : []).flatMap((item) => {
    const before = file.diagnostics.length;
    const one = readCase(file, item, tools, agents);
    return one && file.diagnostics.length === before ? [one] : [];
  });
  return { cases, diagnostics: file.diagnostics };
}

function readCase(
  file: SourceFile,
  node: Node,
  tools: readonly ToolFacts[],
  agents: Readonly<Record<string, KnownAgent>>,
): PolicyCase | undefined {
  const fields = file.fields(node, ["name", ...CALL_FIELDS, "expect"], "a case");
  if (!fields) return undefined;
  const name = fields.get("name");
  const expected = fields.get("expect");
  if (!name) file.report("the case has no `name`", node);
  if (!expected) file.report("the case has no `expect`", node, "add `expect: { verdict: deny }`");
  const call = readFacts(file, node, fields, tools, agents);
  const expect = expected && readExpect(file, expected.value);
  if (!name || !call || !expect) return undefined;
  return { name: file.text(name.value, "`name`") ?? "", span: file.spanOf(node), call, ...expect };
}

function readFacts(
  file: SourceFile,
  node: Node | null,
  fields: ReadonlyMap<string, { readonly value: Node | null }>,
  tools: readonly ToolFacts[],
  agents: Readonly<Record<string, KnownAgent>>,
): CallFacts | undefined {
  const value = (name: string): Node | null | undefined => fields.get(name)?.value;
  const tool = fields.has("tool")
    ? readTool(file, value("tool"), tools)
    : file.report("the call has no `tool`", node, "name it as `callgate ledger` does: `server__tool`");
  const principal = fields.has("principal")
    ? readPrincipal(file, value("principal"), agents)
    : file.report("the call has no `principal`", node, "name an agent of the configuration");
  const time = fields.has("time") ? Date.parse(file.text(value("time"), "`time`") ?? "") : NOON;
  if (Number.isNaN(time))
    return file.report("`time` is no point in time", value("time"), "write for example 2026-03-01T12:00:00Z");
  if (!tool || !principal) return undefined;
  const flow = fields.has("flow") ? record(file, value("flow"), ["origins", "inside", "action"], "`flow`") : undefined;
  return {
    principal,
    tool,
    args: fields.has("args") ? file.plain(value("args")) : {},
    session: readSession(file, value("session"), time),
    loop: {
      ...{ repeats: 1, period: 0, sameResult: false },
      ...typed<LoopFacts>(file, value("loop"), { repeats: "number", period: "number", sameResult: "boolean" }, "loop"),
    },
    budget: {
      ...{ callsLeft: -1, costLeft: -1 },
      ...typed<BudgetFacts>(file, value("budget"), { callsLeft: "number", costLeft: "number" }, "budget"),
    },
    ...(flow && { flow: { origins: {}, inside: {}, action: "model", ...flow } as NonNullable<CallFacts["flow"]> }),
    time,
  };
}

function readTool(file: SourceFile, node: Node | null | undefined, tools: readonly ToolFacts[]): ToolFacts | undefined {
  const qualified = file.text(node, "`tool`");
  if (qualified === undefined) return undefined;
  const tool = tools.find((t) => t.qualified === qualified);
  if (tool) return tool;
  const near = closest(
    qualified,
    tools.map((t) => t.qualified),
  );
  const help = near === undefined ? "a case calls a tool that a manifest declares" : `did you mean \`${near}\`?`;
  return file.report(`\`${qualified}\` is no tool's name`, node, help);
}

function readPrincipal(
  file: SourceFile,
  node: Node | null | undefined,
  agents: Readonly<Record<string, KnownAgent>>,
): CallFacts["principal"] | undefined {
  if (!isMap(node)) {
    const agent = file.text(node, "`principal`");
    if (agent === undefined) return undefined;
    const known = Object.hasOwn(agents, agent) ? agents[agent] : undefined;
    if (known) return { agent, roles: known.roles, scopes: known.scopes };
    return file.report(
      `there is no agent \`${agent}\``,
      node,
      "name one of the configuration, or write out `{agent, roles, scopes}`",
    );
  }
  const fields = file.fields(node, ["agent", "roles", "scopes", "user"], "`principal`");
  const agent = file.text(fields?.get("agent")?.value, "`agent`");
  if (!fields || agent === undefined) return undefined;
  const known = Object.hasOwn(agents, agent) ? agents[agent] : undefined;
  const list = (name: "roles" | "scopes"): readonly string[] =>
    fields.has(name) ? (file.texts(fields.get(name)?.value, `\`${name}\``) ?? []) : (known?.[name] ?? []);
  const user = fields.has("user") ? file.text(fields.get("user")?.value, "`user`") : undefined;
  return { agent, roles: list("roles"), scopes: list("scopes"), ...(user !== undefined && { user }) };
}

function readSession(file: SourceFile, node: Node | null | undefined, time: number): SessionFacts {
  const empty: SessionFacts = { id: "ses_test", labels: [], calls: 0, cost: 0, started: time };
  if (!node) return empty;
  const fields = file.fields(node, ["id", "labels", "calls", "cost", "started"], "`session`");
  if (!fields) return empty;
  const labels = fields.has("labels") ? (file.texts(fields.get("labels")?.value, "`labels`") ?? []) : [];
  for (const label of labels)
    if (!LABELS.includes(label as never))
      file.report(`\`${label}\` is no label`, fields.get("labels")?.value, `labels are: ${LABELS.join(", ")}`);
  const numberOf = (name: string, otherwise: number): number => {
    const value = file.scalar(fields.get(name)?.value);
    if (!fields.has(name) || typeof value === "number") return (value as number | undefined) ?? otherwise;
    file.report(`\`${name}\` must be a number`, fields.get(name)?.value);
    return otherwise;
  };
  const started = fields.has("started") ? Date.parse(file.text(fields.get("started")?.value, "`started`") ?? "") : time;
  if (Number.isNaN(started)) file.report("`started` is no point in time", fields.get("started")?.value);
  const id = fields.has("id") ? (file.text(fields.get("id")?.value, "`id`") ?? empty.id) : empty.id;
  return {
    id,
    labels: labels as SessionFacts["labels"],
    calls: numberOf("calls", 0),
    cost: numberOf("cost", 0),
    started,
  };
}

function readExpect(
  file: SourceFile,
  node: Node | null | undefined,
): Pick<PolicyCase, "verdict" | "rules" | "reasons" | "obligations"> | undefined {
  const fields = file.fields(node, ["verdict", "rules", "reasons", "obligations"], "`expect`");
  if (!fields) return undefined;
  const verdict = file.text(fields.get("verdict")?.value, "`verdict`");
  if (verdict !== "allow" && verdict !== "deny" && verdict !== "hold")
    return file.report("`verdict` must be `allow`, `deny` or `hold`", fields.get("verdict")?.value ?? node);
  const texts = (name: string): string[] | undefined =>
    fields.has(name) ? file.texts(fields.get(name)?.value, `\`${name}\``) : undefined;
  const rules = texts("rules");
  const reasons = texts("reasons");
  const listed = fields.has("obligations") ? file.items(fields.get("obligations")?.value, "`obligations`") : undefined;
  const obligations = listed?.flatMap((item) =>
    isMap(item)
      ? [file.plain(item) as Record<string, unknown>]
      : (file.report("an obligation is a mapping", item) ?? []),
  );
  return { verdict, ...(rules && { rules }), ...(reasons && { reasons }), ...(obligations && { obligations }) };
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
