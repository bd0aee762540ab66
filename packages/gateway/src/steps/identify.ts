import { type Life, type Refusal, refuse } from "./life.ts";

/** The grant was verified at the face; here it must still be in force, and the session must be its own. */
export function identify(life: Life): Refusal | undefined {
  const { grant, session } = life;
  const now = Date.now();
  if (grant.expiresAt !== undefined && grant.expiresAt * 1000 <= now)
    return refuse(
      "token-expired",
      "the token expired while the connection was open",
      "get a new token and connect again",
    );
  if (!session.belongsTo(grant))
    return refuse("wrong-session", "the session belongs to another principal", "open a session of your own");
  if (session.state.ended)
    return refuse("session-over", "the session is over", "the harness that opened it can open another");
  session.lastUsed = now;
  return undefined;
}
