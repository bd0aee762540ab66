import {
  type CallFacts,
  compileGlobs,
  type Decision,
  type Diagnostic,
  digestOfJson,
  formatDiagnostic,
  type Principal,
  type ResultDecision,
  type ResultFacts,
  type ToolFacts,
} from "@callgate/core";
import { type BoundTool, decide, mayList, refused } from "./decide.ts";
import { type PolicyDocument, readPolicies } from "./document.ts";
import { judge, returned, WITHHELD } from "./judge.ts";
import type { Phase } from "./phase.ts";
import { boundRules } from "./poll.ts";
import type { LoadedPolicies, LoadedSet, PolicySource, PolicySummary } from "./port.ts";
import { type BoundRule, parseRule, Rule } from "./rule.ts";
import { type PolicySettings, settingsFact } from "./settings.ts";
import { closest } from "./suggest.ts";
import { isCaseFile } from "./tools/cases.ts";
import { type RuleTrace, trace } from "./trace.ts";

/** How many tools that were unknown when loading are remembered. */
const MAX_LATE_TOOLS = 1024;

/**
 * Loads policy files: parses them, checks every rule against the arguments of every tool it matches, and compiles them.
 * Any defect refuses the whole set, since a rule left out is a rule that does not hold. Files of test cases are passed over.
 * Rules read `settings` as `settings.<name>`; one that a rule reads and that is not there is a defect.
 */
export function loadPolicies(
  given: readonly PolicySource[],
  tools: readonly ToolFacts[],
  settings: PolicySettings = {},
): LoadedPolicies {
  const sources = given.filter((source) => !isCaseFile(source));
  const read = sources.map(readPolicies);
  const diagnostics: Diagnostic[] = read.flatMap((file) => file.diagnostics);
  const documents = read.flatMap((file) => file.policies);
  diagnostics.push(...repeatedIds(documents));

  const warnings: Diagnostic[] = [];
  const rules: Rule[] = [];
  const fact = settingsFact(settings);
  for (const document of documents) {
    const rule = parseRule(document, fact);
    if (!(rule instanceof Rule)) {
      diagnostics.push(rule);
      continue;
    }
    rules.push(rule);
    const found = checkRule(rule, tools);
    diagnostics.push(...found.diagnostics);
    warnings.push(...found.warnings);
  }
  if (diagnostics.length > 0) return { ok: false, diagnostics };
  const texts = sources.map(({ file, text }) => [file, text]);
  const digest = digestOfJson(Object.keys(settings).length === 0 ? texts : [texts, settings]);
  return { ok: true, set: new CompiledSet(digest, rules, tools), warnings };
}

function repeatedIds(documents: readonly PolicyDocument[]): Diagnostic[] {
  const first = new Map<string, PolicyDocument>();
  return documents.flatMap((document) => {
    const other = first.get(document.id);
    if (!other) {
      first.set(document.id, document);
      return [];
    }
    const message = `the id \`${document.id}\` is taken`;
    return [
      { message, span: document.span, help: `it is used at ${other.span.file}:${other.span.line}; choose another` },
    ];
  });
}

function checkRule(
  rule: Rule,
  tools: readonly ToolFacts[],
): { readonly diagnostics: readonly Diagnostic[]; readonly warnings: readonly Diagnostic[] } {
  const { document } = rule;
  const matched = tools.filter((tool) => rule.matchesTool(tool.qualified));
  const idle = idleGlobs(document, tools);
  if (matched.length === 0 && tools.length > 0 && idle.length === document.tools.length) {
    return {
      diagnostics: idle.map((d) => ({ ...d, message: `the policy matches no tool: ${d.message}` })),
      warnings: [],
    };
  }
  const diagnostics: Diagnostic[] = [];
  const warnings: Diagnostic[] = [...idle];
  const seen = new Set<string>();
  // Tools of one shape give the same findings: each is told once, with the first tool it came up for.
  const tell = (into: Diagnostic[], found: readonly Diagnostic[], tool: ToolFacts | undefined): void => {
    for (const d of found) {
      const key = formatDiagnostic(d);
      if (seen.has(key)) continue;
      seen.add(key);
      into.push(tool ? { ...d, message: `${d.message} (for tool \`${tool.qualified}\`)` } : d);
    }
  };
  for (const tool of matched) {
    const compiled = rule.compileFor(tool);
    const about = matched.length > 1 || document.tools.some((t) => /[*?]/.test(t.glob)) ? tool : undefined;
    tell(diagnostics, compiled.diagnostics, about);
    tell(warnings, compiled.warnings, about);
  }
  if (matched.length === 0) {
    const compiled = rule.compileFor(UNKNOWN_TOOL);
    tell(diagnostics, compiled.diagnostics, undefined);
    tell(warnings, compiled.warnings, undefined);
  }
  return { diagnostics, warnings };
}

/** A stand-in for tools nobody knows yet: its arguments may be anything. */
const UNKNOWN_TOOL: ToolFacts = {
  server: "unknown",
  name: "unknown",
  qualified: "unknown__unknown",
  operation: "tools/call",
  scopes: [],
  effects: [],
  labels: [],
  digest: `sha256:${"0".repeat(64)}`,
};

/** Globs that match no tool. Other operations (`docs/resources/read`) are not listed beforehand, so they are not looked for. */
function idleGlobs(document: PolicyDocument, tools: readonly ToolFacts[]): Diagnostic[] {
  return document.tools.flatMap(({ glob, span }) => {
    if (glob.includes("/") || glob === "*") return [];
    const matches = compileGlobs([glob]);
    if (tools.some((tool) => matches(tool.qualified))) return [];
    const near = closest(
      glob,
      tools.map((tool) => tool.qualified),
    );
    const help = near === undefined ? "run `callgate tools` for the names" : `did you mean \`${near}\`?`;
    return [{ message: `\`${glob}\` is no tool's name`, span, help }];
  });
}

class CompiledSet implements LoadedSet {
  readonly digest: string;
  readonly policies: readonly PolicySummary[];
  readonly watchesFlow: boolean;
  readonly #rules: readonly Rule[];
  readonly #known = new Map<string, { readonly digest: string; readonly bound: BoundTool }>();
  readonly #late = new Map<string, BoundTool>();

  constructor(digest: string, rules: readonly Rule[], tools: readonly ToolFacts[]) {
    this.digest = digest;
    this.#rules = rules;
    this.watchesFlow = rules.some((rule) => rule.document.phase === "call" && (rule.readsFlow || rule.readsLabels));
    this.policies = Object.freeze(
      rules.map(({ document: d }): PolicySummary => {
        const { file, line } = d.span;
        return {
          id: d.id,
          file,
          line,
          effect: d.effect,
          tools: d.tools.map((t) => t.glob),
          phase: d.phase,
          mode: d.mode,
          ...(d.canary && { canary: d.canary }),
          conditional: d.when !== undefined,
        };
      }),
    );
    for (const tool of tools) this.#known.set(tool.qualified, { digest: tool.digest, bound: bind(rules, tool) });
  }

  decide(call: CallFacts): Decision {
    try {
      return decide(this.#boundFor(call.tool), call, this.digest);
    } catch {
      // Rules cannot throw; this is for facts that are not what they say, such as a call without a tool.
      return refused(this.digest);
    }
  }

  hasResultRules(tool: ToolFacts, principal: Principal): boolean {
    return this.#boundFor(tool).result.rules.some(({ rule }) => rule.appliesTo(principal));
  }

  hidesArguments(tool: ToolFacts, principal: Principal): boolean {
    return this.#boundFor(tool).call.rules.some(
      ({ rule }) =>
        rule.obligations.some((o) => o.kind === "redact" && o.target === "args") &&
        rule.modeFor(principal.agent) === "enforce" &&
        rule.appliesTo(principal),
    );
  }

  decideResult(call: CallFacts, result: ResultFacts): ResultDecision {
    try {
      return judge(this.#boundFor(call.tool).result, returned(call, result));
    } catch {
      // As above.
      return WITHHELD;
    }
  }

  readsLabels(tool: ToolFacts): boolean {
    return this.#boundFor(tool).readsLabels;
  }

  readsFlow(tool: ToolFacts): boolean {
    return this.#boundFor(tool).readsFlow;
  }

  explain(call: CallFacts): readonly RuleTrace[] {
    return trace(this.#boundFor(call.tool).call, call);
  }

  explainResult(call: CallFacts, result: ResultFacts): readonly RuleTrace[] {
    return trace(this.#boundFor(call.tool).result, returned(call, result));
  }

  explainListing(principal: Principal & { readonly scopes: readonly string[] }, tool: ToolFacts): readonly RuleTrace[] {
    return trace(this.#boundFor(tool).list, { principal, tool });
  }

  mayList(principal: Principal & { readonly scopes: readonly string[] }, tool: ToolFacts): boolean {
    try {
      return mayList(this.#boundFor(tool), principal, tool);
    } catch {
      return false;
    }
  }

  #boundFor(tool: ToolFacts): BoundTool {
    const known = this.#known.get(tool.qualified);
    if (known && known.digest === tool.digest) return known.bound;
    // New since loading, or redefined: the rules are checked against what it is now.
    const key = `${tool.qualified} ${tool.digest}`;
    const late = this.#late.get(key);
    if (late) return late;
    const bound = bind(this.#rules, tool);
    if (this.#late.size >= MAX_LATE_TOOLS) this.#late.delete(this.#late.keys().next().value as string);
    this.#late.set(key, bound);
    return bound;
  }
}

function bind(rules: readonly Rule[], tool: ToolFacts): BoundTool {
  const bound = (phase: Phase): BoundRule[] =>
    rules
      .filter((rule) => rule.document.phase === phase && rule.matchesTool(tool.qualified))
      .map((rule) => {
        const { program, diagnostics } = rule.compileFor(tool);
        const [first] = diagnostics;
        if (first) return { rule, broken: `the policy does not suit the tool's present definition: ${first.message}` };
        return program ? { rule, program } : { rule };
      });
  const call = boundRules(bound("call"));
  return {
    call,
    list: boundRules(bound("list")),
    result: boundRules(bound("result")),
    readsFlow: call.rules.some(({ rule }) => rule.readsFlow),
    readsLabels: call.rules.some(({ rule }) => rule.readsLabels),
  };
}
