import {
  compileGlobs,
  type Diagnostic,
  type JsonObject,
  type Obligation,
  type Reason,
  type ToolFacts,
} from "@callgate/core";
import { childrenOf, dottedName, type Expr } from "./cel/ast.ts";
import { check } from "./cel/check.ts";
import { compile, type Program } from "./cel/compile.ts";
import type { Environment, Variable } from "./cel/env.ts";
import { Defect } from "./cel/fault.ts";
import { parse } from "./cel/parse.ts";
import { typeText } from "./cel/type.ts";
import type { PolicyDocument } from "./document.ts";
import { factNames } from "./fact-names.ts";
import { callEnvironment, LIST_ENVIRONMENT, resultEnvironment } from "./facts.ts";
import { flowFunctionIn } from "./flow-use.ts";
import type { Mode } from "./mode.ts";
import type { Phase } from "./phase.ts";
import { typeOfSchema } from "./schema.ts";

/** A policy ready for one tool. `program` is absent if it always applies. */
export interface BoundRule {
  readonly rule: Rule;
  readonly program?: Program;
  /** The rule does not suit this tool, which became known after loading: it fails on each of its calls. */
  readonly broken?: string;
}

/** A policy with its globs compiled and its expression parsed. */
export class Rule {
  readonly document: PolicyDocument;
  /** Why, when the policy speaks. */
  readonly reason: Reason;
  readonly obligations: readonly Obligation[];
  /** What is set for the place where the policies are used. */
  readonly settings: Variable;
  /** The dotted names of the facts that the condition names. */
  readonly facts: readonly string[];
  readonly matchesTool: (qualified: string) => boolean;
  /** Whether the condition asks where values came from, or who asked for the action. */
  readonly readsFlow: boolean;
  /** Whether the condition asks for the session's labels, which single fields of results add to. */
  readonly readsLabels: boolean;
  readonly #canary: ((agent: string) => boolean) | undefined;
  readonly #roles: ((role: string) => boolean) | undefined;
  readonly #agents: ((agent: string) => boolean) | undefined;
  readonly #expr: Expr | undefined;
  readonly #readsArgs: boolean;
  readonly #readsResult: boolean;
  /** By the text of the schemas that the rule reads: rules over many tools of one shape are compiled once. */
  readonly #programs = new Map<string, Compiled>();

  constructor(document: PolicyDocument, expr: Expr | undefined, settings: Variable) {
    this.document = document;
    const { id, reason = "permitted by policy", remedy } = document;
    this.reason = Object.freeze({ rule: id, message: reason, ...(remedy !== undefined && { remedy }) });
    this.obligations = document.obligations.map((obligation): Obligation => ({ ...obligation, rule: id }));
    this.matchesTool = compileGlobs(document.tools.map((t) => t.glob));
    this.#canary = document.canary && compileGlobs(document.canary);
    this.#roles = document.roles && compileGlobs(document.roles);
    this.#agents = document.agents && compileGlobs(document.agents);
    this.#expr = expr;
    this.settings = settings;
    this.facts = expr ? factNames(expr) : [];
    this.readsFlow =
      expr !== undefined && (this.facts.some((name) => /^action\b/.test(name)) || flowFunctionIn(expr) !== undefined);
    this.readsLabels = this.facts.some((name) => /^session(?:\.labels)?$/.test(name));
    this.#readsArgs = expr !== undefined && document.phase !== "list" && reads(expr, "args");
    this.#readsResult = expr !== undefined && document.phase === "result" && reads(expr, "result");
  }

  /** Whether the policy speaks to this principal at all. */
  appliesTo(principal: { readonly agent: string; readonly roles: readonly string[] }): boolean {
    if (this.#agents && !this.#agents(principal.agent)) return false;
    return !this.#roles || principal.roles.some(this.#roles);
  }

  /** How much the policy counts for an agent. */
  modeFor(agent: string): Mode {
    if (this.#canary && !this.#canary(agent)) return "shadow";
    return this.document.mode;
  }

  /** Whether the policy is enforced for everyone. */
  get isEnforced(): boolean {
    return this.document.mode === "enforce" && !this.#canary;
  }

  /** Checks the rule against a tool's schemas and compiles it. */
  compileFor(tool: ToolFacts): Compiled {
    if (!this.#expr) return { diagnostics: [], warnings: [] };
    // What a rule does not look at makes no difference to it.
    const input = this.#readsArgs ? tool.inputSchema : undefined;
    const output = this.#readsResult ? tool.outputSchema : undefined;
    const shape = `${input ? JSON.stringify(input) : ""}\0${output ? JSON.stringify(output) : ""}`;
    const known = this.#programs.get(shape);
    if (known) return known;
    const compiled = this.#compile(this.#expr, this.#environment(input, output).with([this.settings]));
    if (this.#programs.size >= MAX_SHAPES) this.#programs.clear();
    this.#programs.set(shape, compiled);
    return compiled;
  }

  #environment(input: JsonObject | undefined, output: JsonObject | undefined): Environment {
    const { phase } = this.document;
    if (phase === "list") return LIST_ENVIRONMENT;
    const args = typeOfSchema(input);
    return phase === "call"
      ? callEnvironment(args)
      : resultEnvironment(args, typeOfSchema(output, "result.structured"));
  }

  #compile(expr: Expr, env: Environment): Compiled {
    const { when, span, phase } = this.document;
    const diagnostic = (d: Defect): Diagnostic => {
      const help = elsewhere(d.message, phase) ?? d.help;
      return { message: d.message, span: when?.at(d.range.start) ?? span, ...(help !== undefined && { help }) };
    };
    const flow = phase === "call" ? undefined : flowFunctionIn(expr);
    if (flow) {
      const help = "ask where values came from in a policy of the `call` phase";
      const defect = new Defect(`\`${flow.name}\` is unknown to a \`${phase}\` policy`, flow.at, help);
      return { diagnostics: [diagnostic(defect)], warnings: [] };
    }
    const checked = check(expr, env);
    const warnings = checked.warnings.map(diagnostic);
    if (checked.defects.length) return { diagnostics: checked.defects.map(diagnostic), warnings };
    if (checked.type.kind !== "bool" && checked.type.kind !== "dyn") {
      const help = "a rule is a condition: compare something, or ask `has(…)`";
      const defect = new Defect(`\`when\` must be a bool, but this is a ${typeText(checked.type)}`, expr, help);
      return { diagnostics: [diagnostic(defect)], warnings };
    }
    const program = compile(expr, env, checked.types);
    if (program.hopeless.length) return { diagnostics: program.hopeless.map(diagnostic), warnings };
    return { program, diagnostics: [], warnings };
  }
}

const MAX_SHAPES = 4096;

/** What compiling a rule for a tool gave. */
export interface Compiled {
  readonly program?: Program;
  readonly diagnostics: readonly Diagnostic[];
  readonly warnings: readonly Diagnostic[];
}

/** Help for a fact that another phase has. */
function elsewhere(message: string, phase: Phase): string | undefined {
  if (message === "unknown fact `result`") return "policies of the `result` phase alone know what a tool returned";
  const call = /^unknown fact `(loop|budget|script|action)`$/.exec(message)?.[1];
  return call !== undefined && phase !== "call" ? `policies of the \`call\` phase alone know \`${call}\`` : undefined;
}

function reads(expr: Expr, name: string): boolean {
  if (expr.op === "ident") return dottedName(expr) === name;
  return childrenOf(expr).some((child) => reads(child, name));
}

/** Parses the rule of a policy; a syntax error is a diagnostic. */
export function parseRule(document: PolicyDocument, settings: Variable): Rule | Diagnostic {
  if (!document.when) return new Rule(document, undefined, settings);
  try {
    return new Rule(document, parse(document.when.text), settings);
  } catch (error) {
    if (!(error instanceof Defect)) throw error;
    return {
      message: error.message,
      span: document.when.at(error.range.start),
      ...(error.help !== undefined && { help: error.help }),
    };
  }
}
