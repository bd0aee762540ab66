import { canonicalJson, digestOf, type RecordDraft } from "@callgate/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildLeaf, joinLeaf, type LeafPieces, NO_LEAF, runMembers } from "../src/leaf.ts";
import { leafHash } from "../src/merkle.ts";

const run = runMembers("log_1", "boot_1");

/** The leaf, with a draft's own digests where the writer would put those of encrypted payloads. */
function joined(draft: RecordDraft, pieces: LeafPieces): string {
  const facts = draft.detail?.["facts"] as string | undefined;
  return joinLeaf(pieces, {
    prev: NO_LEAF,
    ...(draft.args !== undefined && { args: draft.args }),
    ...(facts !== undefined && { facts }),
    ...(draft.result !== undefined && { result: draft.result }),
  });
}

function leafOf(draft: RecordDraft): string {
  return joined(draft, buildLeaf(draft, run, 7, "2026-03-01T12:00:00.000Z", 1234));
}

const every: Required<Omit<RecordDraft, "payloads">> = {
  kind: "outcome",
  agent: "bot",
  user: "ann@example.org",
  session: "ses_1",
  call: "call_2",
  parent: "call_1",
  trace: "0af7651916cd43dd8448eb211c80319c",
  tool: { server: "mail", name: "send", digest: digestOf("definition") },
  decision: {
    verdict: "allow",
    rules: ["mail-only-to-known", "callgate/approved"],
    policies: digestOf("p"),
    approver: "op",
  },
  args: digestOf("{}"),
  result: digestOf("[]"),
  status: "error",
  error: { code: "UPSTREAM", message: 'no "door"\n€😀\u007f' },
  ms: 1.5,
  detail: { z: [1, null, { b: true, a: 0.1 }], facts: digestOf("f"), "€": "\u2028" },
};

describe("leaf", () => {
  it("has these bytes and this hash", () => {
    const leaf = leafOf(every);
    expect(leaf).toBe(
      '{"agent":"bot","args":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","boot":"boot_1",' +
        '"call":"call_2","decision":{"approver":"op","policies":"sha256:148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940",' +
        '"rules":["mail-only-to-known","callgate/approved"],"verdict":"allow"},' +
        '"detail":{"facts":"sha256:252f10c83610ebca1a059c0bae8255eba2f95be4d1d7bcfa89d7248a82d9f111","z":[1,null,{"a":0.1,"b":true}],"€":"\u2028"},' +
        '"error":{"code":"UPSTREAM","message":"no \\"door\\"\\n€😀\u007f"},"kind":"outcome","log":"log_1","mono":1234,"ms":1.5,' +
        '"parent":"call_1","prev":"sha256:0000000000000000000000000000000000000000000000000000000000000000",' +
        '"result":"sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945","seq":7,"session":"ses_1","status":"error",' +
        '"tool":{"digest":"sha256:4c4ed1afbfdaa1e4c3bf7bbb82d730cecb7e384da91eea4f3cc093fd545524d6","name":"send","server":"mail"},' +
        '"trace":"0af7651916cd43dd8448eb211c80319c","ts":"2026-03-01T12:00:00.000Z","user":"ann@example.org","v":2}',
    );
    expect(leafHash(leaf).toString("hex")).toBe("7296c1e31f50cac8c89abdc89da84d328c1185e87585f375c122225d1c602e19");
  });

  it("is the canonical JSON of its record, whatever the values", () => {
    const text = fc.string({ unit: "binary", maxLength: 40 });
    const digest = text.map((t) => digestOf(t));
    const drafts = fc.record(
      {
        kind: fc.constantFrom("intent", "outcome", "denial", "boot", "seal"),
        agent: text,
        user: text,
        session: text,
        call: text,
        parent: text,
        trace: text,
        tool: fc.record({ server: text, name: text, digest: fc.constantFrom(digestOf("a"), digestOf("b")) }),
        decision: fc.record(
          {
            verdict: fc.constantFrom("allow", "deny", "hold"),
            rules: fc.array(text, { maxLength: 4 }),
            policies: text,
            approver: text,
          },
          { requiredKeys: ["verdict", "rules", "policies"] },
        ),
        args: digest,
        result: digest,
        status: fc.constantFrom("ok", "error", "unknown"),
        error: fc.record({ code: text, message: text }),
        ms: fc.double({ noNaN: true, noDefaultInfinity: true }),
        detail: fc
          .tuple(fc.dictionary(text, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 }), fc.option(digest))
          .map(([detail, facts]) => (facts === null ? detail : { ...detail, facts })),
      },
      { requiredKeys: ["kind"] },
    ) as fc.Arbitrary<RecordDraft>;
    fc.assert(
      fc.property(drafts, fc.nat(), fc.nat(), (draft, seq, mono) => {
        const ts = "2026-03-01T12:00:00.000Z";
        const record = { ...draft, v: 2, log: "log_1", boot: "boot_1", seq, ts, mono, prev: NO_LEAF };
        expect(joined(draft, buildLeaf(draft, run, seq, ts, mono))).toBe(canonicalJson(record));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ["a lone surrogate", { kind: "intent", agent: "a\ud800" }],
    ["a lone surrogate in detail", { kind: "intent", detail: { a: "\udc00" } }],
    ["a number that is none", { kind: "outcome", ms: Number.NaN }],
    ["a number without end", { kind: "outcome", detail: { ms: Number.POSITIVE_INFINITY } }],
  ] as [string, RecordDraft][])("refuses %s", (_, draft) => {
    expect(() => leafOf(draft)).toThrow(expect.objectContaining({ code: "CANONICAL_INVALID" }));
  });

  it("takes an error's text that was cut within a character", () => {
    expect(leafOf({ kind: "outcome", error: { code: "E", message: "a\ud83d" } })).toContain('"message":"a\ufffd"');
  });

  it("takes 65,535 bytes and not one more, counted as UTF-8", () => {
    const size = (message: string) => Buffer.byteLength(leafOf({ kind: "outcome", error: { code: "E", message } }));
    const room = 65_535 - size("");
    expect(size("x".repeat(room))).toBe(65_535);
    expect(size("€".repeat(Math.floor(room / 3)))).toBeGreaterThan(65_532);
    for (const message of ["x".repeat(room + 1), "€".repeat(Math.floor(room / 3) + 1)]) {
      expect(() => size(message)).toThrow(expect.objectContaining({ code: "LEDGER_LEAF_TOO_LARGE" }));
    }
  });

  it("takes 4 KiB of detail and not a byte more", () => {
    const detail = (text: string) => () => leafOf({ kind: "config", detail: { a: text } });
    expect(detail("x".repeat(4096 - 8))).not.toThrow();
    expect(detail("x".repeat(4096 - 7))).toThrow(expect.objectContaining({ code: "LEDGER_LEAF_TOO_LARGE" }));
    expect(detail("€".repeat(1363))).toThrow(expect.objectContaining({ code: "LEDGER_LEAF_TOO_LARGE" }));
  });
});
