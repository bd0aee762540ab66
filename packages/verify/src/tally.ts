/** What was counted and collected of some records: of a range while it is walked along, or of all of them. */
export interface Tally {
  /** Records that were read, and those of which only the hash is left. */
  records: number;
  archived: number;
  payloads: number;
  opened: number;
  shredded: number;
  checkpoints: number;
  clocks: number;
  /** Checkpoints that the second key signed too. */
  twice: number;
  /** Sessions with payloads and without a key. */
  readonly keyless: Set<string>;
  /** Leaves of seals and of changes, of records whose hash is in the tree. */
  readonly seals: string[];
  readonly configs: string[];
}

export function newTally(): Tally {
  const counts = { records: 0, archived: 0, payloads: 0, opened: 0, shredded: 0, checkpoints: 0, clocks: 0, twice: 0 };
  return { ...counts, keyless: new Set(), seals: [], configs: [] };
}

/** Adds what was found of the records that follow. */
export function addTally(to: Tally, next: Tally): void {
  to.records += next.records;
  to.archived += next.archived;
  to.payloads += next.payloads;
  to.opened += next.opened;
  to.shredded += next.shredded;
  to.checkpoints += next.checkpoints;
  to.clocks += next.clocks;
  to.twice += next.twice;
  for (const session of next.keyless) to.keyless.add(session);
  to.seals.push(...next.seals);
  to.configs.push(...next.configs);
}
