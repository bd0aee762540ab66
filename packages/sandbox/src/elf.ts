import { closeSync, openSync, readFileSync, readSync } from "node:fs";

const PT_INTERP = 3;

/** The program that loads an ELF program (its interpreter, such as `/lib64/ld-linux-x86-64.so.2`); undefined if it has none. */
export function interpreterOf(path: string): string | undefined {
  const fd = openSync(path, "r");
  try {
    const head = Buffer.alloc(4096);
    const size = readSync(fd, head, 0, head.length, 0);
    // 64 bits, little-endian: what Node runs on.
    if (size < 64 || head.readUInt32BE(0) !== 0x7f454c46 || head[4] !== 2 || head[5] !== 1) return undefined;
    const [at, each, count] = [Number(head.readBigUInt64LE(32)), head.readUInt16LE(54), head.readUInt16LE(56)];
    for (let i = 0; i < count && at + (i + 1) * each <= size; i++) {
      const entry = at + i * each;
      if (head.readUInt32LE(entry) !== PT_INTERP) continue;
      const [from, length] = [Number(head.readBigUInt64LE(entry + 8)), Number(head.readBigUInt64LE(entry + 32))];
      const text = Buffer.alloc(Math.min(length, 512));
      readSync(fd, text, 0, text.length, from);
      return text.toString("latin1").replace(/\0.*$/s, "");
    }
    return undefined;
  } finally {
    closeSync(fd);
  }
}

/** The shared libraries that this process has loaded, by path: what the same program needs to start elsewhere. */
export function loadedLibraries(): string[] {
  const paths = readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .map((line) => line.slice(line.indexOf("/")))
    .filter((path) => /^\/.*\.so(\.[\d.]+)?$/.test(path));
  return [...new Set(paths)];
}
