import { hash, verify } from "node:crypto";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Findings } from "./finding.ts";
import type { NoteKey } from "./note.ts";

/** What the first line of a bundle's manifest says. */
export const BUNDLE = "callgate-bundle/1";
/** The manifest's own name. */
const MANIFEST = "manifest.note";
/** Without these there is nothing to check. */
const NEEDED = ["ledger.vkey", "checkpoint.note", "records.jsonl", "payloads.jsonl", "keys.json", "anchors.jsonl"];

/** The signed list of a bundle's files. */
export interface Manifest {
  readonly log: string;
  readonly made: string;
  readonly of: string;
  readonly records: number;
  /** Records that the checkpoint is of. */
  readonly size: number;
  readonly files: readonly { readonly name: string; readonly sha256: string }[];
  /** `wrong`: a signature says it is the key's and is not. */
  signedBy(key: NoteKey): "yes" | "no" | "wrong";
}

/** Reads a bundle's manifest; reports why it cannot be read. */
export function readManifest(folder: string, findings: Findings): Manifest | undefined {
  let note: string;
  try {
    note = readFileSync(join(folder, MANIFEST), "utf8");
  } catch (error) {
    findings.add("unreadable", "manifest", `the bundle cannot be read: ${(error as Error).message}`);
    return undefined;
  }
  const manifest = parseManifest(note);
  if (manifest === undefined)
    findings.add("integrity", "manifest-form", `\`${MANIFEST}\` is not the manifest of a bundle`);
  return manifest;
}

/** Holds the files of a folder against the manifest, and gives the texts of those that are as it says. */
export function checkFiles(folder: string, manifest: Manifest, findings: Findings): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  const listed = new Map(manifest.files.map(({ name, sha256 }) => [name, sha256]));
  for (const name of NEEDED)
    if (!listed.has(name)) findings.add("completeness", "file-missing", `the manifest does not list \`${name}\``);
  for (const [name, sha256] of listed) {
    const bytes = bytesOf(join(folder, name));
    if (bytes === undefined) findings.add("completeness", "file-missing", `the file \`${name}\` is missing`);
    else {
      if (hash("sha256", bytes, "hex") !== sha256)
        findings.add("integrity", "file", `the file \`${name}\` is not as the manifest says`);
      texts.set(name, bytes.toString("utf8"));
    }
  }
  for (const name of readdirSync(folder))
    if (name !== MANIFEST && !listed.has(name))
      findings.add("integrity", "file-extra", `the file \`${name}\` is not in the manifest`);
  return texts;
}

function parseManifest(note: string): Manifest | undefined {
  const cut = note.indexOf("\n\n");
  if (cut < 0 || !note.endsWith("\n")) return undefined;
  const body = note.slice(0, cut + 1);
  const [title, log, made, of, records, size, ...lines] = body.slice(0, -1).split("\n");
  const files = lines.map((line) => /^([0-9a-f]{64}) {2}([a-zA-Z0-9][a-zA-Z0-9._-]{0,100})$/.exec(line));
  const [count, at] = [/^records (\d{1,15})$/.exec(records ?? ""), /^checkpoint (\d{1,15})$/.exec(size ?? "")];
  if (title !== BUNDLE || !log?.startsWith("log ") || !made?.startsWith("made ") || !of?.startsWith("of "))
    return undefined;
  if (count === null || at === null || files.some((file) => file === null)) return undefined;
  return {
    log: log.slice("log ".length),
    made: made.slice("made ".length),
    of: of.slice("of ".length),
    records: Number(count[1]),
    size: Number(at[1]),
    files: files.map((file) => ({ name: file?.[2] as string, sha256: file?.[1] as string })),
    signedBy: (key) => signatureOf(note.slice(cut + 2, -1).split("\n"), body, key),
  };
}

function signatureOf(lines: readonly string[], body: string, key: NoteKey): "yes" | "no" | "wrong" {
  let signed: "yes" | "no" = "no";
  for (const line of lines) {
    const match = /^— (\S+) ([A-Za-z0-9+/=]+)$/.exec(line);
    if (match === null) return "wrong";
    const bytes = Buffer.from(match[2] as string, "base64");
    if (bytes.toString("base64") !== match[2]) return "wrong";
    if (match[1] !== key.name || bytes.toString("hex", 0, 4) !== key.id) continue;
    if (!verify(null, Buffer.from(body), key.key, bytes.subarray(4))) return "wrong";
    signed = "yes";
  }
  return signed;
}

/** The bytes of a plain file; a link could lead anywhere. */
function bytesOf(path: string): Buffer | undefined {
  try {
    return lstatSync(path).isFile() ? readFileSync(path) : undefined;
  } catch {
    return undefined;
  }
}
