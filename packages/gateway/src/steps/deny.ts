import { CallgateError, messageOf, type Reason } from "@callgate/core";
import type { Answer } from "../exchange.ts";
import { WIRE_CODES } from "../upstream/message.ts";
import type { Life, Refusal } from "./life.ts";
import { recordDenial } from "./record.ts";

/** JSON-RPC error of a denied request that is not a tool call (in the range left to implementations). */
export const DENIED_CODE = -32050;

/** Gives back what was reserved, records the denial durably, and answers with what a model can act on. Never rejects. */
export async function deny(life: Life, refusal: Refusal): Promise<Answer> {
  life.reservation?.release();
  if (life.loopKey !== "") life.session.state.trail.remove(life.id);
  let reasons: readonly Reason[];
  if ("fault" in refusal) {
    life.gate.log.error(
      { call: life.id, tool: life.request.name, err: messageOf(refusal.fault) },
      "a call was denied because of an error in the broker",
    );
    reasons = [
      { rule: "callgate/internal", message: "the broker could not decide this call", remedy: "try again later" },
    ];
  } else reasons = refusal.reasons;
  const errors = "fault" in refusal ? [] : (refusal.errors ?? []);
  let record: number | undefined;
  try {
    record = await recordDenial(
      life,
      reasons,
      errors,
      "fault" in refusal ? { fault: nameOf(refusal.fault) } : { kept: refusal.kept },
    );
  } catch (error) {
    life.gate.log.error({ call: life.id, err: messageOf(error) }, "a denial could not be recorded");
  }
  life.gate.log.info(
    {
      call: life.id,
      session: life.session.id,
      agent: life.grant.principal.agent,
      tool: life.request.name,
      rules: reasons.map((r) => r.rule),
      record,
    },
    "denied",
  );
  const wire = "wire" in refusal ? refusal.wire : undefined;
  return answerOf(life, reasons, record, wire);
}

/** What kind of error it was: its message may quote what the agent wrote, and is in the log. */
function nameOf(fault: unknown): string {
  if (fault instanceof CallgateError) return fault.code;
  return fault instanceof Error ? fault.name : "unknown";
}

function answerOf(
  life: Life,
  reasons: readonly Reason[],
  record: number | undefined,
  wire: "unknown" | "invalid-state" | undefined,
): Answer {
  const first = reasons[0] as Reason;
  const denial = {
    rule: first.rule,
    reason: first.message,
    ...(first.remedy !== undefined && { remedy: first.remedy }),
    ...(reasons.length > 1 && { rules: reasons.map((r) => r.rule) }),
    ...(record !== undefined && { record }),
    call: life.id,
  };
  const { rule, reason, remedy } = denial;
  life.exchange.refused = {
    kind: "denied",
    rule,
    reason,
    ...(remedy !== undefined && { remedy }),
    record,
    call: life.id,
  };
  if (wire === "unknown") {
    // An unknown name is a protocol error in MCP, not a tool's.
    const unknown = life.request.operation.startsWith("resources/")
      ? WIRE_CODES.resourceNotFound
      : WIRE_CODES.invalidParams;
    return { error: { code: unknown, message: first.message, data: denial } };
  }
  if (wire === "invalid-state")
    return {
      error: {
        code: WIRE_CODES.invalidParams,
        message: "Invalid or expired requestState",
        data: { ...denial, reason: "invalid_request_state" },
      },
    };
  if (life.request.operation !== "tools/call")
    return { error: { code: DENIED_CODE, message: `denied: ${first.message}`, data: denial } };
  const lines = [`Denied: ${first.message}.`];
  if (first.remedy !== undefined) lines.push(`What to do: ${first.remedy}.`);
  lines.push(`Rule: ${first.rule}.${record === undefined ? "" : ` Record: ${record}.`}`);
  return toolError(lines.join("\n"), denial);
}

/** A tool result that says that the call failed, for a model to read; `_meta` has the same for programs. */
export function toolError(text: string, denial: Record<string, unknown>): Answer {
  return { result: { content: [{ type: "text", text }], isError: true, _meta: { "io.callgate/denial": denial } } };
}
