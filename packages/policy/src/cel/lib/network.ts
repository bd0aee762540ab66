import type { LibraryBuilder } from "../env.ts";
import { type Fault, invalid, NO_OVERLOAD } from "../fault.ts";
import { type Frame, spend } from "../frame.ts";
import { Opaque, type Value } from "../value.ts";
import { text } from "./standard.ts";

/** An IPv4 or IPv6 address. */
export class Ip extends Opaque {
  readonly typeName = "net.IP";
  readonly family: 4 | 6;
  readonly bits: bigint;

  constructor(family: 4 | 6, bits: bigint) {
    super();
    this.family = family;
    this.bits = bits;
  }

  /** The address that decides: an IPv4 one mapped into IPv6 is that IPv4 address. */
  unmapped(): Ip {
    return this.family === 6 && this.bits >> 32n === 0xffffn ? new Ip(4, this.bits & 0xffffffffn) : this;
  }

  equals(other: Opaque): boolean {
    if (!(other instanceof Ip)) return false;
    const [a, b] = [this.unmapped(), other.unmapped()];
    return a.family === b.family && a.bits === b.bits;
  }

  toText(): string {
    if (this.family === 4) return [24n, 16n, 8n, 0n].map((shift) => String((this.bits >> shift) & 255n)).join(".");
    const groups = Array.from({ length: 8 }, (_, i) => Number((this.bits >> BigInt(112 - 16 * i)) & 0xffffn));
    // The longest run of two zero groups or more is written `::` (RFC 5952).
    let best = { at: -1, length: 1 };
    for (let i = 0; i < 8; i++) {
      let length = 0;
      while (i + length < 8 && groups[i + length] === 0) length++;
      if (length > best.length) best = { at: i, length };
      i += Math.max(0, length - 1);
    }
    const hex = groups.map((group) => group.toString(16));
    if (best.at < 0) return hex.join(":");
    return `${hex.slice(0, best.at).join(":")}::${hex.slice(best.at + best.length).join(":")}`;
  }
}

/** A range of addresses: an address and how many of its leading bits count. */
export class Cidr extends Opaque {
  readonly typeName = "net.CIDR";
  readonly ip: Ip;
  readonly prefix: number;

  constructor(ip: Ip, prefix: number) {
    super();
    this.ip = ip;
    this.prefix = prefix;
  }

  masked(): Cidr {
    const host = BigInt((this.ip.family === 4 ? 32 : 128) - this.prefix);
    return new Cidr(new Ip(this.ip.family, (this.ip.bits >> host) << host), this.prefix);
  }

  contains(other: Ip, prefix: number): boolean {
    if (other.family !== this.ip.family || prefix < this.prefix) return false;
    const host = BigInt((this.ip.family === 4 ? 32 : 128) - this.prefix);
    return other.bits >> host === this.ip.bits >> host;
  }

  equals(other: Opaque): boolean {
    return (
      other instanceof Cidr &&
      this.prefix === other.prefix &&
      this.ip.family === other.ip.family &&
      this.ip.bits === other.ip.bits
    );
  }

  toText(): string {
    return `${this.ip.toText()}/${this.prefix}`;
  }
}

const BAD_IP = invalid("the text is not an IP address");
const BAD_CIDR = invalid("the text is not an address range such as `10.0.0.0/8`");

function parseV4(value: string): bigint | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(value);
  if (!match) return undefined;
  let bits = 0n;
  for (const part of match.slice(1)) {
    // A leading zero reads as octal elsewhere: refused, so that no two readers disagree.
    if (Number(part) > 255 || (part.length > 1 && part.startsWith("0"))) return undefined;
    bits = (bits << 8n) | BigInt(part);
  }
  return bits;
}

function parseV6(value: string): bigint | undefined {
  const halves = value.split("::");
  if (halves.length > 2) return undefined;
  const groups = halves.map((half) => (half === "" ? [] : half.split(":")));
  const [head = [], tail = []] = groups;
  const count = head.length + tail.length;
  if (halves.length === 2 ? count > 7 : count !== 8) return undefined;
  const all = [...head, ...Array.from({ length: 8 - count }, () => "0"), ...tail];
  let bits = 0n;
  for (const group of all) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
    bits = (bits << 16n) | BigInt(`0x${group}`);
  }
  return bits;
}

/** Reads an address; throws the fault for anything else, a zone or a dotted IPv4 tail included. */
export function parseIp(value: string, fault: Fault = BAD_IP): Ip {
  if (value.length > 64) throw fault;
  const v4 = parseV4(value);
  if (v4 !== undefined) return new Ip(4, v4);
  const v6 = parseV6(value);
  if (v6 !== undefined) return new Ip(6, v6);
  throw fault;
}

function isIp(value: string): boolean {
  try {
    parseIp(value);
    return true;
  } catch {
    return false;
  }
}

function parseCidr(value: string): Cidr {
  const slash = value.indexOf("/");
  const digits = value.slice(slash + 1);
  if (slash < 0 || !/^(?:0|[1-9]\d{0,2})$/.test(digits)) throw BAD_CIDR;
  const ip = parseIp(value.slice(0, slash), BAD_CIDR);
  if (Number(digits) > (ip.family === 4 ? 32 : 128)) throw BAD_CIDR;
  return new Cidr(ip, Number(digits));
}

function ipOf(value: Value): Ip {
  if (!(value instanceof Ip)) throw NO_OVERLOAD;
  return value;
}

function cidrOf(value: Value): Cidr {
  if (!(value instanceof Cidr)) throw NO_OVERLOAD;
  return value;
}

const RANGES = {
  loopback: [parseCidr("127.0.0.0/8"), parseCidr("::1/128")],
  linkLocalUnicast: [parseCidr("169.254.0.0/16"), parseCidr("fe80::/10")],
  linkLocalMulticast: [parseCidr("224.0.0.0/24")],
  multicast: [parseCidr("224.0.0.0/4"), parseCidr("ff00::/8")],
  private: [parseCidr("10.0.0.0/8"), parseCidr("172.16.0.0/12"), parseCidr("192.168.0.0/16"), parseCidr("fc00::/7")],
} as const;

function within(ip: Ip, ranges: readonly Cidr[]): boolean {
  const address = ip.unmapped();
  return ranges.some((range) => range.contains(address, address.family === 4 ? 32 : 128));
}

function isUnspecified(ip: Ip): boolean {
  return ip.unmapped().bits === 0n;
}

/** An IPv6 multicast address of link-local scope: `ff?2::/16`, whatever its flags. */
function isLinkLocalMulticast(ip: Ip): boolean {
  return within(ip, RANGES.linkLocalMulticast) || (ip.family === 6 && ((ip.bits >> 112n) & 0xff0fn) === 0xff02n);
}

function isGlobalUnicast(ip: Ip): boolean {
  const broadcast = ip.unmapped().family === 4 && ip.unmapped().bits === 0xffffffffn;
  return (
    !broadcast &&
    !isUnspecified(ip) &&
    !within(ip, RANGES.loopback) &&
    !within(ip, RANGES.multicast) &&
    !within(ip, RANGES.linkLocalUnicast)
  );
}

/** The argument as a text that is about to be read as an address, which is some work. */
function paid(frame: Frame, value: Value): string {
  spend(frame, 30);
  return text(value);
}

/** The network extension: `ip`, `cidr` and what they can tell. */
export function addNetwork(lib: LibraryBuilder): void {
  lib.add("ip", { global: ["string -> net.IP"], member: ["net.CIDR -> net.IP"] }, (frame, value) =>
    value instanceof Cidr ? value.ip : parseIp(paid(frame, value)),
  );
  lib.add("cidr", { global: ["string -> net.CIDR"] }, (frame, value) => parseCidr(paid(frame, value)));
  lib.add("isIP", { global: ["string -> bool"] }, (frame, value) => isIp(paid(frame, value)));
  lib.add(
    "ip.isCanonical",
    { global: ["string -> bool"] },
    (frame, value) => parseIp(paid(frame, value)).toText() === value,
  );
  lib.add("family", { member: ["net.IP -> int"] }, (_, value) => ipOf(value).family);
  lib.add("isUnspecified", { member: ["net.IP -> bool"] }, (_, value) => isUnspecified(ipOf(value)));
  lib.add("isLoopback", { member: ["net.IP -> bool"] }, (_, value) => within(ipOf(value), RANGES.loopback));
  lib.add("isPrivate", { member: ["net.IP -> bool"] }, (_, value) => within(ipOf(value), RANGES.private));
  lib.add("isLinkLocalUnicast", { member: ["net.IP -> bool"] }, (_, value) =>
    within(ipOf(value), RANGES.linkLocalUnicast),
  );
  lib.add("isLinkLocalMulticast", { member: ["net.IP -> bool"] }, (_, value) => isLinkLocalMulticast(ipOf(value)));
  lib.add("isGlobalUnicast", { member: ["net.IP -> bool"] }, (_, value) => isGlobalUnicast(ipOf(value)));
  lib.add("containsIP", { member: ["net.CIDR, net.IP -> bool", "net.CIDR, string -> bool"] }, (frame, range, value) => {
    const ip = typeof value === "string" ? parseIp(paid(frame, value)) : ipOf(value);
    // An IPv4 address in IPv6 clothes reaches the same host, and must not slip past an IPv4 range.
    const address = cidrOf(range).ip.family === 4 ? ip.unmapped() : ip;
    return cidrOf(range).contains(address, address.family === 4 ? 32 : 128);
  });
  lib.add(
    "containsCIDR",
    { member: ["net.CIDR, net.CIDR -> bool", "net.CIDR, string -> bool"] },
    (frame, range, value) => {
      const inner = typeof value === "string" ? parseCidr(paid(frame, value)) : cidrOf(value);
      return cidrOf(range).contains(inner.ip, inner.prefix);
    },
  );
  lib.add("masked", { member: ["net.CIDR -> net.CIDR"] }, (_, value) => cidrOf(value).masked());
  lib.add("prefixLength", { member: ["net.CIDR -> int"] }, (_, value) => cidrOf(value).prefix);
}
