import { execFile, spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { openLedger, openWitness } from "@callgate/ledger";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Folder, makeFolder } from "../../support/folder.ts";
import { attack, sql } from "./attacker.ts";
import { makeStage, type Stage } from "./stage.ts";

const PACKAGES = join(import.meta.dirname, "..", "..", "..", "packages");
const COMMANDS: readonly (readonly [string, readonly string[], string])[] = [
  ["callgate-verify", [join(PACKAGES, "verify", "bin", "callgate-verify.cjs")], ""],
  ["callgate ledger verify", [join(PACKAGES, "cli", "bin", "callgate.cjs"), "ledger", "verify"], "--data"],
];

let folder: Folder;
let stage: Stage;

beforeAll(async () => {
  folder = makeFolder("ledger-command");
  stage = await makeStage(folder);
});
afterAll(() => folder.remove());

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function run(...args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      args.filter((arg) => arg !== ""),
      (error, out, err) => resolve({ code: typeof error?.code === "number" ? error.code : 0, out, err }),
    );
  });
}

const anchor = (): string[] => ["--anchor", `file:${stage.anchor}`];

function attackedCopy(name: string, change: string): string {
  const copy = join(folder.path, name);
  cpSync(stage.now, copy, { recursive: true });
  attack(copy, sql(change));
  return copy;
}

describe.each(COMMANDS)("%s", (name, command, data) => {
  test("ends with the code of its verdict", async () => {
    const cut =
      "DELETE FROM record WHERE seq > 40; DELETE FROM payload WHERE seq > 40; DELETE FROM checkpoint WHERE size > 40";
    const [clean, tampered, incomplete, missing] = await Promise.all([
      run(...command, data, stage.now, ...anchor(), "--vkey", stage.vkey),
      run(...command, data, attackedCopy(`${name} edited`, "UPDATE record SET agent = 'x' WHERE seq = 8")),
      run(...command, data, attackedCopy(`${name} cut`, cut), ...anchor()),
      run(...command, data, join(folder.path, "nowhere")),
    ]);
    expect(clean).toMatchObject({ code: 0, err: "" });
    expect(clean.out).toMatch(/^integrity {5}intact.*\ncompleteness {2}complete up to record 52\n\nclean\n$/m);
    expect(tampered.code).toBe(1);
    expect(tampered.out).toMatch(/^TAMPERED, first at record 8: the column `agent` is not what the leaf says\n$/m);
    expect(incomplete.code).toBe(2);
    expect(incomplete.out).toMatch(/^INCOMPLETE, first at record 41-52: .* the records 41 to 52 are gone\n$/m);
    expect(missing.code).toBe(3);
    expect(missing.out).toMatch(/^UNREADABLE: there is no ledger at/m);
  });

  test("ends with 3 where it is used wrongly", async () => {
    expect(await run(...command, data, stage.now, "--anchr", "x")).toMatchObject({ code: 3, out: "" });
  });
});

const verifier = COMMANDS[0]?.[1] ?? [];

test("a report for programs has a stable shape", async () => {
  const edited = attackedCopy("for programs", "UPDATE record SET agent = 'x' WHERE seq = 8");
  const { code, out } = await run(...verifier, edited, "--json");
  expect(code).toBe(1);
  expect(JSON.parse(out)).toMatchObject({
    v: 1,
    verdict: "tampered",
    exitCode: 1,
    integrity: "broken",
    completeness: "unknown",
    first: { aspect: "integrity", code: "column", seq: 8, problem: "the column `agent` is not what the leaf says" },
    findings: [{ code: "column" }],
    findingCounts: { column: 1 },
    counts: { records: 52 },
  });
});

test("what cannot be read is said", async () => {
  const broken = join(folder.path, "broken");
  mkdirSync(broken, { recursive: true });
  writeFileSync(join(broken, "ledger.db"), "not a database");
  const [file, missing, threads] = await Promise.all([
    run(...verifier, broken),
    run(...verifier, stage.now, "--anchor", "file:/nowhere/anchor.jsonl"),
    run(...verifier, stage.now, "--threads", "none"),
  ]);
  expect(file.code).toBe(3);
  expect(file.out).toMatch(/^UNREADABLE: .*not a database/m);
  expect(missing.code).toBe(3);
  expect(missing.out).toMatch(/the anchor `file:\/nowhere\/anchor.jsonl`: it cannot be read/);
  expect(threads).toMatchObject({ code: 3, out: "" });
});

test("the anchors of the configuration are asked without being named", async () => {
  const config = folder.write("callgate.yaml", {
    version: 1,
    data: stage.earlier,
    ledger: { anchors: [`file:${stage.anchor}`] },
    servers: { files: { command: "node" } },
  });
  const ran = await run(...(COMMANDS[1]?.[1] ?? []), "--config", config);
  expect(ran.code).toBe(2);
  expect(ran.out).toMatch(/has seen 52 records and the ledger has 21/);
});

test("a witness vouches for a ledger only if its key signs what it answers", async () => {
  const [data, vkey] = [join(folder.path, "witnessed"), join(folder.path, "witness.vkey")];
  cpSync(stage.now, data, { recursive: true });
  const witness = await openWitness({
    file: join(folder.path, "witness.json"),
    vkeys: [readFileSync(stage.vkey, "utf8")],
    port: 0,
  });
  const hotel = createServer((_, response) => response.end("<p>Welcome</p>"));
  try {
    const ledger = await openLedger({ folder: data, anchors: [{ to: witness.url, required: true }] });
    await ledger.close();
    writeFileSync(vkey, `${witness.vkey}\n`);
    await new Promise<void>((listening) => hotel.listen(0, "127.0.0.1", listening));
    const portal = `http://127.0.0.1:${(hotel.address() as AddressInfo).port}`;
    const config = (name: string, to: string): string =>
      folder.write(name, {
        version: 1,
        data,
        ledger: { anchors: [{ to, vkey: witness.vkey }] },
        servers: { files: { command: "node" } },
      });
    const callgateVerify = COMMANDS[1]?.[1] ?? [];
    const [proven, unproven, configured, portalled] = await Promise.all([
      run(...verifier, data, "--anchor", witness.url, "--witness-vkey", vkey),
      run(...verifier, data, "--anchor", portal),
      run(...callgateVerify, "--config", config("witness.yaml", witness.url)),
      run(...callgateVerify, "--config", config("portal.yaml", portal)),
    ]);
    for (const ran of [proven, configured]) expect(ran.code).toBe(0);
    for (const ran of [proven, configured]) expect(ran.out).toMatch(/^completeness {2}complete up to record 53\n/m);
    expect(unproven.out).toMatch(/^completeness {2}unknown: no anchor vouches for it\n/m);
    expect(unproven.out).toMatch(/^not checked:\n(?:.*\n)*? {2}whether `http\S+` is the witness: give its key/m);
    expect(portalled.code).toBe(3);
    expect(portalled.out).toMatch(/its signature is not that of a witness's key that was given/);
  } finally {
    hotel.close();
    await witness.close();
  }
});

test("a folder in which nothing can be made is checked all the same", ({ skip }) => {
  // To root everything can be written: the check runs as somebody else then.
  const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const [, [command = ""] = []] = COMMANDS[0] ?? [];
  const readable = spawnSync(process.execPath, ["-e", "require('node:fs').accessSync(process.argv[1])", command], user);
  skip(readable.status !== 0, "another user cannot read the repository");
  const only = join(folder.path, "read-only");
  mkdirSync(only);
  cpSync(join(stage.now, "ledger.db"), join(only, "ledger.db"));
  chmodSync(join(only, "ledger.db"), 0o444);
  chmodSync(only, 0o555);
  chmodSync(folder.path, 0o755);
  const { status, stdout } = spawnSync(process.execPath, [command, only], { ...user, encoding: "utf8" });
  expect(stdout).toMatch(/\nclean\n$/);
  expect(status).toBe(0);
  chmodSync(only, 0o755);
});
