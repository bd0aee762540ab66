import type { Diagnostic, Span } from "@callgate/core";
import { check } from "./cel/check.ts";
import { compile } from "./cel/compile.ts";
import { evaluate } from "./cel/engine.ts";
import { Environment } from "./cel/env.ts";
import { Defect } from "./cel/fault.ts";
import { LIBRARY } from "./cel/lib/index.ts";
import { parse } from "./cel/parse.ts";
import { phrase } from "./cel/type.ts";
import type { Value } from "./cel/value.ts";
import { typeOfSchema } from "./schema.ts";

/** What a condition makes of one value: whether it holds, or why that cannot be said. */
export type ConditionOutcome =
  | { readonly ok: true; readonly holds: boolean }
  /** `absent`: it reads a field that this value does not have. */
  | { readonly ok: false; readonly absent: boolean; readonly message: string };

/** A condition over one value, ready to be asked; or what is wrong with it. */
export type CompiledCondition =
  | {
      readonly ok: true;
      /** Never throws, and takes no more than the fuel of a policy's rule. */
      evaluate(value: unknown): ConditionOutcome;
    }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };

/**
 * Compiles a CEL expression over one JSON value, called `name` in it and described by a JSON Schema: names that the
 * schema does not have are diagnostics, whose spans are in `file`. The functions are those that policies have, but for
 * those about a call's flow.
 */
export function compileCondition(text: string, name: string, schema: unknown, file: string): CompiledCondition {
  const env = new Environment(
    [{ name, type: typeOfSchema(schema, name), read: (value) => value as Value | undefined }],
    LIBRARY,
  );
  const refuse = (defects: readonly Defect[]): CompiledCondition => ({
    ok: false,
    diagnostics: defects.map(({ message, help, range }) => ({
      message,
      span: spanOf(file, text, range.start),
      ...(help !== undefined && { help }),
    })),
  });
  try {
    const expr = parse(text);
    const { type, types, defects } = check(expr, env);
    if (defects.length > 0) return refuse(defects);
    if (type.kind !== "bool" && type.kind !== "dyn") {
      const help = "compare something, or ask `has(…)`";
      return refuse([new Defect(`a condition must be a bool, but this is ${phrase(type)}`, expr, help)]);
    }
    const program = compile(expr, env, types);
    if (program.hopeless.length > 0) return refuse(program.hopeless);
    return {
      ok: true,
      evaluate(value) {
        const outcome = evaluate(program, value);
        if (!outcome.ok)
          return { ok: false, absent: outcome.fault.code === "no_such_key", message: outcome.fault.message };
        if (typeof outcome.value === "boolean") return { ok: true, holds: outcome.value };
        return { ok: false, absent: false, message: "the condition gives no bool for this value" };
      },
    };
  } catch (error) {
    if (error instanceof Defect) return refuse([error]);
    throw error;
  }
}

function spanOf(file: string, text: string, offset: number): Span {
  const before = text.slice(0, offset).split("\n");
  return { file, line: before.length, column: (before.at(-1) as string).length + 1 };
}
