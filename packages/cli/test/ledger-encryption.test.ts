import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openLedger } from "@callgate/ledger";
import { expect, test, vi } from "vitest";
import { callgate, emptyFolder } from "./run.ts";

// Each is several runs of the command, one after another.
vi.setConfig({ testTimeout: 30_000 });

const OLD = "1a".repeat(32);
const NEW = "2b".repeat(32);

test("the key that is named opens the ledger, whatever key the configuration has, when it is sealed, archived or shredded", async () => {
  const folder = await emptyFolder();
  const data = join(folder, "data");
  const ledger = await openLedger({ folder: data, fileKey: NEW });
  await ledger.append({ kind: "denial", session: "ses_0", agent: "ann", payloads: { args: "1" } });
  await ledger.close();
  writeFileSync(join(folder, "old.key"), OLD);
  writeFileSync(join(folder, "new.key"), NEW);
  const config = join(folder, "callgate.yaml");
  writeFileSync(
    config,
    `version: 1\nservers: { files: { command: node, args: [server.js] } }\ndata: ${data}\nledger:\n  encryption:\n    key: \${file:${folder}/old.key}\n`,
  );
  const where = ["--config", config, "--key-file", join(folder, "new.key")];
  const ran = [
    await callgate("ledger", "seal", ...where),
    await callgate("ledger", "archive", "--before", "1000", "--to", join(folder, "archive"), ...where),
    await callgate("ledger", "shred", "--session", "ses_0", ...where),
  ];
  expect(ran.map(({ code }) => code)).toEqual([0, 0, 0]);
  const without = await callgate("ledger", "seal", "--config", config);
  expect([without.code, without.err]).toEqual([1, expect.stringContaining("the key does not open `ledger.db`")]);
});

test("a folder is encrypted, given another key and decrypted; what has neither key is refused with help", async () => {
  const folder = await emptyFolder();
  const data = join(folder, "data");
  const ledger = await openLedger({ folder: data });
  await ledger.append({ kind: "denial", agent: "IN-THE-CLEAR" });
  await ledger.close();
  const [old, fresh] = [join(folder, "old.key"), join(folder, "new.key")];
  writeFileSync(old, OLD);
  writeFileSync(fresh, NEW);
  const encrypted = await callgate("ledger", "encrypt", "--data", data, "--key-file", old);
  expect(encrypted).toEqual({ code: 0, out: "encrypted: ledger.db\nencrypted: payload-keys.db\n", err: "" });
  expect(readFileSync(join(data, "ledger.db")).includes("IN-THE-CLEAR")).toBe(false);
  const wrong = await callgate("ledger", "encrypt", "--data", data, "--key-file", fresh);
  expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining("--previous-key-file")]);
  const again = await callgate("ledger", "encrypt", "--data", data, "--key-file", fresh, "--previous-key-file", old);
  expect(again.code).toBe(0);
  expect((await callgate("ledger", "decrypt", "--data", data, "--key-file", fresh)).code).toBe(0);
  expect((await callgate("ledger", "verify", "--data", data)).code).toBe(0);
});
