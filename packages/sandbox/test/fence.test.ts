import { spawn, spawnSync } from "node:child_process";

import { join } from "node:path";
import type { Duplex } from "node:stream";
import { describe, expect, test } from "vitest";
import { openSandbox } from "../src/index.ts";
import { FENCES, type Fence, launchOf } from "../src/launch.ts";
import { seccompFilter } from "../src/seccomp.ts";

/**
 * What native code could try, asked by a Node without a permission model behind the same fence: how each attempt ends. It is also run
 * where there is no fence, maybe as root: an attempt that succeeds MUST leave everything as it was.
 */
const PROBE = `
const fs = process.getBuiltinModule("fs"), out = {};
const tell = (name, attempt) => { try { const v = attempt(); out[name] = v === undefined ? "done" : String(v); } catch (e) { out[name] = e.code ?? e.message; } };
tell("passwd", () => fs.readFileSync("/etc/passwd").length);
tell("home", () => fs.statSync("/root").mode);
tell("proc", () => fs.readFileSync("/proc/1/status").length);
tell("host file", () => fs.statSync("/usr/bin").mode);
tell("list", () => fs.readdirSync("/").length);
const create = (path) => { fs.closeSync(fs.openSync(path, "wx")); fs.unlinkSync(path); };
tell("write", () => create("/callgate-fence-probe"));
tell("write to temp", () => create("/tmp/callgate-fence-probe"));
tell("rename", () => fs.renameSync("/bin/node", "/bin/node"));
tell("chmod", () => fs.chmodSync("/bin/node", 0o755));
tell("spawn", () => { const r = process.getBuiltinModule("child_process").spawnSync(process.execPath, ["-v"]); return r.error ? r.error.code : r.stdout });
tell("signal", () => process.kill(process.ppid, 0));
tell("priority", () => process.getBuiltinModule("os").setPriority(0, 10));
tell("setuid", () => process.setuid(0));
tell("environment", () => JSON.stringify({ ...process.env, PWD: undefined, TZ: undefined }));
tell("uid", () => process.getuid());
tell("descriptors", () => { let n = 0; for (let i = 3; i < 64; i++) try { if (fs.fstatSync(i).isFile() || fs.fstatSync(i).isSocket()) n++; } catch {} return n });
const net = process.getBuiltinModule("net"), dgram = process.getBuiltinModule("dgram");
const later = (name, make) => new Promise((done) => { try { make((v) => { out[name] = v; done() }) } catch (e) { out[name] = e.code; done() } });
await Promise.all([
  later("tcp", (end) => net.connect(80, "127.0.0.1").on("error", (e) => end(e.code)).on("connect", () => end("done"))),
  later("unix socket", (end) => net.connect("/run/x.sock").on("error", (e) => end(e.code)).on("connect", () => end("done"))),
  later("listen", (end) => net.createServer().on("error", (e) => end(e.code)).listen(0, () => end("done"))),
  later("udp", (end) => dgram.createSocket("udp4").on("error", (e) => end(e.code)).bind(0, () => end("done"))),
  later("dns", (end) => process.getBuiltinModule("dns").lookup("localhost", (e) => end(e ? e.code : "done"))),
  later("thread", (end) => new (process.getBuiltinModule("worker_threads").Worker)("1", { eval: true }).on("exit", () => end("done")).on("error", (e) => end(e.code))),
]);
fs.writeSync(1, JSON.stringify(out));
process.exit(0);
`;

async function probe(fence: Fence): Promise<Record<string, string> | { missing: string }> {
  const launch = launchOf(fence, `(async () => {${PROBE}})()`);
  if ("missing" in launch) return launch;
  const child = spawn(launch.file, launch.args, {
    stdio: ["pipe", "pipe", "pipe", ...(launch.kept === true ? (["pipe"] as const) : [])],
    env: {},
    cwd: "/",
  });
  if (launch.kept === true) (child.stdio[3] as Duplex).end(launch.filter ?? "");
  let [text, errors] = ["", ""];
  child.stdout?.on("data", (bytes: Buffer) => (text += bytes.toString()));
  child.stderr?.on("data", (bytes: Buffer) => (errors += bytes.toString()));
  await new Promise((done) => child.once("close", done));
  return text === "" ? { missing: errors } : (JSON.parse(text) as Record<string, string>);
}

const bubblewrap = await probe("bubblewrap");
const why = "missing" in bubblewrap ? ` (skipped: ${String(bubblewrap.missing).slice(0, 200)})` : "";

describe.skipIf(why !== "")(`behind bubblewrap, native code${why}`, () => {
  test("sees no file but Node's, and changes none", () => {
    const { passwd, home, proc, list, write, chmod } = bubblewrap as Record<string, string>;
    expect({ passwd, home, proc }).toEqual({ passwd: "ENOENT", home: "ENOENT", proc: "ENOENT" });
    expect(bubblewrap["host file" as never]).toBe("ENOENT");
    expect({ list, write, chmod }).toEqual({ list: "ENOSYS", write: "EPERM", chmod: "ENOSYS" });
    expect(bubblewrap["write to temp" as never]).toBe("EPERM");
    expect(bubblewrap["rename" as never]).toBe("ENOSYS");
  });

  test("has no network, no processes, no signals, no user", () => {
    const {
      tcp,
      listen,
      udp,
      spawn: started,
      signal,
      setuid,
      uid,
      environment,
      descriptors,
    } = bubblewrap as Record<string, string>;
    expect({ tcp, listen, udp, started, signal, setuid }).toEqual({
      tcp: "ENOSYS",
      listen: "ENOSYS",
      udp: "ENOSYS",
      started: "ENOSYS",
      signal: "ENOSYS",
      setuid: "ENOSYS",
    });
    expect(bubblewrap["unix socket" as never]).toBe("ENOSYS");
    expect({ uid, environment, descriptors }).toEqual({ uid: "65534", environment: "{}", descriptors: "0" });
  });

  test("still has threads, which V8 needs", () => {
    expect((bubblewrap as Record<string, string>).thread).toBe("done");
  });

  test("is what a sandbox gets, and the report says so", async () => {
    const sandbox = await openSandbox({ workers: 1, require: ["isolate", "process", "os"] });
    const os = sandbox.layers.find((layer) => layer.layer === "os");
    await sandbox.close();
    expect(os?.inForce).toBe(true);
    for (const part of ["net", "pid", "seccomp", "read-only file tree", "no capabilities", "uid 65534"])
      expect(os?.detail).toContain(part);
    expect(os?.detail).not.toContain("without");
  });
});

test.each(FENCES.filter((fence) => fence !== "none"))(
  "the probe itself can succeed where there is no fence, unlike behind `%s`",
  async (fence) => {
    const [free, fenced] = [await probe("none"), await probe(fence)];
    // What the probe cannot do here at all would prove nothing behind a fence.
    expect(free).toMatchObject({ listen: "done", udp: "done", thread: "done" });
    expect(Number((free as Record<string, string>).passwd)).toBeGreaterThan(0);
    if ("missing" in fenced) return;
    expect(fenced.uid).not.toBe("0");
    expect(["EACCES", "EPERM", "EROFS", "EFBIG", "ENOENT"]).toContain(fenced.write);
  },
);

test("the filter's program is well formed: jumps end inside it, and it ends in a refusal", () => {
  for (const arch of ["x64", "arm64"]) {
    const program = seccompFilter(arch) as Buffer;
    const count = program.length / 8;
    expect(count).toBeLessThan(4096);
    for (let i = 0; i < count; i++) {
      const code = program.readUInt16LE(i * 8);
      expect([0x20, 0x54, 0x15, 0x06]).toContain(code);
      if (code !== 0x15) continue;
      for (const jump of [program[i * 8 + 2], program[i * 8 + 3]]) expect(i + 1 + (jump as number)).toBeLessThan(count);
    }
    expect(program.readUInt16LE((count - 1) * 8)).toBe(0x06);
    expect(program.readUInt32LE((count - 1) * 8 + 4)).toBe(0x00050026);
  }
  expect(seccompFilter("riscv64")).toBeUndefined();
});

/** What the kernel would answer: the program, run on a call's `struct seccomp_data`. */
function answerOf(program: Buffer, arch: number, number: number, args: readonly (number | bigint)[] = []): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number >>> 0, 0);
  data.writeUInt32LE(arch, 4);
  args.forEach((arg, i) => data.writeBigUInt64LE(BigInt(arg), 16 + 8 * i));
  let held = 0;
  for (let at = 0; ; at++) {
    const [code, k] = [program.readUInt16LE(at * 8), program.readUInt32LE(at * 8 + 4)];
    if (code === 0x20) held = data.readUInt32LE(k);
    else if (code === 0x54) held = (held & k) >>> 0;
    else if (code === 0x15) at += program[at * 8 + (held === k ? 2 : 3)] as number;
    else return k;
  }
}

test("the filter refuses what leads out, and allows what V8 needs", () => {
  const [x64, arm64] = [seccompFilter("x64") as Buffer, seccompFilter("arm64") as Buffer];
  const [X, A, ALLOW, EPERM, ENOSYS] = [0xc000003e, 0xc00000b7, 0x7fff0000, 0x00050001, 0x00050026];
  const refused = {
    socket: [41, 198],
    connect: [42, 203],
    bind: [49, 200],
    sendmsg: [46, 211],
    ptrace: [101, 117],
    kill: [62, 129],
    tgkill: [234, 131],
    process_vm_readv: [310, 270],
    process_vm_writev: [311, 271],
    unshare: [272, 97],
    setns: [308, 268],
    mount: [165, 40],
    pivot_root: [155, 41],
    chroot: [161, 51],
    keyctl: [250, 219],
    add_key: [248, 217],
    bpf: [321, 280],
    perf_event_open: [298, 241],
    io_uring_setup: [425, 425],
    userfaultfd: [323, 282],
    kexec_load: [246, 104],
    init_module: [175, 105],
    finit_module: [313, 273],
    memfd_create: [319, 279],
    execveat: [322, 281],
    personality: [135, 92],
    clone3: [435, 435],
    setuid: [105, 146],
    seccomp: [317, 277],
    quotactl: [179, 60],
    open_by_handle_at: [304, 265],
    pidfd_getfd: [438, 438],
    name_to_handle_at: [303, 264],
    unlinkat: [263, 35],
    getdents64: [217, 61],
  };
  for (const [name, [x, a]] of Object.entries(refused)) {
    expect([name, answerOf(x64, X, x as number)]).toEqual([name, ENOSYS]);
    expect([name, answerOf(arm64, A, a as number)]).toEqual([name, ENOSYS]);
  }
  for (const number of [57, 58]) expect(answerOf(x64, X, number)).toBe(ENOSYS);
  for (const [program, arch, clone, openat, prlimit] of [
    [x64, X, 56, 257, 302],
    [arm64, A, 220, 56, 261],
  ] as const) {
    // A thread as glibc makes it; then a process, a process that shares memory, and a thread in a new user namespace.
    expect(answerOf(program, arch, clone, [0x3d0f00])).toBe(ALLOW);
    for (const flags of [17, 0x4111, 0x3d0f00 | 0x10000000])
      expect(answerOf(program, arch, clone, [flags])).toBe(EPERM);
    expect(answerOf(program, arch, openat, [0, 0, 0o2000000])).toBe(ALLOW);
    for (const flags of [1, 2, 0o100, 0o1000]) expect(answerOf(program, arch, openat, [0, 0, flags])).toBe(EPERM);
    expect(answerOf(program, arch, prlimit, [0, 7, 0])).toBe(ALLOW);
    for (const limit of [1, 2n ** 32n]) expect(answerOf(program, arch, prlimit, [0, 7, limit])).toBe(EPERM);
  }
  // 32-bit and x32 calls have other numbers: the first end the process, the second do not exist.
  expect(answerOf(x64, 0x40000003, 1)).toBe(0x80000000);
  expect(answerOf(x64, X, 0x40000000)).toBe(ENOSYS);
});

const root = process.getuid?.() === 0;
test.skipIf(!root || why !== "")(
  "an unprivileged broker gets the same fence (skipped where it is no root, and is one already)",
  () => {
    const code = `
    const { openSandbox } = await import(${JSON.stringify(join(import.meta.dirname, "../src/index.ts"))});
    const sandbox = await openSandbox({ workers: 1 });
    const result = await sandbox.run({ kind: "script", code: "return 6 * 7" });
    const spin = await sandbox.run({ kind: "script", code: "for (;;);", budgets: { cpuMs: 50 } });
    console.log(JSON.stringify([process.getuid(), sandbox.layers[2], result.value, spin.error.code]));
    await sandbox.close();`;
    const asNobody = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    const [command, ...args] = [...asNobody, process.execPath, "--input-type=module", "--eval", code];
    const run = spawnSync(command, args, { encoding: "utf8", cwd: "/", env: {} });
    expect(run.stderr).toBe("");
    const [uid, os, value, spin] = JSON.parse(run.stdout) as [
      number,
      { inForce: boolean; detail: string },
      string,
      string,
    ];
    expect({ uid, inForce: os.inForce, value, spin }).toEqual({
      uid: 65534,
      inForce: true,
      value: "42",
      spin: "CPU_TIMEOUT",
    });
    expect(os.detail).toContain("seccomp");
  },
);
