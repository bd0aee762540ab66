import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, it } from "vitest";
import { type NoteKey, openNote, parseNoteKey } from "../src/note.ts";

const ORIGIN = "callgate/log_1";
const ROOT = Buffer.alloc(32, 7).toString("base64");
const BODY = `${ORIGIN}\n5\n${ROOT}\n`;

function signer(name: string) {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const bytes = Buffer.concat([Uint8Array.of(1), publicKey.export({ format: "der", type: "spki" }).subarray(-32)]);
  const id = createHash("sha256").update(`${name}\n`).update(bytes).digest().subarray(0, 4);
  return {
    vkey: `${name}+${id.toString("hex")}+${bytes.toString("base64")}`,
    line: (body: string) =>
      `— ${name} ${Buffer.concat([id, sign(null, Buffer.from(body), privateKey)]).toString("base64")}\n`,
  };
}

const own = signer(ORIGIN);
const key = parseNoteKey(own.vkey) as NoteKey;

describe("signed notes", () => {
  it("reads the key of the specification's example", () => {
    // C2SP signed-note.
    const text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    expect(parseNoteKey(text)).toMatchObject({ name: "PeterNeumann", id: "c74f20a3" });
    const note =
      "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    expect(openNote(note, parseNoteKey(text))).toEqual({ problem: "it does not say origin, size and root" });
  });

  it("tells a key that is not one", () => {
    expect(parseNoteKey("")).toBeUndefined();
    expect(parseNoteKey(own.vkey.replace(/\+[0-9a-f]{8}\+/, "+00000000+"))).toBeUndefined();
    expect(parseNoteKey(own.vkey.replace(ORIGIN, "callgate/log_2"))).toBeUndefined();
  });

  it("tells who signed", () => {
    const signed = `${BODY}\n${own.line(BODY)}`;
    expect(openNote(signed, key)).toEqual({
      checkpoint: { origin: ORIGIN, size: 5, root: Buffer.alloc(32, 7) },
      signed: "yes",
      second: "no",
    });
    expect(openNote(signed, undefined)).toMatchObject({ signed: "no" });
    expect(openNote(signed.replace("\n5\n", "\n6\n"), key)).toMatchObject({ signed: "wrong" });
    expect(openNote(`${BODY}\n${signer(ORIGIN).line(BODY)}`, key)).toMatchObject({ signed: "no" });
    expect(openNote(`${BODY}\n${signer("witness").line(BODY)}${own.line(BODY)}`, key)).toMatchObject({ signed: "yes" });
    // A wrong signature of the key beside a right one: somebody wrote to the note.
    expect(openNote(`${BODY}\n${own.line("other")}${own.line(BODY)}`, key)).toMatchObject({ signed: "wrong" });
  });

  it("passes over signatures of algorithms that it does not know", () => {
    const other = `— ${ORIGIN} ${Buffer.alloc(2424, 6).toString("base64")}\n`;
    expect(openNote(`${BODY}\n${own.line(BODY)}${other}`, key)).toMatchObject({ signed: "yes" });
  });

  it.each([
    ["no signatures", BODY],
    ["a broken signature line", `${BODY}\n- ${ORIGIN} AAAA\n`],
    ["a size with a zero before it", `${BODY.replace("5", "05")}\n${own.line(BODY)}`],
    ["a size that is no whole number", `${BODY.replace("5", "5.5")}\n${own.line(BODY)}`],
    ["a root of another length", `${ORIGIN}\n5\nAAAA\n\n${own.line(BODY)}`],
    ["a root with loose bits", `${BODY.replace("c=", "d=")}\n${own.line(BODY)}`],
  ])("refuses %s", (_, note) => {
    expect(openNote(note, key)).toHaveProperty("problem");
  });
});
