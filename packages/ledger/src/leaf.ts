import { CallgateError, canonicalJson, type RecordDraft } from "@callgate/core";

/** A leaf MUST NOT be longer than this, as UTF-8 bytes: an entry of a C2SP tlog-tiles bundle has its length in 16 bits. */
export const LEAF_LIMIT = 65_535;
/** A leaf's `detail` MUST NOT be longer than this as canonical JSON, in UTF-8 bytes. */
export const DETAIL_LIMIT = 4 * 1024;
/** What `prev` of the first leaf says. */
export const NO_LEAF = `sha256:${"0".repeat(64)}`;

/** What all leaves of one run share, as ready-made JSON members. */
export interface RunMembers {
  /** `"boot":"..",` */
  readonly boot: string;
  /** `"log":"..",` */
  readonly log: string;
}

/**
 * A leaf's canonical JSON (RFC 8785) cut where digests go that only the writer knows, so that the sequencer neither hashes nor
 * encrypts and the writer does not parse. Each piece is the text before its digest; null where the leaf has no such member.
 */
export interface LeafPieces {
  readonly args: string | null;
  readonly facts: string | null;
  readonly prev: string;
  readonly result: string | null;
  readonly tail: string;
}

/** The longest text that goes between two pieces. */
const LONGEST_DIGEST = "hmac-sha256:".length + 64;

/** The leaf, with the digests that its pieces leave open. */
export function joinLeaf(
  { args, facts, prev, result, tail }: LeafPieces,
  digests: { readonly args?: string; readonly facts?: string; readonly prev: string; readonly result?: string },
): string {
  let leaf = args === null ? "" : args + digests.args;
  if (facts !== null) leaf += facts + digests.facts;
  leaf += prev + digests.prev;
  if (result !== null) leaf += result + digests.result;
  return leaf + tail;
}

/** The members of `RunMembers`, made once per run. */
export function runMembers(log: string, boot: string): RunMembers {
  return { boot: `"boot":${quote(boot)},`, log: `"log":${quote(log)},` };
}

/**
 * Builds the leaf of a draft. INVARIANT: members stand in the order of RFC 8785 (by UTF-16 code unit), so the joined pieces
 * equal `canonicalJson` of the record. Throws `CANONICAL_INVALID` or `LEDGER_LEAF_TOO_LARGE`; `ts` is ISO 8601, `mono` microseconds.
 */
export function buildLeaf(draft: RecordDraft, run: RunMembers, seq: number, ts: string, mono: number): LeafPieces {
  let text = "{";
  let args: string | null = null;
  let facts: string | null = null;
  let result: string | null = null;
  if (draft.agent !== undefined) text += `"agent":${quote(draft.agent)},`;
  if (draft.args !== undefined || draft.payloads?.args !== undefined) {
    args = `${text}"args":"`;
    text = '",';
  }
  text += run.boot;
  if (draft.call !== undefined) text += `"call":${quote(draft.call)},`;
  if (draft.decision !== undefined) text += `"decision":${decisionJson(draft.decision)},`;
  const detail = detailJson(draft.detail, draft.payloads?.facts !== undefined);
  if (detail?.before !== undefined) {
    facts = `${text}"detail":${detail.before}`;
    text = `${detail.after},`;
  } else if (detail !== undefined) text += `"detail":${detail.after},`;
  // Free text of others, often cut short: half a character in it is no reason to lose the record.
  if (draft.error !== undefined)
    text += `"error":{"code":${quote(draft.error.code)},"message":${quote(draft.error.message.toWellFormed())}},`;
  text += `"kind":${quote(draft.kind)},${run.log}"mono":${mono},`;
  if (draft.ms !== undefined) text += `"ms":${numberJson(draft.ms)},`;
  if (draft.parent !== undefined) text += `"parent":${quote(draft.parent)},`;
  const prev = `${text}"prev":"`;

  text = '",';
  if (draft.result !== undefined || draft.payloads?.result !== undefined) {
    result = `${text}"result":"`;
    text = '",';
  }
  text += `"seq":${seq},`;
  if (draft.session !== undefined) text += `"session":${quote(draft.session)},`;
  if (draft.status !== undefined) text += `"status":${quote(draft.status)},`;
  if (draft.tool !== undefined) text += `"tool":${toolJson(draft.tool)},`;
  if (draft.trace !== undefined) text += `"trace":${quote(draft.trace)},`;
  text += `"ts":"${ts}",`;
  if (draft.user !== undefined) text += `"user":${quote(draft.user)},`;
  const pieces = { args, facts, prev, result, tail: `${text}"v":2}` };
  refuseOver(LEAF_LIMIT, pieces);
  return pieces;
}

// The same few definitions are called again and again; their digest is the longest thing in them.
const tools = new Map<string, { readonly server: string; readonly name: string; readonly json: string }>();

function toolJson(tool: NonNullable<RecordDraft["tool"]>): string {
  const known = tools.get(tool.digest);
  if (known !== undefined && known.server === tool.server && known.name === tool.name) return known.json;
  const json = `{"digest":${quote(tool.digest)},"name":${quote(tool.name)},"server":${quote(tool.server)}}`;
  if (tools.size >= 4096) tools.clear();
  tools.set(tool.digest, { server: tool.server, name: tool.name, json });
  return json;
}

function decisionJson(decision: NonNullable<RecordDraft["decision"]>): string {
  const approver = decision.approver === undefined ? "" : `"approver":${quote(decision.approver)},`;
  let rules = "";
  for (const rule of decision.rules) rules += rules === "" ? quote(rule) : `,${quote(rule)}`;
  return `{${approver}"policies":${quote(decision.policies)},"rules":[${rules}],"verdict":${quote(decision.verdict)}}`;
}

type Detail = NonNullable<RecordDraft["detail"]>;

/** A detail's canonical JSON; cut in two where it names its facts. */
function detailJson(
  detail: Detail | undefined,
  hasFacts: boolean,
): { readonly before?: string; readonly after: string } | undefined {
  if (!hasFacts && !isDigest(detail?.["facts"])) return detail && { after: limited(canonicalJson(detail)) };
  let [before, after] = ['{"facts":"', '"}'];
  const names = Object.keys(detail ?? {}).filter((name) => name !== "facts");
  if (names.length > 0) {
    const part = (wanted: (name: string) => boolean): string =>
      canonicalJson(Object.fromEntries(names.filter(wanted).map((name) => [name, detail?.[name]]))).slice(1, -1);
    const less = part((name) => name < "facts");
    const more = part((name) => name > "facts");
    before = `{${less}${less === "" ? "" : ","}"facts":"`;
    after = `"${more === "" ? "" : ","}${more}}`;
  }
  limited(before + after, LONGEST_DIGEST);
  return { before, after };
}

function isDigest(value: unknown): boolean {
  return typeof value === "string" && /^sha256:[0-9a-f]{64}$/.test(value);
}

function limited(json: string, more = 0): string {
  if (json.length + more > DETAIL_LIMIT / 3 && Buffer.byteLength(json) + more > DETAIL_LIMIT) {
    throw new CallgateError("LEDGER_LEAF_TOO_LARGE", `the record's detail is over ${DETAIL_LIMIT} bytes`, {
      help: "keep large facts in a payload and refer to it by digest",
    });
  }
  return json;
}

function quote(text: string): string {
  if (!text.isWellFormed()) throw invalid("a lone surrogate");
  return JSON.stringify(text);
}

function numberJson(value: number): string {
  if (!Number.isFinite(value)) throw invalid(`\`${value}\``);
  return JSON.stringify(value);
}

function invalid(what: string): CallgateError {
  return new CallgateError("CANONICAL_INVALID", `record has no canonical JSON form: ${what} is in it`, {
    help: "send only well-formed strings and finite numbers",
  });
}

function refuseOver(limit: number, { args, facts, prev, result, tail }: LeafPieces): void {
  let length = NO_LEAF.length;
  let units = prev.length + tail.length;
  for (const piece of [args, facts, result]) {
    if (piece === null) continue;
    units += piece.length;
    length += LONGEST_DIGEST;
  }
  // A UTF-16 code unit is at most 3 bytes of UTF-8: most leaves need no count.
  if (length + units <= limit / 3) return;
  if (length + Buffer.byteLength(`${args ?? ""}${facts ?? ""}${prev}${result ?? ""}${tail}`) <= limit) return;
  throw new CallgateError("LEDGER_LEAF_TOO_LARGE", `the record is over ${limit} bytes`, {
    help: "shorten its error text or its list of rules; large values belong in payloads",
  });
}
