import { decodings, eachWord, isWordUnit, normalise, trimEdges } from "./text.ts";
import { accountOf, bareUrl, hostOf, isShortNumber, keysOf, lookupKeys } from "./values.ts";
import { WordFilter } from "./word-filter.ts";

/** What a text that is indexed carries. Marks are interned: equal ones are the same object. */
export interface Mark {
  readonly origins: readonly string[];
  /** Whether the value may ground an argument: the task, a trusted source, an approval, or a clean field of a record. */
  readonly grounds: boolean;
  /** A clean field grounds what it holds as a whole; what is embedded in it has these origins instead. */
  readonly embedded?: Mark;
}

interface Entry {
  readonly text: string;
  readonly mark: Mark;
  /** The call whose result it is in; absent for what no call gave. */
  readonly source: string | undefined;
}

/** The marks of the places where a value was seen, and the first of them. */
export class Sightings extends Set<Mark> {
  /** The call whose result the value was first seen in; null if it was first seen elsewhere, undefined if that is not known. */
  first: string | null | undefined;
  /** Not the value itself was seen, but the host of the URL that it is: what follows the host can carry anything away. */
  isHost = false;
}

/** Part of the index that is evicted as a whole. A posting is the entry's number times 2^24 plus the place in its text. */
class Segment {
  readonly entries: Entry[] = [];
  readonly words = new Map<string, number[]>();
  readonly keys = new Map<string, Set<Mark>>();
  readonly marks = new Set<Mark>();
  cost = 0;
}

const PLACE = 2 ** 24;
const SEGMENT_COST = 512 * 1024;
const MAX_VERIFIED = 512;
const CHUNK = 1 << 20;
/** Encoded pieces of one value that are looked up. */
const MAX_PIECES = 256;

/**
 * Where values were seen: an index over the texts that passed, bounded in memory. Finds a value as a whole, inside longer
 * texts, in other ways of writing (case, width, dates, quantities, accounts with spaces) and under percent encoding,
 * base64 and hex.
 *
 * INVARIANT: eviction never makes an untrusted value look unseen. The words of what is evicted stay in a filter without false
 * negatives, and a value all of whose words are in it has the evicted marks. Marks that ground are not kept there.
 */
export class ValueIndex {
  readonly #segments: Segment[] = [new Segment()];
  readonly #pinned = new Segment();
  readonly #maxCost: number;
  readonly #evicted = new Map<Mark, WordFilter>();
  #cost = 0;

  /** `maxBytes` bounds what records may take; what is pinned (task, trusted sources) is bounded by as much again. */
  constructor(maxBytes = 4 * 1024 * 1024) {
    this.#maxCost = maxBytes;
  }

  /** About how many bytes the index holds. */
  get bytes(): number {
    return this.#cost + this.#pinned.cost;
  }

  /** Indexes a text. `pinned` texts are never evicted; beyond their bound they are left out, which can only cost trust. */
  add(text: string, mark: Mark, pinned = false, source?: string): void {
    for (let at = 0; at < text.length; at += CHUNK) {
      this.#addChunk(text.slice(at === 0 ? 0 : at - 4096, at + CHUNK), mark, pinned, source);
    }
  }

  #addChunk(text: string, mark: Mark, pinned: boolean, source: string | undefined): void {
    const normal = normalise(text);
    if (normal === "") return;
    let segment = pinned ? this.#pinned : (this.#segments.at(-1) as Segment);
    if (pinned && segment.cost > this.#maxCost) return;
    if (!pinned && segment.cost > Math.min(SEGMENT_COST, this.#maxCost / 4)) {
      segment = new Segment();
      this.#segments.push(segment);
    }
    const before = segment.cost;
    this.#insert(segment, normal, mark, source);
    for (const decoded of decodings(text)) this.#insert(segment, normalise(decoded), mark.embedded ?? mark, source);
    if (!pinned) this.#cost += segment.cost - before;
    while (this.#cost > this.#maxCost && this.#segments.length > 1) this.#evict();
  }

  #insert(segment: Segment, normal: string, mark: Mark, source: string | undefined): void {
    const base = segment.entries.length * PLACE;
    segment.entries.push({ text: normal, mark, source });
    segment.marks.add(mark);
    let cost = 64 + normal.length * 2;
    eachWord(normal, (start, end) => {
      const word = normal.slice(start, end);
      const postings = segment.words.get(word);
      if (postings) postings.push(base + start);
      else {
        segment.words.set(word, [base + start]);
        cost += 80;
      }
      cost += 8;
    });
    for (const key of keysOf(normal)) {
      const marks = segment.keys.get(key);
      // A key is the whole value only where the text is nothing but it.
      const own = mark.embedded && !lookupKeys(normal).includes(key) ? mark.embedded : mark;
      if (marks) marks.add(own);
      else {
        segment.keys.set(key, new Set([own]));
        cost += 160;
      }
    }
    segment.cost += cost;
  }

  #evict(): void {
    const segment = this.#segments.shift() as Segment;
    this.#cost -= segment.cost;
    for (const { text, mark } of segment.entries) {
      const kept = mark.embedded ?? mark;
      let filter = this.#evicted.get(kept);
      if (!filter) this.#evicted.set(kept, (filter = new WordFilter()));
      eachWord(text, (start, end) => filter.add(text.slice(start, end)));
    }
    for (const [key, marks] of segment.keys)
      for (const mark of marks) this.#evicted.get(mark.embedded ?? mark)?.add(key);
  }

  /** The marks of all places where the value was seen. Empty: nowhere. */
  find(value: string, isNumber = false): Sightings {
    const marks = new Sightings();
    const whole = normalise(value);
    if (isNumber) {
      this.#findNumber(whole, marks);
      return marks;
    }
    this.#findText(whole, marks, false);
    const trimmed = trimEdges(whole);
    if (trimmed !== whole) this.#findText(trimmed, marks, false);
    const bare = bareUrl(trimmed);
    if (bare !== trimmed) this.#findText(bare, marks, true);
    if (bare.startsWith("www.")) this.#findText(bare.slice(4), marks, true);
    for (const key of lookupKeys(whole)) if (!isShortNumber(whole) || !key.startsWith("n:")) this.#findKey(key, marks);
    const account = accountOf(whole);
    if (account !== undefined && account !== whole) this.#findText(account, marks, false);
    const pieces = decodings(value);
    for (const decoded of pieces.slice(0, MAX_PIECES)) this.#findText(normalise(decoded), marks, false, true);
    if (pieces.length > MAX_PIECES) this.#distrust(marks);
    return marks;
  }

  /** The marks of the host of a URL, wherever it was seen. */
  findHost(value: string): Sightings {
    const marks = new Sightings();
    const host = hostOf(value);
    if (host === undefined) return marks;
    marks.isHost = true;
    this.#findText(host, marks, true);
    if (host.startsWith("www.")) this.#findText(host.slice(4), marks, true);
    return marks;
  }

  /** Past a bound, a value counts as embedded in all that was seen: that can only cost trust. */
  #distrust(into: Set<Mark>): void {
    for (const segment of this.#segments) distrustAll(segment, into);
    for (const mark of this.#evicted.keys()) into.add(mark);
  }

  #findNumber(whole: string, into: Set<Mark>): void {
    const found = new Set<Mark>();
    for (const key of lookupKeys(whole)) this.#findKey(key, found);
    // Small numbers are in any text: one in passing says nothing.
    for (const mark of found) if (mark.grounds || !isShortNumber(whole)) into.add(mark);
  }

  #findKey(key: string, into: Set<Mark>): void {
    for (const segment of [this.#pinned, ...this.#segments]) {
      for (const mark of segment.keys.get(key) ?? []) into.add(mark);
    }
    for (const [mark, filter] of this.#evicted) if (filter.has(key)) into.add(mark);
  }

  #findText(needle: string, into: Sightings, isUrl: boolean, taintOnly = false): void {
    if (needle === "") return;
    const words: number[] = [];
    eachWord(needle, (start, end) => words.push(start, end));
    if (words.length === 0) return;
    this.#findIn(this.#pinned, needle, words, into, isUrl, taintOnly);
    for (const segment of this.#segments) this.#findIn(segment, needle, words, into, isUrl, taintOnly);
    for (const [mark, filter] of this.#evicted) {
      let all = true;
      for (let i = 0; all && i < words.length; i += 2) all = filter.has(needle.slice(words[i], words[i + 1]));
      if (all) into.add(mark);
    }
  }

  #findIn(
    segment: Segment,
    needle: string,
    words: readonly number[],
    into: Sightings,
    isUrl: boolean,
    taintOnly: boolean,
  ): void {
    let rarest: readonly number[] | undefined;
    let shift = 0;
    for (let i = 0; i < words.length; i += 2) {
      const postings = segment.words.get(needle.slice(words[i], words[i + 1]));
      if (!postings) return;
      if (!rarest || postings.length < rarest.length) {
        rarest = postings;
        shift = words[i] as number;
      }
    }
    let missing = 0;
    for (const mark of segment.marks) if (!into.has(mark) || (mark.embedded && !into.has(mark.embedded))) missing += 1;
    if (missing === 0 && into.first !== undefined) return;
    let verified = 0;
    for (const posting of rarest as readonly number[]) {
      const number = Math.floor(posting / PLACE);
      const { text, mark, source } = segment.entries[number] as Entry;
      if (into.has(mark) && (!mark.embedded || into.has(mark.embedded))) continue;
      const start = posting - number * PLACE - shift;
      if (++verified > MAX_VERIFIED) {
        distrustAll(segment, into);
        return;
      }
      if (start < 0 || !text.startsWith(needle, start)) continue;
      const end = start + needle.length;
      if (isWordUnit(text.charCodeAt(start - 1)) && isWordUnit(needle.charCodeAt(0))) continue;
      if (isWordUnit(text.charCodeAt(end)) && isWordUnit(needle.charCodeAt(needle.length - 1))) continue;
      // A small number in passing (`2.`, `in 5 minutes`) is no identifier; one that is named as such is.
      if (isShortNumber(needle) && text.length > needle.length && !isNamed(text, start)) continue;
      if (into.first === undefined) into.first = source ?? null;
      const strict = !taintOnly && isDelimited(text, start, end, isUrl);
      if (mark.embedded) {
        const isWhole = strict && (isUrl ? urlKey(text) === urlKey(needle) : trimEdges(text).length <= needle.length);
        into.add(isWhole ? mark : mark.embedded);
      } else if (strict || !mark.grounds) into.add(mark);
    }
  }
}

function distrustAll(segment: Segment, into: Set<Mark>): void {
  for (const one of segment.marks) if (!one.grounds || one.embedded) into.add(one.embedded ?? one);
}

function urlKey(text: string): string {
  const bare = bareUrl(trimEdges(text));
  return bare.startsWith("www.") ? bare.slice(4) : bare;
}

/** Whether what stands at a place is a value of its own there, not a part of a longer address, name or path. */
function isDelimited(text: string, start: number, end: number, isUrl: boolean): boolean {
  const joins = (at: number, beyond: number): boolean =>
    ".@_-+/\\".includes(text[at] ?? " ") && isWordUnit(text.charCodeAt(beyond));
  if (joins(end, end + 1) && !(isUrl && text[end] === "/")) return false;
  if (!joins(start - 1, start - 2)) return true;
  return isUrl && (text.slice(0, start).endsWith("www.") || (text[start - 1] === "/" && text[start - 2] === "/"));
}

const NAMING =
  /(?:\b(?:ids?|no|nr|num|numbers?|files?|e?mails?|events?|messages?|orders?|items?|tickets?|issues?|transactions?|accounts?|users?|records?|tasks?|rooms?|products?|pr|invoices?|bookings?|reservations?|notes?|documents?|appointments?)(?: (?:is|of|with|and|id|ids|number))*[^a-z0-9]{0,4}|["'#])$/;

/** Whether a number stands where an identifier is named: quoted, after `#`, or after a word such as `id` or `file`. */
function isNamed(text: string, start: number): boolean {
  return NAMING.test(text.slice(Math.max(0, start - 32), start));
}
