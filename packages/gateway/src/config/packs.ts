import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { PolicySource } from "@callgate/policy";
import { nearest, quoteList } from "./suggest.ts";

/** A set of policies that comes with the product, for use as `pack:<name>`. */
export interface Pack {
  readonly name: string;
  /** What it is for, in one sentence. */
  readonly purpose: string;
  /** The names of the settings that its rules read. */
  readonly settings: readonly string[];
  readonly text: string;
}

/** In the sources the packs stand at the repository's root; in the package that is published, beside its one folder of code. */
const FOLDER = join(import.meta.dirname, import.meta.url.endsWith(".ts") ? "../../../../policies" : "../policies");
const FILE = /^(?!.*\.test\.)([a-z0-9-]+)\.yaml$/;

/** What a policy is called whose file comes with the product. */
export const PACK_PREFIX = "pack:";

/** Every pack, by name. */
export async function readPacks(): Promise<readonly Pack[]> {
  const names = (await readdir(FOLDER)).flatMap((file) => FILE.exec(file)?.[1] ?? []);
  return await Promise.all(names.sort().map(readPack));
}

async function readPack(name: string): Promise<Pack> {
  const text = await readFile(join(FOLDER, `${name}.yaml`), "utf8");
  const purpose = /^# (.*)$/m.exec(text)?.[1] ?? "";
  const settings = [...new Set([...text.matchAll(/\bsettings\.(\w+)/g)].map((match) => match[1] as string))];
  return { name, purpose, settings, text };
}

/** The pack of this name as a policy file, or why there is none. */
export async function packPolicies(
  name: string,
): Promise<
  | { readonly ok: true; readonly source: PolicySource }
  | { readonly ok: false; readonly message: string; readonly help: string }
> {
  const packs = await readPacks();
  const pack = packs.find((one) => one.name === name);
  if (pack) return { ok: true, source: { file: `${PACK_PREFIX}${name}`, text: pack.text } };
  const names = packs.map((one) => one.name);
  const near = nearest(name, names);
  const help = `${near === undefined ? "" : `did you mean \`${near}\`? `}the packs are ${quoteList(names)}`;
  return { ok: false, message: `there is no pack \`${name}\``, help };
}
