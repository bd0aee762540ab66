import {
  type CallFacts,
  type Decision,
  type Digest,
  type Grant,
  newId,
  type Operation,
  type Reason,
  type ResultDecision,
  type ScriptFacts,
} from "@callgate/core";
import type { PolicySet } from "@callgate/policy";
import type { StudiedScript } from "@callgate/sandbox";
import type { Reservation } from "../budget.ts";
import type { Answer, Exchange } from "../exchange.ts";
import type { Gate } from "../gate.ts";
import { TASK_META } from "../harness.ts";
import type { Registered } from "../registry.ts";
import type { GuestRun } from "../sandboxed/guest-run.ts";
import type { Session } from "../session.ts";
import type { RoundState } from "../state.ts";
import type { Link } from "../upstream/link.ts";

/** What the agent asked for, as it stands in the JSON-RPC body. */
export interface CallRequest {
  readonly operation: Operation;
  /** The name the agent used: a tool's qualified name, or `server/resources/read` and its like. */
  readonly name: string;
  /** What policies see and the ledger digests. */
  readonly args: unknown;
  /** What goes to the server, without `_meta`. */
  readonly params: Record<string, unknown>;
  /**
   * Does the request where the server's era has no method of this name, and gives its result; undefined where the server has one, which
   * is then sent. Called when the call runs, and not before.
   */
  readonly inPlace?: (link: Link) => Record<string, unknown> | undefined;
}

/** Everything one call gathers on its way. Steps fill it in order; what an earlier step set, later ones may rely on. */
export interface Life {
  readonly gate: Gate;
  readonly grant: Grant;
  readonly session: Session;
  readonly request: CallRequest;
  readonly exchange: Exchange;
  readonly id: string;
  readonly began: number;
  /** Set by resolve. */
  tool: Registered | undefined;
  /** Set by validate: the arguments as the agent sent them, as canonical JSON, and its digest. */
  argsText: string;
  argsDigest: Digest | undefined;
  /** Set by validate where the agent came back with a state that the broker sealed. */
  round: RoundState | undefined;
  /** Set by study, for a call that runs a script: what reading it found. */
  script: StudiedCode | undefined;
  /** Set by run, for a call that runs code here: what came into it. */
  guest: GuestRun | undefined;
  /** Set by study where the call takes up an earlier one: that one. */
  resumes: string | undefined;
  /** Set by admit. */
  reservation: Reservation | undefined;
  facts: CallFacts | undefined;
  loopKey: string;
  /** Set by decide: the set that decides the call, and its result too. */
  policies: PolicySet | undefined;
  decision: Decision | undefined;
  /** `_meta` for the server: what is meant for the broker does not go on. */
  readonly meta: Readonly<Record<string, unknown>> | undefined;
  /** What goes to the server: as the agent sent it, unless a policy demands a change. */
  params: Record<string, unknown>;
  /** Set by oblige: the arguments that go to the server. They are what a person approves, and what the record has. */
  sent: SentArguments | undefined;
  /** The arguments as they are recorded; made when they are first, from what is sent. */
  recorded: RecordedArgs | undefined;
  /** Set by hold: who approved. */
  approver: string | undefined;
  /** Set by inspect, where a policy speaks about the result. */
  judged: ResultDecision | undefined;
}

/** A script as it was read before it is decided on. */
export interface StudiedCode extends StudiedScript {
  readonly facts: ScriptFacts;
  /** Who approved it in the run that is taken up, under which policies. */
  readonly approved?: { readonly by: string; readonly policies: string } | undefined;
}

/** The arguments of a call after what policies demand. */
export interface SentArguments {
  readonly args: unknown;
  /** As canonical JSON, and its digest. */
  readonly text: string;
  readonly digest: Digest;
  /** Whether something was taken out: what the agent sent MUST then not be kept or shown, in no form but its digest. */
  readonly redacted: boolean;
}

/** Arguments as the record has them. */
export interface RecordedArgs {
  /** Undefined where they are not kept. */
  readonly text: string | undefined;
  readonly digest: Digest | undefined;
  /** True if something was kept out of them. */
  readonly redacted: boolean;
}

/** Why a call is not made: reasons for the agent and the record, or an error nobody foresaw. */
export type Refusal =
  | {
      readonly reasons: readonly Reason[];
      readonly errors?: readonly Reason[];
      /** What the record says for the first reason's message, where that has words of the agent's. */
      readonly kept?: string;
      readonly wire?: "unknown" | "invalid-state";
    }
  | { readonly fault: unknown };

/** What came of a call that ran. */
export interface Outcome {
  readonly answer: Answer;
  readonly status: "ok" | "error" | "cancelled" | "timeout" | "input_required";
  /** The message MUST be the broker's own or a policy's: it is recorded in the clear. */
  readonly error?: { readonly code: string; readonly message: string };
  /** The result, or the server's error, as JSON text, where there is one. */
  readonly text?: string;
  /** Of a result's text. */
  readonly digest?: Digest;
  /** More for the record: what a run in the sandbox used. */
  readonly detail?: Readonly<Record<string, unknown>> | undefined;
  /** Milliseconds between sending the request and its answer. */
  readonly ms: number;
}

export function begin(gate: Gate, grant: Grant, session: Session, request: CallRequest, exchange: Exchange): Life {
  return {
    gate,
    grant,
    session,
    request,
    exchange,
    id: newId("call"),
    began: Date.now(),
    tool: undefined,
    argsText: "",
    argsDigest: undefined,
    round: undefined,
    script: undefined,
    guest: undefined,
    resumes: undefined,
    reservation: undefined,
    facts: undefined,
    loopKey: "",
    policies: undefined,
    decision: undefined,
    meta: withoutTask(exchange.meta),
    params: request.params,
    sent: undefined,
    recorded: undefined,
    approver: undefined,
    judged: undefined,
  };
}

function withoutTask(meta: Exchange["meta"]): Exchange["meta"] {
  if (meta?.[TASK_META] === undefined) return meta;
  const { [TASK_META]: _task, ...rest } = meta;
  return Object.keys(rest).length > 0 ? rest : undefined;
}

/** A refusal with one reason of the broker's own. */
export function refuse(rule: string, message: string, remedy?: string): { reasons: readonly Reason[] } {
  return { reasons: [{ rule: `callgate/${rule}`, message, ...(remedy !== undefined && { remedy }) }] };
}
