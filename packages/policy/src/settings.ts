import type { Variable } from "./cel/env.ts";
import { BOOL, DOUBLE, type Field, listOf, STRING, type Type } from "./cel/type.ts";
import type { Value } from "./cel/value.ts";
import { closest } from "./suggest.ts";

/** What is set for a place where policies are used: `settings.<name>` in a rule. The same for every call. */
export type PolicySettings = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** The constant fact `settings`, typed by its values. A field that is not set is a defect of the rule: nothing has a default. */
export function settingsFact(settings: PolicySettings): Variable {
  const names = Object.keys(settings);
  const fields = new Map(
    Object.entries(settings).map(([name, value]): [string, Field] => [name, { type: typeOf(value), optional: false }]),
  );
  const missing = (field: string): string => {
    const near = closest(field, names);
    const add = `add \`settings: { ${field}: … }\` to callgate.yaml`;
    return near === undefined ? add : `did you mean \`${near}\`? or ${add}`;
  };
  const type: Type = { kind: "object", name: "settings", fields, missing };
  const constant = settings as unknown as Value;
  return { name: "settings", type, read: () => constant, constant };
}

function typeOf(value: PolicySettings[string]): Type {
  if (typeof value === "string") return STRING;
  if (typeof value === "boolean") return BOOL;
  // One type for 500 and 500.5: a rule MUST NOT stop to load because a value has changed.
  return typeof value === "number" ? DOUBLE : listOf(STRING);
}
