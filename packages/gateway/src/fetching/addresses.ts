import { BlockList, isIP } from "node:net";

/** Why an address is no place on the public internet; undefined if it is one. */
export type AddressKind = "loopback" | "private" | "metadata";

/** Where clouds hand out the credentials of the machine that asks. */
const METADATA = [
  "169.254.169.254",
  "169.254.170.2",
  "169.254.170.23",
  "100.100.100.200",
  "168.63.129.16",
  "fd00:ec2::254",
  "fd00:ec2::23",
];

// IANA's special-purpose registries (RFC 6890 and after), without what is globally reachable.
const SPECIAL4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.31.196.0/24",
  "192.52.193.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "192.175.48.0/24",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
];

const metadata = listOf(METADATA.map((address) => `${address}/${address.includes(":") ? 128 : 32}`));
const loopback = listOf(["127.0.0.0/8", "::1/128"]);
const special4 = listOf(SPECIAL4);
// INVARIANT: of IPv6 only 2000::/3 is public. Whatever is outside it (unique local, link-local, multicast, mapped, NAT64
// of 64:ff9b::/96 and 64:ff9b:1::/48, discard) is refused without being named.
const global6 = listOf(["2000::/3"]);
// Teredo, benchmarking, ORCHID, documentation, 6to4, SRv6: inside 2000::/3, but not the public internet; those that carry
// an IPv4 address inside could carry any.
const special6 = listOf(["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "2620:4f:8000::/48"]);

/** What kind of address this is; undefined for one of the public internet. What is no address is `private`. */
export function addressKind(address: string): AddressKind | undefined {
  const plain = plainAddress(address);
  const family = isIP(plain);
  if (family === 0) return "private";
  const type = family === 4 ? "ipv4" : "ipv6";
  if (metadata.check(plain, type)) return "metadata";
  if (loopback.check(plain, type)) return "loopback";
  if (family === 4) return special4.check(plain, type) ? "private" : undefined;
  return global6.check(plain, type) && !special6.check(plain, type) ? undefined : "private";
}

/** An address without brackets and zone; one of IPv4 that is written as IPv6 (`::ffff:7f00:1`) as itself. */
export function plainAddress(address: string): string {
  const bare = address
    .replace(/^\[|\]$/g, "")
    .replace(/%.*$/, "")
    .toLowerCase();
  if (isIP(bare) !== 6) return bare;
  // The URL parser writes every address in its one canonical form.
  const canonical = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical);
  if (!mapped) return canonical;
  const [high, low] = [Number.parseInt(mapped[1] as string, 16), Number.parseInt(mapped[2] as string, 16)];
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

function listOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address, bits] = range.split("/") as [string, string];
    list.addSubnet(address, Number(bits), address.includes(":") ? "ipv6" : "ipv4");
  }
  return list;
}
