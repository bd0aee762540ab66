import { isObject } from "@callgate/core";

/** A request that code in the sandbox wants to be made, checked. Header names are in lower case. */
export interface FetchRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
}

const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
const LARGEST_HEADERS = 16 * 1024;

/**
 * Headers that the connection's owner writes, or that speak for someone else: hop-by-hop (RFC 9110, 7.6.1), framing, the
 * host, what proxies and browsers add. Content codings are asked for here, since their output is counted here.
 */
const FORBIDDEN =
  /^(?:host|connection|keep-alive|te|trailers?|transfer-encoding|upgrade|content-length|expect|accept-encoding|http2-settings|via|forwarded|x-forwarded-.*|x-real-ip|proxy-.*|sec-.*)$/;

/** Reads what a guest's `fetch` sends: `{ url, method, headers, body? }`, the body in base64. A text says what is wrong. */
export function parseFetchRequest(args: unknown, mostBytes: number): FetchRequest | string {
  if (!isObject(args)) return "a fetch takes an object";
  const { url: address, method = "GET", headers = {}, body } = args;
  if (typeof address !== "string" || !URL.canParse(address))
    return "the URL cannot be read: write it in full, with `https://`";
  if (address.length > 8192) return "the URL has more than 8192 characters";
  if (typeof method !== "string" || !METHODS.has(method))
    return `\`${String(method).slice(0, 20)}\` is no method for a fetch`;
  if (!isObject(headers)) return "the headers are no object";
  const checked = headersOf(headers);
  if (typeof checked === "string") return checked;
  const url = new URL(address);
  url.hash = "";
  if (body === undefined) return { url, method, headers: checked, body };
  if (method === "GET" || method === "HEAD") return `a ${method} has no body`;
  if (typeof body !== "string" || body.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(body))
    return "the body is not base64";
  const bytes = Buffer.from(body, "base64");
  if (bytes.length > mostBytes) return `the body has ${bytes.length} bytes, more than ${mostBytes}`;
  return { url, method, headers: checked, body: bytes };
}

function headersOf(given: Readonly<Record<string, unknown>>): Record<string, string> | string {
  const headers: Record<string, string> = Object.create(null);
  let size = 0;
  for (const [written, value] of Object.entries(given)) {
    const name = written.toLowerCase();
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) return `\`${written.slice(0, 40)}\` is not a header's name`;
    if (FORBIDDEN.test(name)) return `the header \`${name}\` cannot be set`;
    if (typeof value !== "string" || /[^\t\x20-\x7e\x80-\xff]/.test(value))
      return `the value of \`${name}\` holds a character that no header can`;
    if (name in headers) return `the header \`${name}\` is there twice`;
    size += name.length + value.length + 4;
    headers[name] = value.trim();
  }
  return size > LARGEST_HEADERS ? `the headers have more than ${LARGEST_HEADERS} bytes` : headers;
}
