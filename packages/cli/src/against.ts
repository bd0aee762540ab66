import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { type Diagnostic, messageOf, type Span } from "@callgate/core";
import { PACK_PREFIX, packPolicies } from "@callgate/gateway";
import type { PolicySource } from "@callgate/policy";
import { shownName } from "./case-files.ts";
import { refuseWrong } from "./policies.ts";

/** The policies that a file of cases is `against`: files relative to it, and packs. Throws `POLICY_INVALID` for what is not there. */
export async function againstSources(
  file: string,
  against: readonly { readonly name: string; readonly span: Span }[],
): Promise<PolicySource[]> {
  const found = await Promise.all(against.map(({ name, span }) => sourceOf(file, name, span)));
  refuseWrong(
    found.flatMap((one) => ("message" in one ? [one] : [])),
    "the cases",
  );
  return found.flatMap((one) => ("message" in one ? [] : [one]));
}

async function sourceOf(file: string, name: string, span: Span): Promise<PolicySource | Diagnostic> {
  if (name.startsWith(PACK_PREFIX)) {
    const pack = await packPolicies(name.slice(PACK_PREFIX.length));
    return pack.ok ? pack.source : { message: pack.message, span, help: pack.help };
  }
  const path = resolve(dirname(file), name);
  try {
    return { file: shownName(path), text: await readFile(path, "utf8") };
  } catch (error) {
    const help = "name a file relative to this one, or a pack as in `pack:base`";
    return { message: `\`${name}\` cannot be read: ${messageOf(error)}`, span, help };
  }
}
