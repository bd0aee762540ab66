import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { CallgateError, messageOf } from "@callgate/core";
import { dataFolderOf, fileKeyOf } from "@callgate/gateway";
import { type FileKey, holdFileKey, isEncryptedFile, parseFileKey } from "@callgate/ledger";

/** The variable that has the key of the ledger's files, where no file is named. */
export const KEY_VARIABLE = "CALLGATE_LEDGER_KEY";

/** What every command that reads a data folder is told of it. */
export interface FolderOptions {
  readonly config: string;
  readonly data?: string;
  readonly keyFile?: string;
}

/**
 * The data folder that the options name, directly or through the configuration. Needs no more of a configuration than that; where the
 * ledger in it is encrypted, its key is looked for and held.
 */
export async function dataFolder(options: FolderOptions): Promise<string> {
  const folder = options.data === undefined ? await dataFolderOf(options.config) : resolve(options.data);
  const wanted = options.keyFile !== undefined || isEncryptedFile(join(folder, "ledger.db"));
  const key = wanted ? await fileKey(options) : undefined;
  if (key !== undefined) holdFileKey(folder, key);
  return folder;
}

/**
 * The key of a ledger's files: from the file that is named, else from the environment, else from the configuration. Undefined if there
 * is none. Throws `FILE_KEY_INVALID`, or `CONFIG_INVALID` where the configuration names one that is not there.
 */
export async function fileKey({ config, data, keyFile }: FolderOptions): Promise<FileKey | undefined> {
  if (keyFile !== undefined) return keyIn(keyFile);
  const own = process.env[KEY_VARIABLE];
  if (own) return parseFileKey(own);
  try {
    return (await fileKeyOf(config))?.reveal();
  } catch (error) {
    // With `--data` there may be no configuration, or another's.
    if (data !== undefined) return undefined;
    throw error;
  }
}

/** The key that a file has. Throws `FILE_KEY_INVALID`. */
export function keyIn(file: string): FileKey {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new CallgateError("FILE_KEY_INVALID", `the key file \`${file}\` cannot be read: ${messageOf(cause)}`, {
      help: "name a file that has the 64 hex digits of the key",
      cause,
    });
  }
  return parseFileKey(text);
}
