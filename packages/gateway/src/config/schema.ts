import * as z from "zod";
import { about } from "./about.ts";
import { ledger } from "./ledger-schema.ts";
import { runBudgets } from "./run-budgets.ts";
import {
  bytes,
  choice,
  count,
  duration,
  hostPattern,
  line,
  logLevel,
  name,
  scope,
  serverName,
  setting,
  settingName,
  version,
} from "./scalars.ts";

const settings = z.record(z.string(), z.string());

const http = z.strictObject({
  host: line
    .prefault("127.0.0.1")
    .meta(about("Address to listen on. Anything but loopback lets other machines call.", "127.0.0.1")),
  port: z
    .int()
    .min(0)
    .max(65535)
    .default(8722)
    .meta(about("Port to listen on; `0` lets the operating system choose.", 8722)),
  path: line.prefault("/mcp").meta(about("Path of the MCP endpoint.", "/mcp")),
  allowedHosts: z
    .array(line)
    .prefault([])
    .meta(about("`Host` headers accepted beside the broker's own address, such as a proxy's.", ["gate.example.com"])),
  allowedOrigins: z
    .array(line)
    .prefault([])
    .meta(
      about("`Origin` headers accepted from browsers. Requests without one are not from a page.", [
        "https://app.example.com",
      ]),
    ),
  anonymous: name
    .optional()
    .meta(
      about(
        "The agent that a caller without a token is. Only with a loopback `host`; leave it out to require tokens.",
        "example",
      ),
    ),
});

const limits = z.strictObject({
  bodyBytes: bytes.prefault("4MiB").meta(about("Largest request body.", "4MiB")),
  depth: z.int().min(1).max(512).default(64).meta(about("Deepest nesting of arguments.", 64)),
  stringBytes: bytes.prefault("1MiB").meta(about("Longest single text in the arguments.", "1MiB")),
  argumentBytes: bytes.prefault("1MiB").meta(about("Largest arguments of one call.", "1MiB")),
  resultBytes: bytes.prefault("16MiB").meta(about("Largest result of one call.", "16MiB")),
});

/** One upstream server. That it has one of a command, a URL and a module is checked in `servers.ts`. */
export const serverSchema = z
  .strictObject({
    command: line.optional().meta(about("Program to start; the server speaks over its stdin and stdout.", "node")),
    args: z
      .array(z.string())
      .optional()
      .meta(about("Its arguments. `${config}` and `${data}` are the two folders.", ["server.js"])),
    env: settings
      .optional()
      .meta(
        about(
          "Variables for the program: these and a few that programs need to start, nothing else. `${env:NAME}` and `${file:path}` read a secret.",
          { TOKEN: "${env:FILES_TOKEN}" },
        ),
      ),
    cwd: line.optional().meta(about("Folder to start it in. Default: the configuration's folder.", ".")),
    url: line.optional().meta(about("Endpoint of a server over streamable HTTP.", "https://tools.example.com/mcp")),
    headers: settings
      .optional()
      .meta(about("Headers to send to it. Secrets as in `env`.", { Authorization: "Bearer ${env:TOOLS_TOKEN}" })),
    insecure: z
      .boolean()
      .optional()
      .meta(
        about(
          "Allows `headers` with secrets over plain `http` to another machine. Anyone on the way can read them.",
          true,
        ),
      ),
    module: line
      .optional()
      .meta(
        about(
          "Bundle of tools that run in the sandbox, in place of a server elsewhere. `callgate tool register` makes one.",
          "modules/convert.js",
        ),
      ),
    fetchHeaders: z
      .record(hostPattern, settings)
      .optional()
      .meta(
        about(
          "Headers that the broker adds to what a module fetches, by host. Secrets as in `env`: the module never sees them.",
          { "api.example.com": { Authorization: "Bearer ${env:RATES_TOKEN}" } },
        ),
      ),
    manifest: line
      .optional()
      .meta(about("Manifest of the server. Default: `manifests/<server>.yaml`.", "manifests/files.yaml")),
    era: choice("era", ["auto", "legacy", "modern"])
      .prefault("auto")
      .meta(
        about("Protocol to speak: `legacy` has sessions (to 2025-11-25), `modern` has none (from 2026-07-28).", "auto"),
      ),
    connection: choice("connection", ["auto", "shared", "principal", "session"])
      .prefault("auto")
      .meta(
        about(
          "Who shares a connection to it. `auto`: `session` if the manifest declares callbacks, else `shared`.",
          "auto",
        ),
      ),
    timeout: duration.prefault("60s").meta(about("Longest that one call may take.", "60s")),
  })
  .meta({ oneOf: [{ required: ["command"] }, { required: ["url"] }, { required: ["module"] }] });

const holder = {
  scopes: z
    .array(scope)
    .prefault([])
    .meta(about("Scopes that this gives.", ["files:read"])),
};
const agent = z.strictObject({
  opens: z
    .array(line)
    .prefault([])
    .meta(
      about(
        "Agents whose sessions it may open with `POST /v1/sessions`, beside its own. It needs the scope `callgate:sessions`.",
        ["support-*"],
      ),
    ),
  roles: z
    .array(name)
    .prefault([])
    .meta(about("Roles whose scopes it also has.", ["reader"])),
  ...holder,
});
const role = z.strictObject(holder);

const ceilings = {
  calls: count.meta(about("Calls in all.", 500)),
  callsPerMinute: count.meta(about("Calls in any minute.", 120)),
  cost: count.meta(about("Cost units in all; a manifest says what a call costs.", 1000)),
  concurrent: count.meta(about("Calls at the same time.", 8)),
  wall: duration.meta(about("Longest that one call may take.", "60s")),
};
const budget = z.strictObject(ceilings).partial();
const sessionBudget = z.strictObject({
  calls: ceilings.calls.default(500),
  callsPerMinute: ceilings.callsPerMinute.default(120),
  cost: ceilings.cost.default(1000),
  concurrent: ceilings.concurrent.default(8),
  wall: ceilings.wall.prefault("60s"),
});
const budgetTable = z.record(line, budget).prefault({});

/** `callgate.yaml`, as it is written. */
export const configSchema = z
  .strictObject({
    version: version.meta(about("Version of this format.", 1)),
    naming: choice("naming", ["prefixed", "bare"])
      .prefault("prefixed")
      .meta(
        about("How agents see tools: `server__tool`, or by their bare names where there is one server.", "prefixed"),
      ),
    data: line.prefault(".callgate").meta(about("Folder of the ledger, the keys and the approvals.", ".callgate")),
    http: http.prefault({}).meta(about("The face over HTTP.")),
    stdio: z
      .strictObject({ agent: name.meta(about("The agent that calls over stdio.", "example")) })
      .optional()
      .meta(about("The face over stdin and stdout. Without it the broker has no such face.", { agent: "example" })),
    limits: limits.prefault({}).meta(about("Ceilings on every message.")),
    servers: z
      .record(serverName, serverSchema)
      .meta(about("The upstream servers, by name.", { files: { command: "node", args: ["server.js"] } })),
    agents: z
      .record(name, agent)
      .prefault({})
      .meta(about("Who may call, by name.", { example: { roles: ["reader"] } })),
    roles: z
      .record(name, role)
      .prefault({})
      .meta(about("Scopes that agents share, by name.", { reader: { scopes: ["files:read"] } })),
    policies: z
      .array(line)
      .prefault([])
      .meta(
        about(
          "Policy files. `*` matches within a folder, `**` over folders, `pack:<name>` is one that comes with Callgate.",
          ["policies/*.yaml"],
        ),
      ),
    settings: z
      .record(settingName, setting)
      .prefault({})
      .meta(
        about("What policies read as `settings.<name>`; the packs' pages name theirs.", { workFolder: "/workspace" }),
      ),
    budgets: z
      .strictObject({
        session: sessionBudget.prefault({}).meta(about("For each session.")),
        agents: budgetTable.meta(
          about("For each agent that the pattern matches. Every match applies.", { "*": { calls: 5000 } }),
        ),
        tools: budgetTable.meta(
          about("For each tool that the pattern matches. Every match applies.", {
            files__write_file: { callsPerMinute: 10 },
          }),
        ),
      })
      .prefault({})
      .meta(about("Ceilings on what is spent.")),
    sandbox: z
      .strictObject({
        workers: z.int().min(1).max(64).default(2).meta(about("Processes kept warm, one run at a time each.", 2)),
        maxWorkers: z
          .int()
          .min(1)
          .max(256)
          .default(16)
          .meta(about("Processes at once: a run that waits for a tool or a person keeps its own.", 16)),
        require: z
          .array(choice("layer", ["isolate", "process", "os"]))
          .prefault(["isolate", "process"])
          .meta(
            about("Layers without which the broker does not start. `callgate doctor` tells which are to be had.", [
              "isolate",
              "process",
              "os",
            ]),
          ),
      })
      .prefault({})
      .meta(about("Where untrusted code runs: modules, and scripts of agents.")),
    code: z
      .strictObject({
        scopes: z
          .array(scope)
          .prefault(["code:run"])
          .meta(about("Scopes that running a script needs.", ["code:run"])),
        tools: z
          .array(line)
          .prefault(["*"])
          .meta(about("Tools that scripts may call, of those that the agent may call itself.", ["files__*"])),
        list: choice("list", ["all", "scripts"])
          .prefault("all")
          .meta(
            about(
              "What agents with these scopes see in `tools/list`: `scripts` for the tools of `code` alone, so that a thousand others do not fill a model's context. All stay callable.",
              "scripts",
            ),
          ),
        budgets: runBudgets.prefault({}).meta(about("Ceilings on one script; a call can lower them.")),
      })
      .optional()
      .meta(
        about(
          "Lets agents run scripts that call tools: `callgate__run_code` and two more tools. Left out: they cannot.",
          {
            budgets: { calls: 50 },
          },
        ),
      ),
    loop: z
      .strictObject({
        repeats: z.int().min(2).max(1000).default(5).meta(about("The same call so often is a loop.", 5)),
        window: duration.prefault("60s").meta(about("How far back to look.", "60s")),
        cycles: z
          .int()
          .min(2)
          .max(1000)
          .default(3)
          .meta(about("A cycle of 2 to 4 calls with unchanged results so often is a loop.", 3)),
      })
      .prefault({})
      .meta(about("The loop breaker.")),
    approvals: z
      .strictObject({
        ttl: duration.prefault("10m").meta(about("How long a held call can be approved.", "10m")),
        wait: duration
          .prefault("30s")
          .meta(about("How long a held call waits before it is answered with `pending`.", "30s")),
      })
      .prefault({})
      .meta(about("Calls that a person must approve.")),
    flow: z
      .strictObject({
        watch: choice("watch", ["auto", "always"])
          .prefault("auto")
          .meta(
            about(
              "When to watch where values come from: `auto` if a policy asks, `always` also for policies tried on the record later.",
              "auto",
            ),
          ),
        memory: bytes
          .prefault("4MiB")
          .meta(about("What one session may remember of results. Older ones are forgotten, towards distrust.", "4MiB")),
        trusted: z
          .record(name, z.array(line))
          .prefault({})
          .meta(
            about("Values that ground arguments, by the name of their source: contacts, own accounts, hosts.", {
              contacts: ["ann@corp.example"],
            }),
          ),
        trustedFiles: z
          .record(name, line)
          .prefault({})
          .meta(
            about("The same from files: every value in a YAML or JSON file, every line of any other.", {
              directory: "directory.yaml",
            }),
          ),
      })
      .prefault({})
      .meta(about("Watching where the arguments of calls come from.")),
    ledger: ledger.prefault({}).meta(about("The record of every call.")),
    log: z
      .strictObject({ level: logLevel.prefault("info").meta(about("Least serious line to write.", "info")) })
      .prefault({})
      .meta(about("The broker's own log, on stderr.")),
  })
  .meta({ title: "Callgate configuration", description: "What the broker serves, to whom, and within which limits." });

export type ConfigInput = z.output<typeof configSchema>;
export type ServerInput = z.output<typeof serverSchema>;
