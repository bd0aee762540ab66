import { lookup as resolveName } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import { Client } from "undici";
import { plainAddress } from "./addresses.ts";
import { ACCEPTED, type FetchAnswer, type Fetched, FetchRefused, readBody, shownHeaders } from "./answer.ts";
import { Hosts } from "./hosts.ts";
import { type FetchRequest, parseFetchRequest } from "./request.ts";

export interface Address {
  readonly address: string;
  readonly family: number;
}

/** What bounds a fetch. Sizes are in bytes, `timeout` is in milliseconds for all of it. */
export interface FetchRules {
  /** As a manifest names them: `host`, `host:port`, `*.host`. */
  readonly hosts: readonly string[];
  readonly timeout: number;
  readonly requestBytes: number;
  /** Counted after decompression. */
  readonly responseBytes: number;
  /** Headers that are added, by a host as in `hosts`. What a guest sends under such a name is left out; what comes back shows none of them. */
  readonly headers?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Default: the system's resolver. */
  readonly lookup?: (host: string) => Promise<readonly Address[]>;
  /** Certificates to trust in place of the usual ones, in PEM. */
  readonly ca?: string;
}

const CONNECT_MS = 10_000;
const LONGEST_TIMER = 2_147_483_647;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * Makes the request of a guest's `fetch`, if the rules allow it. The URL is checked by its text, then the addresses that its name
 * has, and the connection goes to an address that was checked, without asking again what the name leads to. A redirect is an answer like
 * any other: where it leads is a fetch of its own, which somebody else decides. Nothing of the broker goes along: no credentials, no cookies, no proxy. Never rejects.
 */
export async function governedFetch(args: unknown, rules: FetchRules, signal?: AbortSignal): Promise<FetchAnswer> {
  const request = parseFetchRequest(args, rules.requestBytes);
  if (typeof request === "string") return { error: { code: "FETCH_INVALID", message: request } };
  const late = AbortSignal.timeout(Math.ceil(Math.max(1, Math.min(rules.timeout, LONGEST_TIMER))));
  const stop = signal ? AbortSignal.any([signal, late]) : late;
  try {
    const hosts = new Hosts(rules.hosts);
    const refusal = hosts.refusal(request.url);
    if (refusal !== undefined) throw new FetchRefused("FETCH_HOST", refusal);
    return { result: await ask(request, await checkedAddresses(request.url, hosts, rules, stop), rules, stop) };
  } catch (error) {
    if (error instanceof FetchRefused) return { error: { code: error.code, message: error.message } };
    if (signal?.aborted) return { error: { code: "FETCH_CANCELLED", message: "the fetch was cancelled" } };
    if (late.aborted)
      return { error: { code: "FETCH_TIMEOUT", message: `there was no whole answer within ${rules.timeout} ms` } };
    return { error: { code: "FETCH_FAILED", message: `\`${request.url.host}\` cannot be asked: ${faultOf(error)}` } };
  }
}

/** The addresses of a URL's host, every one of them allowed: a name that also has a forbidden one is not asked at all. */
async function checkedAddresses(
  url: URL,
  hosts: Hosts,
  rules: FetchRules,
  signal: AbortSignal,
): Promise<readonly Address[]> {
  const host = plainAddress(url.hostname);
  const family = isIP(host);
  const found =
    family !== 0 ? [{ address: host, family }] : await unlessAborted((rules.lookup ?? resolve)(host), signal);
  const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
  for (const { address } of found) {
    if (isIP(address) !== 0 && hosts.refusedAddress(host, port, address) === undefined) continue;
    throw new FetchRefused(
      "FETCH_ADDRESS",
      `\`${url.host}\` does not lead to the public internet; a manifest has to name such an address itself`,
    );
  }
  if (found.length === 0) throw new FetchRefused("FETCH_FAILED", `\`${host}\` has no address`);
  return found;
}

const resolve = (host: string): Promise<Address[]> => resolveName(host, { all: true, verbatim: true });

/** What is added to a request, by lower-case names. */
function ownHeaders(url: URL, { headers = {} }: FetchRules): Record<string, string> {
  const own: Record<string, string> = {};
  for (const [host, given] of Object.entries(headers))
    if (new Hosts([host]).refusal(url) === undefined)
      for (const [name, value] of Object.entries(given)) own[name.toLowerCase()] = value;
  return own;
}

/** The shortest text that counts as one that was sent along, and not as one that stands there by chance. */
const LEAST_SECRET = 8;

/** An answer without the headers that the broker added: a host may send back what it was sent, and a guest MUST NOT get it. */
function hidden(answer: Fetched, own: Readonly<Record<string, string>>): Fetched {
  const secrets = Object.values(own).flatMap((value) => [value, ...value.split(/\s+/)]);
  const long = secrets.filter((secret) => secret.length >= LEAST_SECRET).sort((a, b) => b.length - a.length);
  if (long.length === 0) return answer;
  const clean = (text: string): string => long.reduce((rest, secret) => rest.replaceAll(secret, "[secret]"), text);
  return {
    ...answer,
    headers: Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, clean(value)])),
    // One character a byte, so that nothing else is touched.
    body: Buffer.from(clean(Buffer.from(answer.body, "base64").toString("latin1")), "latin1").toString("base64"),
  };
}

/** One request on a connection of its own, to one of the addresses that were checked. */
async function ask(
  { url, method, headers, body }: FetchRequest,
  addresses: readonly Address[],
  rules: FetchRules,
  signal: AbortSignal,
): Promise<Fetched> {
  // INVARIANT: a second resolution could give another address (DNS rebinding). The first one's answer is all there is.
  const lookup: LookupFunction = (_host, options, done) => {
    if (options.all === true) done(null, [...addresses]);
    else done(null, addresses[0]?.address ?? "", addresses[0]?.family);
  };
  const own = ownHeaders(url, rules);
  const client = new Client(url.origin, {
    connect: { lookup, timeout: CONNECT_MS, ...(rules.ca !== undefined && { ca: rules.ca }) },
    pipelining: 0,
    allowH2: false,
    maxHeaderSize: 16 * 1024,
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  try {
    const response = await client.request({
      path: url.pathname + url.search,
      method: method as "GET",
      headers: { accept: "*/*", "user-agent": "callgate", ...headers, ...own, "accept-encoding": ACCEPTED },
      body: body ?? null,
      signal,
    });
    const { statusCode: status } = response;
    // What a redirect shows instead is not needed, and need not end.
    if (REDIRECTS.has(status) && response.headers["location"] !== undefined)
      return { status, url: url.href, headers: shownHeaders(response.headers), body: "" };
    const bare = method === "HEAD" || status === 204 || status === 304;
    const bytes = await readBody(
      response.body,
      bare ? undefined : response.headers["content-encoding"],
      rules.responseBytes,
    );
    return hidden(
      { status, url: url.href, headers: shownHeaders(response.headers), body: bytes.toString("base64") },
      own,
    );
  } finally {
    // The body of a redirect is not read. Nothing of a connection is kept for another guest.
    client.destroy().catch(() => {});
  }
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const stop = (): void => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** A failure's code alone: its text can hold addresses. */
function faultOf(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  const known: Readonly<Record<string, string>> = {
    ENOTFOUND: "there is no such name",
    EAI_AGAIN: "the name cannot be looked up now",
    ECONNREFUSED: "the connection is refused",
    ECONNRESET: "the connection was broken off",
    UND_ERR_SOCKET: "the connection was broken off",
    UND_ERR_CONNECT_TIMEOUT: "there is no connection in time",
    UND_ERR_HEADERS_OVERFLOW: "its headers are too large",
  };
  return typeof code === "string" ? (known[code] ?? code) : "the connection failed";
}
