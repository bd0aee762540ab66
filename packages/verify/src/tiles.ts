import type { Findings } from "./finding.ts";
import { HASH, TILE } from "./merkle.ts";
import type { TileRow } from "./snapshot.ts";
import type { Whole } from "./whole.ts";

/** Compares the stored tiles from level 1 on with those of the tree; returns how many were as they should be. */
export function checkTiles(rows: readonly TileRow[], whole: Whole, records: number, findings: Findings): number {
  const stored = new Map(rows.map(([level, index, data]) => [`${level}/${index}`, data]));
  let right = 0;
  for (const { level, index, data } of whole.tiles()) {
    const name = `${level}/${index}`;
    const found = stored.get(name);
    stored.delete(name);
    const width = TILE ** level;
    const [from, to] = [index * TILE * width + 1, (index + 1) * TILE * width];
    if (found === undefined) findings.add("integrity", "tile", `the tile ${name} is missing`, from, to);
    else if (!(found instanceof Uint8Array) || !data.equals(found)) {
      const at = found instanceof Uint8Array ? differsAt(data, found) : 0;
      findings.add(
        "integrity",
        "tile",
        `the tile ${name} is not that of the records`,
        from + at * width,
        from + (at + 1) * width - 1,
      );
    } else right++;
  }
  // Behind a missing record the tree is not known, and neither is which tiles it should have.
  if (whole.size === records)
    for (const name of stored.keys())
      findings.add("integrity", "tile", `there is a tile ${name} that the log does not have`);
  return right;
}

function differsAt(data: Buffer, found: Uint8Array): number {
  let at = 0;
  while (at < data.length && data[at] === found[at]) at++;
  return Math.min(TILE - 1, Math.floor(at / HASH));
}
