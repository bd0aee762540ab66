import type { IncomingMessage } from "node:http";
import { isLoopback } from "../config/index.ts";

/** Which `Host` and `Origin` values a face accepts. */
export interface Admission {
  readonly hosts: ReadonlySet<string>;
  readonly origins: ReadonlySet<string>;
  /** Bound to a loopback address: any loopback name and port is a good host and origin. */
  readonly loopback: boolean;
}

/** Built from the configuration; `port` is the one in use. */
export function admissionOf(
  http: { host: string; allowedHosts: readonly string[]; allowedOrigins: readonly string[] },
  port: number,
): Admission {
  const own = http.host.includes(":") ? `[${http.host}]` : http.host;
  return {
    hosts: new Set([own, `${own}:${port}`, ...http.allowedHosts].map((h) => h.toLowerCase())),
    origins: new Set(http.allowedOrigins.map((o) => o.toLowerCase())),
    loopback: isLoopback(http.host),
  };
}

/**
 * Why a request is turned away, or undefined. Protects against DNS rebinding (MCP, streamable HTTP security): a page on another site
 * can reach a local port, but cannot choose these two headers.
 */
export function refusedOrigin(req: IncomingMessage, admission: Admission): string | undefined {
  const host = req.headers.host?.toLowerCase() ?? "";
  if (!admission.hosts.has(host) && !(admission.loopback && isLoopback(hostnameOf(host))))
    return `the Host \`${host.slice(0, 100)}\` is not this broker's`;
  const origin = req.headers.origin;
  if (origin === undefined || admission.origins.has(origin.toLowerCase())) return undefined;
  if (admission.loopback) {
    try {
      if (isLoopback(hostnameOf(new URL(origin).host))) return undefined;
    } catch {
      // Not a URL, such as `null`: refused below.
    }
  }
  return `the Origin \`${origin.slice(0, 100)}\` is not allowed`;
}

function hostnameOf(host: string): string {
  const bracketed = /^\[([0-9a-f:.]+)\](?::\d+)?$/.exec(host);
  return bracketed ? (bracketed[1] as string) : host.replace(/:\d+$/, "");
}
