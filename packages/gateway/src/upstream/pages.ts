import type { Link } from "./link.ts";
import { WIRE_CODES } from "./message.ts";

/** Pages after which a list is cut: a server whose cursor never ends MUST NOT hold the broker. */
const MAX_PAGES = 64;

/** A server's JSON-RPC error in place of a list. */
export class ListRefused extends Error {
  /** The server does not know the method at all. */
  readonly unknownMethod: boolean;

  constructor(method: string, code: number, message: string) {
    super(`the server refused \`${method}\`: ${message}`);
    this.name = "ListRefused";
    this.unknownMethod = code === WIRE_CODES.methodNotFound;
  }
}

/**
 * Every item of a paged list (`tools/list` and its like), unchecked. Rejects with `ListRefused` or `UpstreamFailure`. Whole numbers beyond
 * 2^53 are BigInts: what is pinned MUST be what the server sent, digit by digit.
 */
export async function listAll(link: Link, method: string, key: string, timeout: number): Promise<unknown[]> {
  const items: unknown[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const { message } = await link.request(method, cursor === undefined ? {} : { cursor }, { timeout }).reply;
    if (message.error) throw new ListRefused(method, message.error.code, message.error.message);
    const listed = message.result?.[key];
    if (Array.isArray(listed)) items.push(...(listed as unknown[]));
    const next = message.result?.["nextCursor"];
    if (typeof next !== "string" || next === "") break;
    cursor = next;
  }
  return items;
}
