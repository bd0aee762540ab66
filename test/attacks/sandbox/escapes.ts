/** Ways out, as known from advisories of vm2, isolated-vm and n8n: each is an expression that MUST NOT be true. */
export const ESCAPES: readonly (readonly [string, string])[] = [
  ["process", "typeof process !== 'undefined'"],
  ["require", "typeof require !== 'undefined'"],
  ["import.meta free import", "await import('node:fs').then(() => true)"],
  ["eval", "typeof eval !== 'undefined'"],
  ["Function", "Function('return this')() !== undefined"],
  ["constructor chain", "[].constructor.constructor('return process')() !== undefined"],
  ["async constructor", "(async () => {}).constructor('return 1')() !== undefined"],
  ["generator constructor", "(function* () {}).constructor('return 1') !== undefined"],
  ["async generator constructor", "(async function* () {}).constructor('return 1') !== undefined"],
  ["constructor of a host function", "console.log.constructor('return process')() !== undefined"],
  ["constructor of a tool", "tools.fs.read.constructor('return process')() !== undefined"],
  [
    "constructor of a caught error",
    "await tools.fs.none?.({}) ?? (() => { try { null.x } catch (e) { return e.constructor.constructor('return process')() !== undefined } })()",
  ],
  [
    "constructor of a stack overflow",
    "(() => { try { (function f() { f() })() } catch (e) { return e.constructor.constructor('return process')() !== undefined } })()",
  ],
  [
    "call site",
    "(() => { Error.prepareStackTrace = (e, f) => f; const s = new Error().stack; return typeof s !== 'string' })()",
  ],
  ["WebAssembly", "typeof WebAssembly !== 'undefined'"],
  ["SharedArrayBuffer", "typeof SharedArrayBuffer !== 'undefined'"],
  ["Atomics", "typeof Atomics !== 'undefined'"],
  ["finalizers", "typeof FinalizationRegistry !== 'undefined'"],
  ["entry", "typeof __enter !== 'undefined'"],
  ["ivm", "typeof ivm !== 'undefined' || typeof isolate !== 'undefined'"],
  ["caller", "(function () { 'use strict'; return typeof (function f() { return f.caller })() === 'function' })()"],
  ["string timer", "setTimeout('1', 1) !== undefined"],
  ["no such tool", "await tools.fs.remove({}) !== undefined"],
  ["prototype of tools", "Object.getPrototypeOf(tools) !== null || Object.getPrototypeOf(tools.fs) !== null"],
  // vm2, CVE-2023-29017: an error made by the host is passed to a guest's `prepareStackTrace`.
  [
    "CVE-2023-29017",
    `await (async () => {
    let got = false;
    try { Error.prepareStackTrace = (e, frames) => { got = frames.length > 0; return e } } catch {}
    const f = async () => { try { await tools.fs.none({}) } catch (e) { e.stack } await Promise.reject(new Error('x')).catch((e) => e.stack) };
    await f(); try { null.x } catch (e) { e.stack } setTimeout(() => {}, 1);
    return got })()`,
  ],
  // vm2, CVE-2023-29199: an exception that gets past the sanitizer of `catch`.
  [
    "CVE-2023-29199",
    `(() => { try { (function stack() { new Error().stack; stack() })() } catch (e) { return e.constructor.constructor('return process')() !== undefined } })()`,
  ],
  // vm2, CVE-2023-30547: a proxy whose getPrototypeOf throws a host error.
  [
    "CVE-2023-30547",
    `(() => { const p = new Proxy({}, { getPrototypeOf() { (function f() { new Error().stack; f() })() } });
    try { Object.getPrototypeOf(p) } catch (e) { return e.constructor.constructor('return process')() !== undefined } })()`,
  ],
  // vm2, CVE-2023-32314: `Object` of the host through a proxy's getPrototypeOf trap in `inspect`.
  [
    "CVE-2023-32314",
    `(() => { let got; const p = new Proxy((_) => _, { get(t, k, r) { return (...a) => { got = a; return r } }, apply(t, th, a) { got = a; return r } });
    console.log({ [Symbol.for('nodejs.util.inspect.custom')]: (d, o) => { got = o }, p }); return got !== undefined && [].concat(got).some((x) => x && x.constructor && x.constructor.constructor('return 1')() === 1) })()`,
  ],
  // vm2, CVE-2023-37466: a promise's species hands a host error to the guest.
  [
    "CVE-2023-37466",
    `await (async () => { const out = []; async function fn() { (function stack() { new Error().stack; stack() })() }
    const p = fn(); p.constructor = { [Symbol.species]: class { constructor(ex) { ex((x) => x, (e) => out.push(e)) } } };
    try { p.then() } catch {} await null; return out.some((e) => e.constructor.constructor('return process')().mainModule !== undefined) })()`,
  ],
  // vm2, CVE-2023-37903: `nodejs.util.inspect.custom`.
  [
    "CVE-2023-37903",
    `(() => { let got = false; const o = { [Symbol.for('nodejs.util.inspect.custom')]: (depth, opt, inspect) => { got = inspect.constructor('return process')() !== undefined } };
    console.log(o); progress(1, 1, o); try { new URL(o) } catch {} return got })()`,
  ],
  // vm2, CVE-2022-36067: `Error` replaced, so that call sites come from a guest's handler.
  [
    "CVE-2022-36067",
    `(() => { let got = false; globalThis.OldError = Error; try { globalThis.Error = {}; } catch {} try { globalThis.Error.prepareStackTrace = (e, f) => { got = typeof f[0].getThis === 'function'; } } catch {}
    try { (function f() { f() })() } catch (e) { e.stack } try { tools.fs.none.x.y } catch (e) { e.stack } return got })()`,
  ],
  // vm2, CVE-2021-23555: a proxied error of the host.
  [
    "CVE-2021-23555",
    `await (async () => { try { await import('./x') } catch (e) { let p = e; while (Object.getPrototypeOf(p)) p = Object.getPrototypeOf(p); return p !== Object.prototype && p.constructor.constructor('return 1')() === 1 } })()`,
  ],
  // vm2, GHSA of 2019: `Symbol.hasInstance`, and a getter that steals what is looked up.
  [
    "hasInstance",
    `(() => { let got = false; try { Object.defineProperty(Function.prototype, Symbol.hasInstance, { value(x) { got ||= typeof x?.constructor?.constructor === 'function' && x.constructor.constructor('return 1')() === 1; return true } }) } catch {}
    try { console.log(new Error('x'), {}) } catch {} return got })()`,
  ],
  [
    "arguments of a caller",
    `(() => { let got; const o = { toString() { try { got = (function f() { return arguments.callee.caller })() } catch {} return 'x' } }; try { new URL(o) } catch {} try { progress(1, 1, o) } catch {} return typeof got === 'function' })()`,
  ],
  [
    "getter that keeps what is written",
    `(() => { const kept = []; for (const k of ['yes', 'no', 'fn', 'host', 'send', 'ask', 'enter', 'then', 'resolve']) Object.defineProperty(Object.prototype, k, { set(v) { kept.push(v) }, configurable: true });
    try { tools.fs.read({}); setTimeout(() => {}, 1); new URL('http://a/') } catch {} return kept.length > 0 })()`,
  ],
  [
    "callback by way of apply",
    `(() => { let got; Function.prototype.apply = function (t, a) { got = this }; Function.prototype.call = function () { got = this }; console.log(1); try { new URL('http://a/') } catch {} try { setTimeout(() => {}, 1) } catch {} return got !== undefined })()`,
  ],
  [
    "callback by way of an array method",
    `(() => { let got = false; Array.prototype[Symbol.iterator] = function* () { got = true; yield* [] }; Array.prototype.push = function (x) { got ||= typeof x === 'function' }; tools.fs.read({}); console.log([1]); return got })()`,
  ],
  // isolated-vm, CVE-2021-21413 and CVE-2022-39266: handles of the addon, and code from a cache of the guest's making.
  [
    "addon handles",
    `[...Object.getOwnPropertyNames(globalThis), ...Object.getOwnPropertySymbols(globalThis)].some((k) => { const v = globalThis[k]; return v !== null && (typeof v === 'object' || typeof v === 'function') && ['deref', 'derefInto', 'applySync', 'compileScript', 'createContext', 'cachedData'].some((m) => { try { return m in v } catch { return false } }) })`,
  ],
  [
    "addon handles in what comes from outside",
    `await (async () => { const r = await tools.fs.read({}); let e; try { await tools.fs.none?.({}); await fetch('x') } catch (x) { e = x } return [r, e, input, tools, tools.fs].some((v) => v !== null && typeof v === 'object' && 'applySync' in v) })()`,
  ],
  ["entry by its text", `Object.getOwnPropertyNames(globalThis).some((k) => k.startsWith('__'))`],
  [
    "functions of another realm",
    `(() => { const all = new Set(); const walk = (o, d) => { if (d > 6 || o === null || (typeof o !== 'object' && typeof o !== 'function') || all.has(o)) return; all.add(o); for (const k of Reflect.ownKeys(o)) { const p = Reflect.getOwnPropertyDescriptor(o, k); walk(p.value, d + 1); walk(p.get, d + 1); walk(p.set, d + 1) } walk(Object.getPrototypeOf(o), d + 1) };
    walk(globalThis, 0); return [...all].some((f) => { if (typeof f !== 'function') return false; try { const c = f.constructor; return c !== Function && c.call !== undefined && c('return 1')() === 1 } catch { return false } }) })()`,
  ],
  [
    "errors of another realm",
    `await (async () => { const es = []; const t = async (f) => { try { await f() } catch (e) { es.push(e) } };
    await t(() => import('x')); await t(() => new URL('::')); await t(() => tools.fs.none()); await t(() => fetch()); await t(() => setTimeout(1)); await t(() => crypto.getRandomValues()); await t(() => atob('*')); await t(() => structuredClone(() => 1)); await t(() => new ArrayBuffer(-1)); await t(() => 'x'.repeat(2 ** 30)); await t(() => { (function f() { f() })() });
    return es.some((e) => { let p = e; while (Object.getPrototypeOf(p) !== null) p = Object.getPrototypeOf(p); return p !== Object.prototype || (() => { try { return e.constructor.constructor('return 1')() === 1 } catch { return false } })() }) })()`,
  ],
  // n8n and others: expressions that reach a constructor by another way.
  [
    "constructor by computed key",
    "(() => { const k = ['const', 'ructor'].join(''); return (() => {})[k]('return 1')() === 1 })()",
  ],
  [
    "constructor by destructuring",
    "(() => { const { constructor: { constructor: C } } = []; return C('return 1')() === 1 })()",
  ],
  ["constructor by Reflect", "Reflect.construct(Reflect.get(() => {}, 'constructor'), ['return 1'])() === 1"],
  ["constructor by a template", "(() => {}).constructor`return 1`() === 1"],
  ["constructor by a prototype", "Object.getPrototypeOf(async function () {}).constructor('return 1')() !== undefined"],
  ["constructor by species", "(() => { class A extends Function {} return new A('return 1')() === 1 })()"],
  ["constructor by bind", "(() => { const F = (() => {}).constructor; return F.bind(null, 'return 1')()() === 1 })()"],
  [
    "constructor of getters",
    "Object.getOwnPropertyDescriptor(Map.prototype, 'size').get.constructor('return 1')() === 1",
  ],
  [
    "constructor of class fields",
    "(() => { class A { static f = () => 1 } return A.f.constructor('return 1')() === 1 })()",
  ],
  ["constructor of bound functions", "(() => {}).bind().constructor('return 1')() === 1"],
  ["constructor of proxies", "new Proxy(() => {}, {}).constructor('return 1')() === 1"],
  [
    "deleted guard",
    "(() => { const P = Object.getPrototypeOf(() => {}); delete P.constructor; return typeof P.constructor === 'function' && P.constructor('return 1')() === 1 })()",
  ],
  ["indirect eval", "(0, globalThis['ev' + 'al'])('1') === 1"],
  [
    "eval by a timer",
    "await new Promise((y) => { setTimeout('globalThis.z = 1', 1); setTimeout(() => y(globalThis.z === 1), 3) })",
  ],
  ["javascript url", "new URL('javascript:1').href === 1"],
  ["ShadowRealm", "typeof ShadowRealm !== 'undefined'"],
  [
    "module loader",
    "typeof module !== 'undefined' || typeof exports !== 'undefined' || typeof __filename !== 'undefined'",
  ],
  [
    "process by a getter",
    "(() => { try { return globalThis.process !== undefined || global !== undefined } catch { return false } })()",
  ],
  ["Buffer", "typeof Buffer !== 'undefined'"],
  ["performance", "typeof performance !== 'undefined' && performance.now() > 0"],
  ["worker", "typeof Worker !== 'undefined' || typeof MessageChannel !== 'undefined'"],
  ["natives", "(() => { try { return (0, Function)('return %GetOptimizationStatus') } catch { return false } })()"],
  ["gc", "typeof gc !== 'undefined'"],
  [
    "d8 and debug",
    "typeof Debug !== 'undefined' || typeof d8 !== 'undefined' || typeof print !== 'undefined' || typeof load !== 'undefined'",
  ],
  [
    "Intl segmenter v8",
    "typeof Intl.v8BreakIterator !== 'undefined' && Intl.v8BreakIterator.constructor('return 1')() === 1",
  ],
  ["environment by the time zone", "new Intl.DateTimeFormat().resolvedOptions().timeZone !== 'UTC'"],
  ["paths in a stack", "/\\/(home|work|root|usr)|node:|file:/.test(new Error('x').stack)"],
  [
    "paths in a tool's error",
    "await tools.fs.fail({}).then(() => false, (e) => /\\/|node:|file:/.test(e.stack.replace(/script.js|module.js|bootstrap.js/g, '')))",
  ],
  ["tools that are not listed", "Object.keys(tools).length !== 1 || Object.keys(tools.fs).join() !== 'read'"],
  [
    "tools by their prototype",
    "tools.__proto__ !== undefined || tools.constructor !== undefined || tools.fs.toString !== undefined",
  ],
  [
    "tools replaced for the broker",
    "(() => { try { tools.fs.read = () => 1 } catch {} return tools.fs.read() === 1 })()",
  ],
  [
    "a server name with a separator",
    "(() => { try { return tools['fs\\nread'] !== undefined } catch { return false } })()",
  ],
  ["another run's globals", "(() => { const was = globalThis.left !== undefined; globalThis.left = 1; return was })()"],
  [
    "another run's prototypes",
    "(() => { const was = Object.prototype.left !== undefined; Object.prototype.left = 1; return was })()",
  ],
  ["another run's files", "(() => { const was = scratch.list().length > 0; scratch.write('a', 'b'); return was })()"],
  [
    "another run's symbols",
    "(() => { const k = Symbol.for('left'); const was = Symbol.prototype[k] !== undefined; Symbol.prototype[k] = 1; return was })()",
  ],
];
