import { isObject, messageOf } from "@callgate/core";
import type { ExactCall } from "../approvals.ts";
import type { Answer } from "../exchange.ts";
import { callableTools } from "../sandboxed/catalogue.ts";
import { planText } from "../sandboxed/plan-text.ts";
import { printable, printableLines } from "../setup/printable.ts";
import type { Callback } from "../upstream/link.ts";
import { type Life, type Refusal, refuse } from "./life.ts";
import { recordApproval, requireLedger } from "./record.ts";
import { study } from "./study.ts";

/** The most that a question to a client shows of a call, in characters. A person approves what they see, or does not. */
const MAX_SHOWN = 4000;

/** The key under which a held call asks its client (stateless era). */
const ASK_KEY = "callgate-approval";

/**
 * Holds a call until a person answers. Nothing back means: go on. An approval counts for one exact call (principal, tool, arguments as
 * they go to the server, policy set), once, until it expires.
 */
export async function hold(life: Life): Promise<Refusal | { answer: Answer } | undefined> {
  const { gate, decision, grant, request, argsDigest, sent, exchange } = life;
  if (decision?.verdict !== "hold" || !argsDigest || !sent) throw new Error("hold without a decision to hold");
  // What is approved is what runs: policies may have rewritten the script since it was read.
  const unread = life.script && sent.digest !== argsDigest ? await study(life) : undefined;
  if (unread) return unread;
  const exact: ExactCall = {
    agent: grant.principal.agent,
    user: grant.principal.user,
    tool: request.name,
    args: sent.digest,
    policies: decision.policies,
  };
  const reason = decision.reasons.map((r) => r.message).join("; ");

  const round = life.round;
  if ((round?.kind === "parked" || round?.kind === "relayed") && round.approved?.policies === decision.policies) {
    // The same call goes on after the server's own question: its approval was used for it.
    life.approver = round.approved.by;
    return undefined;
  }

  if (life.script?.approved?.policies === decision.policies) {
    // The same script goes on after one of its calls was held: its approval was used for it.
    life.approver = life.script.approved.by;
    return undefined;
  }

  // Nobody is asked for a call that could not be made, and no approval is used up for one.
  const unready = requireLedger(life);
  if (unready) return unready;
  const given = gate.approvals.use(exact);
  if (given) return accept(life, given.id, given.answeredBy);

  const shown = planOf(life);
  if (typeof shown !== "string") return shown;
  const approval = gate.approvals.request(exact, {
    session: life.session.id,
    call: life.id,
    argsText: sent.text,
    plan: shown,
    reason,
    ttl: gate.approvalTimes.ttl,
  });

  // The policed agent's own client may answer only where every asking policy says so.
  // It must be able to show them the whole call: what does not fit a question goes to an operator.
  const fits = sent.text.length + shown.length <= MAX_SHOWN;
  if (decision.approver === "client" && canElicit(exchange.capabilities) && fits) {
    if (round?.kind === "approval" && round.approval === approval.id)
      return await conclude(life, exact, approval.id, exchange.inputResponses?.[ASK_KEY]);
    if (approval.call === life.id) await recordApproval(life, "asked", approval.id, undefined);
    const callback = question(life, sent.text, shown, reason);
    if (exchange.ask) {
      if (exchange.cancelled) return cancelledRefusal();
      const asked = exchange.ask(callback).catch(() => undefined);
      const response = await Promise.race([asked, cancelled(exchange), ...(exchange.within ? [late(life)] : [])]);
      if (exchange.cancelled) return cancelledRefusal();
      exchange.onCancel = undefined;
      if (response !== LATE) return await conclude(life, exact, approval.id, response);
      void asked.then((answer) => concludeLate(life, approval.id, answer));
      return await pending(life, approval.id, reason);
    }
    const { agent, user } = grant.principal;
    const requestState = gate.seal.seal(
      { kind: "approval", approval: approval.id, call: life.id },
      { agent, user, tool: request.name, args: argsDigest },
    );
    life.reservation?.release();
    life.session.state.trail.remove(life.id);
    return {
      answer: { result: { resultType: "input_required", inputRequests: { [ASK_KEY]: callback }, requestState } },
    };
  }

  if (approval.call === life.id) await recordApproval(life, "asked", approval.id, undefined);
  // The agent may have gone while that was written, when nobody listened yet.
  if (exchange.cancelled) return cancelledRefusal();
  gate.log.info(
    { call: life.id, approval: approval.id, agent: exact.agent, tool: exact.tool },
    "held: waiting for an operator",
  );
  const waiting = gate.approvals.wait(approval.id, patience(life));
  exchange.onCancel = waiting.stop;
  const answered = await waiting.answered;
  exchange.onCancel = undefined;
  if (exchange.cancelled) return cancelledRefusal();
  if (answered?.status === "approved") {
    const barred = requireLedger(life);
    if (barred) return barred;
    const used = gate.approvals.use(exact);
    if (used) return accept(life, used.id, used.answeredBy);
    return refuse(
      "approval-refused",
      "an equal call used the approval first",
      "send the call again to ask for another",
    );
  }
  if (answered?.status === "denied") return reject(life, approval.id, answered.answeredBy);
  return await pending(life, approval.id, reason);
}

/** Nobody has answered yet. What the call says MUST stay out of this: it goes into leaves, also into that of a run around it. */
async function pending(life: Life, id: string, reason: string): Promise<Refusal> {
  await recordApproval(life, "unanswered", id, undefined);
  const partly =
    life.script?.plan.complete === false
      ? "; calls that cannot be read from the script's text will be refused, so write them out before you ask"
      : "";
  return refuse(
    "approval-pending",
    `${reason}; a person has to approve this exact call first (approval ${id})`,
    `an operator can run \`callgate approvals approve ${id}\`; then send the same call again${partly}`,
  );
}

/** What a person is shown of a script; nothing for other calls. A script that cannot be shown whole is refused: nobody could approve it. */
function planOf({ script, gate, grant }: Life): string | Refusal {
  if (!script) return "";
  const tools = new Set(callableTools(gate, grant, gate.code?.tools ?? []).map(({ qualified }) => qualified));
  const shown = planText(script.plan, (name) => tools.has(name));
  if ("text" in shown) return shown.text;
  return refuse(
    "plan-too-long",
    `a person has to approve the script first, and it is more than they would read: it ${shown.tooMuch}`,
    "write a shorter script: fewer places that call tools, with shorter texts in their arguments; or make several of it",
  );
}

/** Left of a run's time when it gives up waiting for a person, in milliseconds: to be ended in good order, and not by the clock. */
const MARGIN_MS = 250;

/** How long to wait for an operator, in milliseconds: a call of a run no longer than the run can last. */
function patience({ exchange, gate }: Life): number {
  const { wait } = gate.approvalTimes;
  return exchange.within ? Math.max(1, Math.min(wait, exchange.within.left - MARGIN_MS)) : wait;
}

/** Stands for an answer that did not come while there was time. */
const LATE = Symbol("late");

/** Resolves when a call of a run can wait no longer. */
function late(life: Life): Promise<typeof LATE> {
  return new Promise((resolve) => setTimeout(() => resolve(LATE), patience(life)).unref());
}

function cancelledRefusal(): Refusal {
  return refuse("cancelled", "the call was cancelled while it was held");
}

/** Resolves when the agent cancels, so that a call nobody waits for does not wait for a person. */
function cancelled(exchange: Life["exchange"]): Promise<undefined> {
  return new Promise((resolve) => {
    exchange.onCancel = () => resolve(undefined);
  });
}

function verdictOf(response: unknown): "approved" | "denied" {
  const content =
    isObject(response) && response["action"] === "accept" && isObject(response["content"])
      ? response["content"]
      : undefined;
  return content?.["approve"] === true ? "approved" : "denied";
}

/** An answer that came when the call was refused already counts for the next one, as an operator's does. */
function concludeLate({ gate, grant }: Life, id: string, response: unknown): void {
  // The client may be gone, too: that is no answer.
  if (!isObject(response)) return;
  try {
    gate.approvals.answer(id, verdictOf(response), `client of ${grant.principal.agent}`);
  } catch (error) {
    gate.log.warn({ approval: id, err: messageOf(error) }, "a late answer could not be kept");
  }
}

async function conclude(life: Life, exact: ExactCall, id: string, response: unknown): Promise<Refusal | undefined> {
  const by = `client of ${exact.agent}`;
  const verdict = verdictOf(response);
  const taken = life.gate.approvals.answer(id, verdict, by);
  if (!taken.ok) return refuse("approval-refused", taken.reason, "send the call again");
  if (verdict === "denied") return await reject(life, id, by);
  const barred = requireLedger(life);
  if (barred) return barred;
  const used = life.gate.approvals.use(exact);
  if (!used) return refuse("approval-refused", "the approval was used or expired already", "send the call again");
  return await accept(life, id, by);
}

async function accept(life: Life, id: string, by: string | undefined): Promise<undefined> {
  life.session.state.watch?.approve(life.sent?.args);
  life.approver = by ?? "unknown";
  await recordApproval(life, "approved", id, life.approver);
  return undefined;
}

async function reject(life: Life, id: string, by: string | undefined): Promise<Refusal> {
  await recordApproval(life, "denied", id, by ?? "unknown");
  return refuse("approval-refused", "a person refused this call", "do not repeat it; find another way or stop");
}

function question(life: Life, args: string, plan: string, reason: string): Callback {
  const script = plan === "" ? "" : `\n\n${printableLines(plan)}`;
  return {
    method: "elicitation/create",
    params: {
      mode: "form",
      message: `Approve this call?\n\n${life.request.name} ${printable(args)}${script}\n\nIt is held because ${reason}.`,
      requestedSchema: {
        type: "object",
        properties: {
          approve: { type: "boolean", title: "Approve", description: "Make exactly this call, once", default: false },
        },
        required: ["approve"],
      },
    },
  };
}

function canElicit(capabilities: Readonly<Record<string, unknown>>): boolean {
  const elicitation = capabilities["elicitation"];
  // An empty object means form mode (MCP 2025-06-18); with modes named, form must be among them.
  return isObject(elicitation) && (Object.keys(elicitation).length === 0 || "form" in elicitation);
}
