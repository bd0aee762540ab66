import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { CallgateError, messageOf } from "@callgate/core";
import { parseCheckpoint } from "../checkpoint.ts";
import { isCosignedBy } from "../cosignature.ts";
import { parseNote, type VerifierKey } from "../note.ts";
import type { Anchor, LogView, SignedCheckpoint } from "./anchor.ts";

const PATIENCE_MS = 10_000;
const MOST_ANSWER = 10_000;

interface Answer {
  readonly status: number;
  readonly text: string;
}

/**
 * A witness (C2SP tlog-witness): it keeps the newest checkpoint of a log, signs it, and takes only one that goes on from it.
 * With its key its signature is checked too.
 */
export function witnessAnchor(name: string, prefix: string, key: VerifierKey | undefined): Anchor {
  const url = `${prefix.replace(/\/$/, "")}/add-checkpoint`;

  /** Offers a checkpoint; `old` is what the witness is taken to have seen. */
  async function offer({ note, size }: SignedCheckpoint, log: LogView, old: number): Promise<Answer> {
    const proof = log.consistencyProof(old, size).map((hash) => `${hash.toString("base64")}\n`);
    const answer = await post(url, `old ${old}\n${proof.join("")}\n${note}`).catch((cause: unknown) => {
      throw new CallgateError("ANCHOR_FAILED", `it does not answer: ${messageOf(cause)}`, { cause });
    });
    return answer.status === 200 ? { ...answer, text: cosignaturesIn(note, answer.text, key) } : answer;
  }

  return {
    name,
    async compare(log) {
      const newest = log.newest();
      if (newest === undefined) return { size: 0, verdict: "agrees" };
      // Unless it has seen just this one, it says how many records it has seen.
      const first = await offer(newest, log, newest.size);
      if (first.status === 200) return { size: newest.size, verdict: "agrees", cosigned: first.text };
      const seen = seenBy(first);
      if (seen > newest.size) return { size: seen, verdict: "behind", reason: `the ledger has ${newest.size} records` };
      if (seen === newest.size) return { size: seen, verdict: "forked", reason: "the ledger has other records" };
      const second = await offer(newest, log, seen);
      if (second.status === 200) return { size: newest.size, verdict: "agrees", cosigned: second.text };
      if (second.status === 422) return { size: seen, verdict: "forked", reason: "the ledger has other records" };
      throw refused(second);
    },
    async keep(checkpoint, log, seen) {
      const first = await offer(checkpoint, log, seen);
      if (first.status === 200) return first.text;
      const really = seenBy(first);
      if (really > checkpoint.size) throw new CallgateError("ANCHOR_FAILED", `it has seen ${really} records already`);
      const second = await offer(checkpoint, log, really);
      if (second.status !== 200) throw refused(second);
      return second.text;
    },
  };
}

// Not `fetch`: what stands behind it is WebAssembly, which this thread is better without. Redirections are not followed.
function post(url: string, body: string): Promise<Answer> {
  const send = url.startsWith("https:") ? httpsRequest : httpRequest;
  const options = {
    method: "POST",
    headers: { "content-type": "text/plain; charset=utf-8" },
    signal: AbortSignal.timeout(PATIENCE_MS),
  };
  return new Promise((resolve, reject) => {
    const request = send(url, options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        if (text.length < MOST_ANSWER) text += chunk;
      });
      response.on("error", reject).on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.on("error", reject).end(body);
  });
}

/** The size that a conflict names. */
function seenBy(answer: Answer): number {
  const text = answer.text.trim();
  if (answer.status !== 409 || !/^\d{1,15}$/.test(text)) throw refused(answer);
  return Number(text);
}

function refused({ status, text }: Answer): CallgateError {
  const why: { readonly [status: number]: string } = {
    403: "it does not know the key of this log",
    404: "it does not know this log",
    409: "it has seen another checkpoint",
    422: "it does not see how this log goes on from what it has seen",
  };
  const what = why[status] ?? `it answers ${status}: ${text.trim().slice(0, 200)}`;
  return new CallgateError("ANCHOR_FAILED", what, {
    ...(status === 403 || status === 404 ? { help: "give the witness the line in `ledger.vkey`" } : {}),
  });
}

/**
 * The lines of a witness's signatures in what it answered: those of its key, which MUST be right, where that is known; else all of them,
 * if they are lines of signatures at all. None MUST pass for the log's own: it would make the checkpoint one that the log did not sign.
 */
function cosignaturesIn(note: string, answer: string, key: VerifierKey | undefined): string {
  const signatures = parseNote(`\n\n${answer.trimEnd()}\n`)?.signatures ?? [];
  const origin = parseCheckpoint(note)?.checkpoint.origin;
  if (key === undefined) return signatures.flatMap(({ name, line }) => (name === origin ? [] : [`${line}\n`])).join("");
  const own = signatures.filter(({ name, id }) => name === key.name && id === key.id);
  const text = parseCheckpoint(note)?.note.text;
  if (text === undefined || !isCosignedBy({ text, signatures: own }, key))
    throw new CallgateError("ANCHOR_FAILED", "its signature is not that of its key");
  return own.map(({ line }) => `${line}\n`).join("");
}
