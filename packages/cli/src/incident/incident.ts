import { CallgateError, type Digest, type LedgerRecord, type ToolFacts } from "@callgate/core";
import { printable } from "@callgate/gateway";
import type { LedgerReader } from "@callgate/ledger";
import type { LoadedSet } from "@callgate/policy";
import { type BlastRadius, blastRadius } from "./blast.ts";
import { gather, type IncidentCall } from "./calls.ts";
import { type Counterfactual, decideAgain } from "./counterfactual.ts";
import { type Indicator, indicatorsOf } from "./indicators.ts";
import { type Related, relatedSessions } from "./related.ts";

/** What an incident is opened by. */
export type Chosen = { readonly session: string } | { readonly call: string };

/** What today's configuration says, or why nothing is known of it. */
export type Today =
  | {
      readonly set: LoadedSet;
      readonly tools: readonly ToolFacts[];
      /** The policy files. */
      readonly sources: readonly { readonly file: string; readonly digest: Digest }[];
    }
  | { readonly missing: string; readonly tools: readonly ToolFacts[] };

/** All that the ledger has to say of a session after something went wrong in it. */
export interface Incident {
  readonly log: string;
  readonly session: string;
  /** The call that was asked about. */
  readonly focus: string | undefined;
  readonly agent: string | undefined;
  readonly user: string | undefined;
  readonly from: string;
  readonly to: string;
  /** Oldest first. */
  readonly records: readonly LedgerRecord[];
  /** True if the session has more records than were looked at. */
  readonly truncated: boolean;
  readonly calls: readonly IncidentCall[];
  readonly blast: BlastRadius;
  readonly stopped: readonly StoppedCall[];
  readonly counterfactual: Counterfactual;
  readonly indicators: readonly Indicator[];
  readonly related: Related;
}

/** A call that was denied or held, sink or not. */
export interface StoppedCall {
  readonly seq: number;
  readonly call: string;
  readonly tool: string;
  readonly ending: "denied" | "held";
  readonly rules: readonly string[];
  readonly message: string | undefined;
}

export interface OpenOptions {
  /** How many records are read for related sessions. */
  readonly scan: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Opens an incident. Throws `NO_RECORD` where the ledger has none of it. */
export function openIncident(reader: LedgerReader, chosen: Chosen, today: Today, options: OpenOptions): Incident {
  const session = "session" in chosen ? chosen.session : sessionOf(reader, chosen.call);
  const tools = new Map(today.tools.map((tool) => [tool.qualified, tool]));
  const { records, calls, truncated } = gather(reader, session, tools);
  const [first, last] = [records[0], records.at(-1)];
  if (!first || !last)
    throw new CallgateError("NO_RECORD", `there is no session \`${printable(session)}\``, {
      help: "sessions are named in `callgate ledger query --json`",
    });
  const indicators = indicatorsOf(calls);
  return {
    log: reader.log,
    session,
    focus: "call" in chosen ? chosen.call : undefined,
    agent: first.agent,
    user: first.user,
    from: first.ts,
    to: last.ts,
    records,
    truncated,
    calls,
    blast: blastRadius(calls),
    stopped: calls.flatMap(stoppedOf),
    counterfactual: "set" in today ? decideAgain(calls, today.set, tools) : { available: false, reason: today.missing },
    indicators,
    related: relatedSessions(reader, session, indicators, options.scan, options.onProgress),
  };
}

/** The session of a call. Throws `NO_RECORD`. */
function sessionOf(reader: LedgerReader, call: string): string {
  const session = reader.query({ call, limit: 1 })[0]?.session;
  if (session !== undefined) return session;
  throw new CallgateError("NO_RECORD", `there is no call \`${printable(call)}\` with a session`, {
    help: "calls are named in `callgate ledger query --json`",
  });
}

function stoppedOf({ call, tool, ending, records, decided }: IncidentCall): StoppedCall[] {
  const record = decided ?? records.at(-1);
  if (ending === "ran" || !record) return [];
  const asked = records.find(({ kind }) => kind === "approval")?.decision?.rules;
  const rules = asked ?? record.decision?.rules ?? [];
  return [{ seq: record.seq, call, tool, ending, rules, message: record.error?.message }];
}
