import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { callgate, emptyFolder } from "./run.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");
const TOOLS = join(ROOT, "examples", "tools");
const ALL = ["csv", "convert", "redact", "hostile"] as const;

test.each(ALL)(
  "the cases of the example `%s` hold",
  async (name) => {
    const { code, out } = await callgate("tool", "test", join(TOOLS, name));
    expect(out).toMatch(/(\d+) of \1 passed/);
    expect(out).not.toContain("no case calls");
    expect(code).toBe(0);
  },
  60_000,
);

test("the examples are registered side by side, each with what it may reach, and the configuration loads", async () => {
  const dir = await emptyFolder();
  const config = ["--config", join(dir, "callgate.yaml")];
  await writeFile(
    join(dir, "callgate.yaml"),
    "version: 1\nservers: { csv: { module: modules/csv.js } }\npolicies: [p.yaml]\nagents: {}\n",
  );
  await writeFile(join(dir, "p.yaml"), 'policies:\n  - id: all\n    effect: permit\n    tools: ["*"]\n');
  for (const name of ALL)
    expect(await callgate("tool", "register", join(TOOLS, name), "--server", name, ...config)).toMatchObject({
      code: 0,
    });
  expect(await callgate("check", ...config)).toMatchObject({
    code: 0,
    out: expect.stringContaining("4 servers, 18 tools"),
  });
  const manifest = (name: string) => readFile(join(dir, "manifests", `${name}.yaml`), "utf8");
  expect(await manifest("convert")).toMatch(/hosts: \["?localhost:8741"?\]/);
  expect(await manifest("convert")).toContain("effects: [read, external]");
  expect(await manifest("csv")).toContain("effects: [read]");
  expect(await callgate("pin", ...config)).toMatchObject({ code: 0 });
});

test("the converter asks the service of rates that comes with it, and that alone", async () => {
  const server = spawn(process.execPath, [join(TOOLS, "convert", "rates-server.mjs"), "0"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void server.kill());
  const [line] = (await once(server.stdout, "data")) as [Buffer];
  const host = `localhost:${line.toString().trim()}`;
  const dir = join(await emptyFolder(), "convert");
  await cp(join(TOOLS, "convert"), dir, { recursive: true });
  const rates = join(dir, "rates.ts");
  await writeFile(rates, (await readFile(rates, "utf8")).replace("localhost:8741", host));
  const call = [
    "tool",
    "test",
    dir,
    "--live",
    "--call",
    "convert",
    "--args",
    '{"amount": 100, "from": "EUR", "to": "NOK"}',
  ];
  expect(await callgate(...call)).toMatchObject({ code: 1, err: expect.stringContaining("not among the hosts") });
  const { code, out } = await callgate(...call, "--allow-host", host);
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual({ amount: 1140, currency: "NOK", rate: 11.4, date: "2026-01-15" });
});

test("the examples fit their types, which are those that `tool new` writes", async () => {
  const fresh = join(await emptyFolder(), "fresh");
  await callgate("tool", "new", fresh);
  const types = (folder: string) => readFile(join(folder, "callgate.d.ts"), "utf8");
  expect(await types(TOOLS)).toBe(await types(fresh));
  await promisify(execFile)(process.execPath, [join(ROOT, "node_modules", "typescript", "bin", "tsc"), "-p", TOOLS]);
});
