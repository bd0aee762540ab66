import type { Findings } from "./finding.ts";

/** The JSON objects of a file, one a line; a line that is none is reported. */
export function* objectsOf(
  text: string,
  file: string,
  findings: Findings,
): Generator<Readonly<Record<string, unknown>>, void> {
  const lines = text.split("\n");
  if (lines.pop() !== "") findings.add("completeness", "file-form", `the last line of \`${file}\` is cut off`);
  for (const [i, line] of lines.entries()) {
    try {
      const value: unknown = JSON.parse(line);
      if (typeof value !== "object" || value === null || Array.isArray(value))
        throw new TypeError("it is not an object");
      yield value as Readonly<Record<string, unknown>>;
    } catch {
      findings.add("integrity", "file-form", `line ${i + 1} of \`${file}\` is not a JSON object`);
    }
  }
}

/** Hashes of 32 bytes as a proof lists them in base64; undefined if it is anything else. */
export function hashesOf(value: unknown): Buffer[] | undefined {
  if (!Array.isArray(value) || value.length > 128) return undefined;
  const hashes = value.map((one) => (typeof one === "string" ? Buffer.from(one, "base64") : Buffer.alloc(0)));
  return hashes.every((one) => one.length === 32) ? hashes : undefined;
}
