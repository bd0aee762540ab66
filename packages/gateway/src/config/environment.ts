import { safeEnvironment } from "@callgate/core";
import { revealAll } from "./secret.ts";
import type { StdioServer } from "./types.ts";

/** The whole environment of a server's process: what programs need to start, then what its configuration names. */
export function childEnv(
  server: StdioServer,
  own: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, string> {
  return { ...safeEnvironment(own, process.platform), ...revealAll(server.env) };
}
