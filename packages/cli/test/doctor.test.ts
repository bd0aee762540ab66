import { execFile } from "node:child_process";
import { chmod, mkdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { callgate, emptyFolder } from "./run.ts";

const MAIN = join(import.meta.dirname, "..", "dist", "main.js");
const POLICIES = 'policies:\n  - id: all\n    effect: permit\n    tools: ["*"]\n';
const WELL = {
  version: 1,
  servers: { s: { url: "https://tools.example.com/mcp" } },
  agents: { me: { scopes: ["s:write", "callgate:sessions"], opens: ["*"] } },
  policies: ["policies.yaml"],
  ledger: { anchors: ["file:anchor"] },
};
const MANIFEST = `version: 1
server: s
tools:
  drop: { scopes: [s:write], effects: [write, destructive], digest: "sha256:${"0".repeat(64)}" }
`;

async function project(config: object = WELL): Promise<string> {
  const dir = await emptyFolder();
  await writeFile(join(dir, "callgate.yaml"), JSON.stringify(config));
  await writeFile(join(dir, "policies.yaml"), POLICIES);
  await mkdir(join(dir, "manifests"));
  await writeFile(join(dir, "manifests", "s.yaml"), MANIFEST);
  return dir;
}

interface Told {
  readonly well: boolean;
  readonly checks: readonly { check: string; health: string; detail: string; help?: string }[];
}

async function doctor(dir: string): Promise<Told & { code: number | null }> {
  const { code, out } = await callgate("doctor", "--json", "--config", join(dir, "callgate.yaml"));
  return { code, ...(JSON.parse(out) as Told) };
}

const of = (told: Told, check: string) => told.checks.find((c) => c.check === check);

test("doctor names the layers in force and says that nothing required is missing", async () => {
  const dir = await project();
  const { code, out } = await callgate("doctor", "--config", join(dir, "callgate.yaml"));
  expect(out).toMatch(/^ok +node +Node 24\./m);
  expect(out).toMatch(/^ok +sandbox isolate +in force: isolated-vm/m);
  expect(out).toMatch(/^ok +sandbox process +in force: /m);
  expect(out).toMatch(/^(?:ok|warn) +sandbox os +/m);
  expect(out).toMatch(/^ok +data +.* the first start makes it$/m);
  expect(out).toMatch(/^warn +agent me +has callgate:sessions, for sessions of me, \*$/m);
  expect(out).toContain("its scopes open 1 destructive tool (s__drop): policies decide");
  expect(out).toContain("nothing that is required is missing");
  expect(code).toBe(0);
});

test("what is exposed or weak is named, and is no failure", async () => {
  const dir = await project({
    ...WELL,
    servers: { s: { url: "https://tools.example.com/mcp", headers: { Authorization: "Bearer written-out" } } },
    http: { host: "0.0.0.0" },
    ledger: { sync: "off" },
  });
  const data = join(dir, ".callgate");
  await mkdir(data);
  await chmod(data, 0o755);
  await writeFile(join(data, "ledger.db"), "");
  await utimes(join(data, "ledger.db"), new Date(), new Date(Date.now() + 3_600_000));
  await writeFile(join(data, "log-key.json"), "{}", { mode: 0o644 });
  const told = await doctor(dir);
  expect(told).toMatchObject({ code: 0, well: true });
  for (const check of ["http", "ledger sync", "ledger anchors", "data access", "keys", "clock", "configuration access"])
    expect([check, of(told, check)?.health]).toEqual([check, "warn"]);
  expect(told.checks.some((c) => c.detail.includes("looks like a secret that is written out"))).toBe(true);
  expect(JSON.stringify(told)).not.toContain('written-out"');
  expect(JSON.stringify(told)).not.toContain("Bearer");
  expect(of(told, "data access")?.help).toContain("chmod 700");
});

test("an agent that anyone here can be is named with what it opens", async () => {
  const told = await doctor(
    await project({ ...WELL, agents: { me: { scopes: ["s:write"] } }, http: { anonymous: "me" } }),
  );
  expect(of(told, "http anonymous")).toMatchObject({ health: "warn" });
  expect(of(told, "agent me")).toMatchObject({ health: "warn", detail: expect.stringContaining("destructive") });
});

test("a configuration that does not load, or is not there, ends with 1", async () => {
  const dir = await project({ ...WELL, nonsense: 1 });
  const told = await doctor(dir);
  expect(told).toMatchObject({ code: 1, well: false });
  expect(of(told, "configuration")).toMatchObject({ health: "fail", detail: expect.stringContaining("nonsense") });
  // The rest is looked at all the same.
  expect(of(told, "sandbox isolate")?.health).toBe("ok");
  expect(await doctor(await emptyFolder())).toMatchObject({ code: 1 });
});

test("a module that can reach a host and whose tools do not say so is named", async () => {
  const dir = await project();
  const source = await emptyFolder();
  await writeFile(
    join(source, "tool.ts"),
    "export default { tools: { a: { description: 'A.', handler: () => ({}) } } };",
  );
  const register = ["tool", "register", source, "--server", "mod", "--config", join(dir, "callgate.yaml")];
  expect(await callgate(...register)).toMatchObject({ code: 0 });
  expect(of(await doctor(dir), "module mod")).toMatchObject({ health: "ok", detail: "hosts: none; calls: none" });
  await callgate(...register, "--allow-host", "api.example.com");
  expect(of(await doctor(dir), "module mod")).toMatchObject({
    health: "warn",
    detail: expect.stringContaining("external"),
  });
});

const canDrop = process.getuid?.() === 0;
test.skipIf(!canDrop)("it also works for a user without rights (needs root, to become one)", async () => {
  const dir = await project();
  await chmod(dir, 0o755);
  const told = await new Promise<Told>((resolve, reject) => {
    const args = [MAIN, "doctor", "--json", "--config", join(dir, "callgate.yaml")];
    // Another user cannot write the data folder that it would make here: that is what is told, and nothing breaks.
    execFile(process.execPath, args, { uid: 65534, gid: 65534, cwd: "/" }, (error, out) => {
      if (out === "") reject(error ?? new Error("nothing was printed"));
      else resolve(JSON.parse(out) as Told);
    });
  });
  expect(of(told, "platform")?.detail).toContain("as user 65534");
  expect(of(told, "sandbox process")?.health).toBe("ok");
  expect(of(told, "data")).toMatchObject({ health: "fail", detail: expect.stringContaining("cannot be made") });
});
