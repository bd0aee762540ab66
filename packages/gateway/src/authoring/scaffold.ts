import { mkdir, readdir, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { CallgateError } from "@callgate/core";
import { shownName } from "../config/source.ts";
import { AUTHOR_TYPES } from "./author-types.ts";

const ZOD_RANGE = "^4.2.0";

/**
 * Writes the source of a module that works, with its tests, into a folder that is empty or not there. Returns the names of the
 * files. Throws `FOLDER_IN_USE`: what is there MUST NOT be written over.
 */
export async function scaffoldModule(folder: string, { zod }: { readonly zod: boolean }): Promise<readonly string[]> {
  const path = resolve(folder);
  await mkdir(path, { recursive: true });
  if ((await readdir(path)).length > 0)
    throw new CallgateError("FOLDER_IN_USE", `\`${shownName(path)}\` is not empty`, {
      help: "name a folder that is not there yet",
    });
  const files: Readonly<Record<string, string>> = {
    "tool.ts": zod ? ZOD_TOOL : PLAIN_TOOL,
    "tests.yaml": TESTS(zod),
    "callgate.d.ts": AUTHOR_TYPES,
    "package.json": `${JSON.stringify(packageOf(basename(path), zod), null, 2)}\n`,
    "tsconfig.json": `${JSON.stringify(TSCONFIG, null, 2)}\n`,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text, { flag: "wx" });
  return Object.keys(files);
}

function packageOf(folder: string, zod: boolean): object {
  const name =
    folder
      .toLowerCase()
      .replace(/[^a-z0-9._-]+/g, "-")
      .replace(/^[._-]+/, "") || "tools";
  return { name, version: "1.0.0", private: true, type: "module", ...(zod && { dependencies: { zod: ZOD_RANGE } }) };
}

/** No library but the language: the sandbox has neither Node's world nor a browser's, and `callgate.d.ts` says what it has. */
const TSCONFIG = {
  compilerOptions: {
    target: "es2024",
    lib: ["es2024"],
    types: [],
    module: "esnext",
    moduleResolution: "bundler",
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    allowImportingTsExtensions: true,
  },
};

const PLAIN_TOOL = `import type { ToolModule } from "./callgate.d.ts";

interface Numbers {
  readonly numbers: readonly number[];
}

const input = {
  type: "object",
  properties: { numbers: { type: "array", items: { type: "number" }, minItems: 1, description: "At least one." } },
  required: ["numbers"],
  additionalProperties: false,
} as const;

const output = {
  type: "object",
  properties: { count: { type: "integer" }, mean: { type: "number" }, median: { type: "number" } },
  required: ["count", "mean", "median"],
} as const;

export default {
  tools: {
    summarize: {
      description: "Gives the count, the mean and the median of some numbers.",
      input,
      output,
      annotations: { readOnlyHint: true, openWorldHint: false },
      handler({ numbers }: Numbers) {
        const sorted = numbers.toSorted((a, b) => a - b);
        const middle = sorted.length >> 1;
        const upper = sorted[middle] as number;
        const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
        return { count: sorted.length, mean: sorted.reduce((sum, n) => sum + n, 0) / sorted.length, median };
      },
    },
  },
} satisfies ToolModule;
`;

const ZOD_TOOL = `import * as z from "zod";
import type { ToolModule } from "./callgate.d.ts";

const Input = z.strictObject({
  numbers: z.array(z.number()).min(1).describe("At least one."),
  digits: z.int().min(0).max(12).default(6).describe("Digits after the point."),
});

const Output = z.object({ count: z.int(), mean: z.number(), median: z.number() });

export default {
  tools: {
    summarize: {
      description: "Gives the count, the mean and the median of some numbers.",
      input: Input,
      output: Output,
      annotations: { readOnlyHint: true, openWorldHint: false },
      handler({ numbers, digits }: z.output<typeof Input>): z.input<typeof Output> {
        const round = (n: number): number => Number(n.toFixed(digits));
        const sorted = numbers.toSorted((a, b) => a - b);
        const middle = sorted.length >> 1;
        const upper = sorted[middle] as number;
        const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
        const mean = sorted.reduce((sum, n) => sum + n, 0) / sorted.length;
        return { count: sorted.length, mean: round(mean), median: round(median) };
      },
    },
  },
} satisfies ToolModule;
`;

const TESTS = (
  zod: boolean,
): string => `# What this module needs. A manifest is drafted from it, and a person reads that before it counts.
module:
  hosts: []
  calls: []
  budgets: { cpu: 500ms, wall: 5s }

tests:
  - name: an odd count has a middle
    tool: summarize
    args: { numbers: [3, 1, 8] }
    expect: { result: { count: 3, mean: 4, median: 3 } }

  - name: an even count has none
    tool: summarize
    args: { numbers: [1, 2, 3, 10] }
    expect: { matches: { median: 2.5 } }

  - name: no numbers are no numbers
    tool: summarize
    args: { numbers: [] }
    expect: { error: INVALID_ARGUMENTS }
${
  zod
    ? `
  - name: digits are cut
    tool: summarize
    args: { numbers: [1, 2, 2], digits: 2 }
    expect: { matches: { mean: 1.67 } }
`
    : ""
}`;
