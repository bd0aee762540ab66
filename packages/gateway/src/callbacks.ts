import type { Callback as ManifestCallback } from "./config/index.ts";
import type { ClientCapabilities } from "./upstream/handshake.ts";

export type { Callback } from "./upstream/link.ts";

/** Whether a manifest lets a server ask for something, named by method (`roots/list`) or capability (`roots`). */
export function callbackAllowed(allowed: readonly ManifestCallback[], method: string): boolean {
  const [family] = method.split("/");
  return (allowed as readonly (string | undefined)[]).includes(family);
}

/** A client's capabilities cut to what a manifest lets the server use. */
export function allowedCapabilities(
  allowed: readonly ManifestCallback[],
  declared: ClientCapabilities,
): ClientCapabilities {
  return Object.fromEntries(Object.entries(declared).filter(([name]) => callbackAllowed(allowed, name)));
}

/** What a client can be asked in general, where it is not known yet which one will be. */
export const EVERYTHING: ClientCapabilities = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };
