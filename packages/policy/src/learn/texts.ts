/** How many values an enumeration may have, and how long one may be. */
const MAX_VALUES = 8;
const MAX_LENGTH = 200;

/** What the texts in one place have in common. */
export class Texts {
  count = 0;
  /** The texts, or undefined once they are too many, or one is too long or ill-formed. */
  values: Set<string> | undefined = new Set();
  /** What is under these, if all are URLs; undefined if one is none. */
  urls: Urls | undefined = new Urls();
  /** The domains, if all are e-mail addresses; undefined if one is none, or there are too many. */
  domains: Set<string> | undefined = new Set();
  /** The folder that all are in, part by part, if all are paths. */
  folder: Common | undefined = new Common();
  /** What all begin with. */
  prefix: string | undefined;

  add(text: string): void {
    this.count++;
    const usable = text.isWellFormed();
    this.values = usable && text.length <= MAX_LENGTH ? added(this.values, text) : undefined;
    if (this.urls && !this.urls.add(text)) this.urls = undefined;
    const domain = /^[^\s@<>,;:"()[\]\\/]{1,64}@([a-z0-9.-]{1,255})$/i.exec(text)?.[1];
    this.domains = domain === undefined ? undefined : added(this.domains, domain.toLowerCase());
    // What readers of paths may take in several ways is not taken for one.
    if (!text.includes("/") || /[\\%\0]|:\/\//.test(text) || !usable) this.folder = undefined;
    this.folder?.add(text.split("/").slice(0, -1));
    this.prefix = this.prefix === undefined ? text.slice(0, MAX_LENGTH) : shared(this.prefix, text);
  }
}

/** The scheme, host, port and folder of URLs, as WHATWG reads them. */
export class Urls {
  schemes: Set<string> | undefined = new Set();
  hosts: Set<string> | undefined = new Set();
  ports: Set<number> | undefined = new Set();
  readonly folder = new Common();

  /** False for what is no plain http URL: no user, no characters that readers take in several ways. */
  add(text: string): boolean {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    if (!/^https?:\/\/[^/@]/i.test(text) || /[\x00-\x20\x7f\\@]/.test(text) || !URL.canParse(text)) return false;
    const url = new URL(text);
    if (!/^[a-z0-9.-]+$/.test(url.hostname)) return false;
    const scheme = url.protocol.slice(0, -1);
    this.schemes = added(this.schemes, scheme);
    this.hosts = added(this.hosts, url.hostname.replace(/\.$/, ""));
    this.ports = added(this.ports, url.port === "" ? (scheme === "https" ? 443 : 80) : Number(url.port));
    this.folder.add(url.pathname.split("/").slice(0, -1));
    return true;
  }
}

/** The parts that lists of parts begin with together. */
export class Common {
  parts: readonly string[] | undefined;

  add(parts: readonly string[]): void {
    // `..` and `.` would have to be worked out first: up to there, all is plain.
    const odd = parts.findIndex((part, i) => part === "." || part === ".." || (part === "" && i > 0));
    const plain = odd < 0 ? parts : [];
    if (!this.parts) this.parts = plain;
    else {
      const known = this.parts;
      const end = known.findIndex((part, i) => part !== plain[i]);
      if (end >= 0) this.parts = known.slice(0, end);
    }
  }
}

function added<T>(set: Set<T> | undefined, value: T): Set<T> | undefined {
  if (!set) return undefined;
  set.add(value);
  return set.size > MAX_VALUES ? undefined : set;
}

function shared(a: string, b: string): string {
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  return a.slice(0, i);
}
