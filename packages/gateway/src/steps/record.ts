import { type Digest, digestOf, messageOf, type Reason, type RecordDraft } from "@callgate/core";
import { clip, detailOf } from "./detail.ts";
import { type Life, type Outcome, type RecordedArgs, type Refusal, refuse } from "./life.ts";

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The call will run: its intent MUST be durable first. A ledger that cannot append refuses the call. */
export async function recordIntent(life: Life): Promise<Refusal | undefined> {
  const { decision } = life;
  if (!decision) throw new Error("intent before decision");
  const facts = factsText(life);
  const detail = detailOf({ changed: isChanged(life), trial: decision.trial });
  try {
    await life.gate.ledger.append({
      ...common(life),
      kind: "intent",
      decision: {
        verdict: "allow",
        rules: decision.reasons.map((r) => r.rule),
        policies: decision.policies,
        ...(life.approver !== undefined && { approver: life.approver }),
      },
      ...(detail && { detail }),
      payloads: payloadsOf(life, facts),
    });
    return undefined;
  } catch (error) {
    life.gate.log.error({ call: life.id, err: messageOf(error) }, "the ledger cannot append");
    return unrecorded(error);
  }
}

/** Refuses a call whose intent the ledger would refuse now. To be asked before anything is used up for it, such as an approval. */
export function requireLedger(life: Life): Refusal | undefined {
  const error = life.gate.ledger.refusal();
  if (error === undefined) return undefined;
  life.gate.log.error({ call: life.id, err: messageOf(error) }, "the ledger takes no calls");
  return unrecorded(error);
}

function unrecorded(error: unknown): Refusal {
  // Which anchor it is, and where, is for the operator alone.
  if ((error as { code?: string }).code === "LEDGER_ANCHOR_BEHIND")
    return refuse(
      "ledger-unavailable",
      "the call cannot be recorded as it has to be, so it is not made: an anchor of the ledger is too far behind",
      "tell an operator that an anchor of the ledger lags, and send the call again once it has caught up",
    );
  return refuse(
    "ledger-unavailable",
    "the call cannot be recorded, so it is not made",
    "tell an operator: the ledger is not writable",
  );
}

/** Durable too: the answer names the record. */
export async function recordDenial(
  life: Life,
  reasons: readonly Reason[],
  errors: readonly Reason[],
  { fault, kept }: { readonly fault?: string | undefined; readonly kept?: string | undefined },
): Promise<number> {
  const facts = factsText(life);
  const detail = detailOf({ changed: isChanged(life), errors, fault, trial: life.decision?.trial });
  return await life.gate.ledger.append({
    ...common(life),
    kind: "denial",
    decision: {
      verdict: "deny",
      rules: [...new Set(reasons.map((r) => r.rule))].slice(0, 50),
      policies: life.decision?.policies ?? life.gate.policies.digest,
    },
    error: { code: reasons[0]?.rule ?? "callgate/internal", message: clip(kept ?? reasons[0]?.message ?? "", 500) },
    ...(detail && { detail }),
    payloads: payloadsOf(life, facts),
  });
}

/** A hold's question or answer. */
export async function recordApproval(
  life: Life,
  state: "asked" | "approved" | "denied" | "unanswered",
  approval: string,
  by: string | undefined,
): Promise<void> {
  await life.gate.ledger.append({
    ...common(life),
    kind: "approval",
    decision: {
      verdict: "hold",
      rules: life.decision?.reasons.map((r) => r.rule) ?? [],
      policies: life.decision?.policies ?? "",
      ...(by !== undefined && { approver: by }),
    },
    detail: { approval, state },
  });
}

const ASKED = new Set(["elicitation/create", "sampling/createMessage", "roots/list"]);

/** What a server asked of the agent's client, and whether it got an answer, or by which rule it did not. Rides with the next commit. */
export function recordCallback(life: Life, method: string, answered: boolean, refused?: string): void {
  life.gate.ledger.appendLater({
    ...common(life),
    kind: "callback",
    status: answered ? "ok" : "error",
    // A method that MCP has not is the server's own words.
    detail: { method: ASKED.has(method) ? method : "unknown", ...(refused !== undefined && { refused }) },
  });
}

/** How the call ended. Starts no sync of its own. */
export function recordOutcome(life: Life, outcome: Outcome): void {
  const { judged } = life;
  const told =
    judged &&
    detailOf({
      errors: judged.errors,
      judged: judged.verdict,
      trial: judged.trial,
      rules: [...new Set((judged.verdict === "block" ? judged.reasons : judged.obligations).map((one) => one.rule))],
    });
  const detail = told || outcome.detail ? { ...outcome.detail, ...told } : undefined;
  try {
    life.gate.ledger.appendLater({
      ...common(life),
      kind: "outcome",
      status: outcome.status,
      ...(outcome.error && { error: { code: outcome.error.code, message: clip(outcome.error.message, 500) } }),
      ms: Math.max(0, Math.round(outcome.ms)),
      ...(detail && { detail }),
      ...resultOf(life, outcome),
    });
  } catch (error) {
    // The intent is durable: on the next start the call is `unknown`, which is the truth.
    life.gate.log.error({ call: life.id, err: messageOf(error) }, "an outcome could not be recorded");
  }
}

/**
 * What the policies saw beside the arguments and the tool's definition, which the record names by digest: enough to decide the
 * call again. Absent for a call that was refused before it had facts.
 */
function factsText(life: Life): string | undefined {
  if (!life.facts) return undefined;
  const { principal, tool, session, loop, budget, flow, script, time } = life.facts;
  const { scopes, effects, labels, arguments: roles } = tool;
  const showsAsked = !hidesAsked(life) && !recordedArgs(life).redacted;
  return JSON.stringify({
    principal,
    tool: {
      qualified: tool.qualified,
      operation: tool.operation,
      scopes,
      effects,
      labels,
      ...(roles && { arguments: roles }),
    },
    session,
    loop,
    budget,
    // Origins are kept by the text of each argument: out of sight with them.
    ...(flow && showsAsked && { flow }),
    ...(script && { script }),
    ...(isChanged(life) && showsAsked && { asked: life.argsText }),
    time,
  });
}

/** Whether what the agent sent MUST be kept in no form but its digest. */
function hidesAsked({ sent, tool, gate, policies, grant }: Life): boolean {
  return sent ? sent.redacted : tool !== undefined && (policies ?? gate.policies).hidesArguments(tool, grant.principal);
}

/** Whether something else went to the server than what the agent sent. */
function isChanged({ sent, argsDigest }: Life): boolean {
  return sent !== undefined && sent.digest !== argsDigest;
}

/**
 * The arguments as they are sent, without what the configuration keeps out of the record. Their digest is that of what is recorded: one
 * of the rest could be guessed by whoever has the session's key.
 */
function recordedArgs(life: Life): RecordedArgs {
  const { sent, argsText, argsDigest } = life;
  if (life.recorded) return life.recorded;
  const text = sent?.text ?? (argsText !== "" && !hidesAsked(life) ? argsText : undefined);
  const digest = sent?.digest ?? argsDigest;
  const recorded =
    text === undefined ? { text, digest, redacted: false } : redacted(life, text, digest ?? digestOf(text));
  // What is sent is known once it was obliged: until then the record may still be of less.
  if (sent) life.recorded = recorded;
  return recorded;
}

function redacted(life: Life, text: string, digest: Digest): RecordedArgs {
  try {
    const now = life.gate.redaction(toolOf(life), text);
    return now === text ? { text, digest, redacted: false } : { text: now, digest: digestOf(now), redacted: true };
  } catch (error) {
    // What cannot be redacted is not recorded.
    life.gate.log.error(
      { call: life.id, err: messageOf(error) },
      "a payload could not be redacted: it is left out of the record",
    );
    return { text: undefined, digest: undefined, redacted: true };
  }
}

function payloadsOf(life: Life, facts: string | undefined): NonNullable<RecordDraft["payloads"]> {
  const { text } = recordedArgs(life);
  return { ...(text !== undefined && { args: text }), ...(facts !== undefined && { facts }) };
}

function resultOf(life: Life, { text, digest }: Outcome): Pick<RecordDraft, "result" | "payloads"> {
  if (text === undefined) return {};
  const now = redacted(life, text, digest ?? digestOf(text));
  if (now.text === undefined || now.digest === undefined) return {};
  return { result: now.digest, payloads: { result: now.text } };
}

/** The call that caused this one: the run that makes it, the run that it takes up, or a retry's first round. */
function parentOf({ exchange, resumes, round }: Life): { readonly parent?: string } {
  const parent = exchange.within?.call ?? resumes ?? round?.call;
  return parent === undefined ? {} : { parent };
}

function toolOf({ tool, request }: Life): string {
  return tool ? `${tool.server}__${tool.name}` : request.name;
}

function common(life: Life): Omit<RecordDraft, "kind"> {
  const { grant, session, tool, exchange, request } = life;
  const args = recordedArgs(life).digest;
  const trace =
    typeof exchange.meta?.["traceparent"] === "string"
      ? TRACEPARENT.exec(exchange.meta["traceparent"])?.[1]
      : undefined;
  return {
    agent: grant.principal.agent,
    ...(grant.principal.user !== undefined && { user: grant.principal.user }),
    session: session.id,
    call: life.id,
    ...parentOf(life),
    ...(trace !== undefined && { trace }),
    ...(tool
      ? { tool: { server: tool.server, name: tool.name, digest: tool.digest } }
      : { tool: { server: "", name: clip(request.name, 128), digest: NO_DIGEST } }),
    ...(args && { args }),
  };
}

/** The digest of a tool that is not registered. */
const NO_DIGEST = `sha256:${"0".repeat(64)}` as const;
