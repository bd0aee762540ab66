import type { Readable } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from "node:zlib";

/** What a guest's `fetch` is answered with. `body` is base64. */
export interface Fetched {
  readonly status: number;
  /** Where the answer came from. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type FetchErrorCode =
  | "FETCH_INVALID"
  | "FETCH_HOST"
  | "FETCH_ADDRESS"
  | "FETCH_TOO_LARGE"
  | "FETCH_TIMEOUT"
  | "FETCH_CANCELLED"
  | "FETCH_FAILED";

export type FetchAnswer =
  | { readonly result: Fetched }
  | { readonly error: { readonly code: FetchErrorCode; readonly message: string } };

/** An expected end of a fetch. Its message goes to the guest: it MUST NOT tell what this network looks like inside. */
export class FetchRefused extends Error {
  readonly code: FetchErrorCode;

  constructor(code: FetchErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Headers that a guest gets to see. No cookies: nothing here keeps a jar, and what a guest returns may be read by others. */
const SHOWN =
  /^(?:accept-ranges|age|allow|cache-control|content-disposition|content-language|content-type|date|etag|expires|last-modified|link|location|retry-after|vary|x-request-id|x-total-count|(?:x-)?ratelimit-[a-z0-9-]+)$/;

export function shownHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const shown = Object.entries(headers).filter(([name, value]) => value !== undefined && SHOWN.test(name));
  return Object.fromEntries(shown.map(([name, value]) => [name, [value].flat().join(", ")]));
}

const CODINGS: Readonly<Record<string, () => NodeJS.ReadWriteStream & { destroy(): unknown }>> = {
  gzip: createGunzip,
  "x-gzip": createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

/** What is asked for in `accept-encoding`. */
export const ACCEPTED = "gzip, deflate, br";

/** Reads a body, decoded, and stops at `most` bytes: counted as they come, since a length that was told may be wrong. */
export async function readBody(body: Readable, coding: string | string[] | undefined, most: number): Promise<Buffer> {
  const name = String(coding ?? "")
    .trim()
    .toLowerCase();
  const decoder = name === "" || name === "identity" ? undefined : Object.hasOwn(CODINGS, name) && CODINGS[name]?.();
  // One coding: each more multiplies what a small body can become.
  if (decoder === false) throw new FetchRefused("FETCH_FAILED", `the answer is coded as \`${name.slice(0, 40)}\``);
  const tooLarge = new FetchRefused("FETCH_TOO_LARGE", `the answer has more than ${most} bytes`);
  const chunks: Buffer[] = [];
  let size = 0;
  const take = async (stream: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of stream) {
      size += chunk.length;
      if (size > most) throw tooLarge;
      chunks.push(chunk);
    }
  };
  try {
    if (!decoder) await take(body);
    else {
      const failed = new Promise<never>((_, reject) => body.once("error", reject));
      failed.catch(() => {});
      await Promise.race([take(body.pipe(decoder) as unknown as AsyncIterable<Buffer>), failed]);
    }
  } finally {
    decoder?.destroy();
    body.destroy();
  }
  return Buffer.concat(chunks, size);
}
