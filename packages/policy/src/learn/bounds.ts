import { isObject, type JsonObject } from "@callgate/core";
import { celField, celList, celNumber, celString } from "./cel-text.ts";
import type { Seen } from "./seen.ts";
import type { Texts, Urls } from "./texts.ts";

/** Up to how many arguments are named as absent, one by one. */
const MAX_ABSENT = 20;

/** Part of a condition: what was seen of one argument. */
export interface Bound {
  /** What asks whether the argument is there, part by part, to stand before. */
  readonly needs: readonly string[];
  /** A condition in CEL, of printable ASCII, that can stand beside others between `&&`. */
  readonly when: string;
}

/** The bounds as the terms of one condition, each with what it needs before it, once. */
export function termsOf(bounds: readonly Bound[]): string[] {
  const asked = new Set<string>();
  return bounds.map(({ needs, when }) => {
    const open = needs.filter((need) => !asked.has(need));
    for (const need of open) asked.add(need);
    return [...open, when].join(" && ");
  });
}

/**
 * What the arguments of all calls had in common. `least`: how often a place must have been seen before anything is said of it. Every
 * bound holds for each of the calls, as far as it can be told without the engine.
 */
export function boundsOf(seen: Seen, least: number, schema: JsonObject | undefined): Bound[] {
  const required = Array.isArray(schema?.["required"]) ? schema["required"] : [];
  return [...fieldBounds(seen, "args", least, required, { needs: [] }), ...absent(seen, least, schema)];
}

/** Where a condition stands: behind `needs`, and `within` what lets a call pass that has no such argument. */
interface Place {
  readonly needs: readonly string[];
  readonly within?: (when: string) => string;
}

function fieldBounds(object: Seen, of: string, least: number, required: readonly unknown[], place: Place): Bound[] {
  return [...object.fields].flatMap(([name, field]): Bound[] => {
    if (field.count < least) return [];
    const { read, asked } = celField(of, name);
    const inner = placeOf(asked, place, field.count < object.count, required.includes(name));
    const nulls = field.kinds.has("null");
    if (field.kind === "object" && !nulls) return fieldBounds(field, read, least, [], inner);
    return valueBounds(field, read, least).map((bound): Bound => {
      const when = nulls ? `(${read} == null || ${grouped(bound)})` : bound;
      return { needs: inner.needs, when: inner.within ? inner.within(when) : when };
    });
  });
}

function placeOf(asked: string, { needs, within }: Place, optional: boolean, required: boolean): Place {
  const outer = within ?? ((when: string): string => when);
  if (optional) return { needs, within: (when) => outer(`(${negated(asked)} || ${grouped(when)})`) };
  if (required) return within ? { needs, within } : { needs };
  return within ? { needs, within: (when) => outer(`(${asked} && ${when})`) } : { needs: [...needs, asked] };
}

function grouped(when: string): string {
  return when.includes(" && ") ? `(${when})` : when;
}

function negated(asked: string): string {
  return asked.startsWith("has(") ? `!${asked}` : `!(${asked})`;
}

/** Conditions on one value, each true of all that were seen there, nulls apart. */
function valueBounds(seen: Seen, read: string, least: number): string[] {
  switch (seen.kind) {
    case "text":
      return textBound(seen.texts, read, least);
    case "number":
      return range(read, seen.least, seen.most);
    case "bool":
      return seen.bools.size === 1 ? [`${read} == ${[...seen.bools].join()}`] : [];
    case "list":
      return [...size(read, seen), ...itemBounds(seen, read, least)];
    default:
      return [];
  }
}

function itemBounds({ items }: Seen, read: string, least: number): string[] {
  if (!items || items.count < least || items.kinds.has("null")) return [];
  if (items.kind !== "text" && items.kind !== "number") return [];
  return valueBounds(items, "x", least).map((when) => `${read}.all(x, ${when})`);
}

function size(read: string, { fewest, longest }: Seen): string[] {
  const most = `size(${read}) <= ${longest}`;
  if (fewest === longest) return [`size(${read}) == ${longest}`];
  return [fewest > 0 ? `size(${read}) >= ${fewest} && ${most}` : most];
}

function range(read: string, least: number | bigint | undefined, most: number | bigint | undefined): string[] {
  const [low, high] = [least, most].map((one) => (one === undefined ? undefined : celNumber(one)));
  if (low === undefined || high === undefined) return [];
  return [low === high ? `${read} == ${low}` : `${read} >= ${low} && ${read} <= ${high}`];
}

/** The narrowest of: these texts, these hosts, these domains, under this folder, beginning so. */
function textBound(texts: Texts, read: string, least: number): string[] {
  const { values, urls, domains, folder, prefix, count } = texts;
  if (count < least) return [];
  // Texts of which each was seen once are not a choice of a few.
  if (values && count >= 2 * values.size) return [choice(read, [...values].sort().map(celString))];
  if (urls) return urlBound(urls, read);
  if (domains) return [`emailDomain(${read}) in ${celList([...domains].sort().map(celString))}`];
  const root = folder?.parts && folderText(folder.parts);
  if (root !== undefined) return [`pathUnder(${read}, ${celString(root)})`];
  // Not up to a slash: what begins as a path can lead elsewhere.
  const start = /^.*[:#]/s.exec(prefix ?? "")?.[0] ?? "";
  return start.length >= 3 && start.isWellFormed() ? [`${read}.startsWith(${celString(start)})`] : [];
}

function choice(read: string, values: readonly string[]): string {
  return values.length === 1 ? `${read} == ${values[0]}` : `${read} in ${celList(values)}`;
}

function urlBound({ schemes, hosts, ports, folder }: Urls, read: string): string[] {
  if (!schemes || !hosts || !ports) return [];
  const url = `url(${read})`;
  const root = hosts.size === 1 && folder.parts ? folderText(folder.parts) : undefined;
  const parts = [
    `isURL(${read})`,
    choice(`${url}.scheme()`, [...schemes].sort().map(celString)),
    choice(`${url}.host()`, [...hosts].sort().map(celString)),
    choice(`${url}.port()`, [...ports].sort((a, b) => a - b).map(String)),
  ];
  // By itself, so that the host stays bounded where the folder cannot be.
  const under = root === undefined ? [] : [`pathUnder(${url}.path(), ${celString(root)})`];
  return [parts.join(" && "), ...under];
}

/** The folder as a path; undefined for one that says nothing. */
function folderText(parts: readonly string[]): string | undefined {
  const text = parts.join("/");
  return text === "" ? undefined : text;
}

/** Arguments that no call had: each by name where the schema names all there can be, else all but those that were seen. */
function absent(seen: Seen, least: number, schema: JsonObject | undefined): Bound[] {
  if (seen.count < least || seen.overflows) return [];
  const properties = isObject(schema?.["properties"]) ? Object.keys(schema["properties"]) : undefined;
  const names = properties?.filter((name) => !seen.fields.has(name)) ?? [];
  const closed =
    properties !== undefined && schema?.["additionalProperties"] === false && !isObject(schema["patternProperties"]);
  if (closed && names.length <= MAX_ABSENT) {
    return names.map((name): Bound => {
      const { asked } = celField("args", name);
      return { needs: [], when: negated(asked) };
    });
  }
  if (seen.fields.size === 0) return [{ needs: [], when: "size(args) == 0" }];
  const known = [...seen.fields.keys()].sort().map(celString);
  return [{ needs: [], when: `args.all(name, name in ${celList(known)})` }];
}
