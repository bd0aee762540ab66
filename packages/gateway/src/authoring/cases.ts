import { stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { CallgateError, isObject, messageOf } from "@callgate/core";
import * as z from "zod";
import { format, parseDocumentOf } from "../config/document.ts";
import { Findings, inOrder } from "../config/findings.ts";
import { moduleWishes } from "../config/manifest-schema.ts";
import { toRunBudgets } from "../config/run-budgets.ts";
import { line } from "../config/scalars.ts";
import { readText, shownName } from "../config/source.ts";
import type { ModuleManifest } from "../config/types.ts";
import { readBudgets } from "./budgets.ts";

const json = z.unknown();
const error = z.strictObject({ code: line, message: z.string().default("") });

const fetchStub = z.strictObject({
  url: line,
  method: z.string().optional(),
  status: z.int().min(100).max(599).default(200),
  headers: z.record(z.string(), z.string()).default({}),
  body: z.string().optional(),
  json: json.optional(),
  error: error.optional(),
});

const toolStub = z.union([z.strictObject({ result: json }), z.strictObject({ error })]);

const expected = z.strictObject({
  result: json.optional(),
  matches: json.optional(),
  error: z.union([line, z.strictObject({ code: line.optional(), message: z.string().optional() })]).optional(),
  logs: z.array(z.string()).optional(),
});

const caseSchema = z.strictObject({
  name: line,
  tool: line,
  args: z.record(z.string(), json).prefault({}),
  seed: z.int().min(0).max(4_294_967_295).optional(),
  now: z.iso.datetime().optional(),
  budgets: z.record(z.string(), json).prefault({}),
  fetch: z.array(fetchStub).prefault([]),
  tools: z.record(z.string(), toolStub).prefault({}),
  expect: expected,
});

const fileSchema = z.strictObject({
  module: moduleWishes.prefault({}),
  tests: z.array(caseSchema).prefault([]),
});
/** Made when first needed: most commands read no cases. */
const form = (): ReturnType<typeof format<z.output<typeof fileSchema>>> => format(fileSchema, {});

/** One call of a tool and what must come of it. What it fetches and calls is answered from the case, never from outside. */
export type ToolCase = z.output<typeof caseSchema>;
export type FetchStub = z.output<typeof fetchStub>;

/** What stands beside a module's source: what its author says it needs, and the tests of its tools. */
export interface ToolCases {
  readonly file: string;
  readonly wishes: Omit<ModuleManifest, "digest" | "fetch">;
  /** The budgets as they are written, for a manifest that is drafted. */
  readonly budgetsText: Readonly<Record<string, unknown>>;
  readonly tests: readonly ToolCase[];
}

/** Where the cases of a module stand: `tests.yaml` in its folder. */
export async function casesFileOf(entry: string): Promise<string> {
  const path = resolve(entry);
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
  return join(isFolder ? path : dirname(path), "tests.yaml");
}

/** Reads a file of cases; undefined where there is none. Throws `TESTS_INVALID` with every diagnostic. */
export async function readCases(file: string): Promise<ToolCases | undefined> {
  if (!(await stat(file).catch(() => undefined))?.isFile()) return undefined;
  const findings = new Findings();
  const text = await readText(file, `\`${shownName(file)}\``, "");
  if (!text.ok) findings.errors.push(...text.diagnostics);
  const parsed = text.ok ? parseDocumentOf(file, text.value, form(), findings) : undefined;
  for (const [i, { expect, budgets }] of (parsed?.value.tests ?? []).entries()) {
    try {
      readBudgets(budgets);
    } catch (error) {
      if (parsed)
        findings.error(messageOf(error), parsed.source.at(["tests", i, "budgets"]), "write it as a manifest does");
    }
    const ways = (["result", "matches", "error"] as const).filter((key) => key in expect);
    if (ways.length !== 1 && parsed)
      findings.error(
        ways.length === 0 ? "nothing is expected of the call" : `\`${ways.join("` and `")}\` cannot both be expected`,
        parsed.source.at(["tests", i, "expect"]),
        "expect one of `result` (all of it), `matches` (these parts of it) and `error`",
      );
  }
  if (!parsed || findings.errors.length > 0)
    throw new CallgateError("TESTS_INVALID", `the tests in \`${shownName(file)}\` cannot be read`, {
      diagnostics: inOrder(findings.errors),
    });
  const { module, tests } = parsed.value;
  const top = isObject(parsed.source.value) ? parsed.source.value["module"] : undefined;
  const written = isObject(top) ? top["budgets"] : undefined;
  return {
    file,
    wishes: { hosts: module.hosts, calls: module.calls, budgets: toRunBudgets(module.budgets) },
    budgetsText: isObject(written) ? written : {},
    tests,
  };
}
