import type { Digest } from "./canonical.ts";
import type { ArgumentRole } from "./flow.ts";
import type { JsonObject } from "./json.ts";

/** What a tool does to the world, as its manifest declares it. */
export const EFFECTS = ["read", "write", "destructive", "external"] as const;
export type ToolEffect = (typeof EFFECTS)[number];

/** Flow marks on a session or a value. Monotone: once set, they stay. */
export const LABELS = ["untrusted", "private", "secret"] as const;
export type Label = (typeof LABELS)[number];

/** What kind of governed operation a call is. Everything but a tool is named `server/method`, e.g. `docs/resources/read`. */
export type Operation =
  | "tools/call"
  | "resources/read"
  | "resources/subscribe"
  | "prompts/get"
  | "completion/complete"
  /** What code in the sandbox asks of a host: no operation of MCP, and no agent's own. */
  | "sandbox/fetch";

/** What policy and ledger know of the thing that is called. */
export interface ToolFacts {
  readonly server: string;
  /** The name at its server: what the upstream calls it. */
  readonly name: string;
  /** The name that policies match and agents see: `server__tool`, or `server/resources/read` and its like. */
  readonly qualified: string;
  readonly operation: Operation;
  /** Scopes a grant must hold, all of them. */
  readonly scopes: readonly string[];
  readonly effects: readonly ToolEffect[];
  /** What its result carries. */
  readonly labels: readonly Label[];
  /** Digest of the definition (name, description, schemas, annotations) as it was pinned. */
  readonly digest: Digest;
  readonly inputSchema?: JsonObject;
  /** JSON Schema of `structuredContent`, where the tool declares one. */
  readonly outputSchema?: JsonObject;
  /** What its arguments are for, by name; a role holds for all that is inside the argument. */
  readonly arguments?: Readonly<Record<string, ArgumentRole>>;
}
