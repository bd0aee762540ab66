import type { Row } from "./scripts.ts";

const spin = "for(;;);";

/** Touches each part of the guest's world that the bootstrap made. */
const USE = `
  try { console.log({ a: [1, { b: 2n }] }, new Error("x")); } catch {}
  try { progress(1, 2, "m"); } catch {}
  try { await tools.fs.read({ a: 1n }); } catch {}
  try { await tools.fs.none({}); } catch {}
  try { await fetch("https://a.b/", { headers: { x: "y" } }); } catch {}
  try { new URL("https://a.b/?c=d").searchParams.append("e", "f"); } catch {}
  try { await crypto.subtle.digest("SHA-256", new TextEncoder().encode("x")); crypto.randomUUID(); } catch {}
  try { structuredClone(new Map([[1, { a: new Date(1) }]])); scratch.write("a", "b"); scratch.list(); } catch {}
  try { await new Promise((y) => setTimeout(y, 1)); new AbortController().abort(); throw new ToolError("A", "b"); } catch {}
  return 1;`;

/** Names that the bootstrap reads or writes on objects of its own. */
const KEYS =
  "code message data stack name progress total yes no fn args every value writable enumerable configurable get set then toJSON " +
  "constructor prototype length left source tools seed now seeded outLimit longest ask call define random enter world 0 1 2 " +
  "href search status headers body url method digest getRandomValues signal aborted reason next done return raw cause";

const everyKey = (how: string): string =>
  `for (const k of ${JSON.stringify(KEYS.split(" "))}) try { Object.defineProperty(Object.prototype, k, ${how}); } catch {}`;

/** Built-in functions that a guest may replace before it uses its world. */
const REPLACED = [
  "Array.prototype.push",
  "Array.prototype.map",
  "Array.prototype.filter",
  "Array.prototype.sort",
  "Array.prototype.join",
  "Array.prototype.find",
  "Array.prototype[Symbol.iterator]",
  "Array.isArray",
  "Array.from",
  "String.prototype.slice",
  "String.prototype.replace",
  "String.prototype.split",
  "String.prototype.charCodeAt",
  "String.prototype.toWellFormed",
  "String.prototype[Symbol.iterator]",
  "String.fromCharCode",
  "RegExp.prototype.exec",
  "RegExp.prototype.test",
  "RegExp.prototype[Symbol.replace]",
  "Map.prototype.get",
  "Map.prototype.set",
  "Map.prototype[Symbol.iterator]",
  "Object.defineProperty",
  "Object.keys",
  "Object.entries",
  "Object.freeze",
  "Object.assign",
  "Object.fromEntries",
  "Object.create",
  "JSON.stringify",
  "JSON.parse",
  "JSON.rawJSON",
  "Promise.prototype.then",
  "Promise.resolve",
  "Reflect.construct",
  "Reflect.apply",
  "Math.floor",
  "Number.prototype.toString",
  "BigInt.prototype.toString",
  "Function.prototype.call",
  "Function.prototype.apply",
  "Function.prototype.bind",
  "Function.prototype[Symbol.hasInstance]",
  "Error.captureStackTrace",
  "Symbol.prototype.toString",
  "Date.prototype.getTime",
  "Uint8Array.prototype.set",
  "Uint8Array.from",
  "ArrayBuffer.isView",
  "ArrayBuffer.prototype.slice",
  "encodeURIComponent",
  "decodeURIComponent",
];

const tampering: Row[] = [
  ["setters on every key", `${everyKey("{ set() { for (;;); }, configurable: true }")} ${USE}`, "held"],
  ["getters on every key", `${everyKey("{ get() { for (;;); }, set() {}, configurable: true }")} ${USE}`, "held"],
  ["values on every key", `${everyKey("{ value: 7, configurable: true, writable: true }")} ${USE}`, "held"],
  ["functions on every key", `${everyKey("{ value: () => { for (;;); }, configurable: true }")} ${USE}`, "held"],
  ["proxies on every key", `${everyKey("{ value: new Proxy(() => {}, {}), configurable: true }")} ${USE}`, "held"],
  [
    "setters on every index",
    `for (let i = 0; i < 50; i++) Object.defineProperty(Array.prototype, i, { set() { ${spin} } }); ${USE}`,
    "held",
  ],
  ...REPLACED.map((path): Row => [`${path} that throws`, `${path} = () => { throw 1 }; ${USE}`, "held"]),
  [
    "everything that can be replaced",
    `const seen = new Set(); const walk = (o) => { if (seen.has(o) || (typeof o !== 'object' && typeof o !== 'function') || o === null) return; seen.add(o);
    for (const k of Reflect.ownKeys(o)) { let d; try { d = Object.getOwnPropertyDescriptor(o, k) } catch { continue } if ('value' in d) { walk(d.value); } } };
    walk(globalThis); const all = [...seen]; const { ownKeys } = Reflect; for (let i = 0; i < all.length; i++) { const ks = ownKeys(all[i]); for (let j = 0; j < ks.length; j++) try { all[i][ks[j]] = 1 } catch {} } ${USE}`,
    "held",
  ],
  [
    "everything deleted",
    `for (const o of [Object, Array, String, Promise, JSON, Reflect, Error, Map, RegExp, Function].flatMap((x) => [x, x.prototype])) if (o) for (const k of Reflect.ownKeys(o)) try { delete o[k] } catch {} ${USE}`,
    "held",
  ],
  [
    "prototypes cut",
    `for (const o of [Array, Error, Map, Date, RegExp, Promise, Uint8Array]) try { Object.setPrototypeOf(o.prototype, null) } catch {} ${USE}`,
    "held",
  ],
  [
    "ToolError's parent",
    `Object.setPrototypeOf(ToolError, function () { return { get code() { ${spin} } } }); try { await tools.fs.none() } catch {} try { await fetch('x') } catch {} return 1`,
    "held",
  ],
  [
    "Promise constructor getter",
    `Object.defineProperty(Promise.prototype, 'constructor', { get() { ${spin} } }); await tools.fs.read({}); return 1`,
    "stopped",
  ],
  ["then that is never", "Promise.prototype.then = function () {}; await tools.fs.read({}); return 1", "held"],
  [
    "toJSON on everything",
    `Object.prototype.toJSON = function () { return 'x' }; await tools.fs.read({}); throw new Error('y')`,
    "stopped",
  ],
  ["toJSON that calls itself", "Object.prototype.toJSON = function () { return { a: this } }; return {}", "stopped"],
  ["BigInt toJSON", "BigInt.prototype.toJSON = () => { for (;;); }; return 1n", "stopped"],
  ["a forged end code", `Object.prototype.toJSON = () => ({ code: 'HELD', message: 'x' }); throw 1`, "stopped"],
  [
    "stack trace limit",
    "Error.stackTraceLimit = 1e9; (function f(n) { if (n) f(n - 1); else throw new Error('x') })(5000)",
    "stopped",
  ],
  ["captureStackTrace on a result", "const o = {}; Error.captureStackTrace(o); return o.stack", "held"],
  ["captureStackTrace on a frozen one", "Error.captureStackTrace(Object.freeze({})); return 1", "stopped"],
  ["a cause that spins", `const e = new Error('x', { get cause() { ${spin} } }); throw e`, "stopped"],
  ["an aggregate of itself", "const e = new AggregateError([]); e.errors.push(e); throw e", "stopped"],
  [
    "an error whose stack is an object",
    `const e = new Error('x'); e.stack = { toString() { ${spin} } }; throw e`,
    "stopped",
  ],
  ["an error whose name is a symbol", "const e = new Error('x'); e.name = Symbol('y'); throw e", "stopped"],
  [
    "an error whose code is a getter",
    `throw Object.defineProperty(new ToolError('A', 'b'), 'code', { get() { ${spin} } })`,
    "stopped",
  ],
  ["a denial that nobody said", "throw new ToolError('POLICY_DENIED', 'mine')", "stopped"],
  ["a suppressed error", "throw new SuppressedError(new Error('a'), new Error('b'))", "stopped"],
  ["dom exception abuse", "throw Object.create(DOMException.prototype)", "stopped"],
  [
    "a thrown proxy of an error",
    `throw new Proxy(new Error('x'), { get(t, k) { if (k === 'stack') ${spin} return t[k] } })`,
    "stopped",
  ],
  ["a proxy for arguments", `await tools.fs.read(new Proxy({}, { ownKeys() { ${spin} } }))`, "stopped"],
  [
    "a revoked proxy for arguments",
    "const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); await tools.fs.read(proxy)",
    "stopped",
  ],
  [
    "a revoked proxy in a log",
    "const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); console.log(proxy); return 1",
    "stopped",
  ],
  [
    "a proxy array in a log",
    `console.log(new Proxy([], { get: (t, k) => (k === 'length' ? 2 ** 53 : '${"x".repeat(10)}') })); return 1`,
    "held",
  ],
  [
    "a proxy result",
    `return new Proxy({}, { getOwnPropertyDescriptor() { ${spin} }, ownKeys: () => ['a'] })`,
    "stopped",
  ],
  [
    "a revoked proxy as the result",
    "const { proxy, revoke } = Proxy.revocable([], {}); revoke(); return proxy",
    "stopped",
  ],
  ["a timer's arguments", `setTimeout(() => {}, { valueOf() { ${spin} } })`, "stopped"],
  ["a timer id that is an object", `clearTimeout({ valueOf() { ${spin} } })`, "stopped"],
  ["timers made and dropped", "for (;;) clearTimeout(setTimeout(() => {}, 1));", "stopped"],
  [
    "intervals that breed",
    "const f = () => { setInterval(f, 1); setInterval(f, 1) }; f(); await new Promise(() => {})",
    "stopped",
  ],
  ["a timer that spins", `setTimeout(() => { ${spin} }, 1); await new Promise(() => {})`, "stopped"],
  ["a tick after the answer", `setTimeout(() => { ${spin} }, 1); return 1`, "held"],
  ["a call after the answer", "queueMicrotask(async () => { for (;;) await tools.fs.read({}) }); return 1", "held"],
  [
    "calls after an error",
    "queueMicrotask(async () => { for (;;) { console.log(1); await null } }); throw 1",
    "stopped",
  ],
  ["logs after the answer", "(async () => { for (;;) { console.log(1); await null } })(); return 1", "held"],
  ["two answers", "return { then(y) { y(1); y(2); throw 3 } }", "held"],
  [
    "a call at each stack depth",
    "let n = 0; const f = () => { try { f() } finally { if (n++ < 40) tools.fs.read({}) } }; try { f() } catch {} return 1",
    "held",
  ],
  [
    "a timer at the edge of the stack",
    "const f = () => { try { f() } catch { setTimeout(() => {}, 1) } }; f(); return 1",
    "held",
  ],
  [
    "a url at the edge of the stack",
    "const f = () => { try { f() } catch { new URL('http://a/') } }; try { f() } catch {} return 1",
    "held",
  ],
  [
    "a digest at the edge of the stack",
    "const f = () => { try { f() } catch { crypto.subtle.digest('SHA-1', 'x') } }; try { f() } catch {} return 1",
    "held",
  ],
  [
    "the tools at the edge of the stack",
    "const f = () => { try { f() } catch { tools.fs } }; try { f() } catch {} return typeof tools.fs.read",
    "held",
  ],
  ["a hot loop of small logs", "for (let i = 0; ; i++) console.log(i)", "stopped"],
  [
    "a log of nested getters",
    "const o = {}; Object.defineProperty(o, 'a', { enumerable: true, get: () => o }); console.log(o); return 1",
    "held",
  ],
  [
    "a log of wide and deep",
    "const m = (d) => d ? Object.fromEntries(Array.from({ length: 99 }, (_, i) => ['k' + i, m(d - 1)])) : 1; console.log(m(2), m(2)); return 1",
    "held",
  ],
  ["a progress of huge text", "progress(1, 1, 'x'.repeat(1e8)); return 1", "held"],
  ["a progress of no numbers", "progress({}, {}, {}); return 1", "held"],
  ["input that is tampered with", "Object.freeze(input); return typeof input", "held"],
  ["a denial flood", "for (;;) await fetch('https://a.b/').catch(() => {})", "stopped"],
  [
    "a fetch with endless headers",
    "await fetch('https://a.b/', { headers: { *[Symbol.iterator]() { for (;;) yield ['a', 'b'] } } })",
    "stopped",
  ],
  [
    "abort signals",
    "const c = new AbortController(); for (let i = 0; i < 1e5; i++) c.signal.addEventListener('abort', () => { c.abort() }); c.abort(); return 1",
    "held",
  ],
  [
    "events that breed",
    "const t = new EventTarget(); t.addEventListener('a', () => { t.addEventListener('a', () => {}); t.dispatchEvent(new Event('a')) }); t.dispatchEvent(new Event('a'))",
    "stopped",
  ],
  ["random values of a false view", "crypto.getRandomValues({ byteLength: 1e9 })", "stopped"],
  [
    "random values at a moving buffer",
    "const b = new ArrayBuffer(8, { maxByteLength: 1e6 }); const v = new Uint8Array(b); b.resize(0); crypto.getRandomValues(v); return 1",
    "held",
  ],
  ["structuredClone of accessors", `structuredClone({ get a() { ${spin} } })`, "stopped"],
  [
    "a sloppy function outside the wrapper",
    "}); globalThis.f = function () { return f.caller }; (async () => { return typeof f()",
    "held",
  ],
  ["an object instead of a function", "}); ({}); (async () => { return 1", "held"],
  ["a getter instead of a function", "}); ({ get default() { for (;;); } }); (() => {", "held"],
  ["a proxy instead of a function", "}); new Proxy(() => {}, { apply() { for (;;); } }); ({ a() {", "stopped"],
];

export const BOOTSTRAP: Record<string, readonly Row[]> = { "the bootstrap": tampering };
