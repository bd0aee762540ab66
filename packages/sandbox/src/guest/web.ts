import type { GuestKit } from "./core.ts";

/** The encodings and small web classes of the guest's world. MUST stand alone, as `guestCore` does. */
export function guestWeb(kit: GuestKit): void {
  "use strict";
  const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

  class DOMException extends Error {
    constructor(message = "", name = "Error") {
      super(message);
      Object.defineProperty(this, "name", { value: name });
    }
  }
  kit.define("DOMException", DOMException);

  kit.define("btoa", (text: unknown) => {
    const s = String(text);
    let out = "";
    for (let i = 0; i < s.length; i += 3) {
      const [a, b, c] = [s.charCodeAt(i), s.charCodeAt(i + 1), s.charCodeAt(i + 2)];
      if (a > 255 || b > 255 || c > 255)
        throw new DOMException("a character is outside Latin-1", "InvalidCharacterError");
      const n = (a << 16) | ((b || 0) << 8) | (c || 0);
      out += ALPHABET[n >> 18]! + ALPHABET[(n >> 12) & 63]!;
      out += i + 1 < s.length ? ALPHABET[(n >> 6) & 63]! : "=";
      out += i + 2 < s.length ? ALPHABET[n & 63]! : "=";
    }
    return out;
  });
  kit.define("atob", (text: unknown) => {
    const s = String(text)
      .replace(/[\t\n\f\r ]/g, "")
      .replace(/={1,2}$/, "");
    if (s.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(s)) throw new DOMException("not base64", "InvalidCharacterError");
    let out = "";
    let bits = 0;
    let held = 0;
    for (let i = 0; i < s.length; i++) {
      held = ((held << 6) | ALPHABET.indexOf(s[i]!)) & 0xffff;
      bits += 6;
      if (bits >= 8) {
        bits -= 8;
        out += String.fromCharCode((held >> bits) & 255);
      }
    }
    return out;
  });

  class TextEncoder {
    readonly encoding = "utf-8";
    encode(input: unknown = ""): Uint8Array {
      const s = String(input).toWellFormed();
      const bytes = new Uint8Array(s.length * 3);
      let at = 0;
      for (const ch of s) {
        const c = ch.codePointAt(0) as number;
        if (c < 0x80) bytes[at++] = c;
        else if (c < 0x800) {
          bytes[at++] = 0xc0 | (c >> 6);
          bytes[at++] = 0x80 | (c & 63);
        } else if (c < 0x10000) {
          bytes[at++] = 0xe0 | (c >> 12);
          bytes[at++] = 0x80 | ((c >> 6) & 63);
          bytes[at++] = 0x80 | (c & 63);
        } else {
          bytes[at++] = 0xf0 | (c >> 18);
          bytes[at++] = 0x80 | ((c >> 12) & 63);
          bytes[at++] = 0x80 | ((c >> 6) & 63);
          bytes[at++] = 0x80 | (c & 63);
        }
      }
      return bytes.slice(0, at);
    }
  }
  kit.define("TextEncoder", TextEncoder);

  class TextDecoder {
    readonly encoding = "utf-8";
    readonly #fatal: boolean;
    constructor(label: unknown = "utf-8", options: { fatal?: boolean } = {}) {
      if (!/^utf-?8$/i.test(String(label))) throw new RangeError("only utf-8 is known here");
      this.#fatal = options.fatal === true;
    }
    decode(input?: ArrayBuffer | ArrayBufferView): string {
      if (input === undefined) return "";
      const b =
        input instanceof ArrayBuffer
          ? new Uint8Array(input)
          : new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
      let out = "";
      const bad = (): string => {
        if (this.#fatal) throw new TypeError("not utf-8");
        return "\ufffd";
      };
      for (let i = b[0] === 0xef && b[1] === 0xbb && b[2] === 0xbf ? 3 : 0; i < b.length; ) {
        const c = b[i++] as number;
        if (c < 0x80) {
          out += String.fromCharCode(c);
          continue;
        }
        const need = c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xf0 && c < 0xf5 ? 3 : 0;
        if (need === 0) {
          out += bad();
          continue;
        }
        let point = c & (0x3f >> need);
        let got = 0;
        while (got < need) {
          const next = b[i];
          let [low, high] = [0x80, 0xbf];
          if (got === 0) {
            if (c === 0xe0) low = 0xa0;
            else if (c === 0xed) high = 0x9f;
            else if (c === 0xf0) low = 0x90;
            else if (c === 0xf4) high = 0x8f;
          }
          if (next === undefined || next < low || next > high) break;
          point = (point << 6) | (next & 63);
          i++;
          got++;
        }
        out += got === need ? String.fromCodePoint(point) : bad();
      }
      return out;
    }
  }
  kit.define("TextDecoder", TextDecoder);

  class Event {
    readonly type: string;
    target: unknown = null;
    constructor(type: string) {
      this.type = String(type);
    }
  }
  class EventTarget {
    readonly #heard = new Map<string, Set<(e: Event) => void>>();
    addEventListener(type: string, fn: (e: Event) => void): void {
      if (!this.#heard.has(type)) this.#heard.set(type, new Set());
      this.#heard.get(type)!.add(fn);
    }
    removeEventListener(type: string, fn: (e: Event) => void): void {
      this.#heard.get(type)?.delete(fn);
    }
    dispatchEvent(event: Event): boolean {
      event.target = this;
      for (const fn of [...(this.#heard.get(event.type) ?? [])]) fn.call(this, event);
      return true;
    }
  }
  class AbortSignal extends EventTarget {
    aborted = false;
    reason: unknown = undefined;
    onabort: ((e: Event) => void) | null = null;
    throwIfAborted(): void {
      if (this.aborted) throw this.reason;
    }
    static abort(reason?: unknown): AbortSignal {
      const c = new AbortController();
      c.abort(reason);
      return c.signal;
    }
    static timeout(ms: number): AbortSignal {
      const c = new AbortController();
      setTimeout(() => c.abort(new DOMException("timed out", "TimeoutError")), ms);
      return c.signal;
    }
  }
  class AbortController {
    readonly signal = new AbortSignal();
    abort(reason: unknown = new DOMException("aborted", "AbortError")): void {
      if (this.signal.aborted) return;
      this.signal.aborted = true;
      this.signal.reason = reason;
      const event = new Event("abort");
      this.signal.onabort?.(event);
      this.signal.dispatchEvent(event);
    }
  }
  for (const [name, value] of Object.entries({ Event, EventTarget, AbortSignal, AbortController }))
    kit.define(name, value);

  kit.define("structuredClone", (value: unknown) => {
    const seen = new Map<object, unknown>();
    const copy = (v: unknown): unknown => {
      if (typeof v === "function" || typeof v === "symbol")
        throw new DOMException("cannot be cloned", "DataCloneError");
      if (typeof v !== "object" || v === null) return v;
      if (seen.has(v)) return seen.get(v);
      const keep = <T>(made: T): T => {
        seen.set(v, made);
        return made;
      };
      if (v instanceof Date) return keep(new Date(v.getTime()));
      if (v instanceof RegExp) return keep(new RegExp(v.source, v.flags));
      if (v instanceof ArrayBuffer) return keep(v.slice(0));
      if (ArrayBuffer.isView(v)) {
        const Made = v.constructor as new (b: ArrayBuffer, o: number, n: number) => unknown;
        const length = v instanceof DataView ? v.byteLength : (v as Uint8Array).length;
        return keep(new Made((v.buffer as ArrayBuffer).slice(0), v.byteOffset, length));
      }
      if (v instanceof Map) {
        const made = keep(new Map());
        for (const [k, x] of v) made.set(copy(k), copy(x));
        return made;
      }
      if (v instanceof Set) {
        const made = keep(new Set());
        for (const x of v) made.add(copy(x));
        return made;
      }
      if (v instanceof Error) {
        const made = keep(new Error(v.message));
        Object.defineProperty(made, "name", { value: v.name });
        return made;
      }
      if (v instanceof Promise || v instanceof WeakMap || v instanceof WeakSet)
        throw new DOMException("cannot be cloned", "DataCloneError");
      const made = keep((Array.isArray(v) ? new Array(v.length) : {}) as Record<string, unknown>);
      for (const k of Object.keys(v)) made[k] = copy((v as Record<string, unknown>)[k]);
      return made;
    };
    return copy(value);
  });
}
