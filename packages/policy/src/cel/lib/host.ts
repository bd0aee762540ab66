import { getDomain, getPublicSuffix } from "tldts";
import type { LibraryBuilder } from "../env.ts";
import { invalid, NO_OVERLOAD } from "../fault.ts";
import { type Frame, spend } from "../frame.ts";
import { Opaque, type Value } from "../value.ts";
import { text } from "./standard.ts";

const PUBLIC = { allowPrivateDomains: true, extractHostname: false } as const;
const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  "http:": 80,
  "https:": 443,
  "ws:": 80,
  "wss:": 443,
  "ftp:": 21,
};

/** An absolute URL, read as the WHATWG standard says. */
class Url extends Opaque {
  readonly typeName = "net.URL";
  readonly url: URL;

  constructor(url: URL) {
    super();
    this.url = url;
  }

  equals(other: Opaque): boolean {
    return other instanceof Url && other.url.href === this.url.href;
  }

  toText(): string {
    return this.url.href;
  }
}

/** Reads a URL. Texts on which URL readers disagree are refused: the guard MUST see the host that the tool will reach. */
function parseUrl(frame: Frame, value: Value): Url {
  const raw = text(value);
  spend(frame, 50 + (raw.length >> 1));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x00-\x20\x7f\\]/.test(raw)) throw invalid("a URL has spaces, control characters or backslashes");
  const url = URL.canParse(raw) ? new URL(raw) : undefined;
  if (!url) throw invalid("the text is not an absolute URL");
  if (url.host !== "" && !/^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/]/.test(raw))
    throw invalid("a URL has an unusual number of slashes");
  return new Url(url);
}

function isUrl(frame: Frame, value: Value): boolean {
  text(value);
  try {
    parseUrl(frame, value);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === "invalid_argument") return false;
    throw error;
  }
}

function urlOf(value: Value): URL {
  if (!(value instanceof Url)) throw NO_OVERLOAD;
  return value.url;
}

function hostOfUrl(url: URL): string {
  return normalHost(url.hostname.replace(/^\[|\]$/g, ""));
}

/** A host's name in lower case and ASCII, without its final dot. */
function normalHost(host: string): string {
  const trimmed = host.endsWith(".") ? host.slice(0, -1) : host;
  const ascii = /^[\x21-\x7e]*$/.test(trimmed) ? trimmed.toLowerCase() : new URL(`http://${trimmed}/`).hostname;
  if (!/^[a-z0-9._:-]{1,255}$/.test(ascii)) throw invalid("the text is not a host name");
  return ascii;
}

/** The host of a URL, or a text that is a host's name alone. */
function hostOf(frame: Frame, value: Value): string {
  if (value instanceof Url) return hostOfUrl(value.url);
  spend(frame, 8 + (text(value).length >> 2));
  if (!/^[^\s/@?#\\:%]+$|^[0-9a-fA-F:.]+$/.test(value as string)) throw invalid("the text is not a host name");
  try {
    return normalHost(value as string);
  } catch {
    throw invalid("the text is not a host name");
  }
}

function hostMatches(frame: Frame, value: Value, pattern: Value): Value {
  const host = hostOf(frame, value);
  const wanted = text(pattern);
  if (!wanted.startsWith("*.")) return host === hostOf(frame, wanted);
  return host.endsWith(`.${hostOf(frame, wanted.slice(2))}`);
}

function domainMatches(frame: Frame, value: Value, domain: Value): Value {
  const wanted = hostOf(frame, text(domain));
  // `co.uk` or `github.io` belongs to everyone: a rule that trusts it trusts strangers.
  if (getPublicSuffix(wanted, PUBLIC) === wanted && wanted.includes("."))
    throw invalid(`\`${wanted}\` is a public suffix, under which anyone can register`);
  if (!wanted.includes(".") && wanted !== "localhost")
    throw invalid(`\`${wanted}\` is a top-level domain, under which anyone can register`);
  spend(frame, 100);
  const host = hostOf(frame, value);
  return host === wanted || host.endsWith(`.${wanted}`);
}

const ADDRESS = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([^\s@<>,;:"()[\]\\]{1,255})$/;
const NAMED = /^[^@<>,;:"()[\]\\\r\n]*<([^<>]+)>$/;

/** The domain of one e-mail address, in lower case; `Name <address>` is read too, anything else is refused. */
function emailDomain(frame: Frame, value: Value): string {
  const raw = text(value);
  spend(frame, 8 + (raw.length >> 2));
  if (raw.length > 512) throw invalid("the text is too long for an e-mail address");
  const match = ADDRESS.exec(NAMED.exec(raw)?.[1] ?? raw);
  if (!match) throw invalid("the text is not one e-mail address");
  return hostOf(frame, match[1] as string);
}

/** URLs, hosts, domains and e-mail addresses. */
export function addHosts(lib: LibraryBuilder): void {
  lib.add("url", { global: ["string -> net.URL"] }, parseUrl);
  lib.add("isURL", { global: ["string -> bool"] }, isUrl);
  lib.add("scheme", { member: ["net.URL -> string"] }, (_, value) => urlOf(value).protocol.slice(0, -1));
  lib.add("host", { member: ["net.URL -> string"] }, (_, value) => hostOfUrl(urlOf(value)));
  lib.add("port", { member: ["net.URL -> int"] }, (_, value) => {
    const { port, protocol } = urlOf(value);
    return port === "" ? (DEFAULT_PORTS[protocol] ?? 0) : Number(port);
  });
  lib.add("path", { member: ["net.URL -> string"] }, (_, value) => urlOf(value).pathname);
  lib.add("query", { member: ["net.URL -> string"] }, (_, value) => urlOf(value).search.slice(1));
  lib.add(
    "hasUserinfo",
    { member: ["net.URL -> bool"] },
    (_, value) => urlOf(value).username !== "" || urlOf(value).password !== "",
  );
  const hosts = ["string, string -> bool", "net.URL, string -> bool"];
  lib.add("hostMatches", { global: hosts }, hostMatches);
  lib.add("domainMatches", { global: hosts }, domainMatches);
  // A domain that can never be right is found while loading, though the host is not known yet.
  lib.prepared("domainMatches", ([, domain]) => {
    if (typeof domain === "string")
      domainMatches({ facts: undefined, slots: [], fuel: 10_000 }, "example.invalid", domain);
    return undefined;
  });
  lib.add("registrableDomain", { global: ["string -> string", "net.URL -> string"] }, (frame, value) => {
    spend(frame, 100);
    const domain = getDomain(hostOf(frame, value), PUBLIC);
    if (domain === null) throw invalid("the host has no registrable domain");
    return domain;
  });
  lib.add("emailDomain", { global: ["string -> string"] }, emailDomain);
  lib.add("isEmail", { global: ["string -> bool"] }, (_, value) => {
    const raw = text(value);
    return raw.length <= 512 && ADDRESS.test(raw);
  });
}
