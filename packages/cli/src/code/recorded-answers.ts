import { canonicalJson, isObject, parseJson } from "@callgate/core";
import { guestAnswer, NO_OBJECT, refusedAnswer } from "@callgate/gateway";
import type { GuestAnswer, GuestCall, RunError } from "@callgate/sandbox";
import type { IncidentCall } from "../incident/calls.ts";
import type { RecordedRun } from "./recorded-run.ts";

/** What a call of a replay was answered, and by which recorded call. */
export interface Answered {
  readonly answer: GuestAnswer;
  readonly from?: IncidentCall;
  /** Why a recorded call has no answer to give, or why there is none. */
  readonly lacks?: string;
}

/** A recorded call that is there to answer with. */
interface Kept {
  readonly call: IncidentCall;
  /** Tool and canonical arguments as the script gave them; undefined where those were not kept. */
  readonly key: string | undefined;
  /** Of a run that this one takes up. */
  readonly earlier: boolean;
  used: boolean;
}

/** The code of the `ToolError` for a call that has no answer on record. */
export const NOT_RECORDED = "NOT_RECORDED";

/** The answers that are on record, each given once and in the order in which they were given then. */
export class RecordedAnswers {
  readonly #kept: readonly Kept[];
  readonly #end: RecordedRun["end"];

  constructor({ made, before, end }: RecordedRun) {
    this.#end = end;
    const kept = (call: IncidentCall, earlier: boolean): Kept => ({ call, key: keyOf(call), earlier, used: false });
    // What ended an earlier run was no answer: a run that goes on from it asks again.
    const answered = before.filter((call) => !("end" in this.#answerOf(call).answer));
    this.#kept = [...answered.map((call) => kept(call, true)), ...made.map((call) => kept(call, false))];
  }

  /** Calls that the script of then made, and that nobody asked for. */
  get left(): readonly { readonly call: IncidentCall; readonly earlier: boolean; readonly lacks?: string }[] {
    return this.#kept
      .filter(({ used }) => !used)
      .map(({ call, earlier, key }) => ({
        call,
        earlier,
        ...(key === undefined && { lacks: "its arguments were not kept as the script gave them" }),
      }));
  }

  take({ server, name, args }: GuestCall): Answered {
    if (!isObject(args)) return { answer: NO_OBJECT };
    const key = `${server}__${name}\0${canonicalJson(args)}`;
    const found = this.#kept.find((one) => !one.used && one.key === key);
    if (!found) return lacking("the record has no such call");
    found.used = true;
    return { ...this.#answerOf(found.call), from: found.call };
  }

  #answerOf(call: IncidentCall): Answered {
    const { decided, outcome } = call;
    if (decided?.kind === "denial") return { answer: this.#denied(call) };
    if (!decided || !outcome || outcome.status === "unknown") return lacking("the record has no end of that call");
    if (outcome.status === "cancelled") return { answer: this.#cutOff() };
    const wire = /^wire\/(-?\d+)$/.exec(outcome.error?.code ?? "")?.[1];
    if (call.result !== undefined) {
      try {
        if (outcome.error?.code.startsWith("wire/"))
          return { answer: guestAnswer({ error: parseJson(call.result) as never }) };
        return { answer: guestAnswer({ resultText: call.result }) };
      } catch {
        return lacking("its result cannot be read");
      }
    }
    if (outcome.result !== undefined || !outcome.error) return lacking("its result was not kept");
    const { code, message } = outcome.error;
    if (wire !== undefined) return { answer: guestAnswer({ error: { code: Number(wire), message } }) };
    return { answer: refusedAnswer({ kind: "failed", rule: code, reason: message, call: call.call }) };
  }

  #denied({ call, decided }: IncidentCall): GuestAnswer {
    const { code: rule, message: reason } = decided?.error ?? { code: "callgate/internal", message: "denied" };
    if (rule === "callgate/run-budget") return { end: { code: "CALL_BUDGET", message: reason } };
    if (rule === "callgate/cancelled") return this.#cutOff();
    if (rule === "callgate/approval-pending") return { end: { code: "HELD", message: reason } };
    return refusedAnswer({ kind: "denied", rule, reason, record: decided?.seq, call });
  }

  /** A call that was under way when its run was over. */
  #cutOff(): GuestAnswer {
    if ("error" in this.#end) return { end: this.#end.error as RunError };
    return { error: { code: "CANCELLED", message: "the run was over before this call was" } };
  }
}

function lacking(lacks: string): Answered {
  return { answer: { error: { code: NOT_RECORDED, message: lacks } }, lacks };
}

/** The arguments as the script gave them: a policy may have sent others to the server, and then the facts have those. */
function keyOf({ tool, decided, payloads }: IncidentCall): string | undefined {
  try {
    const facts = payloads["facts"] === undefined ? undefined : parseJson(payloads["facts"]);
    const asked = isObject(facts) && typeof facts["asked"] === "string" ? facts["asked"] : undefined;
    const text = asked ?? (decided?.detail?.["changed"] === true ? undefined : payloads["args"]);
    return text === undefined ? undefined : `${tool}\0${canonicalJson(parseJson(text))}`;
  } catch {
    return undefined;
  }
}
