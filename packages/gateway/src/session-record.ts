import { digestOf, type RecordDraft } from "@callgate/core";
import type { Gate } from "./gate.ts";

/** Whose session it is. */
interface Whose {
  readonly agent: string;
  readonly user: string | undefined;
  readonly session: string;
}

/** What redaction rules see as the tool's name. */
const NAME = "callgate/session";

/**
 * The record of what a harness did with a session: opened it, said what it is for, ended it. `said` is kept beside it without what the
 * configuration keeps out of the record.
 */
export function sessionRecord(
  gate: Gate,
  { agent, user, session }: Whose,
  detail: NonNullable<RecordDraft["detail"]>,
  said?: object,
): RecordDraft {
  const args = said && gate.redaction(NAME, JSON.stringify(said).toWellFormed());
  return {
    kind: "session",
    agent,
    ...(user !== undefined && { user }),
    session,
    ...(args !== undefined && { args: digestOf(args), payloads: { args } }),
    detail,
  };
}
