import type { Findings } from "./finding.ts";
import { type Leaf, member, NO_LEAF, payloadDigest, type RecordRow, readLeaf } from "./leaf.ts";
import { HASH, hexOf, leafHash, sha256, TILE } from "./merkle.ts";
import { keyOf, opens } from "./payload.ts";
import type { RangeContext } from "./range.ts";
import type { Differs, PayloadRow, Source } from "./source.ts";
import { newTally } from "./tally.ts";

type Report = (code: string, problem: string) => void;

/** What a record must follow: the hash of the one before, and its time. */
export interface Before {
  readonly hash: string | undefined;
  readonly leaf: Leaf | undefined;
}

/** What the first record of a range must follow. */
export function beforeRange(source: Source, first: number): Before {
  if (first === 1) return { hash: NO_LEAF, leaf: undefined };
  const row = source.records(first - 1, first - 1)[0];
  if (row !== undefined && typeof row[10] === "string") {
    let leaf: Leaf | undefined;
    try {
      leaf = JSON.parse(row[10]) as Leaf;
    } catch {
      // Its own range says so.
    }
    return { hash: `sha256:${leafHash(row[10])}`, leaf };
  }
  const tile = source.leafTile((first - 1) / TILE - 1);
  return {
    hash: tile.length === TILE * HASH ? `sha256:${tile.toString("hex", tile.length - HASH)}` : undefined,
    leaf: undefined,
  };
}

/** Walks along the records of one range and keeps what the next one must follow. */
export class Chain {
  /** Seals and changes are in it as far as their hash is that of the row and not another than the one that was kept. */
  readonly tally = newTally();
  readonly intents = new Set<string>();
  readonly outcomes = new Set<string>();
  readonly #findings: Findings;
  readonly #context: RangeContext;
  readonly #differs: Differs;
  readonly #tried = new Set<unknown>();
  #prev: string | undefined;
  #last: Leaf | undefined;

  constructor(findings: Findings, context: RangeContext, before: Before, differs: Differs) {
    this.#findings = findings;
    this.#context = context;
    this.#differs = differs;
    this.#prev = before.hash;
    this.#last = before.leaf;
  }

  /**
   * Checks the records from..to of which `rows` are there and `kept` may have the hashes. Returns the hashes of the leaves from
   * the first on, up to one that is missing.
   */
  take(
    rows: readonly RecordRow[],
    source: Source,
    from: number,
    to: number,
    kept: Buffer,
  ): { hashes: Buffer; leaves: number } {
    const hashes = Buffer.allocUnsafe(TILE * HASH);
    const payloads = source.payloads(from, to, this.#differs)[Symbol.iterator]();
    let payload = payloads.next();
    let leaves = 0;
    let gap: number | undefined;
    let at = 0;
    for (let seq = from; seq <= to; seq++) {
      const row = rows[at]?.[0] === seq ? rows[at++] : undefined;
      const offset = (seq - from) * HASH;
      const keptHash = offset < kept.length ? kept.subarray(offset, offset + HASH) : undefined;
      let hex: string | undefined;
      if (row !== undefined) {
        if (gap !== undefined) this.#findings.missing(gap, seq - 1);
        gap = undefined;
        const own: PayloadRow[] = [];
        for (; !payload.done && payload.value[0] <= seq; payload = payloads.next()) {
          if (payload.value[0] === seq) own.push(payload.value);
          else this.#stray(payload.value[0]);
        }
        hex = this.#record(row, own, source);
        if (keptHash !== undefined && hex !== undefined && keptHash.toString("hex") !== hex)
          this.#findings.add("integrity", "tile", "the hash that was kept of the record is not its hash", seq);
        else this.#state(row);
      } else if (keptHash !== undefined && seq < this.#context.least) {
        hex = keptHash.toString("hex");
        this.tally.archived++;
        this.#last = undefined;
      } else {
        gap ??= seq;
        this.#last = undefined;
      }
      this.#prev = hex === undefined ? undefined : `sha256:${hex}`;
      if (hex !== undefined && leaves === seq - from) {
        hashes.write(hex, offset, "hex");
        leaves++;
      }
    }
    if (gap !== undefined) this.#findings.missing(gap, to);
    for (; !payload.done; payload = payloads.next()) this.#stray(payload.value[0]);
    return { hashes, leaves };
  }

  /** Keeps what a record states of the ledger itself. */
  #state([, , , , , , , , , , leaf]: RecordRow): void {
    const kind = this.#last?.["kind"];
    if (typeof leaf !== "string") return;
    if (kind === "seal") this.tally.seals.push(leaf);
    else if (kind === "config") this.tally.configs.push(leaf);
  }

  #stray(seq: number): void {
    this.#findings.add("integrity", "payload", "there is a payload without a record", seq);
  }

  /** Checks one record; returns the hex of its leaf's hash, if it has a leaf. */
  #record(row: RecordRow, payloads: readonly PayloadRow[], source: Source): string | undefined {
    const [seq] = row;
    const report = (code: string, problem: string): void => this.#findings.add("integrity", code, problem, seq);
    this.tally.records++;
    const text = row[10];
    const hex = typeof text === "string" ? leafHash(text) : undefined;
    const stored = row[9];
    if (hex !== undefined && !(stored instanceof Uint8Array && hexOf(stored) === hex))
      report("leaf-hash", "the leaf does not match its hash");
    // A text with a byte that is not UTF-8 reads like one that holds this character.
    if (
      typeof text === "string" &&
      text.includes("\ufffd") &&
      !Buffer.from(text).equals(source.leafBytes(seq) ?? Buffer.from(text))
    )
      report("leaf-form", "the leaf is not UTF-8");
    const leaf = readLeaf(row, this.#context.log, report);
    if (leaf === undefined) {
      this.#last = undefined;
      return hex;
    }
    if (this.#prev !== undefined && leaf["prev"] !== this.#prev)
      report("link", "the leaf does not follow from the one before");
    this.#clock(leaf, report);
    this.#follow(leaf);
    this.#payloadsOf(seq, leaf, payloads, report);
    this.#last = leaf;
    return hex;
  }

  /** The system's clock goes back only with a record that says so, the run's own clock never. */
  #clock(leaf: Leaf, report: Report): void {
    if (leaf["kind"] === "clock") this.tally.clocks++;
    const last = this.#last;
    if (last === undefined) return;
    const [time, lastTime] = [String(leaf["ts"]), String(last["ts"])];
    // Times of this form sort as texts.
    if (
      time < lastTime &&
      !(
        leaf["kind"] === "clock" &&
        member(leaf["detail"], "from") === lastTime &&
        member(leaf["detail"], "to") === time
      )
    )
      report("clock", "its time is before that of the record before, and no clock record says why");
    if (leaf["boot"] === last["boot"] && Number(leaf["mono"]) < Number(last["mono"]))
      report("clock", "the run's own clock goes back");
  }

  #follow(leaf: Leaf): void {
    const call = leaf["call"];
    if (typeof call !== "string") return;
    if (leaf["kind"] === "intent") this.intents.add(call);
    else if (leaf["kind"] === "outcome" && !this.intents.delete(call)) this.outcomes.add(call);
  }

  #payloadsOf(seq: number, leaf: Leaf, payloads: readonly PayloadRow[], report: Report): void {
    for (const [, name, data] of payloads) {
      this.tally.payloads++;
      const digest = typeof name === "string" ? payloadDigest(leaf, name) : undefined;
      if (typeof name !== "string" || digest === undefined)
        report("payload", `there is a payload \`${String(name)}\` that the leaf does not name`);
      else if (!(data instanceof Uint8Array) || digest !== `sha256:${sha256(data)}`)
        report("payload", `the payload \`${name}\` does not match its digest`);
      else this.#open(seq, leaf["session"], name, data, report);
    }
    for (const name of ["args", "result", "facts"]) {
      const digest = payloadDigest(leaf, name);
      if (typeof digest !== "string" || !digest.startsWith("sha256:")) continue;
      if (!payloads.some((row) => row[1] === name))
        this.#findings.add("completeness", "payload-missing", `the payload \`${name}\` is gone`, seq);
    }
  }

  #open(seq: number, session: unknown, name: string, data: Uint8Array, report: Report): void {
    const { payloadKeys, openAll, log } = this.#context;
    if (payloadKeys === undefined) return;
    const key = keyOf(payloadKeys, session);
    if (key === undefined) {
      this.tally.shredded++;
      this.tally.keyless.add(typeof session === "string" ? session : "");
      return;
    }
    // The digest holds the ciphertext; what is left to find out is whether the key is the one.
    if (!openAll && this.#tried.has(session)) return;
    this.#tried.add(session);
    this.tally.opened++;
    if (!opens(key, data, log, seq, name))
      report("payload-open", `the payload \`${name}\` does not open with the key of its session`);
  }
}
