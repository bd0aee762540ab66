import { type Diagnostic, isObject, type ToolFacts } from "@callgate/core";
import type { Expr } from "../cel/ast.ts";
import type { Environment, Variable } from "../cel/env.ts";
import { parse } from "../cel/parse.ts";
import { type PolicyDocument, readPolicies } from "../document.ts";
import { callEnvironment, LIST_ENVIRONMENT, resultEnvironment } from "../facts.ts";
import type { PolicySource } from "../port.ts";
import { parseRule, Rule } from "../rule.ts";
import { typeOfSchema } from "../schema.ts";
import { type PolicySettings, settingsFact } from "../settings.ts";
import { isCaseFile } from "../tools/cases.ts";
import { ALWAYS, type Formula, formulaOf } from "./formula.ts";
import { factsOf, type Known, rolesOf, unvalued, withoutEmptyRoles } from "./known.ts";

/** A policy with its condition open to be reasoned about. */
export interface Studied {
  readonly rule: Rule;
  readonly document: PolicyDocument;
  /** The condition for calls of `tool`, whose schemas type it, as far as it depends on what is not `known`. */
  formula(tool: ToolFacts | undefined, known: Known): Formula;
}

/**
 * Opens policies that load. `settings` are absent where nothing is to be concluded from their values: `types` give their types then.
 * What does not parse is left out: loading has said so.
 */
export function study(
  sources: readonly PolicySource[],
  { values, types }: { readonly values: PolicySettings; readonly types?: "only" },
): Studied[] {
  const documents = sources.filter((source) => !isCaseFile(source)).flatMap((source) => readPolicies(source).policies);
  const fact = settingsFact(values);
  const settings = types === "only" ? unvalued(fact) : fact;
  const environments = new Environments(settings);
  return documents.flatMap((document): Studied[] => {
    const rule: Rule | Diagnostic = parseRule(document, fact);
    if (!(rule instanceof Rule)) return [];
    if (!document.when) return [{ rule, document, formula: () => ALWAYS }];
    const expr = parse(document.when.text);
    const cut = new Map<string, Expr>();
    return [
      {
        rule,
        document,
        formula(tool, known) {
          const held = rolesOf(known.tool);
          const roles = held ? [...held].sort().join() : "any";
          const of = cut.get(roles) ?? withoutEmptyRoles(expr, held);
          cut.set(roles, of);
          return formulaOf(of, environments.of(document, tool), factsOf(known));
        },
      },
    ];
  });
}

/** The names that a rule may use, by what it is about and by the schemas of a tool. */
class Environments {
  readonly #settings: Variable;
  readonly #known = new Map<string, Environment>();

  constructor(settings: Variable) {
    this.#settings = settings;
  }

  of({ phase }: PolicyDocument, tool: ToolFacts | undefined): Environment {
    const input = phase === "list" ? undefined : tool?.inputSchema;
    const output = phase === "result" ? tool?.outputSchema : undefined;
    const key = [phase, ...[input, output].map((schema) => (isObject(schema) ? JSON.stringify(schema) : ""))].join(
      "\0",
    );
    const known = this.#known.get(key);
    if (known) return known;
    const args = typeOfSchema(input);
    const base =
      phase === "list"
        ? LIST_ENVIRONMENT
        : phase === "call"
          ? callEnvironment(args)
          : resultEnvironment(args, typeOfSchema(output, "result.structured"));
    const made = base.with([this.#settings]);
    this.#known.set(key, made);
    return made;
  }
}
