import type { Identity } from "./upstream/handshake.ts";

/** Who the broker says it is: to agents as a server, to servers as a client. */
export const IDENTITY: Identity = Object.freeze({ name: "callgate", version: "0.1.0" });
