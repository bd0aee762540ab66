import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { digestOfJson } from "@callgate/core";
import { ECHO } from "./tool.ts";

/** Whether an intent is on disk before its call runs. */
export type Sync = "full" | "off";

/** How the measured broker reaches the tool: over HTTP by URL, or over stdio by the program's path. */
export type Upstream = { readonly url: string } | { readonly script: string };

export const SERVER = "bench";
export const AGENT = "bench";
/** The tool's name at the broker. */
export const GOVERNED_TOOL = `${SERVER}__${ECHO.name}`;

/** What the policies of the bench refuse, and what they hold. The probes rely on both. */
export const FORBIDDEN_TEXT = "DROP TABLE";
export const ASK_ABOVE = 1000;

const POLICIES = `policies:
  - id: bench-scope
    effect: permit
    tools: ["${SERVER}__*"]
    when: principal.scopes.exists(s, s == "bench:echo")
    reason: the agent may call the bench's tools
  - id: no-table-drops
    effect: forbid
    tools: ["${GOVERNED_TOOL}"]
    when: args.text.contains("${FORBIDDEN_TEXT}")
    reason: the text would drop a table
  - id: large-numbers-ask
    effect: ask
    tools: ["${GOVERNED_TOOL}"]
    when: has(args.n) && args.n > ${ASK_ABOVE}
    reason: the number is larger than an agent may send by itself
`;

const MANIFEST = `version: 1
server: ${SERVER}
tools:
  ${ECHO.name}:
    scopes: [bench:echo]
    effects: [read]
    digest: ${digestOfJson(ECHO)}
`;

/** JSON is YAML: a quoted JSON string is safe for any path. */
function serverLines(upstream: Upstream): string {
  return "url" in upstream
    ? `    url: ${JSON.stringify(upstream.url)}`
    : `    command: ${JSON.stringify(process.execPath)}\n    args: [${JSON.stringify(upstream.script)}]`;
}

/**
 * Writes a configuration with everything on that a careful user has on, into `folder`, and returns its path. Ceilings are
 * there and are counted, but are too high to be reached: refusing is not what is measured.
 */
export function writeConfig(folder: string, upstream: Upstream, sync: Sync): string {
  mkdirSync(join(folder, "manifests"), { recursive: true });
  mkdirSync(join(folder, "policies"), { recursive: true });
  writeFileSync(join(folder, "manifests", `${SERVER}.yaml`), MANIFEST);
  writeFileSync(join(folder, "policies", "bench.yaml"), POLICIES);
  const path = join(folder, "callgate.yaml");
  writeFileSync(
    path,
    `version: 1
data: data
http: { host: 127.0.0.1, port: 0 }
servers:
  ${SERVER}:
${serverLines(upstream)}
agents:
  ${AGENT}: { scopes: [bench:echo] }
stdio: { agent: ${AGENT} }
policies: [policies/*.yaml]
budgets:
  session: { calls: 1000000000, callsPerMinute: 1000000000, cost: 1000000000, concurrent: 1000, wall: 60s }
approvals: { wait: 50ms }
ledger: { sync: ${sync}, payloads: true }
log: { level: warn }
`,
  );
  return path;
}
