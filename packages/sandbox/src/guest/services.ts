import type { GuestKit } from "./core.ts";

/** URL, crypto, the governed `fetch` and the scratch files of the guest's world. MUST stand alone, as `guestCore` does. */
export function guestServices(kit: GuestKit): void {
  "use strict";
  const world = kit.world as unknown as {
    btoa(s: string): string;
    atob(s: string): string;
    TextEncoder: new () => { encode(s: string): Uint8Array };
    TextDecoder: new () => { decode(b: Uint8Array): string };
    DOMException: new (message: string, name: string) => Error;
    URL: new (url: string, base?: string) => { readonly href: string; readonly origin: string };
  };
  const { btoa, atob, DOMException } = world;
  const utf8 = new world.TextEncoder();
  const fromUtf8 = new world.TextDecoder();
  const toBase64 = (b: Uint8Array): string => {
    let s = "";
    for (let i = 0; i < b.length; i += 8192) s += String.fromCharCode(...b.subarray(i, i + 8192));
    return btoa(s);
  };
  const fromBase64 = (text: string): Uint8Array => {
    const s = atob(text);
    const b = new Uint8Array(s.length);
    for (let i = 0; i < s.length; i++) b[i] = s.charCodeAt(i);
    return b;
  };
  const bytesOf = (v: unknown): Uint8Array =>
    v instanceof ArrayBuffer
      ? new Uint8Array(v)
      : ArrayBuffer.isView(v)
        ? new Uint8Array(v.buffer as ArrayBuffer, v.byteOffset, v.byteLength)
        : utf8.encode(String(v));

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
  ];
  class URLSearchParams {
    #list: [string, string][] = [];
    #changed: () => void = () => {};
    constructor(init: unknown = "", changed?: () => void) {
      if (typeof init === "string") {
        const plain = (s: string): string => {
          const t = s.replace(/\+/g, " ");
          try {
            return decodeURIComponent(t);
          } catch {
            return t;
          }
        };
        for (const pair of init.replace(/^\?/, "").split("&")) {
          if (pair === "") continue;
          const at = pair.indexOf("=");
          this.#list.push(at < 0 ? [plain(pair), ""] : [plain(pair.slice(0, at)), plain(pair.slice(at + 1))]);
        }
      } else if (typeof (init as Iterable<unknown>)?.[Symbol.iterator] === "function") {
        for (const [k, v] of init as Iterable<[unknown, unknown]>) this.#list.push([String(k), String(v)]);
      } else
        for (const k of Object.keys(init as object)) this.#list.push([k, String((init as Record<string, unknown>)[k])]);
      if (changed) this.#changed = changed;
    }
    get(name: string): string | null {
      return this.#list.find((p) => p[0] === name)?.[1] ?? null;
    }
    getAll(name: string): string[] {
      return this.#list.filter((p) => p[0] === name).map((p) => p[1]);
    }
    has(name: string): boolean {
      return this.#list.some((p) => p[0] === name);
    }
    append(name: unknown, value: unknown): void {
      this.#list.push([String(name), String(value)]);
      this.#changed();
    }
    set(name: unknown, value: unknown): void {
      const first = this.#list.find((p) => p[0] === String(name));
      if (first) {
        first[1] = String(value);
        this.#list = this.#list.filter((p) => p === first || p[0] !== first[0]);
      } else this.#list.push([String(name), String(value)]);
      this.#changed();
    }
    delete(name: string): void {
      this.#list = this.#list.filter((p) => p[0] !== name);
      this.#changed();
    }
    sort(): void {
      this.#list.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
      this.#changed();
    }
    get size(): number {
      return this.#list.length;
    }
    forEach(fn: (value: string, name: string) => void): void {
      for (const [k, v] of this.#list) fn(v, k);
    }
    *entries(): Generator<[string, string]> {
      for (const p of this.#list) yield [p[0], p[1]];
    }
    *keys(): Generator<string> {
      for (const p of this.#list) yield p[0];
    }
    *values(): Generator<string> {
      for (const p of this.#list) yield p[1];
    }
    [Symbol.iterator](): Generator<[string, string]> {
      return this.entries();
    }
    toString(): string {
      const code = (s: string): string =>
        encodeURIComponent(s.toWellFormed())
          .replace(/%20/g, "+")
          .replace(/[!'()~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
      return this.#list.map(([k, v]) => `${code(k)}=${code(v)}`).join("&");
    }
  }
  class URL {
    #parts: Record<string, string>;
    #query: URLSearchParams | undefined;
    constructor(input: unknown, base?: unknown) {
      const text = kit.ask(3, JSON.stringify(base === undefined ? [String(input)] : [String(input), String(base)]));
      if (text === "") throw new TypeError("invalid URL");
      this.#parts = JSON.parse(text);
      for (const part of PARTS) if (!(part in this.#parts)) this.#parts[part] = "";
    }
    static canParse(input: unknown, base?: unknown): boolean {
      return kit.ask(3, JSON.stringify(base === undefined ? [String(input)] : [String(input), String(base)])) !== "";
    }
    get searchParams(): URLSearchParams {
      this.#query ??= new URLSearchParams(this.#parts.search, () => this.put("search", String(this.#query), true));
      return this.#query;
    }
    /** @internal */
    put(part: string, value: unknown, fromQuery = false): void {
      const text = kit.ask(3, JSON.stringify([this.#parts.href, null, part, String(value)]));
      if (text === "") {
        if (part === "href") throw new TypeError("invalid URL");
        return;
      }
      this.#parts = JSON.parse(text);
      if (!fromQuery) this.#query = undefined;
    }
    /** @internal */
    part(name: string): string {
      return this.#parts[name] as string;
    }
    toString(): string {
      return this.#parts.href as string;
    }
    toJSON(): string {
      return this.#parts.href as string;
    }
  }
  for (const part of PARTS)
    Object.defineProperty(URL.prototype, part, {
      enumerable: true,
      get(this: URL) {
        return this.part(part);
      },
      set(this: URL, value: unknown) {
        if (part !== "origin") this.put(part, value);
      },
    });
  kit.define("URL", URL);
  kit.define("URLSearchParams", URLSearchParams);

  const fill = (b: Uint8Array): void => {
    if (kit.seeded()) for (let i = 0; i < b.length; i++) b[i] = Math.floor(kit.random() * 256);
    else b.set(fromBase64(kit.ask(1, String(b.length))));
  };
  const subtle = Object.freeze({
    digest: async (algorithm: unknown, data: unknown): Promise<ArrayBuffer> => {
      const name = typeof algorithm === "string" ? algorithm : String((algorithm as { name?: unknown })?.name);
      const text = kit.ask(2, `${name.toUpperCase()}\n${toBase64(bytesOf(data))}`);
      if (text === "") throw new DOMException(`cannot digest with ${name}`, "NotSupportedError");
      return fromBase64(text).buffer as ArrayBuffer;
    },
  });
  const getRandomValues = <T extends ArrayBufferView>(array: T): T => {
    if (
      !ArrayBuffer.isView(array) ||
      array instanceof Float32Array ||
      array instanceof Float64Array ||
      array instanceof DataView
    )
      throw new TypeError("getRandomValues takes an integer array");
    if (array.byteLength > 65536) throw new DOMException("more than 65536 bytes", "QuotaExceededError");
    fill(new Uint8Array(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength));
    return array;
  };
  const randomUUID = (): string => {
    const b = new Uint8Array(16);
    fill(b);
    b[6] = (b[6]! & 15) | 64;
    b[8] = (b[8]! & 63) | 128;
    const h = [...b].map((x) => x.toString(16).padStart(2, "0")).join("");
    return `${h.slice(0, 8)}-${h.slice(8, 12)}-${h.slice(12, 16)}-${h.slice(16, 20)}-${h.slice(20)}`;
  };
  kit.define("crypto", Object.freeze({ subtle, getRandomValues, randomUUID }));

  class Response {
    readonly status: number;
    readonly url: string;
    readonly headers: Map<string, string>;
    readonly #body: Uint8Array;
    constructor(status: number, url: string, headers: Record<string, string>, body: Uint8Array) {
      this.status = status;
      this.url = url;
      this.headers = new Map(Object.entries(headers).map(([k, v]) => [k.toLowerCase(), String(v)]));
      this.#body = body;
    }
    get ok(): boolean {
      return this.status >= 200 && this.status < 300;
    }
    async text(): Promise<string> {
      return fromUtf8.decode(this.#body);
    }
    async json(): Promise<unknown> {
      return JSON.parse(fromUtf8.decode(this.#body));
    }
    async arrayBuffer(): Promise<ArrayBuffer> {
      return this.#body.slice().buffer as ArrayBuffer;
    }
  }
  const MOST_REDIRECTS = 5;
  type Init = { method?: unknown; headers?: unknown; body?: unknown; redirect?: unknown };
  kit.define("fetch", async (url: unknown, init: Init = {}) => {
    const headers: Record<string, string> = {};
    const given = init.headers ?? {};
    const pairs =
      typeof (given as Iterable<unknown>)[Symbol.iterator] === "function"
        ? [...(given as Iterable<[string, string]>)]
        : Object.entries(given);
    for (const [k, v] of pairs) headers[String(k)] = String(v);
    let target = String(url);
    let method = String(init.method ?? "GET").toUpperCase();
    let body = init.body === undefined || init.body === null ? undefined : toBase64(bytesOf(init.body));
    for (let hops = 0; ; hops++) {
      // Not a socket: a call as any other, which the broker checks, decides, makes and records. So is each redirect.
      const answer = (await kit.call("callgate", "fetch", {
        url: target,
        method,
        headers,
        ...(body === undefined ? {} : { body }),
      })) as { status: number; url?: string; headers?: Record<string, string>; body?: string };
      const { status } = answer;
      const to = answer.headers?.["location"];
      const leads = to !== undefined && [301, 302, 303, 307, 308].includes(status);
      if (!leads || init.redirect === "manual")
        return new Response(status, answer.url ?? target, answer.headers ?? {}, fromBase64(answer.body ?? ""));
      if (init.redirect === "error" || hops >= MOST_REDIRECTS)
        throw new TypeError(hops >= MOST_REDIRECTS ? "there were too many redirects" : "the answer is a redirect");
      // As the fetch standard has it (HTTP-redirect fetch, steps 11 to 14).
      const next = new world.URL(to, target);
      const toGet = (status <= 302 && method === "POST") || (status === 303 && method !== "GET" && method !== "HEAD");
      for (const name of Object.keys(headers)) {
        const away = next.origin !== new world.URL(target).origin && /^(?:authorization|cookie)$/i.test(name);
        if (away || (toGet && /^content-/i.test(name))) delete headers[name];
      }
      if (toGet) {
        method = "GET";
        body = undefined;
      }
      target = next.href;
    }
  });

  const files = new Map<string, Uint8Array>();
  const missing = (path: string): Error =>
    Object.assign(new Error(`no such scratch file: ${path}`), { code: "ENOENT" });
  kit.define(
    "scratch",
    Object.freeze({
      write: (path: unknown, data: unknown): void => void files.set(String(path), bytesOf(data).slice()),
      read: (path: unknown): Uint8Array => {
        const found = files.get(String(path));
        if (!found) throw missing(String(path));
        return found.slice();
      },
      readText: (path: unknown): string => {
        const found = files.get(String(path));
        if (!found) throw missing(String(path));
        return fromUtf8.decode(found);
      },
      list: (): string[] => [...files.keys()].sort(),
      has: (path: unknown): boolean => files.has(String(path)),
      remove: (path: unknown): boolean => files.delete(String(path)),
    }),
  );
}
