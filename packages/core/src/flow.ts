/**
 * What an argument is for, whatever the tool calls it. Rules over roles hold for tools nobody has met yet.
 *  - `destination`: who or what receives (an address, a user, a channel); `payee`: who receives money;
 *  - `url`, `path`: where a request or a file operation goes; `target`: which existing thing is acted on;
 *  - `amount`, `time`, `credential`: as they say; `content`: text that is passed on; `query`: what is looked for.
 */
export const ROLES = [
  "destination",
  "payee",
  "url",
  "path",
  "target",
  "amount",
  "time",
  "credential",
  "content",
  "query",
] as const;
export type ArgumentRole = (typeof ROLES)[number];

/** Where the values of one call's arguments came from. Plain data, so that a decision can be recorded and made again. */
export interface FlowFacts {
  /** The origins of each scalar in the arguments, by its text (`String(value)`). Sorted; never empty. */
  readonly origins: Readonly<Record<string, readonly string[]>>;
  /** The values (addresses, hosts, accounts, identifiers) found inside longer strings, by the string. Each is in `origins` too. */
  readonly inside: Readonly<Record<string, readonly string[]>>;
  /** The id of the call whose result a value was first seen in, by its text; absent for values first seen elsewhere. */
  readonly sources?: Readonly<Record<string, string>>;
  /** Who asked for this kind of action: the task, untrusted text alone, or nobody but the model. */
  readonly action: "task" | "untrusted" | "model";
}
