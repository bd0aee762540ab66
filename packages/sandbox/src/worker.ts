import type IsolatedVM from "isolated-vm";

/**
 * The whole program of a worker process. Its text is given to `node --eval`, so that a worker needs to read no file but
 * the isolate addon: it MUST stand alone. It never waits on anything but its one pipe, runs one guest at a time on its
 * only thread, and keeps no time of its own: the broker, which it cannot fool, does.
 */
export function workerMain(needsExact: (json: string) => boolean): void {
  const { readSync, writeSync } = process.getBuiltinModule("node:fs");
  const { createHash, randomBytes } = process.getBuiltinModule("node:crypto");
  const addon = { exports: {} as { ivm?: typeof IsolatedVM } };
  process.dlopen(addon, process.argv[1] as string);
  const ivm = (addon.exports.ivm ?? addon.exports) as typeof IsolatedVM;

  let held = Buffer.alloc(0);
  const chunk = Buffer.allocUnsafe(65536);
  function fill(): void {
    const n = readSync(0, chunk, 0, chunk.length, null);
    // The broker is gone: so are we.
    if (n === 0) process.exit(0);
    held = held.length === 0 ? Buffer.from(chunk.subarray(0, n)) : Buffer.concat([held, chunk.subarray(0, n)]);
  }
  function next(): { kind: number; id: number; text: string } {
    while (held.length < 4) fill();
    const length = held.readUInt32LE(0);
    if (held.length < 4 + length) {
      const parts = [held];
      let size = held.length;
      while (size < 4 + length) {
        held = Buffer.alloc(0);
        fill();
        parts.push(held);
        size += held.length;
      }
      held = Buffer.concat(parts);
    }
    const frame = { kind: held[4] as number, id: held.readUInt32LE(5), text: held.toString("utf8", 9, 4 + length) };
    held = held.subarray(4 + length);
    return frame;
  }
  function write(kind: number, id: number, text: string): void {
    const size = Buffer.byteLength(text);
    const frame = Buffer.allocUnsafe(9 + size);
    frame.writeUInt32LE(5 + size, 0);
    frame[4] = kind;
    frame.writeUInt32LE(id, 5);
    frame.write(text, 9, "utf8");
    for (let at = 0; at < frame.length; ) at += writeSync(1, frame, at);
  }

  const first = JSON.parse(next().text) as { source: string; heapMb: number };
  const snapshot = ivm.Isolate.createSnapshot([{ code: first.source, filename: "bootstrap.js" }]);
  interface Cell {
    readonly isolate: IsolatedVM.Isolate;
    readonly context: IsolatedVM.Context;
    readonly enter: IsolatedVM.Reference<(...args: unknown[]) => void>;
  }
  function prepare(heapMb: number): Cell {
    const isolate = new ivm.Isolate({ memoryLimit: heapMb, snapshot });
    const context = isolate.createContextSync();
    const enter = context.global.getSync("__enter", { reference: true }) as Cell["enter"];
    context.global.deleteSync("__enter");
    enter.applySync(undefined, [0, 0, new ivm.Callback(hear)]);
    return { isolate, context, enter };
  }
  let warm: Cell | undefined;
  const codes = new Map<string, string>();

  // The run under way. `waits` counts what can still wake the guest.
  let ended = true;
  let waits = 0;
  let largest = 0;
  let cpu = process.cpuUsage();
  function end(kind: number, text: string): void {
    if (ended) return;
    ended = true;
    const used = process.cpuUsage(cpu);
    write(kind, used.user + used.system, text);
  }
  /** The guest's way out. Whatever the guest made of it, only a bounded text with a known kind gets on. */
  function hear(kind: unknown, id: unknown, text: unknown): unknown {
    if (kind === 1 || kind === 2 || kind === 3) return ask(kind, text);
    if (ended) return;
    if (typeof kind !== "number" || typeof id !== "number" || typeof text !== "string") throw new TypeError("refused");
    if (text.length > largest)
      return end(24, JSON.stringify({ code: "OUTPUT_LIMIT", message: `a message has more than ${largest} bytes` }));
    if (kind === 22 || kind === 23) return end(kind, text);
    if (kind < 17 || kind > 21) throw new TypeError("refused");
    if (kind === 17 || kind === 20) waits++;
    if (kind === 21) waits--;
    write(kind, id >>> 0, text);
  }
  const PARTS = [
    "href",
    "origin",
    "protocol",
    "username",
    "password",
    "host",
    "hostname",
    "port",
    "pathname",
    "search",
    "hash",
  ] as const;
  function ask(op: 1 | 2 | 3, text: unknown): string {
    if (typeof text !== "string" || text.length > 16_000_000) return "";
    try {
      if (op === 1) return randomBytes(Math.min(Math.max(0, Number(text) | 0), 65536)).toString("base64");
      if (op === 2) {
        const at = text.indexOf("\n");
        const name = { "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512" }[
          text.slice(0, at)
        ];
        return name
          ? createHash(name)
              .update(Buffer.from(text.slice(at + 1), "base64"))
              .digest("base64")
          : "";
      }
      if (op === 3 && text.length <= 65536) {
        const [input, base, part, value] = JSON.parse(text) as [string, string | null | undefined, string?, string?];
        const url = base === undefined || base === null ? new URL(input) : new URL(input, base);
        const known = PARTS.find((p) => p === part);
        if (known !== undefined && known !== "origin") url[known] = String(value);
        return JSON.stringify(Object.fromEntries(PARTS.map((p) => [p, url[p]])));
      }
    } catch {
      // Not a URL: said by the empty answer.
    }
    return "";
  }

  function stop(error: unknown): void {
    const message = String((error as { message?: unknown })?.message ?? error).slice(0, 2000);
    const memory = /memory limit|memory allocation|out of memory/i.test(message);
    end(24, JSON.stringify({ code: memory ? "MEMORY_LIMIT" : "GUEST_ERROR", message }));
  }

  function run(text: string): void {
    const cut = text.indexOf("\n");
    const job = JSON.parse(text.slice(0, cut)) as {
      digest: string;
      script: boolean;
      entry: string;
      heapMb: number;
      largest: number;
      config: Record<string, unknown>;
    };
    cpu = process.cpuUsage();
    ended = false;
    waits = 0;
    largest = job.largest;
    let cell: Cell;
    if (job.heapMb === first.heapMb && warm !== undefined) cell = warm;
    else {
      warm?.isolate.dispose();
      cell = prepare(job.heapMb);
    }
    warm = undefined;
    const input = text.slice(cut + 1);
    try {
      const code = codes.get(job.digest) as string;
      const random = randomBytes(16);
      const seed = [0, 4, 8, 12].map((at) => random.readUInt32LE(at));
      cell.enter.applySync(undefined, [5, 0, JSON.stringify({ seed, ...job.config })]);
      let target: IsolatedVM.Reference<unknown> | undefined;
      if (job.script)
        target = cell.isolate
          .compileScriptSync(code, { filename: "script.js" })
          .runSync(cell.context, { reference: true });
      else {
        const module = cell.isolate.compileModuleSync(code, { filename: "module.js" });
        const refuse = (specifier: string): never => {
          throw new Error(`the module imports \`${specifier.slice(0, 100)}\`; bundle it first`);
        };
        module.instantiateSync(cell.context, refuse);
        if (/\bawait\b/.test(code)) {
          cell.enter.applySync(undefined, [6, 0, job.entry, input, needsExact(input)]);
          const main = cell.isolate.compileModuleSync('import*as m from"module.js";__start(m)', {
            filename: "main.js",
          });
          main.instantiateSync(cell.context, () => module);
          main.evaluateSync();
        } else {
          module.evaluateSync();
          target = module.namespace;
        }
      }
      if (target !== undefined)
        cell.enter.applySync(undefined, [1, 0, target.derefInto(), job.entry, input, needsExact(input)]);
    } catch (error) {
      stop(error);
    }
    while (!ended) {
      if (waits <= 0) {
        end(24, JSON.stringify({ code: "GUEST_ERROR", message: "the code waits for something that cannot come" }));
        break;
      }
      const { kind, id, text: body } = next();
      if (kind === 7) ended = true;
      if (kind < 4 || kind > 6) continue;
      // A repeating timer counts itself again when it asks for its next tick.
      waits--;
      try {
        cell.enter.applySync(undefined, [kind === 4 ? 2 : kind === 5 ? 3 : 4, id, body, needsExact(body)]);
      } catch (error) {
        stop(error);
      }
    }
    if (!cell.isolate.isDisposed) cell.isolate.dispose();
    warm = prepare(first.heapMb);
    write(16, 0, "");
  }

  warm = prepare(first.heapMb);
  // Bubblewrap adds one.
  delete process.env.PWD;
  const environment = Object.keys(process.env).length;
  // The guest's clock shows no place.
  process.env.TZ = "UTC";
  const facts = {
    permission:
      process.permission !== undefined && !process.permission.has("fs.read") && !process.permission.has("child"),
    environment,
  };
  write(16, 0, JSON.stringify(facts));
  for (;;) {
    const { kind, text } = next();
    if (kind === 2) {
      const cut = text.indexOf("\n");
      codes.set(text.slice(0, cut), text.slice(cut + 1));
      // Forgotten in the order they came; the broker keeps the same count.
      if (codes.size > 64) codes.delete(codes.keys().next().value as string);
    } else if (kind === 3) run(text);
  }
}
