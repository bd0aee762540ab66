import { isIP } from "node:net";
import { compileGlobs, isObject } from "@callgate/core";
import type { Findings } from "./findings.ts";
import { isLoopback } from "./network.ts";
import type { ConfigInput } from "./schema.ts";
import type { Source } from "./source.ts";
import { didYouMean, nearest } from "./suggest.ts";
import type { AgentConfig, Manifest } from "./types.ts";

/** Resolves roles to scopes. */
export function resolveAgents(input: ConfigInput, source: Source, findings: Findings): Record<string, AgentConfig> {
  const agents: Record<string, AgentConfig> = Object.create(null);
  const roles = namesIn(source, "roles");
  for (const [name, agent] of Object.entries(input.agents)) {
    const scopes = new Set(agent.scopes);
    for (const [i, role] of agent.roles.entries()) {
      if (!roles.includes(role)) {
        const span = source.at(["agents", name, "roles", i]);
        findings.error(
          `unknown role \`${role}\``,
          span,
          didYouMean(role, roles, "there is no role: add it under `roles`"),
        );
      }
      // A role that is there but wrong has been reported where it stands.
      const known = Object.hasOwn(input.roles, role) ? input.roles[role] : undefined;
      for (const scope of known?.scopes ?? []) scopes.add(scope);
    }
    agents[name] = { name, roles: [...new Set(agent.roles)], scopes: [...scopes].sort(), opens: agent.opens };
  }
  return agents;
}

/** Checks the places that name an agent. */
export function checkFaces(
  input: ConfigInput,
  resolved: Readonly<Record<string, AgentConfig>>,
  source: Source,
  findings: Findings,
): void {
  const agents = namesIn(source, "agents");
  const check = (agent: string | undefined, ...path: string[]) => {
    if (agent === undefined || agents.includes(agent)) return;
    findings.error(
      `unknown agent \`${agent}\``,
      source.at(path),
      didYouMean(agent, agents, "there is no agent: add it under `agents`"),
    );
  };
  check(input.stdio?.agent, "stdio", "agent");
  check(input.http.anonymous, "http", "anonymous");
  if (input.http.anonymous !== undefined && !isLoopback(input.http.host)) {
    findings.error(
      `\`anonymous\` would let anyone who reaches \`${input.http.host}\` call tools`,
      source.keyAt(["http", "anonymous"]),
      "remove `anonymous` and issue tokens with `callgate token issue`, or listen on `127.0.0.1`",
    );
  }
  const anonymous = input.http.anonymous === undefined ? undefined : resolved[input.http.anonymous];
  const powers = anonymous?.scopes.filter((scope) => scope.startsWith("callgate:")) ?? [];
  if (powers.length > 0)
    findings.error(
      `\`anonymous\` would let any program on this machine speak for users: \`${input.http.anonymous}\` has \`${powers.join("`, `")}\``,
      source.at(["http", "anonymous"]),
      "give these scopes to an agent of its own, and issue it a token with `callgate token issue`",
    );
  if (/[\s/]/.test(input.http.host) || (input.http.host.includes(":") && isIP(input.http.host) !== 6)) {
    findings.error(
      `\`${input.http.host}\` is not a host`,
      source.at(["http", "host"]),
      "write an address or a name, without a scheme or a port",
    );
  }
  if (!/^\/[A-Za-z0-9._~/-]*$/.test(input.http.path)) {
    findings.error(
      `\`${input.http.path}\` is not a path`,
      source.at(["http", "path"]),
      "start it with `/`, as in `/mcp`",
    );
  }
  for (const [i, host] of input.http.allowedHosts.entries()) {
    if (!/[\s/*]/.test(host)) continue;
    findings.error(
      `\`${host}\` is not a host`,
      source.at(["http", "allowedHosts", i]),
      "write `gate.example.com`, or with a port if there is one",
    );
  }
  for (const [i, origin] of input.http.allowedOrigins.entries()) {
    if (URL.canParse(origin) && new URL(origin).origin === origin) continue;
    const help = "write scheme, host and port, as in `https://app.example.com`";
    findings.error(`\`${origin}\` is not an origin`, source.at(["http", "allowedOrigins", i]), help);
  }
}

/** Warns of scopes and patterns that look like typos: near something that is there, and fitting nothing. */
export function checkTypos(
  input: ConfigInput,
  manifests: readonly Manifest[],
  tools: readonly string[],
  source: Source,
  findings: Findings,
): void {
  const used = new Set(
    manifests.flatMap((m) =>
      [m.resources, m.prompts, ...Object.values(m.tools)].flatMap((access) => access?.scopes ?? []),
    ),
  );
  for (const [section, holders] of [["agents", input.agents] as const, ["roles", input.roles] as const]) {
    for (const [name, holder] of Object.entries(holders)) {
      for (const [i, scope] of holder.scopes.entries()) {
        const near = used.has(scope) ? undefined : nearest(scope, used);
        if (near === undefined) continue;
        findings.warn(
          `no manifest asks for scope \`${scope}\``,
          source.at([section, name, "scopes", i]),
          `did you mean \`${near}\`?`,
        );
      }
    }
  }
  const agents = Object.keys(input.agents);
  for (const [section, known, noun] of [["agents", agents, "agent"] as const, ["tools", tools, "tool"] as const]) {
    for (const pattern of Object.keys(input.budgets[section])) {
      if (known.some(compileGlobs([pattern]))) continue;
      const help = didYouMean(pattern, known, `there is no ${noun} yet`);
      findings.warn(`\`${pattern}\` fits no ${noun}`, source.keyAt(["budgets", section, pattern]), help);
    }
  }
}

/** The names that were written under a key, those of wrong entries included. */
export function namesIn(source: Source, key: string): string[] {
  const section = isObject(source.value) ? source.value[key] : undefined;
  return isObject(section) ? Object.keys(section) : [];
}
