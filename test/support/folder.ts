import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { stringify } from "yaml";

/** A folder for one test file, gone with `remove`. */
export interface Folder {
  /** Its real path: servers compare paths after following links. */
  readonly path: string;
  /** Writes a file, its folders included, and gives its path. Anything but a text is written as YAML. */
  write(name: string, content: unknown): string;
  remove(): void;
}

/** `name` tells whose it is, for one that was left behind. */
export function makeFolder(name = "test"): Folder {
  const path = realpathSync(mkdtempSync(join(tmpdir(), `callgate-${name}-`)));
  return {
    path,
    write(name, content) {
      const file = join(path, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, typeof content === "string" ? content : stringify(content, { aliasDuplicateObjects: false }));
      return file;
    },
    remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }),
  };
}
