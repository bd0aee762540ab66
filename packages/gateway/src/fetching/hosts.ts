import { isIP } from "node:net";
import { isLoopback } from "../config/network.ts";
import { type AddressKind, addressKind, plainAddress } from "./addresses.ts";

/** A host that a manifest names: `host`, `host:port`, `*.host`, `*.host:port`, in lower case. */
interface HostPattern {
  readonly host: string;
  readonly below: boolean;
  readonly port: string | undefined;
}

/** Where code in the sandbox may go, compiled from a manifest's `hosts`. */
export class Hosts {
  readonly #patterns: readonly HostPattern[];

  constructor(hosts: readonly string[]) {
    this.#patterns = hosts.map((text) => {
      const [name = "", port] = text.toLowerCase().split(":");
      const below = name.startsWith("*.");
      return { host: below ? name.slice(2) : name, below, port };
    });
  }

  /** Why a URL may not be asked; undefined if it may, as far as its text tells. */
  refusal(url: URL): string | undefined {
    const host = plainAddress(url.hostname);
    if (url.protocol !== "https:" && url.protocol !== "http:") return `\`${url.protocol}\` is no protocol for a fetch`;
    if (url.username !== "" || url.password !== "") return "a URL with a user or a password is not asked";
    const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
    const match = this.#patterns.find((p) => fits(p, host) && (p.port ?? "443") === port);
    if (!match) return `\`${url.host}\` is not among the hosts that the module's manifest names`;
    // Plain text goes to this machine alone, and only where a person named the very port.
    if (url.protocol === "http:" && !(isLoopback(host) && !match.below && match.port !== undefined))
      return `\`${url.host}\` can be asked over https alone`;
    return undefined;
  }

  /**
   * What is wrong with an address that `host` has; undefined if it may be connected to. An address that is not public is only
   * reached if the manifest names that address itself, or names a loopback host (`localhost:8080`): a name's owner decides
   * what it leads to, and MUST NOT be able to lead into this network. Metadata services are never reached.
   */
  refusedAddress(host: string, port: string, address: string): AddressKind | undefined {
    const kind = addressKind(address);
    if (kind === undefined || kind === "metadata") return kind;
    const plain = plainAddress(address);
    const named = this.#patterns.some((p) => !p.below && p.host === plain && (p.port ?? "443") === port);
    return named || (kind === "loopback" && isLoopback(host)) ? undefined : kind;
  }
}

/** `*.host` fits names below `host`, never an address and never `host` itself. */
function fits({ host, below }: HostPattern, name: string): boolean {
  return below ? isIP(name) === 0 && name.endsWith(`.${host}`) && name.length > host.length + 1 : name === host;
}
