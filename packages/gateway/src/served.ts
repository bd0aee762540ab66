import type { ServedConfig } from "./config/index.ts";
import type { Life, Refusal } from "./steps/life.ts";
import type { Ran } from "./steps/run.ts";
import type { Negotiated } from "./upstream/handshake.ts";
import type { Link, LinkOwner } from "./upstream/link.ts";
import type { Era } from "./upstream/message.ts";
import type { ToolDefinition } from "./upstream/upstream.ts";

/** A server as the registry and the life of a call know it: one that is connected to (`Upstream`), or one whose tools run here. */
export interface Served {
  config: ServedConfig;
  readonly name: string;
  /** What it said of itself; undefined while it is down. */
  readonly negotiated: Negotiated | undefined;
  /** Its tools as last listed; undefined until it was up once. */
  readonly definitions: readonly ToolDefinition[] | undefined;
  /** Never rejects: a server that is down is tried again. */
  start(): Promise<void>;
  /** The link for a call by this owner. Rejects with `UpstreamFailure` while there is none; always, where calls run here. */
  link(era: Era, key: string, owner: LinkOwner): Promise<Link>;
  /** Lets go what an owner held. */
  release(key: string): Promise<void>;
  close(): Promise<void>;
  /** The same server seen through another configuration, for trying one out. MUST NOT be called on. */
  withConfig(config: ServedConfig): Served;
  /** Reads a call's code before it is decided. A refusal if it cannot be read; else what it found is in `life.script`. Never rejects. */
  study?(life: Life): Promise<Refusal | undefined>;
  /** Makes a call here, in place of sending it over a link. Never rejects. */
  runHere?(life: Life): Promise<Ran>;
}
