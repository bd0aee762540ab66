import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { childEnv, configWatchPaths, revealAll, Secret } from "../src/config/index.ts";
import { folder, loaded } from "./config-folder.ts";

const ZERO = `sha256:${"0".repeat(64)}`;

const FULL = `version: 1
data: state
http: { port: 0, allowedOrigins: ["https://app.example.com"], anonymous: example }
stdio: { agent: example }
limits: { bodyBytes: 2MiB, stringBytes: 1000 }
servers:
  files:
    command: node
    args: ["\${config}/server.js", "\${data}", "$\${literal}"]
    env: { TOKEN: "\${env:FILES_TOKEN}", MODE: plain, WHERE: "\${data}/x" }
    timeout: 250ms
  web:
    url: https://tools.example.com/mcp
    headers: { Authorization: "Bearer \${file:token.txt}" }
    manifest: web.yaml
    connection: principal
    era: modern
agents:
  example: { roles: [reader, writer], scopes: [web:read, files:read] }
roles:
  reader: { scopes: [files:read] }
  writer: { scopes: [files:write] }
policies: ["policies/*.yaml", policies/b.yaml]
budgets:
  agents: { "*": { calls: 9, wall: 5s } }
approvals: { ttl: 1h }
`;

const FILES = {
  "callgate.yaml": FULL,
  "token.txt": "web-secret\n",
  "policies/b.yaml": "policies: [] # b",
  "policies/a.yaml": "policies: [] # a",
  "policies/a.txt": "not a policy",
  "manifests/files.yaml": `version: 1
server: files
callbacks: [elicitation]
tools:
  read_file:
    scopes: [files:read, files:read]
    effects: [read]
    labels: [private]
    limits: { wall: 2s, resultBytes: 1KiB }
    digest: ${ZERO}
`,
  "web.yaml": `version: 1\nserver: web\nresources: { scopes: [web:read], effects: [read, external] }\n`,
};

const env = { FILES_TOKEN: "files-secret" };

test("paths are absolute, names resolved, durations milliseconds, sizes bytes", async () => {
  const dir = await folder(FILES);
  const config = await loaded(dir, { env });
  expect(config).toMatchObject({
    file: join(dir, "callgate.yaml"),
    dir,
    naming: "prefixed",
    data: join(dir, "state"),
    http: {
      host: "127.0.0.1",
      port: 0,
      path: "/mcp",
      allowedOrigins: ["https://app.example.com"],
      anonymous: "example",
    },
    stdio: { agent: "example" },
    limits: { bodyBytes: 2 * 2 ** 20, depth: 64, stringBytes: 1000, argumentBytes: 2 ** 20, resultBytes: 16 * 2 ** 20 },
    budgets: {
      session: { calls: 500, callsPerMinute: 120, cost: 1000, concurrent: 8, wall: 60_000 },
      agents: [{ match: "*", limits: { calls: 9, wall: 5000 } }],
      tools: [],
    },
    loop: { repeats: 5, window: 60_000, cycles: 3 },
    approvals: { ttl: 3_600_000, wait: 30_000 },
    flow: { watch: "auto", memory: 4 * 1024 ** 2, trusted: {} },
    ledger: { sync: "full", payloads: true, search: true },
    log: { level: "info" },
  });
  expect(config.agents["example"]).toEqual({
    name: "example",
    opens: [],
    roles: ["reader", "writer"],
    scopes: ["files:read", "files:write", "web:read"],
  });
  const { files, web } = config.servers;
  expect(files).toMatchObject({
    transport: "stdio",
    command: "node",
    args: [`${dir}/server.js`, join(dir, "state"), "${literal}"],
    cwd: dir,
    timeout: 250,
    era: "auto",
    connection: "session",
  });
  expect(files?.manifest).toMatchObject({
    file: join(dir, "manifests/files.yaml"),
    callbacks: ["elicitation"],
    logging: false,
  });
  expect(files?.manifest.tools["read_file"]).toEqual({
    name: "read_file",
    result: { untrusted: "all", text: "prose", fields: {} },
    scopes: ["files:read"],
    effects: ["read"],
    labels: ["private"],
    limits: { cost: 1, wall: 2000, resultBytes: 1024 },
    digest: ZERO,
  });
  expect(files?.manifest.resources).toBeUndefined();
  expect(web).toMatchObject({
    transport: "http",
    url: "https://tools.example.com/mcp",
    connection: "principal",
    era: "modern",
  });
  expect(web?.manifest.resources).toEqual({ scopes: ["web:read"], effects: ["read", "external"], labels: [] });
});

test("policy files come once each, in order, with their text", async () => {
  const dir = await folder(FILES);
  const config = await loaded(dir, { env });
  expect(config.policies.map((p) => [resolve(p.file), p.text])).toEqual([
    [join(dir, "policies/a.yaml"), "policies: [] # a"],
    [join(dir, "policies/b.yaml"), "policies: [] # b"],
  ]);
});

test("secrets reach the child and nothing else", async () => {
  const config = await loaded(await folder(FILES), { env });
  const { files, web } = config.servers;
  if (files?.transport !== "stdio" || web?.transport !== "http") throw new Error("wrong kinds");
  expect(revealAll(web.headers)).toEqual({ Authorization: "Bearer web-secret" });
  expect(config.secrets.map((s) => s.reveal()).sort()).toEqual(["files-secret", "web-secret"]);
  const seen = [
    inspect(config, { depth: 20, showHidden: true }),
    JSON.stringify(config),
    String(web.headers["Authorization"]),
  ].join();
  expect(seen).toContain("[secret]");
  expect(seen).not.toContain("files-secret");
  expect(seen).not.toContain("web-secret");

  const child = childEnv(files, {
    PATH: "/bin",
    AWS_SECRET_ACCESS_KEY: "x",
    NODE_OPTIONS: "--inspect",
    HOME: "() { :; }",
  });
  expect(child).toEqual({ PATH: "/bin", TOKEN: "files-secret", MODE: "plain", WHERE: `${config.data}/x` });
});

test("a secret cannot be changed or copied out", () => {
  const secret = new Secret("hush", "env:X");
  expect([String(secret), secret + "", JSON.stringify({ secret }), inspect([secret])].join()).not.toContain("hush");
  expect(structuredClone(secret)).toEqual({ source: "env:X" });
  expect(() => Object.assign(secret, { source: "y" })).toThrow(TypeError);
});

test("the digest is that of what is in force, without secrets and without where it lies", async () => {
  const before = await loaded(await folder(FILES), { env });
  const elsewhere = await loaded(await folder({ ...FILES, "token.txt": "another" }), {
    env: { FILES_TOKEN: "another" },
  });
  expect(elsewhere.digest).toBe(before.digest);
  for (const [path, from, to] of [
    ["callgate.yaml", "ttl: 1h", "ttl: 2h"],
    ["callgate.yaml", "MODE: plain", "MODE: other"],
    ["policies/a.yaml", "# a", "# A"],
    ["web.yaml", "external", "write"],
  ] as const) {
    const after = await loaded(await folder({ ...FILES, [path]: FILES[path].replace(from, to) }), { env });
    expect(after.digest, `${path}: ${to}`).not.toBe(before.digest);
  }
});

test("it is frozen to the bottom, and its records have no prototype", async () => {
  const config = await loaded(await folder(FILES), { env });
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    expect(Object.isFrozen(value)).toBe(true);
    Object.values(value).forEach(walk);
  };
  walk(config);
  for (const record of [config.servers, config.agents, config.servers["files"]?.manifest.tools]) {
    expect(record?.["constructor"]).toBeUndefined();
  }
});

test("everything that was read is watched, and the folders of patterns", async () => {
  const dir = await folder(FILES);
  const paths = configWatchPaths(await loaded(dir, { env }));
  const expected = [
    "callgate.yaml",
    "manifests/files.yaml",
    "web.yaml",
    "policies/a.yaml",
    "policies/b.yaml",
    "token.txt",
    "policies",
  ];
  expect([...paths].sort()).toEqual(expected.map((p) => join(dir, p)).sort());
});

test("a data folder given by the caller stands in for the file's", async () => {
  const config = await loaded(await folder(FILES), { env, data: "elsewhere" });
  expect(config.data).toBe(resolve("elsewhere"));
  expect(config.servers["files"]).toMatchObject({ args: [expect.any(String), resolve("elsewhere"), "${literal}"] });
});

test("manifests can be left unread, for the commands that write them", async () => {
  const dir = await folder({ "callgate.yaml": "version: 1\nservers: { new: { command: node } }\n" });
  const config = await loaded(dir, { manifests: "skip" });
  expect(config.servers["new"]?.manifest).toEqual({
    file: join(dir, "manifests/new.yaml"),
    server: "new",
    tools: Object.create(null),
    callbacks: [],
    logging: false,
  });
});

test("a file with a byte order mark and CRLF is read; one that is not UTF-8 is refused", async () => {
  const dir = await folder(FILES);
  await writeFile(join(dir, "callgate.yaml"), `\uFEFF${FULL.replaceAll("\n", "\r\n")}`);
  expect((await loaded(dir, { env })).approvals.ttl).toBe(3_600_000);
  await writeFile(join(dir, "callgate.yaml"), Buffer.from([0x76, 0xff, 0x3a]));
  await expect(loaded(dir, { env })).rejects.toThrow("is not UTF-8 text");
});
