import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Span } from "@callgate/core";
import type { Findings } from "./findings.ts";
import { Secret, type Setting } from "./secret.ts";

/** What placeholders stand for, and where to put what is found. */
export interface Place {
  readonly dir: string;
  readonly data: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly findings: Findings;
  readonly secrets: Secret[];
  /** Files read for `${file:path}`. */
  readonly files: string[];
}

/** Which placeholders a text may hold: folders, secrets. */
export type Allowed = { readonly folders: boolean; readonly secrets: boolean };

const PLACEHOLDER = /\$?\$\{([^}]*)\}?/g;

/**
 * Replaces `${config}`, `${data}`, `${env:NAME}` and `${file:path}`; `$${` gives a literal `${`. A text with a secret in it
 * becomes a `Secret` as a whole. Anything else that looks like a placeholder is an error, so that a typo is never sent out
 * as a password.
 */
export async function expand(text: string, span: Span, allowed: Allowed, place: Place): Promise<Setting> {
  if (!text.includes("${")) return text;
  const sources: string[] = [];
  let out = "";
  let from = 0;
  for (const match of text.matchAll(PLACEHOLDER)) {
    const [whole, inner = ""] = match;
    out += text.slice(from, match.index);
    from = match.index + whole.length;
    if (whole.startsWith("$$")) {
      out += whole.slice(1);
      continue;
    }
    if (!whole.endsWith("}")) {
      place.findings.error("`${` is not closed", span, "end the placeholder with `}`; write `$${` for a literal `${`");
    } else if (inner === "config" || inner === "data") {
      if (allowed.folders) out += inner === "config" ? place.dir : place.data;
      else place.findings.error(`\`${whole}\` is not read here`, span, "write the text itself");
    } else if (/^(?:env|file):./.test(inner)) {
      if (allowed.secrets) {
        const value = inner.startsWith("env:")
          ? fromEnv(inner.slice(4), span, place)
          : await fromFile(inner.slice(5), span, place);
        if (value === undefined) continue;
        place.secrets.push(new Secret(value, inner));
        sources.push(inner);
        out += value;
      } else {
        place.findings.error(
          `\`${whole}\` is not read here`,
          span,
          "secrets belong under `env` or `headers`: this place can be seen by others",
        );
      }
    } else {
      const help = /^[A-Z][A-Z0-9_]*$/.test(inner)
        ? `write \`\${env:${inner}}\`, or \`$\${\` for a literal \`\${\``
        : "write `${env:NAME}`, `${file:path}`, `${config}` or `${data}`; `$${` gives a literal `${`";
      place.findings.error(`\`${whole}\` is not a known placeholder`, span, help);
    }
  }
  out += text.slice(from);
  return sources.length > 0 ? new Secret(out, sources.join("+")) : out;
}

function fromEnv(name: string, span: Span, place: Place): string | undefined {
  const value = place.env[name];
  if (value) return value;
  const state = value === undefined ? "not set" : "empty";
  place.findings.error(`environment variable \`${name}\` is ${state}`, span, `set \`${name}\` before the start`);
  return undefined;
}

async function fromFile(path: string, span: Span, place: Place): Promise<string | undefined> {
  const file = resolve(place.dir, path);
  place.files.push(file);
  try {
    const text = (await readFile(file, "utf8")).replace(/\r?\n$/, "");
    if (text) return text;
    place.findings.error(`secret file \`${path}\` is empty`, span, "write the secret into it");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    place.findings.error(
      `secret file \`${path}\` cannot be read: ${code}`,
      span,
      "check the path, which is relative to the configuration",
    );
  }
  return undefined;
}
