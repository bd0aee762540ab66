import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { CallgateError, isObject, messageOf } from "@callgate/core";
import { type Checkpoint, parseCheckpoint } from "./checkpoint.ts";
import { cosign } from "./cosignature.ts";
import { writeDurably } from "./folder.ts";
import {
  COSIGNATURE,
  decode,
  isSignedBy,
  keyId,
  parseVerifierKey,
  privateKeyOf,
  publicBytes,
  verifierKeyText,
} from "./note.ts";
import { checkConsistency } from "./proof.ts";

/** The most that a request may hold: 63 hashes and a note with many signatures are far below it. */
const BODY_LIMIT = 64 * 1024;

/** How to open a witness. */
export interface WitnessOptions {
  /** Its key and what it has seen; made if missing, for its owner alone. */
  readonly file: string;
  /** Verifier keys of the logs that it knows. */
  readonly vkeys: readonly string[];
  /** The name it signs with, for a new file; default `callgate-witness`. */
  readonly name?: string;
  readonly host?: string;
  /** 0 takes any that is free. */
  readonly port: number;
}

/** A witness that is serving. */
export interface Witness {
  readonly url: string;
  /** Its own verifier key. */
  readonly vkey: string;
  close(): Promise<void>;
}

/** What it has seen of a log. */
interface Seen {
  readonly size: number;
  /** Base64. */
  readonly root: string;
}

interface State {
  readonly name: string;
  /** Of its private key, base64url. */
  readonly seed: string;
  readonly logs: { readonly [origin: string]: Seen };
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly type?: string;
}

/**
 * Serves a witness (C2SP tlog-witness): it takes a log's checkpoint only if that goes on from the one before, and cosigns it. What
 * it answers with 200 is on disk. Rejects with `WITNESS_INVALID` for a key or a state that cannot be read.
 */
export async function openWitness(options: WitnessOptions): Promise<Witness> {
  const keys = options.vkeys.map((text) => {
    const key = parseVerifierKey(text);
    if (key !== undefined) return key;
    throw new CallgateError("WITNESS_INVALID", `\`${text}\` is not the key of a log`, {
      help: "give it the line in the log's `ledger.vkey`",
    });
  });
  const path = resolve(options.file);
  let state = readState(path) ?? newState(path, options.name ?? "callgate-witness");
  const privateKey = privateKeyOf(Buffer.from(state.seed, "base64url"));
  const id = keyId(state.name, COSIGNATURE, publicBytes(privateKey));

  /** INVARIANT: no await between looking at what was seen and writing what is. */
  const addCheckpoint = (body: string): Answer => {
    const request = parseRequest(body);
    if (request === undefined) return { status: 400, text: "this is not a request to add a checkpoint\n" };
    const { old, proof, note } = request;
    const read = parseCheckpoint(note);
    if (read === undefined) return { status: 400, text: "this is not a checkpoint\n" };
    const { checkpoint } = read;
    const known = keys.filter((key) => key.name === checkpoint.origin);
    if (known.length === 0) return { status: 404, text: "the log is not known here\n" };
    if (!known.some((key) => isSignedBy(read.note, key)))
      return { status: 403, text: "no key that is known here signed it\n" };
    const seen = state.logs[checkpoint.origin] ?? { size: 0, root: "" };
    const refusal = refusalOf(old, checkpoint, seen, proof);
    if (refusal !== undefined) return refusal;
    if (seen.size !== checkpoint.size) {
      const logs = {
        ...state.logs,
        [checkpoint.origin]: { size: checkpoint.size, root: checkpoint.root.toString("base64") },
      };
      const next = { ...state, logs };
      writeState(path, next);
      state = next;
    }
    return { status: 200, text: cosign(read.note.text, state.name, id, privateKey, Math.floor(Date.now() / 1000)) };
  };

  const server = createServer((request, response) => {
    void answer(request, addCheckpoint)
      .catch((error: unknown): Answer => ({ status: 500, text: `${messageOf(error)}\n` }))
      .then(({ status, text, type }) => {
        response.writeHead(status, { "content-type": type ?? "text/plain; charset=utf-8" }).end(text);
      });
  });
  await listen(server, options.port, options.host ?? "127.0.0.1");
  const { address, port, family } = server.address() as AddressInfo;
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${port}`,
    vkey: verifierKeyText(state.name, publicBytes(privateKey), COSIGNATURE),
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

function refusalOf(old: number, now: Checkpoint, seen: Seen, proof: readonly Buffer[]): Answer | undefined {
  if (old > now.size) return { status: 400, text: "the old size is above the checkpoint's\n" };
  const conflict = { status: 409, text: `${seen.size}\n`, type: "text/x.tlog.size" };
  if (old !== seen.size) return conflict;
  const root = now.root.toString("base64");
  if (old === now.size && old > 0) return root === seen.root ? undefined : conflict;
  const before = { size: old, root: Buffer.from(seen.root, "base64") };
  if (checkConsistency(before, now, proof)) return undefined;
  return { status: 422, text: "the proof does not show that it goes on from what was seen\n" };
}

/** Reads `old <size>`, the lines of the proof, an empty line and the note. */
function parseRequest(body: string): { old: number; proof: readonly Buffer[]; note: string } | undefined {
  const cut = body.indexOf("\n\n");
  if (cut < 0) return undefined;
  const [first = "", ...lines] = body.slice(0, cut).split("\n");
  const old = /^old (0|[1-9]\d{0,15})$/.exec(first)?.[1];
  const proof = lines.map(decode);
  if (old === undefined || !Number.isSafeInteger(Number(old)) || proof.length > 63) return undefined;
  if (!proof.every((hash) => hash?.length === 32)) return undefined;
  return { old: Number(old), proof: proof as Buffer[], note: body.slice(cut + 2) };
}

async function answer(request: IncomingMessage, addCheckpoint: (body: string) => Answer): Promise<Answer> {
  const path = (request.url ?? "").split("?")[0];
  if (path !== "/add-checkpoint") return { status: 404, text: "there is only /add-checkpoint here\n" };
  if (request.method !== "POST") return { status: 405, text: "use POST\n" };
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_LIMIT) return { status: 413, text: "the request is too large\n" };
    chunks.push(chunk);
  }
  return addCheckpoint(Buffer.concat(chunks).toString("utf8"));
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((done, reject) => {
    server.once("error", reject);
    server.listen(port, host, done);
  });
}

function newState(path: string, name: string): State {
  const privateKey: KeyObject = generateKeyPairSync("ed25519").privateKey;
  const state = { name, seed: privateKey.export({ format: "jwk" }).d as string, logs: {} };
  writeState(path, state);
  return state;
}

function writeState(path: string, state: State): void {
  writeDurably(path, `${JSON.stringify({ v: 1, ...state })}\n`, 0o600);
}

function readState(path: string): State | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (!isObject(value) || value["v"] !== 1 || typeof value["name"] !== "string" || typeof value["seed"] !== "string")
      throw new Error("it has no key");
    const logs = value["logs"];
    const isSeen = (seen: unknown): boolean =>
      isObject(seen) && Number.isSafeInteger(seen["size"]) && typeof seen["root"] === "string";
    if (!isObject(logs) || !Object.values(logs).every(isSeen)) throw new Error("it does not say what it has seen");
    return { name: value["name"], seed: value["seed"], logs: logs as unknown as State["logs"] };
  } catch (cause) {
    throw new CallgateError("WITNESS_INVALID", `\`${path}\` is not the state of a witness: ${messageOf(cause)}`, {
      help: "restore it from a backup: a witness that forgets lets a log be rolled back",
      cause,
    });
  }
}
