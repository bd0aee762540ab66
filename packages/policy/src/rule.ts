import { compileGlobs, type Diagnostic, type Obligation, type Reason, type ToolFacts } from "@callgate/core";
import { childrenOf, dottedName, type Expr } from "./cel/ast.ts";
import { check } from "./cel/check.ts";
import { compile, type Program } from "./cel/compile.ts";
import type { Environment } from "./cel/env.ts";
import { Defect } from "./cel/fault.ts";
import { parse } from "./cel/parse.ts";
import { typeText } from "./cel/type.ts";
import type { PolicyDocument } from "./document.ts";
import { factNames } from "./fact-names.ts";
import { callEnvironment, LIST_ENVIRONMENT } from "./facts.ts";
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
  /** The dotted names of the facts that the condition names. */
  readonly facts: readonly string[];
  readonly matchesTool: (qualified: string) => boolean;
  readonly #roles: ((role: string) => boolean) | undefined;
  readonly #agents: ((agent: string) => boolean) | undefined;
  readonly #expr: Expr | undefined;
  readonly #readsArgs: boolean;
  /** By the text of the input schema: rules over many tools of one shape are compiled once. */
  readonly #programs = new Map<string, Compiled>();

  constructor(document: PolicyDocument, expr: Expr | undefined) {
    this.document = document;
    const { id, reason = "permitted by policy", remedy } = document;
    this.reason = Object.freeze({ rule: id, message: reason, ...(remedy !== undefined && { remedy }) });
    this.obligations = document.obligations.map((obligation): Obligation => ({ ...obligation, rule: id }));
    this.matchesTool = compileGlobs(document.tools.map((t) => t.glob));
    this.#roles = document.roles && compileGlobs(document.roles);
    this.#agents = document.agents && compileGlobs(document.agents);
    this.#expr = expr;
    this.facts = expr ? factNames(expr) : [];
    this.#readsArgs = expr !== undefined && reads(expr, "args");
  }

  /** Whether the policy speaks to this principal at all. */
  appliesTo(principal: { readonly agent: string; readonly roles: readonly string[] }): boolean {
    if (this.#agents && !this.#agents(principal.agent)) return false;
    return !this.#roles || principal.roles.some(this.#roles);
  }

  /** Checks the rule against a tool's arguments and compiles it. */
  compileFor(tool: ToolFacts): Compiled {
    if (!this.#expr) return { diagnostics: [], warnings: [] };
    // A rule about listing, or one that does not look at arguments, is the same for every tool.
    const shape = this.document.phase === "call" && this.#readsArgs ? JSON.stringify(tool.inputSchema ?? true) : "";
    const known = this.#programs.get(shape);
    if (known) return known;
    const compiled = this.#compile(this.#expr, environmentFor(this.document.phase, shape === "" ? undefined : tool));
    if (this.#programs.size >= MAX_SHAPES) this.#programs.clear();
    this.#programs.set(shape, compiled);
    return compiled;
  }

  #compile(expr: Expr, env: Environment): Compiled {
    const { when, span } = this.document;
    const diagnostic = (d: Defect): Diagnostic => ({
      message: d.message,
      span: when?.at(d.range.start) ?? span,
      ...(d.help !== undefined && { help: d.help }),
    });
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

function environmentFor(phase: "call" | "list", tool: ToolFacts | undefined): Environment {
  return phase === "list" ? LIST_ENVIRONMENT : callEnvironment(typeOfSchema(tool?.inputSchema));
}

function reads(expr: Expr, name: string): boolean {
  if (expr.op === "ident") return dottedName(expr) === name;
  return childrenOf(expr).some((child) => reads(child, name));
}

/** Parses the rule of a policy; a syntax error is a diagnostic. */
export function parseRule(document: PolicyDocument): Rule | Diagnostic {
  if (!document.when) return new Rule(document, undefined);
  try {
    return new Rule(document, parse(document.when.text));
  } catch (error) {
    if (!(error instanceof Defect)) throw error;
    return {
      message: error.message,
      span: document.when.at(error.range.start),
      ...(error.help !== undefined && { help: error.help }),
    };
  }
}
