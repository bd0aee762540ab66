import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type LedgerOptions, openLedger } from "@callgate/ledger";
import { describe, expect, it, vi } from "vitest";
import { callgate, emptyFolder, start } from "./run.ts";

const LISTENS = /witnesses on (\S+)\nkey: \S+\n/;
const PATIENCE_MS = 10_000;

/** A data folder with three calls of each of two sessions. */
async function filled(options: Partial<LedgerOptions> = {}): Promise<string> {
  const folder = join(await emptyFolder(), "data");
  const ledger = await openLedger({ folder, ...options });
  for (let i = 0; i < 6; i++) {
    const common = { session: `ses_${i % 2}`, call: `call_${i}`, agent: "ann" };
    await ledger.append({ kind: "intent", ...common, payloads: { args: `{"to":"somebody ${i}"}` } });
    await ledger.append({ kind: "outcome", ...common, status: "ok" });
  }
  await ledger.close();
  return folder;
}

describe("callgate ledger shred", () => {
  it("makes one session's arguments unreadable, which the ledger says of itself", async () => {
    const data = await filled();
    expect((await callgate("ledger", "show", "2", "--data", data)).out).toContain("somebody 0");
    const ran = await callgate("ledger", "shred", "--session", "ses_0", "--data", data);
    expect(ran).toEqual({ code: 0, out: "shredded: the key of `ses_0` is gone; record 15 says so\n", err: "" });
    expect((await callgate("ledger", "show", "2", "--data", data)).out).not.toContain("somebody");
    expect((await callgate("ledger", "show", "4", "--data", data)).out).toContain("somebody 1");
    expect((await callgate("ledger", "verify", "--data", data)).code).toBe(0);
    expect((await callgate("ledger", "shred", "--session", "ses_0", "--data", data, "--json")).out).toBe(
      '{"session":"ses_0","record":17,"hadKey":false}\n',
    );
  });

  it("refuses beside a broker, and what it does not know", async () => {
    const data = await filled();
    const ledger = await openLedger({ folder: data });
    const locked = await callgate("ledger", "shred", "--session", "ses_0", "--data", data);
    expect([locked.code, locked.err]).toEqual([1, expect.stringContaining("another broker is writing to the ledger")]);
    await ledger.close();
    const unknown = await callgate("ledger", "shred", "--session", "x", "--data", data);
    expect([unknown.code, unknown.err]).toEqual([1, expect.stringContaining("there is no record of the session `x`")]);
  });
});

describe("callgate ledger seal and archive", () => {
  it("move what was sealed to a file", async () => {
    const data = await filled();
    const to = join(data, "..", "archive");
    const none = await callgate("ledger", "archive", "--before", "10", "--to", to, "--data", data);
    expect([none.code, none.err]).toEqual([1, expect.stringContaining("no sealed segment ends before record 10")]);
    expect((await callgate("ledger", "seal", "--data", data)).out).toBe("sealed: the seal is record 16\n");
    const archived = await callgate("ledger", "archive", "--before", "16", "--to", to, "--data", data, "--json");
    const [file] = readdirSync(to);
    expect(JSON.parse(archived.out)).toEqual({ from: 1, to: 15, file });
    expect((await callgate("ledger", "verify", "--data", data)).code).toBe(0);
    for (const command of [
      ["ledger", "query"],
      ["ledger", "show", "3"],
      ["ledger", "timeline", "--session", "ses_0"],
      ["incident", "open", "--session", "ses_0"],
    ]) {
      const { err } = await callgate(...command, "--data", data);
      expect(err).toContain("records 1 to 15 were taken out (archived)\n");
    }
    expect((await callgate("ledger", "archive", "--before", "x", "--to", to, "--data", data)).code).toBe(2);
  });
});

describe("what is done to a ledger with a second key", () => {
  const signatures = ["ed25519", "ml-dsa-44"] as const;

  it.each(["--data", "--config"])("is signed with both where it is named with %s", async (option) => {
    const data = await filled({ signatures });
    const config = join(data, "..", "callgate.yaml");
    writeFileSync(
      config,
      "version: 1\ndata: data\nservers:\n  x: { command: node }\nledger:\n  signatures: [ed25519, ml-dsa-44]\n",
    );
    const where = [option, option === "--data" ? data : config];
    const key = join(data, "ledger-ml-dsa-44.vkey");
    for (const command of [
      ["seal"],
      ["shred", "--session", "ses_0"],
      ["archive", "--before", "16", "--to", join(data, "..", "archive")],
    ]) {
      const ran = await callgate("ledger", ...command, ...where);
      const checked = await callgate("ledger", "verify", "--data", data, "--ml-dsa-vkey", key);
      expect([ran.code, checked.out, checked.code]).toEqual([0, expect.stringContaining("clean"), 0]);
    }
  });
});

describe("callgate-verify", () => {
  const verifier = join(import.meta.dirname, "..", "..", "verify", "src", "main.ts");
  const verify = (...args: string[]) => {
    const { status, stdout } = spawnSync(process.execPath, [verifier, ...args], { encoding: "utf8" });
    return [status, stdout.trim().split("\n").at(-1)];
  };

  it("holds a proof and a bundle against the second key where that is given", async () => {
    const data = await filled({ signatures: ["ed25519", "ml-dsa-44"] });
    const [vkey, second] = [join(data, "ledger.vkey"), join(data, "ledger-ml-dsa-44.vkey")];
    const other = join(await filled({ signatures: ["ed25519", "ml-dsa-44"] }), "ledger-ml-dsa-44.vkey");
    const proof = join(data, "..", "proof");
    writeFileSync(proof, (await callgate("ledger", "proof", "3", "--data", data)).out);
    const bundle = join(data, "..", "bundle");
    expect((await callgate("incident", "export", "--session", "ses_0", "--out", bundle, "--data", data)).code).toBe(0);
    for (const what of [
      ["--proof", proof, "--vkey", vkey],
      ["--bundle", bundle],
    ]) {
      expect(verify(...what, "--ml-dsa-vkey", second)).toEqual([0, expect.stringMatching(/^clean/)]);
      expect(verify(...what, "--ml-dsa-vkey", other)).toEqual([
        1,
        expect.stringContaining("not signed by the given ML-DSA-44 key"),
      ]);
      expect(verify(...what, "--ml-dsa-vkey", vkey)[0]).toBe(3);
    }
  });

  it("opens a ledger and segments that were archived under an earlier key", async () => {
    const data = await filled();
    const to = join(data, "..", "archive");
    const [before, now] = ["a1", "b2"].map((byte) => {
      const file = join(data, "..", `key-${byte}`);
      writeFileSync(file, byte.repeat(32));
      return file;
    }) as [string, string];
    const keep = (...args: string[]) => callgate("ledger", ...args, "--data", data);
    for (const args of [
      ["encrypt", "--key-file", before],
      ["seal", "--key-file", before],
      ["archive", "--before", "16", "--to", to, "--key-file", before],
      ["encrypt", "--key-file", now, "--previous-key-file", before],
    ]) {
      const ran = await keep(...args);
      expect([ran.err, ran.code]).toEqual(["", 0]);
    }
    expect(verify(data, "--segments", to, "--key-file", now)[0]).toBe(3);
    const both = ["--key-file", now, "--key-file", before];
    expect(verify(data, "--segments", to, ...both)).toEqual([0, expect.stringContaining("clean")]);
    const own = await keep("verify", "--segments", to, "--key-file", now, "--previous-key-file", before);
    expect([own.out, own.code]).toEqual([expect.not.stringContaining("archived"), 0]);
  });
});

describe("callgate witness", () => {
  it("keeps what a ledger tells it, and stops an older copy of it", async () => {
    const data = await filled();
    const state = join(data, "..", "witness.json");
    const options = ["--listen", "127.0.0.1:0", "--vkey", join(data, "ledger.vkey"), "--state", state];
    const witness = start("witness", ...options);
    const url = await vi.waitFor(() => {
      expect(witness.printed()).toMatch(LISTENS);
      return LISTENS.exec(witness.printed())?.[1] as string;
    }, PATIENCE_MS);
    const config = join(data, "..", "callgate.yaml");
    writeFileSync(config, `version: 1\ndata: data\nservers:\n  x: { command: node }\nledger:\n  anchors: ["${url}"]\n`);
    expect((await callgate("ledger", "seal", "--config", config)).out).toContain("sealed");
    const seen = JSON.parse(readFileSync(state, "utf8")) as { logs: Record<string, { size: number }> };
    expect(Object.values(seen.logs)).toMatchObject([{ size: 15 }]);
    // Something else went on with the log elsewhere.
    writeFileSync(state, readFileSync(state, "utf8").replace('"size":15', '"size":99'));
    witness.stop();
    await witness.ended;
    const again = start("witness", ...options.with(1, new URL(url).host));
    await vi.waitFor(() => expect(again.printed()).toMatch(LISTENS), PATIENCE_MS);
    const behind = await callgate("ledger", "seal", "--config", config);
    expect([behind.code, behind.err]).toEqual([
      1,
      expect.stringContaining(`the anchor \`${url}\` has seen 99 records`),
    ]);
    again.stop();
    expect((await again.ended).code).toBe(0);
  });

  it("wants keys and an address", async () => {
    const folder = await emptyFolder();
    const state = join(folder, "w.json");
    expect((await callgate("witness", "--vkey", "no/such/file", "--state", state)).err).toContain("there is no key in");
    expect((await callgate("witness", "--vkey", "a+b+c", "--state", state, "--listen", "x")).code).toBe(2);
    expect((await callgate("witness", "--vkey", "a+b+c", "--state", state)).err).toContain("is not the key of a log");
  });
});
