import { resolve } from "node:path";
import type { Findings } from "./findings.ts";
import type { ConfigInput } from "./schema.ts";
import { parseSource, readText, type Source, shownName } from "./source.ts";

/** Trusted values by the name of their source, and the files that were read for them. */
interface LoadedTrust {
  readonly values: Readonly<Record<string, unknown>>;
  readonly files: readonly string[];
}

/** Puts together the values that ground arguments: those written down, and those of files. */
export async function loadTrusted(
  input: ConfigInput["flow"],
  dir: string,
  source: Source,
  findings: Findings,
): Promise<LoadedTrust> {
  const values: Record<string, unknown> = Object.create(null);
  for (const [name, list] of Object.entries(input.trusted)) values[name] = list;
  const files: string[] = [];
  for (const [name, path] of Object.entries(input.trustedFiles)) {
    const span = source.at(["flow", "trustedFiles", name]);
    if (name in values) {
      findings.error(
        `\`${name}\` is there twice`,
        span,
        "give the file another name, or put its values into `trusted`",
      );
      continue;
    }
    const file = resolve(dir, path);
    files.push(file);
    const help = "check the path, which is relative to the configuration";
    const text = await readText(file, `trusted file \`${shownName(file)}\``, help, span);
    if (!text.ok) findings.errors.push(...text.diagnostics);
    else if (/\.(?:ya?ml|json)$/i.test(file)) {
      const parsed = parseSource(file, text.value);
      if (parsed.ok) values[name] = parsed.value.value;
      else findings.errors.push(...parsed.diagnostics);
    } else values[name] = text.value.split(/\r?\n/).filter((line) => line.trim() !== "");
  }
  return { values, files };
}
