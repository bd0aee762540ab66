import { isCanonical } from "./canonical.ts";

/** A leaf MUST NOT be longer than this, in UTF-8 bytes. */
// What C2SP tlog-tiles can say of an entry's length.
const LIMIT = 65_535;
/** What `prev` of the first leaf says. */
export const NO_LEAF = `sha256:${"0".repeat(64)}`;
/** The version of the leaves that this verifier knows. */
const VERSION = 2;

/** A leaf's members, of types that are not known before each is looked at. */
export type Leaf = Readonly<Record<string, unknown>>;

/** A row of the table `record`, column by column; a file that was tampered with may hold anything. */
export type RecordRow = readonly [
  seq: number,
  kind: unknown,
  ts: unknown,
  agent: unknown,
  session: unknown,
  call: unknown,
  tool: unknown,
  verdict: unknown,
  status: unknown,
  hash: unknown,
  leaf: unknown,
];

/** The columns of `record`, in the order of `RecordRow`. */
export const RECORD_COLUMNS = [
  "seq",
  "kind",
  "ts",
  "agent",
  "session",
  "call",
  "tool",
  "verdict",
  "status",
  "hash",
  "leaf",
] as const;

type Report = (code: string, problem: string) => void;

/**
 * Reads a row's leaf and checks all that it says by itself: its form, its place, and the columns beside it. What it cannot be
 * read for is reported, and undefined returned.
 */
export function readLeaf(row: RecordRow, log: string, report: Report): Leaf | undefined {
  const text = row[10];
  if (typeof text !== "string") {
    report("leaf-form", "there is no text in its leaf");
    return undefined;
  }
  if (text.length > LIMIT / 3 && Buffer.byteLength(text) > LIMIT)
    report("leaf-form", `the leaf is over ${LIMIT} bytes`);
  let leaf: Leaf;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError("it is not an object");
    leaf = value as Leaf;
    if (!isCanonical(value, text)) report("leaf-form", "the leaf is not canonical JSON");
  } catch (error) {
    report("leaf-form", `the leaf cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
  if (leaf["v"] !== VERSION) report("leaf-form", `the leaf's version is \`${String(leaf["v"])}\`, not ${VERSION}`);
  if (leaf["seq"] !== row[0]) report("order", `the leaf says that it is record ${String(leaf["seq"])}`);
  if (leaf["log"] !== log) report("log", `the leaf belongs to another log, \`${String(leaf["log"])}\``);
  checkColumns(row, leaf, report);
  return leaf;
}

function checkColumns(row: RecordRow, leaf: Leaf, report: Report): void {
  const differs = (column: number): void =>
    report("column", `the column \`${RECORD_COLUMNS[column]}\` is not what the leaf says`);
  const ts = leaf["ts"];
  const time = typeof ts === "string" ? timeOf(ts) : undefined;
  if (time === undefined) report("leaf-form", "the leaf's time is not one");
  else if (row[2] !== time) differs(2);
  if (row[1] !== leaf["kind"]) differs(1);
  if (row[3] !== (leaf["agent"] ?? null)) differs(3);
  if (row[4] !== (leaf["session"] ?? null)) differs(4);
  if (row[5] !== (leaf["call"] ?? null)) differs(5);
  if (row[6] !== toolOf(leaf["tool"])) differs(6);
  if (row[7] !== (member(leaf["decision"], "verdict") ?? null)) differs(7);
  if (row[8] !== (leaf["status"] ?? null)) differs(8);
}

// Records come in bursts: most times are the one before.
let lastText = "";
let lastTime = 0;

/** Unix milliseconds of a time as leaves write it; undefined for any other way to write one. */
function timeOf(text: string): number | undefined {
  if (text === lastText) return lastTime;
  const time = Date.parse(text);
  if (Number.isNaN(time) || new Date(time).toISOString() !== text) return undefined;
  lastText = text;
  lastTime = time;
  return time;
}

/** The name that queries use: `server__tool`, `server/method` for what is no tool, and the bare name of what no server has. */
function toolOf(tool: unknown): string | null {
  if (tool === undefined) return null;
  const [server, name] = [String(member(tool, "server")), String(member(tool, "name"))];
  if (server === "") return name;
  return name.includes("/") ? `${server}/${name}` : `${server}__${name}`;
}

/** One member of what may be an object. */
export function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Leaf)[name] : undefined;
}

/** What a leaf says the payload of a name has as its digest. */
export function payloadDigest(leaf: Leaf, name: string): unknown {
  if (name === "args" || name === "result") return leaf[name];
  return name === "facts" ? member(leaf["detail"], "facts") : undefined;
}
