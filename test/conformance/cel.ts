// Runs the language's own conformance cases (google/cel-spec, as JSON) against the policy engine.
//   npm run conformance:cel -- --data <conformance.json> [--verbose] [--file <name>]
// Prints pass/total per file, and every failure with --verbose. Exit code 1 if the core or an extension is below its floor.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { check } from "../../packages/policy/src/cel/check.ts";
import { compile } from "../../packages/policy/src/cel/compile.ts";
import { evaluate } from "../../packages/policy/src/cel/engine.ts";
import { Environment, type FunctionDecl, parseOverload, type Variable } from "../../packages/policy/src/cel/env.ts";
import { Defect } from "../../packages/policy/src/cel/fault.ts";
import { LIBRARY } from "../../packages/policy/src/cel/lib/index.ts";
import { parse } from "../../packages/policy/src/cel/parse.ts";
import { DYN, parseType, typeText } from "../../packages/policy/src/cel/type.ts";
import { type Canonical, fromCanonical, toCanonical } from "./cel-value.ts";

interface Declaration {
  readonly name: string;
  readonly type?: string;
  readonly overloads?: readonly {
    readonly params: readonly string[];
    readonly result: string;
    readonly member: boolean;
  }[];
}

interface Case {
  readonly file: string;
  readonly section: string;
  readonly name: string;
  readonly expr: string;
  readonly container?: string;
  readonly disableCheck?: boolean;
  readonly checkOnly?: boolean;
  readonly excluded?: string;
  readonly typeEnv?: readonly Declaration[];
  readonly bindings?: readonly (readonly [string, Canonical])[];
  readonly expect:
    | { readonly kind: "value"; readonly value: Canonical }
    | { readonly kind: "error" }
    | { readonly kind: "typed"; readonly type: string; readonly value?: Canonical };
}

const CORE =
  "basic comparisons conversions fields fp_math integer_math lists logic macros namespace parse plumbing string timestamps".split(
    " ",
  );
const CORE_FLOOR = 1090;
const EXTENSIONS = ["string_ext", "optionals", "math_ext", "bindings_ext", "encoders_ext"];
const EXTENSION_FLOOR = 0.95;

function environmentOf(test: Case): Environment {
  const variables = new Map<string, Variable>();
  const functions = new Map(LIBRARY);
  const declare = (name: string, type = DYN): void => {
    variables.set(name, { name, type, read: (facts) => (facts as ReadonlyMap<string, never>).get(name) });
  };
  for (const [name] of test.bindings ?? []) declare(name);
  for (const declaration of test.typeEnv ?? []) {
    if (declaration.type !== undefined) declare(declaration.name, parseType(declaration.type));
    for (const { params, result, member } of declaration.overloads ?? []) {
      const decl: FunctionDecl = { name: declaration.name, overloads: [], natives: new Map() };
      decl.overloads.push(parseOverload(`${params.join(", ")} -> ${result}`, member));
      functions.set(declaration.name, decl);
    }
  }
  return new Environment([...variables.values()], functions, test.container);
}

/** Undefined if the case passes, else what happened instead. */
function failureOf(test: Case): string | undefined {
  const { expect } = test;
  const facts = new Map((test.bindings ?? []).map(([name, value]) => [name, fromCanonical(value)]));
  const env = environmentOf(test);
  let problem: string;
  try {
    const expr = parse(test.expr);
    const checked = test.disableCheck ? undefined : check(expr, env);
    if (checked?.defects.length) problem = checked.defects.map((d) => d.message).join("; ");
    else {
      if (expect.kind === "typed" && checked && typeText(checked.type) !== expect.type)
        return `type ${typeText(checked.type)}`;
      if (test.checkOnly) return undefined;
      const outcome = evaluate(compile(expr, env, checked?.types), facts);
      if (outcome.ok) {
        if (expect.kind === "error") return `value ${JSON.stringify(toCanonical(outcome.value))}`;
        const same = JSON.stringify(toCanonical(outcome.value)) === JSON.stringify(sorted(expect.value as Canonical));
        return same ? undefined : `value ${JSON.stringify(toCanonical(outcome.value))}`;
      }
      problem = outcome.fault.message;
    }
  } catch (error) {
    if (!(error instanceof Defect)) throw error;
    problem = error.message;
  }
  return expect.kind === "error" ? undefined : `error: ${problem}`;
}

function sorted(value: Canonical): Canonical {
  return toCanonical(fromCanonical(value));
}

const { values: options } = parseArgs({
  options: { data: { type: "string" }, verbose: { type: "boolean", default: false }, file: { type: "string" } },
});
if (options.data === undefined) {
  console.error("no conformance data given\n  help: pass --data <path to conformance.json>");
  process.exit(2);
}
const { tests } = JSON.parse(readFileSync(options.data, "utf8")) as { tests: readonly Case[] };

const tally = new Map<string, { pass: number; total: number; excluded: number }>();
for (const test of tests) {
  if (options.file !== undefined && test.file !== options.file) continue;
  const row = tally.get(test.file) ?? { pass: 0, total: 0, excluded: 0 };
  tally.set(test.file, row);
  if (test.excluded !== undefined) {
    row.excluded += 1;
    continue;
  }
  row.total += 1;
  const failure = failureOf(test);
  if (failure === undefined) row.pass += 1;
  else if (options.verbose) {
    console.log(
      `${test.file}/${test.section}/${test.name}: ${test.expr}\n    got ${failure}\n    expected ${JSON.stringify(test.expect)}`,
    );
  }
}

const sum = (files: readonly string[]): { pass: number; total: number } => {
  const rows = files.flatMap((file) => tally.get(file) ?? []);
  return { pass: rows.reduce((n, r) => n + r.pass, 0), total: rows.reduce((n, r) => n + r.total, 0) };
};
for (const [file, row] of [...tally].sort(([a], [b]) => a.localeCompare(b))) {
  const excluded = row.excluded ? `  (${row.excluded} need protobuf)` : "";
  if (row.total > 0) console.log(`${file.padEnd(16)} ${String(row.pass).padStart(5)}/${row.total}${excluded}`);
}
const core = sum(CORE);
const all = sum([...tally.keys()]);
console.log(`${"core".padEnd(16)} ${String(core.pass).padStart(5)}/${core.total}`);
console.log(`${"all".padEnd(16)} ${String(all.pass).padStart(5)}/${all.total}`);

const low = EXTENSIONS.filter((file) => sum([file]).pass < EXTENSION_FLOOR * sum([file]).total);
if (options.file === undefined && (core.pass < CORE_FLOOR || low.length > 0)) {
  console.error(`below the floor: ${core.pass < CORE_FLOOR ? "core " : ""}${low.join(" ")}`);
  process.exitCode = 1;
}
