import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { openLedger } from "../src/index.ts";
import { acknowledged, expectAll, output, startAppender } from "./appending.ts";
import { dataFolder } from "./folder.ts";

const run = (program: string, ...args: string[]): boolean => spawnSync(program, args).status === 0;

/** An empty folder outside the test's own, for a mount. */
function mountPoint(): string {
  const path = mkdtempSync(join(tmpdir(), "callgate-mount-"));
  onTestFinished(() => {
    run("umount", "-l", path);
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

/** Mounts a file system of so many bytes; false where this user may not. */
function mountSmall(path: string, size: string): boolean {
  return process.platform === "linux" && run("mount", "-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path);
}

const mayMount = (() => {
  const path = mkdtempSync(join(tmpdir(), "callgate-mount-"));
  const may = mountSmall(path, "64k");
  if (may) run("umount", path);
  rmSync(path, { recursive: true, force: true });
  return may;
})();

/** An ext4 in a file larger than the file system that holds it: writes are taken, and syncing them fails once that is full. */
function mountOvercommitted(): { readonly path: string; remount(): void } | undefined {
  const below = mountPoint();
  const path = mountPoint();
  const image = join(below, "image");
  const made =
    mountSmall(below, "8m") &&
    run("truncate", "-s", "64m", image) &&
    run("mkfs.ext4", "-q", "-F", "-N", "64", "-J", "size=1", "-E", "lazy_journal_init=0,nodiscard", image) &&
    run("mount", "-o", "loop,errors=continue", image, path);
  if (!made) return undefined;
  return {
    path,
    // What was written and never reached the disk is forgotten. The file system's own journal needs room to be replayed.
    remount() {
      expect(run("mount", "-o", "remount,size=32m", below)).toBe(true);
      expect(run("umount", path)).toBe(true);
      expect(run("mount", "-o", "loop", image, path)).toBe(true);
    },
  };
}

const canOvercommit = mayMount && run("sh", "-c", "command -v mkfs.ext4 && losetup -f");

describe("a disk", () => {
  it.skipIf(!mayMount)("that is full: appends are refused, and what was acknowledged is there", async () => {
    const path = mountPoint();
    expect(mountSmall(path, "3m")).toBe(true);
    const folder = join(path, "data");
    const text = await output(startAppender(folder));
    expect(text).toMatch(/^failed LEDGER_FAILED after=LEDGER_FAILED failures=1$/m);
    const acks = acknowledged(text);
    expect(acks.length).toBeGreaterThan(20);
    const elsewhere = dataFolder();
    cpSync(folder, elsewhere, { recursive: true });
    expectAll(elsewhere, acks);
    // With room again the ledger goes on.
    const ledger = await openLedger({ folder: elsewhere });
    await ledger.close();
    expectAll(elsewhere, acks);
  });

  it.skipIf(!canOvercommit)(
    "that takes writes and fails to sync them: nothing is acknowledged that it has not",
    async () => {
      const disk = mountOvercommitted();
      if (disk === undefined) throw new Error("the file systems cannot be mounted");
      const folder = join(disk.path, "data");
      const text = await output(startAppender(folder));
      expect(text).toMatch(/^failed LEDGER_FAILED after=LEDGER_FAILED failures=1$/m);
      const acks = acknowledged(text);
      expect(acks.length).toBeGreaterThan(20);
      disk.remount();
      const elsewhere = dataFolder();
      cpSync(folder, elsewhere, { recursive: true });
      expectAll(elsewhere, acks);
    },
  );

  it.skipIf(!mayMount)("that cannot be written: the ledger does not open, and can be read", async () => {
    const path = mountPoint();
    expect(mountSmall(path, "3m")).toBe(true);
    const folder = join(path, "data");
    const ledger = await openLedger({ folder });
    await ledger.append({ kind: "denial", call: "c" });
    await ledger.close();
    expect(run("mount", "-o", "remount,ro", path)).toBe(true);
    await expect(openLedger({ folder })).rejects.toMatchObject({ code: "LEDGER_FAILED" });
    const elsewhere = dataFolder();
    cpSync(folder, elsewhere, { recursive: true });
    expectAll(elsewhere, [[2, "c"]]);
  });

  it.skipIf(process.getuid?.() === 0)("that this user may not write: the ledger does not open", async () => {
    const folder = dataFolder();
    await (await openLedger({ folder })).close();
    for (const name of ["ledger.db", "ledger.lock", "payload-keys.db"]) chmodSync(join(folder, name), 0o400);
    await expect(openLedger({ folder })).rejects.toMatchObject({ code: "LEDGER_FAILED" });
  });
});
