import { fileURLToPath } from "node:url";
import { type Anchor, readAnchorFile, readCheckpointFile } from "./anchor.ts";
import type { Database } from "./database.ts";
import { textOf } from "./key.ts";
import { COSIGNATURE, ML_DSA, type NoteKey, parseNoteKey } from "./note.ts";
import type { VerifyOptions } from "./options.ts";
import { askWitness, withoutCredentials } from "./witness.ts";

/** Reads the anchors that were named, each with all that it holds of this log. */
export async function readAnchors(
  named: Pick<VerifyOptions, "anchors" | "checkpoints" | "witnessKeys">,
  origin: string,
  key: NoteKey | undefined,
  db: Database,
): Promise<readonly Anchor[]> {
  const newest = db.rows("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1");
  const at = db.rows("SELECT note FROM checkpoint WHERE size = ?");
  const [size, note] = (newest.get() ?? []) as unknown as [] | [number, string];
  const own = {
    newest: size === undefined || note === undefined ? undefined : { size, note },
    at: (wanted: number) => (at.get(wanted) as unknown as [string] | undefined)?.[0],
  };
  const given = named.witnessKeys ?? [];
  const keys = given.map((text) => parseNoteKey(textOf(text) ?? text, COSIGNATURE, ML_DSA));
  const wrong = given[keys.indexOf(undefined)];
  const asked = (named.anchors ?? []).map(async (name): Promise<Anchor> => {
    const isWitness = /^https?:\/\//.test(name);
    if (isWitness && wrong !== undefined)
      return {
        name: withoutCredentials(name),
        entries: [],
        others: 0,
        skipped: 0,
        problem: `\`${wrong}\` is not a witness's key`,
      };
    if (isWitness)
      return await askWitness(
        name,
        origin,
        own,
        keys.filter((witness) => witness !== undefined),
      );
    return readAnchorFile(name, pathOf(name), origin, key);
  });
  const single = (named.checkpoints ?? []).map((path) => readCheckpointFile(path, origin, key));
  return [...(await Promise.all(asked)), ...single];
}

function pathOf(name: string): string {
  if (name.startsWith("file://")) return fileURLToPath(name);
  return name.startsWith("file:") ? name.slice("file:".length) : name;
}
