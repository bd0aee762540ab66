import { DYN, eitherString, partsOf, STRING, type Type, unionOf } from "./type.ts";

/** Works out type parameters: which types may stand where others are wanted. */
export class Unifier {
  readonly #bound = new Map<string, Type>();
  /** What each binding replaced, so that a failed trial can be undone. */
  readonly #log: { readonly name: string; readonly before: Type | undefined }[] = [];
  #fresh = 0;

  /** A parameter that nothing else has. */
  fresh(): Type {
    return { kind: "param", name: `$${this.#fresh++}` };
  }

  /** The types with their parameters made fresh, the same for the same name. */
  instantiate(types: readonly Type[]): Type[] {
    const names = new Map<string, Type>();
    const walk = (type: Type): Type => {
      if (type.kind === "param") {
        const known = names.get(type.name) ?? this.fresh();
        names.set(type.name, known);
        return known;
      }
      return mapParts(type, walk);
    };
    return types.map(walk);
  }

  /** Runs a trial; what it bound stays only if it succeeds. */
  attempt(trial: () => boolean): boolean {
    const mark = this.#log.length;
    if (trial()) return true;
    while (this.#log.length > mark) {
      const { name, before } = this.#log.pop() as { name: string; before: Type | undefined };
      if (before) this.#bound.set(name, before);
      else this.#bound.delete(name);
    }
    return false;
  }

  #bind(name: string, type: Type): void {
    this.#log.push({ name, before: this.#bound.get(name) });
    this.#bound.set(name, type);
  }

  /** Whether a value of type `from` may stand where `to` is wanted; binds parameters on either side. */
  assignable(from: Type, to: Type): boolean {
    if (to.kind === "param") {
      const outcome = this.#substitute(from, to);
      if (outcome !== "free") return outcome === "yes";
    }
    if (from.kind === "param") return this.#substitute(to, from) === "yes";
    if (from.kind === "dyn" || to.kind === "dyn") return true;
    if (from.kind === "union") return from.of.some((member) => this.attempt(() => this.assignable(member, to)));
    if (to.kind === "union") return to.of.some((member) => this.attempt(() => this.assignable(from, member)));
    if (from.kind === "null") return to.kind === "null" || NULLABLE.has(to.kind);
    if (to.kind === "null") return NULLABLE.has(from.kind);
    if (from.kind === "object" || to.kind === "object") return this.#objects(from, to);
    if (from.kind !== to.kind) return false;
    switch (from.kind) {
      case "list":
      case "optional":
        return this.assignable(from.of, (to as typeof from).of);
      case "type":
        return true;
      case "map": {
        const other = to as typeof from;
        return this.assignable(from.key, other.key) && this.assignable(from.value, other.value);
      }
      case "opaque": {
        const other = to as typeof from;
        if (from.name !== other.name || from.params.length !== other.params.length) return false;
        return from.params.every((param, i) => this.assignable(param, other.params[i] as Type));
      }
      default:
        return true;
    }
  }

  #objects(from: Type, to: Type): boolean {
    // Objects are checked field by field where they are read; as wholes they are maps with string keys.
    if (from.kind === "object" && to.kind === "object") return true;
    const [object, other] = from.kind === "object" ? [from, to] : [to, from];
    if (object.kind !== "object" || other.kind !== "map") return false;
    return this.assignable(STRING, other.key) && this.assignable(fieldsType(object), other.value);
  }

  #substitute(type: Type, param: Type & { kind: "param" }): "yes" | "no" | "free" {
    if (type.kind === "param" && type.name === param.name) return "yes";
    const bound = this.#bound.get(param.name);
    if (bound) {
      if (type.kind === "param" && bound.kind === "param" && bound.name === type.name) return "yes";
      if (!this.assignable(type, bound)) return "no";
      const general = this.mostGeneral(type, bound);
      if (!this.#occurs(param.name, general)) this.#bind(param.name, general);
      return "yes";
    }
    if (this.#occurs(param.name, type)) return "free";
    this.#bind(param.name, type);
    return "yes";
  }

  #occurs(name: string, type: Type): boolean {
    if (type.kind === "param") {
      if (type.name === name) return true;
      const bound = this.#bound.get(type.name);
      return bound !== undefined && this.#occurs(name, bound);
    }
    return partsOf(type).some((part) => this.#occurs(name, part));
  }

  /** Of two types that fit each other, the one that says less. */
  mostGeneral(a: Type, b: Type): Type {
    if (a.kind === "string" && b.kind === "string") return eitherString(a, b);
    return this.#saysLess(a, b) ? a : b;
  }

  #saysLess(a: Type, b: Type): boolean {
    if (a.kind === "dyn" || a.kind === "param") return true;
    if (b.kind === "dyn" || b.kind === "param") return false;
    if (a.kind !== b.kind) return b.kind === "null";
    const parts = partsOf(b);
    return partsOf(a).every((part, i) => this.#saysLess(part, parts[i] ?? DYN));
  }

  /** The type with every parameter replaced by what it turned out to be; `dyn` for what stayed open. */
  settle(type: Type): Type {
    if (type.kind !== "param") return mapParts(type, (part) => this.settle(part));
    const bound = this.#bound.get(type.name);
    return bound ? this.settle(bound) : DYN;
  }

  /** The type behind a parameter as far as it is known now. */
  shallow(type: Type): Type {
    let known = type;
    while (known.kind === "param") {
      const bound = this.#bound.get(known.name);
      if (!bound) return known;
      known = bound;
    }
    return known;
  }
}

const NULLABLE: ReadonlySet<Type["kind"]> = new Set(["timestamp", "duration", "optional", "opaque"]);

/** What the fields of an object have in common. */
export function fieldsType(object: Type & { kind: "object" }): Type {
  const types = [...object.fields.values()].map((field) => field.type);
  if (object.rest) types.push(object.rest);
  const union = unionOf(types);
  return union.kind === "union" ? DYN : union;
}

function mapParts(type: Type, walk: (type: Type) => Type): Type {
  switch (type.kind) {
    case "list":
    case "optional":
    case "type":
      return { kind: type.kind, of: walk(type.of) };
    case "map":
      return { kind: "map", key: walk(type.key), value: walk(type.value) };
    case "opaque":
      return type.params.length ? { ...type, params: type.params.map(walk) } : type;
    default:
      return type;
  }
}
