import { CallgateError, formatDiagnostic, messageOf } from "@callgate/core";
import { printableLines } from "@callgate/gateway";

/** Exit codes: 0 done, 1 refused or failed, 2 the input is wrong (configuration, manifest, policy, argument). */
export const EXIT = { done: 0, failed: 1, input: 2 } as const;

const WRONG_INPUT = new Set([
  "CONFIG_INVALID",
  "POLICY_INVALID",
  "MANIFEST_INVALID",
  "TOKEN_REQUEST_INVALID",
  "BAD_ARGUMENT",
  "LEDGER_FILTER_INVALID",
  "CLIENT_CONFIG_INVALID",
  "BUNDLE_INVALID",
  "BUNDLE_TOO_LARGE",
  "MODULE_INVALID",
  "TESTS_INVALID",
]);

/** Prints an error, safely, as a person wants it (or as JSON with `--json` on the command line) and ends the process; with `code` where a command has codes of its own. */
export function fail(error: unknown, code?: number): never {
  const known = error instanceof CallgateError ? error : undefined;
  if (process.argv.includes("--json")) {
    const diagnostics = known?.diagnostics ?? [];
    console.error(
      JSON.stringify({
        error: {
          code: known?.code ?? "INTERNAL",
          message: messageOf(error),
          ...(known?.help && { help: known.help }),
          ...(diagnostics.length > 0 && { diagnostics }),
        },
      }),
    );
  } else {
    for (const diagnostic of known?.diagnostics ?? []) console.error(printableLines(formatDiagnostic(diagnostic)));
    console.error(printableLines(`error: ${messageOf(error)}${known?.help ? `\n  help: ${known.help}` : ""}`));
    if (!known && error instanceof Error && process.env["CALLGATE_DEBUG"]) console.error(error.stack);
  }
  process.exit(code ?? (known && WRONG_INPUT.has(known.code) ? EXIT.input : EXIT.failed));
}

/** A table with aligned columns, as text. Cells are cut to `widths` where given. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  widths: readonly (number | undefined)[] = [],
): string {
  const cut = (cell: string, i: number): string => {
    const width = widths[i];
    const flat = cell.replaceAll(/\s+/g, " ");
    return width !== undefined && flat.length > width ? `${flat.slice(0, width - 1)}…` : flat;
  };
  const cells = [head, ...rows].map((row) => row.map(cut));
  const sizes = head.map((_, i) => Math.max(...cells.map((row) => (row[i] ?? "").length)));
  return cells
    .map((row) =>
      row
        .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(sizes[i] as number)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
