import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { formatDiagnostic } from "@callgate/core";
import { loadConfig } from "../src/config/index.ts";

/** One case of config-cases.txt. */
export interface Case {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  readonly expected: string;
}

export function parseCases(text: string): Case[] {
  return text
    .split(/^=== /m)
    .slice(1)
    .map((block) => {
      const [name = "", ...rest] = block.split("\n");
      const parts = rest.join("\n").split(/^-- (.+) --\n/m);
      const files: Record<string, string> = {};
      for (let i = 1; i < parts.length; i += 2) files[parts[i] ?? ""] = parts[i + 1] ?? "";
      const { expected = "", ...given } = files;
      return { name, files: given, expected: expected.trim() };
    });
}

/** Loads the files of a case in a folder of its own and gives what is said, with the folder left out of the paths. */
export async function run(given: Case, base: Case): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "callgate-config-"));
  try {
    const { env: variables = "", ...files } = { ...base.files, ...given.files };
    for (const [path, text] of Object.entries(files)) {
      if (text.trim() === "(absent)") continue;
      await mkdir(dirname(join(dir, path)), { recursive: true });
      await writeFile(join(dir, path), text);
    }
    const env = Object.fromEntries(
      variables
        .split("\n")
        .flatMap((line) =>
          line.includes("=") ? [[line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]] : [],
        ),
    );
    const result = await loadConfig(join(dir, "callgate.yaml"), { env });
    const said = [
      ...(result.ok ? ["ok"] : result.diagnostics.map(formatDiagnostic)),
      ...result.warnings.map((w) => `warning: ${formatDiagnostic(w)}`),
    ];
    return `${said.join("\n").replaceAll(`${dir}/`, "")}\n`;
  } finally {
    await rm(dir, { recursive: true });
  }
}
