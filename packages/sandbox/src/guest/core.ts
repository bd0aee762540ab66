/** What the bootstrap's parts share. Captured before any guest code, so that a guest that tampers hurts only itself. */
export interface GuestKit {
  /** Where globals are put. */
  readonly world: Record<string, unknown>;
  /** Asks the worker for what a guest has not: random bytes (1), a digest (2), a parsed URL (3). Text in and out, "" for a refusal. */
  ask(op: 1 | 2 | 3, text: string): string;
  /** Starts a governed call; settles with the parsed answer. */
  call(server: string, name: string, args: unknown): Promise<unknown>;
  /** Adds a frozen global. */
  define(name: string, value: unknown): void;
  /** Adds globals that `build` defines when the first of them is touched: few runs touch them, and each isolate would carry them. */
  lazily(names: readonly string[], build: () => void): void;
  /** What `Math.random` gives: seeded from the run's seed or from the worker's entropy. */
  random(): number;
  /** Whether the run repeats itself: then `crypto` too draws from `random`. */
  seeded(): boolean;
  /** The worker's only way in; see `enter`. */
  readonly enter: (op: number, id: number, a?: unknown, b?: unknown, c?: unknown, d?: unknown) => void;
}

/**
 * The bootstrap of the guest's world, as a function whose text is run before any guest code. It MUST stand alone: it may
 * name nothing outside itself. Only text crosses its one callback. It MUST change nothing outside `world` until `enter` is
 * called, since it is run once for practice before it is run in earnest.
 */
export function guestCore(world: Record<string, unknown>): GuestKit {
  "use strict";
  const uncurry = Function.prototype.bind.bind(Function.prototype.call) as (fn: unknown) => (...args: never[]) => never;
  const slice = uncurry(String.prototype.slice) as unknown as (text: string, from: number, to: number) => string;
  const { stringify: write, parse } = JSON;
  const rawJson = (JSON as unknown as { rawJSON(text: string): object }).rawJSON;
  const asBigInt = BigInt;
  const { isInteger, isSafeInteger } = Number;
  const codeAt = uncurry(String.prototype.charCodeAt) as unknown as (text: string, at: number) => number;
  const { defineProperty, freeze, getOwnPropertyDescriptor, keys, create, setPrototypeOf } = Object;
  const { isArray } = Array;
  const NativePromise = Promise;
  const then = uncurry(Promise.prototype.then) as unknown as (p: Promise<unknown>, a: unknown, b: unknown) => unknown;
  const NativeDate = Date;
  const asText = String;
  const asNumber = Number;
  const { apply } = Reflect;
  const floor = Math.floor;
  const bigIntText = uncurry(BigInt.prototype.toString) as unknown as (n: bigint) => string;
  const errorOf = Error;
  const stackTraces = Error as unknown as { stackTraceLimit: number };

  let host: (kind: number, id: number, text: string) => unknown = () => "";
  /** Most characters of one message: what is longer must not even be copied out of the isolate. */
  let longest = 65536;
  function send(kind: number, id: number, text: string): void {
    if (text.length <= longest) host(kind, id, text);
    else host(23, 0, `{"code":"OUTPUT_LIMIT","message":"a message has more than ${longest} characters"}`);
  }
  let seeded = false;
  let nextId = 1;
  let outLimit = 0;
  const pending = create(null) as Record<number, { yes: (v: unknown) => void; no: (e: unknown) => void }>;
  const timers = create(null) as Record<number, { fn: unknown; args: unknown[]; every: number }>;

  // sfc32: small, fast, and the same on every machine, so that a seeded run can be replayed.
  const state = [1, 2, 3, 4] as [number, number, number, number];
  function random(): number {
    let [a, b, c, d] = [state[0] | 0, state[1] | 0, state[2] | 0, state[3] | 0];
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    state[0] = a;
    state[1] = b;
    state[2] = c;
    state[3] = d;
    return (t >>> 0) / 4294967296;
  }

  /** A JSON text's number as `parseJson` of the broker gives it: a BigInt where a double would lose digits. */
  function exact(_: string, value: unknown, context: { readonly source?: string }): unknown {
    if (typeof value !== "number" || !isInteger(value) || isSafeInteger(value)) return value;
    const source = context.source as string;
    for (let i = 0; i < source.length; i++) {
      const code = codeAt(source, i);
      if ((code < 48 || code > 57) && (code !== 45 || i > 0))
        return value < 1e21 && value > -1e21 ? asBigInt(asText(value)) : value;
    }
    return asBigInt(source);
  }
  const parseExact = parse as (text: string, revive: typeof exact) => unknown;
  const asDigits = (_: string, value: unknown): unknown =>
    typeof value === "bigint" ? rawJson(bigIntText(value)) : value;
  /** `JSON.stringify`, with BigInts as their digits. A value without one is written at once; another is written again. */
  function stringify(value: unknown): string {
    try {
      return write(value);
    } catch {
      return write(value, asDigits);
    }
  }

  /** A property's description that inherits nothing: `Object.prototype` may be the guest's by now. */
  const shape = (of: PropertyDescriptor): PropertyDescriptor => setPrototypeOf(of, null) as PropertyDescriptor;
  const built = create(null) as Record<string, unknown>;
  function define(name: string, value: unknown): void {
    built[name] = value;
    defineProperty(world, name, shape({ value, writable: false, enumerable: false, configurable: false }));
  }
  function lazily(names: readonly string[], build: () => void): void {
    let done = false;
    for (const name of names) {
      const get = (): unknown => {
        if (!done) {
          done = true;
          build();
        }
        return built[name];
      };
      defineProperty(world, name, { get, enumerable: false, configurable: true });
    }
  }

  /** Any value as a short text. Runs the guest's getters, in the guest, on the guest's time. */
  function inspect(value: unknown, depth: number, budget: { left: number }): string {
    if (budget.left <= 0) return "...";
    budget.left--;
    if (typeof value === "string") return depth === 0 ? value : (stringify(value) as string);
    if (typeof value === "bigint") return `${bigIntText(value)}n`;
    if (typeof value === "function") return "[function]";
    if (typeof value === "symbol") return "[symbol]";
    if (typeof value !== "object" || value === null) return asText(value);
    if (value instanceof errorOf) return asText(value.stack ?? value.message);
    if (depth >= 4) return isArray(value) ? "[...]" : "{...}";
    let text = "";
    if (isArray(value)) {
      for (let i = 0; i < value.length && i < 100; i++)
        text += `${i > 0 ? ", " : ""}${inspect(value[i], depth + 1, budget)}`;
      return `[${text}${value.length > 100 ? ", ..." : ""}]`;
    }
    const names = keys(value);
    for (let i = 0; i < names.length && i < 100; i++)
      text += `${i > 0 ? ", " : ""}${names[i]}: ${inspect((value as Record<string, unknown>)[names[i] as string], depth + 1, budget)}`;
    return `{ ${text}${names.length > 100 ? ", ..." : ""} }`;
  }

  const asConsole = create(null) as Record<string, unknown>;
  for (const level of ["log", "info", "warn", "error", "debug", "trace", "table", "dir"])
    asConsole[level] = (...args: unknown[]) => {
      let line = "";
      for (let i = 0; i < args.length; i++) line += (i > 0 ? " " : "") + inspect(args[i], 0, { left: 1000 });
      send(
        18,
        level === "warn" ? 1 : level === "error" ? 2 : level === "debug" || level === "trace" ? 3 : 0,
        slice(line, 0, 65536),
      );
    };
  asConsole.assert = (ok: unknown, ...args: unknown[]) => {
    if (!ok) apply(asConsole.error as () => void, undefined, ["assertion failed:", ...args]);
  };
  define("console", freeze(asConsole));

  define("progress", (done: unknown, total?: unknown, message?: unknown) => {
    const note = { progress: +asNumber(done), ...(total === undefined ? {} : { total: +asNumber(total) }) };
    send(19, 0, stringify({ ...note, ...(message === undefined ? {} : { message: slice(asText(message), 0, 4096) }) }));
  });

  class ToolError extends Error {
    readonly code: string;
    readonly data: unknown;
    constructor(code: string, message: string, data?: unknown) {
      super(message);
      this.code = code;
      this.data = data;
    }
  }
  defineProperty(ToolError.prototype, "name", { value: "ToolError" });
  define("ToolError", ToolError);

  function call(server: string, name: string, args: unknown): Promise<unknown> {
    const id = nextId++;
    const text = stringify(args === undefined ? {} : args);
    if (text === undefined) throw new TypeError("a tool's arguments must be JSON");
    const answer = new NativePromise<unknown>((yes, no) => {
      pending[id] = { yes, no };
      send(17, id, `${server}\n${name}\n${text}`);
    });
    // A call that nobody awaits must not end the run when it fails.
    then(answer, undefined, () => {});
    return answer;
  }

  function addTimer(fn: unknown, ms: unknown, args: unknown[], repeat: boolean): number {
    if (typeof fn !== "function") throw new TypeError("a timer takes a function");
    const id = nextId++;
    const wait = +asNumber(ms) > 1 ? floor(+asNumber(ms)) : 1;
    timers[id] = { fn, args, every: repeat ? wait : 0 };
    send(20, id, asText(wait));
    return id;
  }
  function dropTimer(id: unknown): void {
    const key = +asNumber(id);
    if (timers[key] === undefined) return;
    delete timers[key];
    send(21, key, "");
  }
  define("setTimeout", (fn: unknown, ms?: unknown, ...args: unknown[]) => addTimer(fn, ms, args, false));
  define("setInterval", (fn: unknown, ms?: unknown, ...args: unknown[]) => addTimer(fn, ms, args, true));
  define("setImmediate", (fn: unknown, ...args: unknown[]) => addTimer(fn, 0, args, false));
  define("clearTimeout", dropTimer);
  define("clearInterval", dropTimer);
  define("clearImmediate", dropTimer);
  define("queueMicrotask", (fn: () => void) => {
    if (typeof fn !== "function") throw new TypeError("queueMicrotask takes a function");
    then(NativePromise.resolve(), () => apply(fn, undefined, []), undefined);
  });

  /** An end of the run: the guest's own words, cut short, and never a live value. */
  function fail(code: string, error: unknown): void {
    let message = "an error that cannot be shown";
    let stack = "";
    let found = code;
    try {
      if (typeof error === "object" && error !== null) {
        const e = error as { name?: unknown; message?: unknown; stack?: unknown; code?: unknown };
        message = slice(`${asText(e.name ?? "Error")}: ${asText(e.message ?? "")}`, 0, 2000);
        stack = slice(asText(e.stack ?? ""), 0, 4000);
        if (error instanceof ToolError && e.code === "POLICY_DENIED") found = "POLICY_DENIED";
      } else message = slice(`thrown: ${inspect(error, 1, { left: 10 })}`, 0, 2000);
    } catch {
      // What was thrown throws when looked at: the text above stands.
    }
    send(23, 0, stringify({ code: found, message, stack }));
  }

  async function run(fn: unknown, entry: string, input: string, long: boolean): Promise<void> {
    try {
      let target = fn;
      if (typeof fn === "object" && fn !== null) target = (fn as Record<string, unknown>)[entry];
      if (typeof target !== "function") throw new TypeError(`the code exports no function \`${entry}\``);
      const value = await apply(target as (...args: unknown[]) => unknown, undefined, [
        long ? parseExact(input, exact) : parse(input),
      ]);
      const text = stringify(value) as string | undefined;
      if (text !== undefined && text.length > outLimit)
        send(
          23,
          0,
          stringify({ code: "OUTPUT_LIMIT", message: `the result has more than ${outLimit} bytes`, stack: "" }),
        );
      else send(22, 0, text ?? "null");
    } catch (error) {
      fail("GUEST_ERROR", error);
    }
  }

  function configure(configText: string): void {
    const config = parse(configText) as {
      seed: [number, number, number, number];
      seeded: boolean;
      now: number | null;
      outLimit: number;
      longest: number;
      tools: Record<string, string[]>;
    };
    outLimit = config.outLimit;
    longest = config.longest;
    seeded = config.seeded;
    for (let i = 0; i < 4; i++) state[i] = config.seed[i] as number;
    for (let i = 0; i < 12; i++) random();
    if (config.now !== null) {
      const now = config.now;
      const Frozen = new Proxy(NativeDate, {
        construct: (_, args, target) => Reflect.construct(NativeDate, args.length === 0 ? [now] : args, target),
        apply: () => asText(new NativeDate(now)),
      });
      defineProperty(NativeDate, "now", { value: () => now, writable: false, configurable: false });
      defineProperty(NativeDate.prototype, "constructor", { value: Frozen, writable: false, configurable: false });
      define("Date", Frozen);
      // A format of no date is one of now.
      const formats = Intl.DateTimeFormat.prototype as unknown as Record<string, unknown>;
      const bound = uncurry(getOwnPropertyDescriptor(formats, "format")?.get) as (self: never) => unknown;
      const get = function (this: never): unknown {
        const format = bound(this) as (date: unknown) => string;
        return (date: unknown) => format(date === undefined ? now : date);
      };
      defineProperty(formats, "format", { get, configurable: false });
      const inParts = uncurry(formats.formatToParts) as (self: never, date: never) => unknown;
      const formatToParts = function (this: never, date: unknown): unknown {
        return inParts(this, (date === undefined ? now : date) as never);
      };
      defineProperty(formats, "formatToParts", { value: formatToParts, writable: false, configurable: false });
    }
    const servers = create(null) as Record<string, unknown>;
    const names = keys(config.tools);
    for (let i = 0; i < names.length; i++) {
      const server = names[i] as string;
      let made: Record<string, unknown> | undefined;
      // Made when first touched: a catalogue of 1,000 tools costs a script that uses two of them nothing.
      defineProperty(servers, server, {
        enumerable: true,
        configurable: false,
        get: () => {
          if (made !== undefined) return made;
          const fresh = create(null) as Record<string, unknown>;
          const list = config.tools[server] as string[];
          for (let j = 0; j < list.length; j++) {
            const tool = list[j] as string;
            defineProperty(
              fresh,
              tool,
              shape({ value: (args: unknown) => call(server, tool, args), enumerable: true }),
            );
          }
          made = freeze(fresh);
          return made;
        },
      });
    }
    define("tools", freeze(servers));
  }

  /** The worker's only way in. */
  function enter(op: number, id: number, a?: unknown, b?: unknown, c?: unknown, d?: unknown): void {
    if (op === 0) {
      host = a as typeof host;
      // What runs code outside the budget or shares memory.
      delete world.WebAssembly;
      delete world.SharedArrayBuffer;
      delete world.Atomics;
      stackTraces.stackTraceLimit = 10;
    } else if (op === 5) configure(a as string);
    else if (op === 6) {
      // A module that awaits at its top level: whoever imports it starts the run when it is ready. A guest that gets here
      // first only starts itself.
      const start = (target: unknown): void => {
        delete world.__start;
        void run(target, a as string, b as string, c as boolean);
      };
      defineProperty(world, "__start", { value: start, configurable: true });
    } else if (op === 1) void run(a, b as string, c as string, d as boolean);
    else if (op === 2 || op === 3) {
      const waiting = pending[id];
      if (waiting === undefined) return;
      delete pending[id];
      try {
        const value = b === true ? parseExact(a as string, exact) : parse(a as string);
        if (op === 2) waiting.yes(value);
        else {
          const told = value as { code: unknown; message: unknown; data: unknown };
          waiting.no(new ToolError(asText(told.code), asText(told.message), told.data));
        }
      } catch (error) {
        waiting.no(error);
      }
    } else if (op === 4) {
      const timer = timers[id];
      if (timer === undefined) return;
      if (timer.every > 0) send(20, id, asText(timer.every));
      else delete timers[id];
      try {
        apply(timer.fn as () => void, undefined, timer.args);
      } catch (error) {
        fail("GUEST_ERROR", error);
      }
    }
  }

  const ask = (op: number, text: string): string => (text.length > 16_000_000 ? "" : (host(op, 0, text) as string));
  return { world, ask, call, define, lazily, random, seeded: () => seeded, enter };
}
