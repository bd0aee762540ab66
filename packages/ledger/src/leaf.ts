import { CallgateError, canonicalJson, type RecordDraft } from "@callgate/core";

/** A leaf MUST NOT be longer than this, as UTF-8 bytes. */
export const LEAF_LIMIT = 64 * 1024;
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
 * A leaf's canonical JSON (RFC 8785) cut where the value of `prev` goes: `head + prev + tail` is the leaf. Only the writer
 * knows `prev`, so that the sequencer does not wait for hashes and the writer does not parse.
 */
export interface LeafPieces {
  readonly head: string;
  readonly tail: string;
}

/** The members of `RunMembers`, made once per run. */
export function runMembers(log: string, boot: string): RunMembers {
  return { boot: `"boot":${quote(boot)},`, log: `"log":${quote(log)},` };
}

/**
 * Builds the leaf of a draft. INVARIANT: members stand in the order of RFC 8785 (by UTF-16 code unit), so the text equals
 * `canonicalJson` of the record. Throws `CANONICAL_INVALID` or `LEDGER_LEAF_TOO_LARGE`; `ts` is ISO 8601, `mono` microseconds.
 */
export function buildLeaf(draft: RecordDraft, run: RunMembers, seq: number, ts: string, mono: number): LeafPieces {
  let head = "{";
  if (draft.agent !== undefined) head += `"agent":${quote(draft.agent)},`;
  if (draft.args !== undefined) head += `"args":${quote(draft.args)},`;
  head += run.boot;
  if (draft.call !== undefined) head += `"call":${quote(draft.call)},`;
  if (draft.decision !== undefined) head += `"decision":${decisionJson(draft.decision)},`;
  if (draft.detail !== undefined) head += `"detail":${detailJson(draft.detail)},`;
  // Free text of others, often cut short: half a character in it is no reason to lose the record.
  if (draft.error !== undefined)
    head += `"error":{"code":${quote(draft.error.code)},"message":${quote(draft.error.message.toWellFormed())}},`;
  head += `"kind":${quote(draft.kind)},${run.log}"mono":${mono},`;
  if (draft.ms !== undefined) head += `"ms":${numberJson(draft.ms)},`;
  if (draft.parent !== undefined) head += `"parent":${quote(draft.parent)},`;
  head += '"prev":"';

  let tail = '",';
  if (draft.result !== undefined) tail += `"result":${quote(draft.result)},`;
  tail += `"seq":${seq},`;
  if (draft.session !== undefined) tail += `"session":${quote(draft.session)},`;
  if (draft.status !== undefined) tail += `"status":${quote(draft.status)},`;
  if (draft.tool !== undefined) tail += `"tool":${toolJson(draft.tool)},`;
  if (draft.trace !== undefined) tail += `"trace":${quote(draft.trace)},`;
  tail += `"ts":"${ts}",`;
  if (draft.user !== undefined) tail += `"user":${quote(draft.user)},`;
  tail += '"v":1}';

  refuseOver(LEAF_LIMIT, head, tail);
  return { head, tail };
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

function detailJson(detail: NonNullable<RecordDraft["detail"]>): string {
  const json = canonicalJson(detail);
  if (json.length > DETAIL_LIMIT / 3 && Buffer.byteLength(json) > DETAIL_LIMIT) {
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

function refuseOver(limit: number, head: string, tail: string): void {
  const length = head.length + NO_LEAF.length + tail.length;
  // A UTF-16 code unit is at most 3 bytes of UTF-8: most leaves need no count.
  if (length <= limit / 3) return;
  if (Buffer.byteLength(head) + NO_LEAF.length + Buffer.byteLength(tail) <= limit) return;
  throw new CallgateError("LEDGER_LEAF_TOO_LARGE", `the record is over ${limit} bytes`, {
    help: "shorten its error text or its list of rules; large values belong in payloads",
  });
}
