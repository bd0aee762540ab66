import { hash } from "node:crypto";
import { objectsOf } from "./bundle-lines.ts";
import type { Findings } from "./finding.ts";
import { type Leaf, payloadDigest } from "./leaf.ts";
import { keyOf, opened, type PayloadKeys } from "./payload.ts";

/** Payloads of a bundle by what became of them. */
export interface PayloadCounts {
  readonly payloads: number;
  /** Decrypted, and the same as the text beside them. */
  readonly opened: number;
  /** Their key is gone: nobody can read them any more. */
  readonly shredded: number;
  /** Left out by whoever made the bundle. */
  readonly withheld: number;
  /** The ledger itself did not have them. */
  readonly missing: number;
}

const NAMES = ["args", "result", "facts"] as const;
const STATES = ["open", "shredded", "withheld", "missing"] as const;
type State = (typeof STATES)[number];

/** Checks the payloads of a bundle against the digests in its leaves, and their texts against what is sealed. */
export function checkPayloads(
  text: string,
  keysText: string,
  leaves: ReadonlyMap<number, Leaf>,
  log: string,
  findings: Findings,
): PayloadCounts {
  const keys = parseKeys(keysText, findings);
  const counts = { open: 0, shredded: 0, withheld: 0, missing: 0 };
  const seen = new Set<string>();
  for (const line of objectsOf(text, "payloads.jsonl", findings)) {
    const { seq, name, state } = line;
    const leaf = typeof seq === "number" ? leaves.get(seq) : undefined;
    if (leaf === undefined || typeof name !== "string" || !STATES.includes(state as State)) {
      findings.add("integrity", "payload", "a line of `payloads.jsonl` belongs to no record of the bundle");
      continue;
    }
    const problem = problemOf(line, leaf, name, log, keys);
    if (problem !== undefined) findings.add("integrity", "payload", problem, seq as number);
    if (seen.has(`${String(seq)} ${name}`))
      findings.add("integrity", "payload", `the payload \`${name}\` is there twice`, seq as number);
    seen.add(`${String(seq)} ${name}`);
    counts[state as State]++;
  }
  for (const [seq, leaf] of leaves)
    for (const name of NAMES)
      if (isSealed(payloadDigest(leaf, name)) && !seen.has(`${seq} ${name}`))
        findings.add(
          "completeness",
          "payload-missing",
          `the bundle does not say what became of its payload \`${name}\``,
          seq,
        );
  const { open, ...rest } = counts;
  return { payloads: seen.size, opened: open, ...rest };
}

function problemOf(
  { seq, state, sealed, text }: Readonly<Record<string, unknown>>,
  leaf: Leaf,
  name: string,
  log: string,
  keys: PayloadKeys,
): string | undefined {
  const digest = payloadDigest(leaf, name);
  if (!isSealed(digest)) return `the leaf knows no payload \`${name}\``;
  if (state === "missing")
    return sealed === undefined && text === undefined ? undefined : `\`${name}\` is there and is said to be missing`;
  if (typeof sealed !== "string") return `what was sealed as \`${name}\` is missing`;
  const data = Buffer.from(sealed, "base64");
  if (`sha256:${hash("sha256", data, "hex")}` !== digest)
    return `the payload \`${name}\` is not the one whose digest the leaf has`;
  if (state !== "open")
    return text === undefined ? undefined : `\`${name}\` has a text and is said to be ${String(state)}`;
  const key = keyOf(keys, leaf["session"]);
  if (key === undefined) return `there is no key to open \`${name}\` with`;
  const plain = opened(key, data, log, seq as number, name);
  if (plain === undefined) return `the key does not open \`${name}\``;
  return typeof text === "string" && plain.equals(Buffer.from(text))
    ? undefined
    : `the text of \`${name}\` is not what was sealed`;
}

/** A digest of something that was kept: where payloads are not, the leaf has a keyed one. */
function isSealed(digest: unknown): digest is string {
  return typeof digest === "string" && digest.startsWith("sha256:");
}

function parseKeys(text: string, findings: Findings): PayloadKeys {
  try {
    const value = JSON.parse(text) as Readonly<Record<string, unknown>>;
    return new Map(Object.entries(value).map(([session, key]) => [session, Buffer.from(String(key), "base64")]));
  } catch {
    findings.add("integrity", "file-form", "`keys.json` is not JSON");
    return new Map();
  }
}
