import {
  closeSync,
  existsSync,
  fdatasyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { CallgateError } from "@callgate/core";
import { originOf, parseCheckpoint } from "../checkpoint.ts";
import { syncFolder, writeDurably } from "../folder.ts";
import { TILE_WIDTH } from "../merkle.ts";
import { type TileFile, tileFiles } from "./tiles.ts";
import type { LedgerTree } from "./tree.ts";

/**
 * Brings a tlog-tiles directory up to the tree's checkpoint, from the size that it had. Files are written whole and synced, and the checkpoint last: whoever
 * reads the directory meanwhile finds everything that the checkpoint there speaks of. Files that are there already are written again with the same
 * bytes. Returns how many files were written and how many entry bundles are missing because their records were archived. Throws `EXPORT_TARGET` if the directory
 * is that of another log, or of a longer one.
 */
export function writeTiles(
  folder: string,
  tree: LedgerTree,
  before: number,
): { readonly files: number; readonly missing: number } {
  const root = resolve(folder);
  const { size, note } = tree.checkpoint;
  refuseOther(root, tree.log, size);
  mkdirSync(root, { recursive: true });
  const folders = new Set<string>();
  const full: string[] = [];
  let [files, bundles] = [0, 0];
  for (const file of tileFiles(tree, before)) {
    writeFile(root, file, folders);
    files++;
    if (file.path.startsWith("tile/entries/")) bundles++;
    if (!file.partial) full.push(`${join(root, file.path)}.p`);
  }
  for (const dirty of folders) syncFolder(dirty);
  writeDurably(join(root, "checkpoint"), note, 0o644);
  // Nobody needs a partial tile once the full one is there.
  for (const partial of full) rmSync(partial, { recursive: true, force: true });
  const due = Math.ceil(size / TILE_WIDTH) - Math.floor(before / TILE_WIDTH);
  return { files: files + 1, missing: size === before ? 0 : due - bundles };
}

function refuseOther(root: string, log: string, size: number): void {
  const path = join(root, "checkpoint");
  if (!existsSync(path)) return;
  const there = parseCheckpoint(readFileSync(path, "utf8"))?.checkpoint;
  const refused = (how: string): CallgateError =>
    new CallgateError("EXPORT_TARGET", `the checkpoint in \`${root}\` ${how}`, { help: "name another folder" });
  if (there === undefined) throw refused("cannot be read");
  if (there.origin !== originOf(log)) throw refused(`is that of another log, \`${there.origin}\``);
  if (there.size > size) throw refused(`has ${there.size} records, and the ledger has ${size}`);
}

function writeFile(root: string, { path, data }: TileFile, folders: Set<string>): void {
  const file = join(root, path);
  const folder = dirname(file);
  if (!folders.has(folder)) {
    mkdirSync(folder, { recursive: true });
    // New folders are entries of those above them.
    for (let at = folder; at.length >= root.length; at = dirname(at)) folders.add(at);
  }
  const draft = `${file}.new`;
  const handle = openSync(draft, "w", 0o644);
  try {
    for (let at = 0; at < data.length; ) at += writeSync(handle, data, at);
    fdatasyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(draft, file);
}
