import { RECORD_KINDS } from "@callgate/core";

const text = { type: "string" };
const number = { type: "number" };
const object = (properties: object, required: readonly string[] = []): object => ({
  type: "object",
  properties,
  required,
});

/** What a condition over a record may name, as a JSON Schema. */
export const RECORD_SCHEMA = object(
  {
    v: { type: "integer" },
    log: text,
    seq: { type: "integer" },
    prev: text,
    boot: text,
    ts: text,
    mono: number,
    kind: { enum: RECORD_KINDS },
    agent: text,
    user: text,
    session: text,
    call: text,
    parent: text,
    trace: text,
    tool: object({ server: text, name: text, digest: text }, ["server", "name", "digest"]),
    decision: object(
      {
        verdict: { enum: ["allow", "deny", "hold"] },
        rules: { type: "array", items: text },
        policies: text,
        approver: text,
      },
      ["verdict", "rules", "policies"],
    ),
    args: text,
    result: text,
    status: { enum: ["ok", "error", "cancelled", "timeout", "input_required", "unknown"] },
    error: object({ code: text, message: text }, ["code", "message"]),
    ms: number,
    detail: { type: "object", additionalProperties: true },
  },
  ["v", "log", "seq", "prev", "boot", "ts", "mono", "kind"],
);
