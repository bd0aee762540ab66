import { dirname, resolve } from "node:path";
import { CallgateError, isObject } from "@callgate/core";
import { parseSource, readText, shownName } from "../config/source.ts";

/**
 * The data folder that a configuration names. Reads that one key: whoever looks into an incident has neither the broker's
 * secrets in the environment nor a reason to mend its manifests first. Throws `CONFIG_INVALID`.
 */
export async function dataFolderOf(path: string): Promise<string> {
  const file = resolve(path);
  const text = await readText(
    file,
    `configuration \`${shownName(file)}\``,
    "name it with `--config`, or the data folder with `--data`",
  );
  const read = text.ok ? parseSource(file, text.value) : text;
  if (!read.ok)
    throw new CallgateError("CONFIG_INVALID", "the configuration cannot be read", { diagnostics: read.diagnostics });
  const data = isObject(read.value.value) ? read.value.value["data"] : undefined;
  if (data !== undefined && typeof data !== "string") {
    throw new CallgateError("CONFIG_INVALID", "`data` in the configuration is not a path", {
      help: "name the data folder with `--data`",
    });
  }
  return resolve(dirname(file), data ?? ".callgate");
}
