import { messageOf } from "@callgate/core";
import { TASK_LIMIT, TASK_META, TASK_SCOPE } from "../harness.ts";
import { sessionRecord } from "../session-record.ts";
import { type Life, type Refusal, refuse } from "./life.ts";

/**
 * Takes the task that came with the request, if one did. Who may declare one is a matter of scope: the model writes arguments, the
 * harness writes the request, and only a grant that was given for it speaks for the user.
 */
export function declare(life: Life): Refusal | undefined {
  const task = life.exchange.meta?.[TASK_META];
  if (task === undefined) return undefined;
  const { grant, session, gate } = life;
  if (!grant.scopes.includes(TASK_SCOPE))
    return refuse(
      "missing-scope",
      `declaring a task needs the scope \`${TASK_SCOPE}\``,
      `leave \`${TASK_META}\` out of \`_meta\`, or have an operator give the harness this scope`,
    );
  if (typeof task !== "string" || task.trim() === "" || task.length > TASK_LIMIT)
    return refuse(
      "invalid-task",
      `\`${TASK_META}\` in \`_meta\` must be a text of 1 to ${TASK_LIMIT} characters`,
      "send what the user asked for, in the user's own words",
    );
  if (!session.state.watch?.task(task)) return undefined;
  const { agent, user } = grant.principal;
  try {
    const draft = sessionRecord(gate, { agent, user, session: session.id }, { state: "task" }, { task });
    gate.ledger.appendLater({ ...draft, call: life.id });
    return undefined;
  } catch (error) {
    gate.log.error({ call: life.id, err: messageOf(error) }, "the ledger cannot append");
    return refuse("ledger-unavailable", "the task cannot be recorded", "tell an operator: the ledger is not writable");
  }
}
