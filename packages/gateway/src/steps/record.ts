import { type Digest, digestOf, messageOf, type Reason, type RecordDraft } from "@callgate/core";
import { type Life, type Outcome, type RecordedArgs, type Refusal, refuse } from "./life.ts";

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The call will run: its intent MUST be durable first. A ledger that cannot append refuses the call. */
export async function recordIntent(life: Life): Promise<Refusal | undefined> {
  const { decision } = life;
  if (!decision) throw new Error("intent before decision");
  const facts = factsText(life);
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
      payloads: { ...argsPayload(life), ...(facts !== undefined && { facts }) },
    });
    return undefined;
  } catch (error) {
    life.gate.log.error({ call: life.id, err: messageOf(error) }, "the ledger cannot append");
    return refuse(
      "ledger-unavailable",
      "the call cannot be recorded, so it is not made",
      "tell an operator: the ledger is not writable",
    );
  }
}

/** Durable too: the answer names the record. */
export async function recordDenial(
  life: Life,
  reasons: readonly Reason[],
  errors: readonly Reason[],
  fault: string | undefined,
): Promise<number> {
  const facts = factsText(life);
  return await life.gate.ledger.append({
    ...common(life),
    kind: "denial",
    decision: {
      verdict: "deny",
      rules: [...new Set(reasons.map((r) => r.rule))].slice(0, 50),
      policies: life.decision?.policies ?? life.gate.policies.digest,
    },
    error: { code: reasons[0]?.rule ?? "callgate/internal", message: clip(reasons[0]?.message ?? "", 500) },
    ...((errors.length > 0 || fault !== undefined) && {
      detail: {
        ...(errors.length > 0 && {
          errors: errors.slice(0, 5).map((e) => ({ rule: e.rule, message: clip(e.message, 200) })),
        }),
        ...(fault !== undefined && { fault: clip(fault, 300) }),
      },
    }),
    payloads: {
      ...argsPayload(life),
      ...(facts !== undefined && { facts }),
    },
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

/** What a server asked of the agent's client, and whether it got an answer. Rides with the next commit. */
export function recordCallback(life: Life, method: string, answered: boolean): void {
  life.gate.ledger.appendLater({
    ...common(life),
    kind: "callback",
    status: answered ? "ok" : "error",
    detail: { method: clip(method, 128) },
  });
}

/** How the call ended. Starts no sync of its own. */
export function recordOutcome(life: Life, outcome: Outcome): void {
  try {
    life.gate.ledger.appendLater({
      ...common(life),
      kind: "outcome",
      status: outcome.status,
      ...(outcome.error && { error: { code: outcome.error.code, message: clip(outcome.error.message, 500) } }),
      ms: Math.max(0, Math.round(outcome.ms)),
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
  const { principal, tool, session, loop, budget, flow, time } = life.facts;
  const { scopes, effects, labels } = tool;
  return JSON.stringify({
    principal,
    tool: { qualified: tool.qualified, operation: tool.operation, scopes, effects, labels },
    session,
    loop,
    budget,
    // Origins are kept by the text of each argument: out of sight with them.
    ...(flow && life.keepArgs && !recordedArgs(life).redacted && { flow }),
    time,
  });
}

function common(life: Life): Omit<RecordDraft, "kind"> {
  const { grant, session, tool, exchange, round, request } = life;
  const trace =
    typeof exchange.meta?.["traceparent"] === "string"
      ? TRACEPARENT.exec(exchange.meta["traceparent"])?.[1]
      : undefined;
  return {
    agent: grant.principal.agent,
    ...(grant.principal.user !== undefined && { user: grant.principal.user }),
    session: session.id,
    call: life.id,
    ...(round && { parent: round.call }),
    ...(trace !== undefined && { trace }),
    ...(tool
      ? { tool: { server: tool.server, name: tool.name, digest: tool.digest } }
      : { tool: { server: "", name: clip(request.name, 128), digest: NO_DIGEST } }),
    ...argsDigest(life),
  };
}

/**
 * The arguments without what the configuration keeps out of the record. Their digest is that of what is recorded: one of the rest
 * could be guessed by whoever has the session's key.
 */
function recordedArgs(life: Life): RecordedArgs {
  const text = life.argsText;
  life.recorded ??= redacted(life, text, text === "" ? undefined : life.argsDigest);
  return life.recorded;
}

function redacted(life: Life, text: string, digest: Digest | undefined): RecordedArgs {
  if (digest === undefined) return { text: undefined, digest: undefined, redacted: false };
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

function argsPayload(life: Life): { readonly args?: string } {
  const { text } = recordedArgs(life);
  return life.keepArgs && text !== undefined ? { args: text } : {};
}

function argsDigest(life: Life): { readonly args?: Digest } {
  const { digest } = recordedArgs(life);
  return digest === undefined ? {} : { args: digest };
}

function resultOf(life: Life, { text, digest }: Outcome): Pick<RecordDraft, "result" | "payloads"> {
  if (text === undefined || digest === undefined) return {};
  const now = redacted(life, text, digest);
  if (now.text === undefined || now.digest === undefined) return {};
  return { result: now.digest, payloads: { result: now.text } };
}

function toolOf({ tool, request }: Life): string {
  return tool ? `${tool.server}__${tool.name}` : request.name;
}

/** Cut and well-formed: a lone surrogate has no UTF-8, and a record MUST NOT be refused for what an agent typed. */
function clip(text: string, length: number): string {
  return text.slice(0, length).toWellFormed();
}

/** The digest of a tool that is not registered. */
const NO_DIGEST = `sha256:${"0".repeat(64)}` as const;
