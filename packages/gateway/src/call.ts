import { type Grant, messageOf, type Reason, type Verdict } from "@callgate/core";
import type { Answer, Exchange } from "./exchange.ts";
import type { Gate } from "./gate.ts";
import type { Session } from "./session.ts";
import { admit } from "./steps/admit.ts";
import { confine } from "./steps/confine.ts";
import { decide } from "./steps/decide.ts";
import { declare } from "./steps/declare.ts";
import { deny } from "./steps/deny.ts";
import { hold } from "./steps/hold.ts";
import { identify } from "./steps/identify.ts";
import { inspect } from "./steps/inspect.ts";
import { begin, type CallRequest, type Life, type Refusal } from "./steps/life.ts";
import { oblige } from "./steps/oblige.ts";
import { recordIntent, recordOutcome } from "./steps/record.ts";
import { resolve } from "./steps/resolve.ts";
import { run } from "./steps/run.ts";
import { settle } from "./steps/settle.ts";
import { study } from "./steps/study.ts";
import { validate } from "./steps/validate.ts";

/**
 * The life of one call, from whichever face and era, top to bottom.
 *
 * MUST NOT run anything before its intent is durable. A step before `run` that finds a fault, and any error it did not foresee, is a
 * deny with its reason recorded. Never rejects.
 */
export async function governCall(
  gate: Gate,
  grant: Grant,
  session: Session,
  request: CallRequest,
  exchange: Exchange,
): Promise<Answer> {
  const life = begin(gate, grant, session, request, exchange);
  try {
    const refusal = await examine(life);
    if (refusal) return await deny(life, refusal);
    if (life.decision?.verdict === "hold") {
      const held = await hold(life);
      if (held) return "answer" in held ? held.answer : await deny(life, held);
      // A person takes time: the token may have expired meanwhile, or the session ended.
      const late = identify(life);
      if (late) return await deny(life, late);
    }
    const barred = await recordIntent(life);
    if (barred) return await deny(life, barred);
  } catch (error) {
    return await deny(life, { fault: error });
  }
  // From here on the call has happened: whatever goes wrong is an outcome, not a deny.
  const outcome = inspect(life, await run(life));
  settle(life, outcome);
  recordOutcome(life, outcome);
  return outcome.answer;
}

/** Everything that speaks against a call before anybody is asked about it. Faults are values here: each step gives a refusal, or nothing. */
async function examine(life: Life): Promise<Refusal | undefined> {
  return (
    identify(life) ??
    declare(life) ??
    resolve(life) ??
    validate(life) ??
    (await study(life)) ??
    confine(life) ??
    admit(life) ??
    decide(life) ??
    oblige(life)
  );
}

/** What would become of a call. */
export interface Preview {
  readonly verdict: Verdict;
  readonly reasons: readonly Reason[];
}

/**
 * Decides a call as `governCall` does, and leaves it there: nothing is recorded, reserved or run. Never rejects.
 */
export async function previewCall(
  gate: Gate,
  grant: Grant,
  session: Session,
  request: CallRequest,
  exchange: Exchange,
): Promise<Preview> {
  const life = begin(gate, grant, session, request, exchange);
  try {
    const refusal = await examine(life);
    if (refusal) return { verdict: "deny", reasons: "reasons" in refusal ? refusal.reasons : [] };
    return { verdict: life.decision?.verdict ?? "deny", reasons: life.decision?.reasons ?? [] };
  } catch (error) {
    gate.log.error({ tool: request.name, err: messageOf(error) }, "a call could not be previewed");
    return { verdict: "deny", reasons: [] };
  } finally {
    life.reservation?.release();
    if (life.loopKey !== "") session.state.trail.remove(life.id);
  }
}
