import type { Label } from "@callgate/core";
import type { Leaf } from "./leaves.ts";

/** Which parts of a result carry its labels, where it is structured. */
export interface ResultFlow {
  /**
   * `all`: every part carries every label. `prose`: short fields that hold one value (identifiers, addresses, dates) do not
   * carry `untrusted`; free text does, and so does what is embedded in it.
   */
  readonly untrusted: "all" | "prose";
  /**
   * What a text is that is not given as structured content. `prose`, the default: free text, however it is laid out. `record`: the
   * tool's own records in JSON, block YAML or as a Python literal, or one short value; read as structured content is.
   */
  readonly text?: "prose" | "record";
  /** Labels of single fields, by dotted path with lists as `[]` (`[].password`), on top of the rest. */
  readonly fields?: Readonly<Record<string, readonly Label[]>>;
}

const FREE_TEXT =
  /^(?:.*_)?(?:body|content|contents|text|description|subject|title|message|messages|note|notes|comment|comments|review|reviews|summary|details|reason|bio|about|caption|snippet|feedback|memo|remarks?|instructions?)$/i;
const SECRET_FIELD =
  /pass(?:word|wd|phrase|code)|passport|secret|credential|(?:credit|debit)[ _-]?card|card[ _-]?number|\bcvv|\bcvc|\bssn\b|social[ _-]?security|api[ _-]?key|private[ _-]?key|access[ _-]?token|\bpin\b|(?:national|tax|id)[ _-]?number/i;

/** The labels of one field: what the manifest says of it, and `secret` where its name leaves no doubt. */
export function labelsOf({ path, field }: Leaf, flow: ResultFlow | undefined): readonly Label[] {
  const said = flow?.fields && Object.hasOwn(flow.fields, path) ? (flow.fields[path] as readonly Label[]) : [];
  if (field === undefined || said.includes("secret") || !SECRET_FIELD.test(field)) return said;
  return [...said, "secret"];
}

/** Whether a field is free text: by its name, its length, or because the result has no fields. */
export function isProse(leaf: Leaf, structured: boolean): boolean {
  const { text, field } = leaf;
  if (leaf.isName) return text.length > 60 || /\n/.test(text);
  if (field !== undefined && FREE_TEXT.test(field)) return true;
  if (text.length > 100 || /\n/.test(text.trim())) return true;
  return text.split(/\s+/, 9).length > (structured ? 8 : 3);
}
