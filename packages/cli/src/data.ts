import { resolve } from "node:path";
import { dataFolderOf } from "@callgate/gateway";

/** The data folder that the options name, directly or through the configuration. Needs no more of a configuration than that. */
export async function dataFolder(options: { readonly config: string; readonly data?: string }): Promise<string> {
  return options.data === undefined ? await dataFolderOf(options.config) : resolve(options.data);
}
