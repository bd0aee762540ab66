import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import { CallgateError, messageOf } from "@callgate/core";

/** The files of a bundle as they are written, for their owner alone: they hold arguments and results. */
export class BundleFolder {
  readonly path: string;
  readonly #digests = new Map<string, string>();

  private constructor(path: string) {
    this.path = path;
  }

  /** Makes the folder. Throws `BAD_ARGUMENT` if there is something in it: nothing is ever overwritten. */
  static make(path: string): BundleFolder {
    try {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      if (readdirSync(path).length === 0) return new BundleFolder(path);
    } catch (error) {
      throw new CallgateError("BAD_ARGUMENT", `\`${path}\` cannot be made: ${messageOf(error)}`);
    }
    throw new CallgateError("BAD_ARGUMENT", `the folder \`${path}\` is not empty`, {
      help: "name a new one with `--out`",
    });
  }

  /** Writes a file of these parts, one after another. */
  write(name: string, parts: Iterable<string>): void {
    const hash = createHash("sha256");
    const handle = openSync(join(this.path, name), "wx", 0o600);
    try {
      for (const part of parts) {
        const bytes = Buffer.from(part);
        hash.update(bytes);
        for (let from = 0; from < bytes.length; ) from += writeSync(handle, bytes, from);
      }
    } finally {
      closeSync(handle);
    }
    this.#digests.set(name, hash.digest("hex"));
  }

  /** The files that were written so far, as `sha256sum` lists them. */
  list(): string {
    return [...this.#digests]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, digest]) => `${digest}  ${name}\n`)
      .join("");
  }
}
