import { arch, release } from "node:os";
import { CallgateError, messageOf } from "@callgate/core";
import { describeLayers, type LayerReport } from "@callgate/sandbox";
import type { Config } from "../config/index.ts";
import { type Checkup, checkup } from "./finding.ts";

const OLDEST_NODE = 24;

/** What a person can do about a layer that is not in force. */
const REMEDIES: Readonly<Record<string, string>> = {
  isolate: "run `npm rebuild isolated-vm` with the Node that runs the broker",
  process: "start the broker with Node 24 or newer, which has the permission model",
  os: "on Linux: install bubblewrap and util-linux (`apt-get install bubblewrap util-linux`), and allow user namespaces (`sysctl -w kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0`, or a container that permits them), or start the broker as root, which gives up its rights in the workers",
};

/** Node and the platform. */
export function lookAtNode(): Checkup[] {
  const major = Number(process.versions.node.split(".")[0]);
  const user = process.getuid?.();
  return [
    checkup(
      "node",
      major >= OLDEST_NODE ? "ok" : "fail",
      `Node ${process.versions.node}`,
      `install Node ${OLDEST_NODE} or newer`,
    ),
    checkup(
      "platform",
      process.platform === "linux" ? "ok" : "warn",
      `${process.platform} ${arch()}, kernel ${release()}, ${user === undefined ? "no user ids" : user === 0 ? "as root" : `as user ${user}`}`,
      "only Linux has the sandbox's layer of the operating system",
    ),
  ];
}

/**
 * The layers of the sandbox, found by starting a worker. One that the configuration requires and that is not in force fails, if the
 * configuration has anything to run in it.
 */
export async function lookAtSandbox(
  config: Pick<Config, "code" | "servers" | "sandbox"> | undefined,
  look: () => Promise<readonly LayerReport[]> = describeLayers,
): Promise<Checkup[]> {
  const uses =
    config !== undefined &&
    (config.code !== undefined || Object.values(config.servers).some((server) => server.transport === "module"));
  const required: readonly string[] = config?.sandbox.require ?? ["isolate", "process"];
  let layers: readonly LayerReport[];
  try {
    layers = await look();
  } catch (error) {
    const help = error instanceof CallgateError ? error.help : undefined;
    return [
      checkup(
        "sandbox",
        uses ? "fail" : "warn",
        `no code can run here: ${messageOf(error)}${uses ? "" : "; nothing in the configuration needs to"}`,
        help ?? REMEDIES["isolate"],
      ),
    ];
  }
  const missing = layers.filter((l) => !l.inForce && required.includes(l.layer)).map((l) => l.layer);
  const unknown = required.filter((name) => !layers.some((l) => l.layer === name));
  return [
    ...layers.map(({ layer, inForce, detail }) =>
      checkup(
        `sandbox ${layer}`,
        // In force and not all that it can be: said in the detail, which names what is missing.
        inForce
          ? /; (?:without|not used)/.test(detail)
            ? "warn"
            : "ok"
          : required.includes(layer) && uses
            ? "fail"
            : "warn",
        `${inForce ? "in force" : "not in force"}: ${detail}`,
        REMEDIES[layer],
      ),
    ),
    checkup(
      "sandbox required",
      missing.length + unknown.length === 0 ? "ok" : uses ? "fail" : "warn",
      missing.length + unknown.length === 0
        ? `${required.join(", ") || "no layer"}: what the configuration requires is there`
        : `${[...missing, ...unknown].join(", ")} ${missing.length + unknown.length === 1 ? "is" : "are"} required and not in force`,
      "see above, or take it out of `sandbox.require` and know what you give up",
    ),
  ];
}
