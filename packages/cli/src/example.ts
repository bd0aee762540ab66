import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { CallgateError } from "@callgate/core";

/** The configuration to start with: `callgate.yaml` here if there is one, else the example that comes with the source. */
export function startConfig(given: string | undefined): string {
  if (given !== undefined) return given;
  if (existsSync("callgate.yaml")) return "callgate.yaml";
  const example = fileURLToPath(new URL("../../../examples/start/callgate.yaml", import.meta.url));
  if (existsSync(example)) return example;
  throw new CallgateError("CONFIG_INVALID", "there is no `callgate.yaml` here", {
    help: "name a configuration with `--config`, or wrap a client's servers with `callgate wrap`",
  });
}
