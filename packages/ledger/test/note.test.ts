import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { checkpointText, parseCheckpoint } from "../src/checkpoint.ts";
import { cosign, isCosignedBy } from "../src/cosignature.ts";
import {
  COSIGNATURE,
  ED25519,
  isSignedBy,
  keyId,
  parseNote,
  parseVerifierKey,
  privateKeyOf,
  publicBytes,
  signNote,
  type VerifierKey,
  verifierKeyText,
} from "../src/note.ts";

// From the Go reference implementation, golang.org/x/mod/sumdb/note.
const VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const SEED = Buffer.from("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz", "base64").subarray(1);
const TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const SIGNATURE =
  "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const NOTE = `${TEXT}\n${SIGNATURE}`;
const key = parseVerifierKey(VKEY) as VerifierKey;
const read = (note: string) => parseNote(note) as NonNullable<ReturnType<typeof parseNote>>;

describe("signed notes", () => {
  it("are those of the reference implementation, byte for byte", () => {
    const privateKey = privateKeyOf(SEED);
    expect(verifierKeyText("PeterNeumann", publicBytes(privateKey))).toBe(VKEY);
    expect(signNote(TEXT, "PeterNeumann", keyId("PeterNeumann", ED25519, publicBytes(privateKey)), privateKey)).toBe(
      NOTE,
    );
    expect(read(NOTE).text).toBe(TEXT);
    expect(isSignedBy(read(NOTE), key)).toBe(true);
  });

  it("are not signed by a key that signed another text, nor if one of its signatures is wrong", () => {
    const other = NOTE.replace("answer", "solution");
    expect(isSignedBy(read(other), key)).toBe(false);
    const twice = `${NOTE}${SIGNATURE.replace("JnAM=", "JnAU=")}`;
    expect(isSignedBy(read(twice), key)).toBe(false);
  });

  it("keep signatures of algorithms that nobody here knows, and need them not", () => {
    const more = `${NOTE}— PeterNeumann ${Buffer.concat([Buffer.of(6, 1, 2, 3), Buffer.alloc(2420, 7)]).toString("base64")}\n`;
    expect(read(more).signatures.map(({ id, bytes }) => [id, bytes.length])).toEqual([
      ["c74f20a3", 64],
      ["06010203", 2420],
    ]);
    expect(isSignedBy(read(more), key)).toBe(true);
  });

  it.each([
    ["no signature", TEXT],
    ["an empty signature part", `${TEXT}\n`],
    ["no end of line", NOTE.slice(0, -1)],
    ["another dash", NOTE.replace("— ", "- ")],
    ["base64 that is none", NOTE.replace("x08g", "x08!")],
    ["a signature of no bytes", `${TEXT}\n— PeterNeumann x08g\n`],
  ])("are refused with %s", (_, note) => {
    expect(parseNote(note)).toBeUndefined();
  });

  it.each([
    ["a changed hash", VKEY.replace("c74f20a3", "c74f20a4")],
    ["a changed name", VKEY.replace("Peter", "Pater")],
    ["a changed key", VKEY.replace("ARpc", "ARpd")],
    ["another algorithm", VKEY.replace("ARpc", "Ahpc")],
    ["a part", VKEY.slice(0, -4)],
  ])("a verifier key with %s is none", (_, text) => {
    expect(parseVerifierKey(text)).toBeUndefined();
  });
});

describe("checkpoints", () => {
  it("are read with lines after the root, and not in another form", () => {
    const body = checkpointText("callgate/log_1", 20, Buffer.alloc(32, 1));
    expect(body).toBe("callgate/log_1\n20\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n");
    expect(parseCheckpoint(`${body}more\n\n${SIGNATURE}`)?.checkpoint).toEqual({
      origin: "callgate/log_1",
      size: 20,
      root: Buffer.alloc(32, 1),
    });
    for (const other of [
      body.replace("20", "020"),
      body.replace("20", "-1"),
      body.replace("AQEB", "AQE"),
      "\n20\nAQ==\n",
    ])
      expect(parseCheckpoint(`${other}\n${SIGNATURE}`)).toBeUndefined();
  });
});

describe("cosignatures", () => {
  it("hold for their text, time and key alone", () => {
    const { privateKey } = generateKeyPairSync("ed25519");
    const bytes = publicBytes(privateKey);
    const witness = parseVerifierKey(verifierKeyText("w", bytes, COSIGNATURE)) as VerifierKey;
    const line = cosign(TEXT, "w", witness.id, privateKey, 1_700_000_000);
    const note = (text: string, signature: string) => read(`${text}\n${signature}`);
    expect(isCosignedBy(note(TEXT, line), witness)).toBe(true);
    expect(isCosignedBy(note(`${TEXT}x\n`, line), witness)).toBe(false);
    expect(isCosignedBy(read(NOTE), witness)).toBe(false);
    const late = Buffer.from(line.split(" ")[2] as string, "base64");
    late[11] = (late[11] as number) ^ 1;
    expect(isCosignedBy(note(TEXT, `— w ${late.toString("base64")}\n`), witness)).toBe(false);
  });
});
