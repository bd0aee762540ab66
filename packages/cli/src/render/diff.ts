import { stringifyJson } from "@callgate/core";
import { printable } from "@callgate/gateway";

const MOST_LINES = 400;

/**
 * What changed from one value to the other, in lines that start with `- `, `+ ` or two spaces. Texts are compared by line,
 * other values by the lines of their JSON. Safe to print.
 */
export function diffLines(before: unknown, now: unknown): string[] {
  const [a, b] = [linesOf(before), linesOf(now)];
  if (a.length > MOST_LINES || b.length > MOST_LINES) return [...a.map((l) => `- ${l}`), ...b.map((l) => `+ ${l}`)];
  const common = lengths(a, b);
  const out: string[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      out.push(`  ${a[i++]}`);
      j++;
    } else if (j >= b.length || (i < a.length && at(common, i + 1, j) >= at(common, i, j + 1))) out.push(`- ${a[i++]}`);
    else out.push(`+ ${b[j++]}`);
  }
  return out;
}

/** A tool's definition as a person reads it. Safe to print. */
export function definitionLines(definition: Readonly<Record<string, unknown>>): string[] {
  return ["title", "description", "inputSchema", "outputSchema", "annotations"].flatMap((field) =>
    definition[field] === undefined ? [] : [field, ...linesOf(definition[field]).map((l) => `  ${l}`)],
  );
}

function linesOf(value: unknown): string[] {
  if (value === undefined) return [];
  return (typeof value === "string" ? value : stringifyJson(value, 2)).split("\n").map(printable);
}

/** `[i][j]`: how many lines the rests of both from there have in common, in order. */
function lengths(a: readonly string[], b: readonly string[]): number[][] {
  const table = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      (table[i] as number[])[j] =
        a[i] === b[j] ? at(table, i + 1, j + 1) + 1 : Math.max(at(table, i + 1, j), at(table, i, j + 1));
  return table;
}

function at(table: readonly (readonly number[])[], i: number, j: number): number {
  return table[i]?.[j] ?? 0;
}
