import type { CallFacts, Diagnostic, ResultFacts, Span } from "@callgate/core";
import { isMap, type Node } from "yaml";
import type { PolicySource } from "../port.ts";
import type { PolicySettings } from "../settings.ts";
import { SourceFile } from "../source.ts";
import { CALL_FIELDS, type CasePlace, readFacts } from "./case-call.ts";
import { type CaseTool, readTools } from "./case-tools.ts";
import { type Expectation, readExpect, readResult } from "./expect.ts";

/** The names of files of test cases, beside the policies they try. */
export const CASE_FILE = /\.test\.ya?ml$/;

/** One call, and what the policies must say of it, of what it returned, or of its tool. */
export interface PolicyCase {
  readonly name: string;
  readonly span: Span;
  readonly call: CallFacts;
  /** What the call returned, for an expectation of phase `result`. */
  readonly result?: ResultFacts;
  readonly expect: Expectation;
}

/** What a file of cases says before its cases. */
export interface CaseHead {
  /** The policies that the cases try, in place of a configuration's: files relative to this one, or `pack:NAME`. */
  readonly against?: readonly { readonly name: string; readonly span: Span }[];
  /** Tools of its own; with those of the place, where it completes them. */
  readonly tools: readonly CaseTool[];
  /** What those policies read as `settings`; empty without `against`. */
  readonly settings: PolicySettings;
  readonly diagnostics: readonly Diagnostic[];
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
 * Reads one given call, written as a case is (`principal`, `history`, `tool`, `args`, `session` ...) with neither name nor expectation.
 */
export function readCall(
  source: PolicySource,
  place: CasePlace,
): { readonly call: CallFacts | undefined; readonly diagnostics: readonly Diagnostic[] } {
  const file = new SourceFile(source);
  if (file.diagnostics.length > 0) return { call: undefined, diagnostics: file.diagnostics };
  const fields = file.fields(file.root, CALL_FIELDS, "a call");
  const call = fields && readFacts(file, file.root, fields, place, undefined);
  return { call: file.diagnostics.length > 0 ? undefined : call, diagnostics: file.diagnostics };
}

const HEAD = ["against", "settings", "tools", "cases"];

/** Reads what a file of cases says before its cases. `tools` are those that a configuration declares. */
export function readCaseHead(source: PolicySource, tools: readonly CaseTool[] = []): CaseHead {
  const file = new SourceFile(source);
  return { ...headOf(file, tools), diagnostics: file.diagnostics };
}

function headOf(file: SourceFile, known: readonly CaseTool[]): Omit<CaseHead, "diagnostics"> {
  const top = file.diagnostics.length > 0 ? undefined : file.fields(file.root, HEAD, "a file of cases");
  const stated = top?.get("against");
  const against = stated && file.items(stated.value, "`against`");
  const tools = top?.has("tools") ? readTools(file, top.get("tools")?.value, known) : known;
  const settings = top?.get("settings");
  if (settings && !stated)
    file.report("`settings` needs `against`", settings.key, "without `against` the configuration's own settings hold");
  return {
    ...(against && {
      against: against.map((item) => ({ name: file.text(item, "each of `against`") ?? "", span: file.spanOf(item) })),
    }),
    tools,
    settings: settings && stated ? readSettings(file, settings.value) : {},
  };
}

function readSettings(file: SourceFile, node: Node | null): PolicySettings {
  if (!isMap(node)) return file.report("`settings` must be a mapping", node) ?? {};
  for (const { value } of node.items) {
    const plain = file.plain(value as Node | null);
    const isSetting = Array.isArray(plain)
      ? plain.every((one) => typeof one === "string")
      : ["string", "number", "boolean"].includes(typeof plain);
    if (!isSetting)
      file.report("a setting is a text, a number, `true`, `false` or a list of texts", value as Node | null);
  }
  return file.plain(node) as PolicySettings;
}

/**
 * Reads a file of cases. Every finding is reported; a case with one is left out. A file with tools of its own needs no principal: its
 * calls are those of an agent `test`.
 */
export function readCases(
  source: PolicySource,
  place: CasePlace,
): { readonly cases: readonly PolicyCase[]; readonly diagnostics: readonly Diagnostic[] } {
  const file = new SourceFile(source);
  const { tools } = headOf(file, place.tools);
  if (!isMap(file.root)) return { cases: [], diagnostics: file.diagnostics };
  if (!file.root.has("cases")) file.report("the file has no `cases`", file.root, "start it with `cases:` and a list");
  const list = file.root.has("cases") ? file.items(file.root.get("cases", true) as Node, "`cases`") : undefined;
  const principal = file.root.has("tools") ? { agent: "test", roles: [], scopes: [] } : undefined;
  const cases = (list ?? []).flatMap((item) => {
    const before = file.diagnostics.length;
    const one = readCase(file, item, { ...place, tools }, principal);
    return one && file.diagnostics.length === before ? [one] : [];
  });
  return { cases, diagnostics: file.diagnostics };
}

function readCase(
  file: SourceFile,
  node: Node,
  place: CasePlace,
  principal: CallFacts["principal"] | undefined,
): PolicyCase | undefined {
  const fields = file.fields(node, ["name", ...CALL_FIELDS, "result", "expect"], "a case");
  if (!fields) return undefined;
  const name = fields.get("name");
  const expected = fields.get("expect");
  if (!name) file.report("the case has no `name`", node);
  if (!expected) file.report("the case has no `expect`", node, "add `expect: { verdict: deny }`");
  const call = readFacts(file, node, fields, place, principal);
  const expect = expected && readExpect(file, expected.value);
  const given = fields.get("result");
  const result = given && readResult(file, given.value);
  if (given && expect && expect.phase !== "result")
    file.report(
      `a \`result\` is not looked at for \`${expect.phase === "call" ? "verdict" : "listed"}\``,
      given.key,
      "write `expect: { result: pass }`; what earlier calls returned belongs in `history`",
    );
  if (!given && expect?.phase === "result")
    file.report("the case has no `result`", node, "add `result:`, the text that the tool returned");
  if (!name || !call || !expect) return undefined;
  return {
    name: file.text(name.value, "`name`") ?? "",
    span: file.spanOf(node),
    call,
    ...(result && { result }),
    expect,
  };
}
