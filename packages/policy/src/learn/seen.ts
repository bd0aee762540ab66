import { isObject } from "@callgate/core";
import { Texts } from "./texts.ts";

/** How deep into an argument is looked, and how many fields and turns of a list are. */
const MAX_DEPTH = 3;
const MAX_FIELDS = 40;
const MAX_ITEMS = 1000;

type Kind = "text" | "number" | "bool" | "list" | "object" | "null";

/** What was seen in one place of the arguments. It grows with what differs, within bounds, and not with the calls. */
export class Seen {
  /** How often there was a value. */
  count = 0;
  readonly kinds = new Map<Kind, number>();
  readonly texts = new Texts();
  readonly bools = new Set<boolean>();
  least: number | bigint | undefined;
  most: number | bigint | undefined;
  fewest = Number.POSITIVE_INFINITY;
  longest = 0;
  /** Of lists; absent until there was one with something in it. */
  items: Seen | undefined;
  readonly fields = new Map<string, Seen>();
  /** There were more fields than are kept apart. */
  overflows = false;
  readonly #depth: number;

  constructor(depth = 0) {
    this.#depth = depth;
  }

  add(value: unknown): void {
    this.count++;
    const kind = kindOf(value);
    this.kinds.set(kind, (this.kinds.get(kind) ?? 0) + 1);
    if (typeof value === "string") this.texts.add(value);
    else if (typeof value === "number" || typeof value === "bigint") {
      if (this.least === undefined || value < this.least) this.least = value;
      if (this.most === undefined || value > this.most) this.most = value;
    } else if (typeof value === "boolean") this.bools.add(value);
    else if (Array.isArray(value)) this.#addList(value);
    else if (isObject(value)) this.#addObject(value);
  }

  /** The only kind that was seen, nulls apart. */
  get kind(): Kind | undefined {
    const kinds = [...this.kinds.keys()].filter((kind) => kind !== "null");
    return kinds.length === 1 ? kinds[0] : undefined;
  }

  #addList(list: readonly unknown[]): void {
    this.fewest = Math.min(this.fewest, list.length);
    this.longest = Math.max(this.longest, list.length);
    if (list.length === 0) return;
    this.items ??= new Seen(this.#depth + 1);
    for (const item of list.slice(0, MAX_ITEMS)) this.items.add(item);
    // What was not looked at is not to be bounded.
    if (list.length > MAX_ITEMS) this.items.kinds.set("object", 1).set("list", 1);
  }

  #addObject(object: Record<string, unknown>): void {
    if (this.#depth >= MAX_DEPTH) return;
    for (const [name, value] of Object.entries(object)) {
      let field = this.fields.get(name);
      if (!field) {
        if (this.fields.size >= MAX_FIELDS || !name.isWellFormed() || name.length > 100) {
          this.overflows = true;
          continue;
        }
        field = new Seen(this.#depth + 1);
        this.fields.set(name, field);
      }
      field.add(value);
    }
  }
}

function kindOf(value: unknown): Kind {
  if (value === null || value === undefined) return "null";
  if (typeof value === "string") return "text";
  if (typeof value === "boolean") return "bool";
  if (Array.isArray(value)) return "list";
  return typeof value === "object" ? "object" : "number";
}
