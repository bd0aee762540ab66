/** The text of `callgate.d.ts`, which stands beside a module's source: what an author's editor needs, and nothing to install. */
export const AUTHOR_TYPES = `// Types of a Callgate module and of the world that its code runs in. Written by \`callgate tool new\`; no code imports it.

/** A module of tools: what \`tool.ts\` exports by default. */
export interface ToolModule {
  readonly tools: Readonly<Record<string, Tool>>;
}

export interface Tool {
  /** What a model reads when it chooses a tool. */
  readonly description: string;
  /** The arguments: a zod object, or JSON Schema with \`type: "object"\`. Left out: there are none. */
  readonly input?: Schema;
  /** The result: as above. Left out: any JSON value. */
  readonly output?: Schema;
  /** Hints to clients. They decide nothing: the manifest does. */
  readonly annotations?: {
    readonly title?: string;
    readonly readOnlyHint?: boolean;
    readonly destructiveHint?: boolean;
    readonly idempotentHint?: boolean;
    readonly openWorldHint?: boolean;
  };
  /** Gets the arguments, checked and with a zod schema's defaults; gives a JSON value. What it throws is the tool's error. */
  handler(args: any): unknown;
}

export type Schema =
  | { readonly type: "object"; readonly [keyword: string]: unknown }
  | { readonly "~standard": object };

declare global {
  /** Tools that the manifest lets this module call: \`await tools.files.read_file({ path })\`. Each call is checked as the caller's own. */
  const tools: Readonly<Record<string, Readonly<Record<string, (args?: object) => Promise<any>>>>>;
  /** Asks a host that the manifest names. The broker makes the request. */
  function fetch(
    url: string | URL,
    init?: { method?: string; headers?: Record<string, string>; body?: string | Uint8Array | ArrayBuffer },
  ): Promise<{
    readonly status: number;
    readonly ok: boolean;
    readonly url: string;
    readonly headers: { get(name: string): string | null | undefined };
    text(): Promise<string>;
    json(): Promise<any>;
    arrayBuffer(): Promise<ArrayBuffer>;
  }>;
  /** What a call that was refused or failed throws. */
  class ToolError extends Error {
    readonly code: string;
    readonly data: unknown;
  }
  /** Tells the caller how far it is. */
  function progress(done: number, total?: number, message?: string): void;
  const console: Readonly<Record<"log" | "info" | "warn" | "error" | "debug", (...values: unknown[]) => void>>;
  /** Files in memory, gone with the call. */
  const scratch: {
    write(path: string, data: string | Uint8Array): void;
    read(path: string): Uint8Array;
    readText(path: string): string;
    list(): string[];
    has(path: string): boolean;
    remove(path: string): boolean;
  };
  const crypto: {
    readonly subtle: { digest(algorithm: string, data: Uint8Array | ArrayBuffer | string): Promise<ArrayBuffer> };
    getRandomValues<T extends ArrayBufferView>(array: T): T;
    randomUUID(): string;
  };
  function setTimeout(fn: (...args: any[]) => void, ms?: number, ...args: unknown[]): number;
  function clearTimeout(id: number | undefined): void;
  function setInterval(fn: (...args: any[]) => void, ms?: number, ...args: unknown[]): number;
  function clearInterval(id: number | undefined): void;
  function queueMicrotask(fn: () => void): void;
  function structuredClone<T>(value: T): T;
  function atob(text: string): string;
  function btoa(text: string): string;
  class TextEncoder {
    encode(text?: string): Uint8Array;
  }
  class TextDecoder {
    constructor(label?: string, options?: { fatal?: boolean });
    decode(bytes?: ArrayBuffer | ArrayBufferView): string;
  }
  class URLSearchParams implements Iterable<[string, string]> {
    constructor(init?: string | Record<string, string> | Iterable<[string, string]>);
    get(name: string): string | null;
    getAll(name: string): string[];
    has(name: string): boolean;
    set(name: string, value: string): void;
    append(name: string, value: string): void;
    delete(name: string): void;
    [Symbol.iterator](): IterableIterator<[string, string]>;
    toString(): string;
  }
  class URL {
    constructor(url: string | URL, base?: string | URL);
    static canParse(url: string, base?: string): boolean;
    href: string;
    readonly origin: string;
    protocol: string;
    host: string;
    hostname: string;
    port: string;
    pathname: string;
    search: string;
    hash: string;
    readonly searchParams: URLSearchParams;
  }
}
`;
