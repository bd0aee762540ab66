/** Scope of a harness that may open sessions with `POST /v1/sessions`. */
export const SESSIONS_SCOPE = "callgate:sessions";

/** Scope of a harness that may declare the user's task in request metadata. */
export const TASK_SCOPE = "callgate:task";

/** The longest task, in characters. */
export const TASK_LIMIT = 65_536;

/** The key in a request's `_meta` under which a harness says what the user asked for. It does not go on to servers. */
export const TASK_META = "io.callgate/task";
