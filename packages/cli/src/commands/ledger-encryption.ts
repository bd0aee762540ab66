import { resolve } from "node:path";
import { CallgateError } from "@callgate/core";
import { dataFolderOf } from "@callgate/gateway";
import { holdFileKey, type Rekeyed, rekeyFolder } from "@callgate/ledger";
import { Command } from "commander";
import { withConfig } from "../configuration.ts";
import { type FolderOptions, fileKey, keyIn } from "../data.ts";

interface Options extends FolderOptions {
  readonly previousKeyFile?: string;
  readonly json?: boolean;
}

/** `callgate ledger encrypt`: encrypts the files of a data folder, or gives them another key. */
export function encryptCommand(): Command {
  return withConfig(new Command("encrypt"))
    .description("encrypt the files of the data folder, or give them another key (the broker must be stopped)")
    .option("--previous-key-file <file>", "the key that they have now, if they have one")
    .option("--json", "print JSON, one file a line")
    .action(async (options: Options) => {
      const folder = await folderOf(options);
      const key = await neededKey(options);
      const before = options.previousKeyFile === undefined ? key : keyIn(options.previousKeyFile);
      holdFileKey(folder, before);
      print(rekeyFolder(folder, key), "encrypted", options);
    });
}

/** `callgate ledger decrypt`: the way back. */
export function decryptCommand(): Command {
  return withConfig(new Command("decrypt"))
    .description("make the files of the data folder plain again (the broker must be stopped)")
    .option("--json", "print JSON, one file a line")
    .action(async (options: Options) => {
      const folder = await folderOf(options);
      holdFileKey(folder, await neededKey(options));
      print(rekeyFolder(folder, undefined), "decrypted", options);
    });
}

async function folderOf({ config, data }: Options): Promise<string> {
  return data === undefined ? await dataFolderOf(config) : resolve(data);
}

async function neededKey(options: Options): Promise<string> {
  const key = await fileKey(options);
  if (key !== undefined) return key;
  throw new CallgateError("FILE_KEY_MISSING", "there is no key of the ledger's files", {
    help: "write `ledger.encryption.key` into the configuration, set CALLGATE_LEDGER_KEY, or name a file with `--key-file`",
  });
}

function print(files: readonly Rekeyed[], done: string, { json }: Options): void {
  for (const { file, what } of files) {
    if (json) console.log(JSON.stringify({ file, what }));
    else if (what === "changed") console.log(`${done}: ${file}`);
    else console.log(what === "left" ? `left as it is: ${file}` : `removed: ${file}, which the broker makes anew`);
  }
}
