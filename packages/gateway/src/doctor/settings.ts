import { type Config, isLoopback } from "../config/index.ts";
import { type Checkup, checkup } from "./finding.ts";

/** What a configuration that loads still exposes or gives away. */
export function lookAtSettings(config: Config): Checkup[] {
  return [...ledger(config), ...faces(config), ...agents(config), ...reaching(config)];
}

function ledger({ ledger: { sync, anchors, payloads, redact } }: Config): Checkup[] {
  return [
    checkup(
      "ledger sync",
      sync === "full" ? "ok" : "warn",
      sync === "full"
        ? "a record is on disk before its call runs"
        : `\`sync: ${sync}\` can lose records in a power cut`,
      "write `ledger.sync: full`",
    ),
    checkup(
      "ledger anchors",
      anchors.length > 0 ? "ok" : "warn",
      anchors.length > 0
        ? `${anchors.length} outside the data folder`
        : "none: whoever owns this machine can rewrite the record unseen",
      "add `ledger.anchors` with a file on another machine, or a witness",
    ),
    checkup(
      "ledger payloads",
      "ok",
      payloads ? `arguments and results are kept, ${redact.length} rules keep parts out` : "only digests are kept",
    ),
  ];
}

function faces({ http }: Config): Checkup[] {
  const { host, port, anonymous } = http;
  return [
    isLoopback(host)
      ? checkup("http", "ok", `only this machine can reach ${host}:${port}`)
      : checkup(
          "http",
          "warn",
          `other machines can reach ${host}:${port}, in plain text`,
          "put a proxy with TLS before it, name the proxy's host under `http.allowedHosts`, and listen on loopback",
        ),
    ...(anonymous === undefined
      ? []
      : [
          checkup(
            "http anonymous",
            "warn",
            `any process of this machine is the agent \`${anonymous}\`, without a token`,
            "take `http.anonymous` out and issue tokens with `callgate token`",
          ),
        ]),
  ];
}

/** Agents whose scopes alone open much: policies can still refuse, but they are what is left. */
function agents(config: Config): Checkup[] {
  const tools = Object.values(config.servers).flatMap((server) =>
    Object.values(server.manifest.tools).map((tool) => ({ ...tool, name: `${server.name}__${tool.name}` })),
  );
  return Object.values(config.agents).flatMap((agent): Checkup[] => {
    const has = new Set(agent.scopes);
    const open = tools.filter((tool) => tool.scopes.every((scope) => has.has(scope)));
    const destructive = open.filter((tool) => tool.effects.includes("destructive")).map((tool) => tool.name);
    const powers = agent.scopes.filter((scope) => scope.startsWith("callgate:"));
    const isAnonymous = config.http.anonymous === agent.name;
    const name = `agent ${agent.name}`;
    return [
      ...(powers.length > 0
        ? [
            checkup(
              name,
              agent.opens.includes("*") ? "warn" : "ok",
              `has ${powers.join(", ")}, for sessions of ${[agent.name, ...agent.opens].join(", ")}`,
              "name the agents under `opens` instead of `*`",
            ),
          ]
        : []),
      destructive.length > 0
        ? checkup(
            name,
            isAnonymous ? "warn" : "ok",
            `its scopes open ${destructive.length} destructive ${destructive.length === 1 ? "tool" : "tools"} (${destructive.slice(0, 5).join(", ")}${destructive.length > 5 ? ", …" : ""}): policies decide`,
            "take the scopes from an agent that anyone here can be",
          )
        : checkup(name, "ok", `its scopes open ${open.length} of ${tools.length} tools, none of them destructive`),
      ...(config.code?.scopes.every((scope) => has.has(scope)) ? [checkup(name, "ok", "it can run scripts")] : []),
    ];
  });
}

/** Modules that reach more than their tools are declared to do. */
function reaching(config: Config): Checkup[] {
  return Object.values(config.servers).flatMap((server): Checkup[] => {
    if (server.transport !== "module") return [];
    const { hosts, calls } = server.module;
    const quiet = Object.values(server.manifest.tools).filter((tool) => !tool.effects.includes("external"));
    const reach = `hosts: ${hosts.join(", ") || "none"}; calls: ${calls.join(", ") || "none"}`;
    return hosts.length > 0 && quiet.length > 0
      ? [
          checkup(
            `module ${server.name}`,
            "warn",
            `${reach}; but ${quiet.map((tool) => tool.name).join(", ")} is not declared as \`external\``,
            `add \`external\` to its effects in ${server.manifest.file}, so that policies know what its code can reach`,
          ),
        ]
      : [checkup(`module ${server.name}`, "ok", reach)];
  });
}
