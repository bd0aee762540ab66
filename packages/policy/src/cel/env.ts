import { dottedName, type Expr, type ExprOf, rootOf } from "./ast.ts";
import type { Frame } from "./frame.ts";
import { parseType, type Type } from "./type.ts";
import { TypeValue, type Value } from "./value.ts";

/** A fact that expressions may read. */
export interface Variable {
  readonly name: string;
  readonly type: Type;
  /** Reads it from the frame's facts; undefined if it is not bound. MUST NOT throw but a Fault. */
  read(facts: unknown): Value | undefined;
  /** Set for one that is the same for every evaluation: what hangs on it alone is worked out while loading. */
  readonly constant?: Value;
}

/** A function's code: the receiver, if there is one, is the first argument. Throws a Fault for types it does not take. */
export type Native = (frame: Frame, ...args: Value[]) => Value;

export interface Overload {
  readonly member: boolean;
  readonly params: readonly Type[];
  readonly result: Type;
}

/** A function by name: what the checker accepts, and the code for each number of arguments. */
export interface FunctionDecl {
  readonly name: string;
  readonly overloads: Overload[];
  readonly natives: Map<number, Native>;
  /** For any number of arguments from one on. */
  variadic?: Native;
  /** Makes code for arguments that are known when loading (undefined: not known). Throws a Fault if they can never work. */
  prepare?: (constants: readonly (Value | undefined)[]) => Native | undefined;
}

/** How a function is declared: `"string, int -> bool"` per overload. */
export interface Signatures {
  readonly global?: readonly string[];
  readonly member?: readonly string[];
}

export type Library = ReadonlyMap<string, FunctionDecl>;

/** Collects function declarations of several files into one library. */
export class LibraryBuilder {
  readonly functions = new Map<string, FunctionDecl>();

  /** Declares overloads of a name that share one native. The number of arguments comes from the signatures. */
  add(name: string, signatures: Signatures, native: Native): this {
    const decl = this.#decl(name);
    for (const member of [false, true]) {
      for (const text of (member ? signatures.member : signatures.global) ?? []) {
        const overload = parseOverload(text, member);
        decl.overloads.push(overload);
        decl.natives.set(overload.params.length, native);
      }
    }
    return this;
  }

  variadic(name: string, signatures: Signatures, native: Native): this {
    this.add(name, signatures, native);
    this.#decl(name).variadic = native;
    return this;
  }

  prepared(name: string, prepare: NonNullable<FunctionDecl["prepare"]>): this {
    this.#decl(name).prepare = prepare;
    return this;
  }

  #decl(name: string): FunctionDecl {
    let decl = this.functions.get(name);
    if (!decl) {
      decl = { name, overloads: [], natives: new Map() };
      this.functions.set(name, decl);
    }
    return decl;
  }
}

/** Reads `"A, B -> R"`. */
export function parseOverload(text: string, member: boolean): Overload {
  const [params = "", result = "dyn"] = text.split("->").map((part) => part.trim());
  const list: string[] = [];
  let depth = 0;
  for (const piece of params === "" ? [] : params.split(",")) {
    if (depth > 0) list[list.length - 1] += `,${piece}`;
    else list.push(piece);
    depth += piece.split("<").length - piece.split(">").length;
  }
  return { member, params: list.map(parseType), result: parseType(result) };
}

const TYPE_NAMES: ReadonlyMap<string, string> = new Map([
  ...["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type", "optional_type"].map(
    (name): [string, string] => [name, name],
  ),
  ["google.protobuf.Timestamp", "google.protobuf.Timestamp"],
  ["google.protobuf.Duration", "google.protobuf.Duration"],
  ["net.IP", "net.IP"],
  ["net.CIDR", "net.CIDR"],
  ["net.URL", "net.URL"],
]);

/** What a name stands for. */
export type Reference = { readonly variable: Variable } | { readonly type: TypeValue };

/** The names that expressions may use: facts, types and functions, seen from a container (a namespace; usually none). */
export class Environment {
  readonly variables: ReadonlyMap<string, Variable>;
  readonly functions: Library;
  readonly #prefixes: readonly string[];

  constructor(variables: readonly Variable[], functions: Library, container = "") {
    this.variables = new Map(variables.map((v) => [v.name, v]));
    this.functions = functions;
    const parts = container === "" ? [] : container.split(".");
    this.#prefixes = [...parts.map((_, i) => `${parts.slice(0, parts.length - i).join(".")}.`), ""];
  }

  /** The same names, with some variables declared anew. */
  with(variables: readonly Variable[]): Environment {
    const next = new Environment([...this.variables.values(), ...variables], this.functions);
    return next;
  }

  /** What an identifier or a chain of selections names as a whole, unless a local name hides its first part. */
  resolve(e: Expr, isLocal: (name: string) => boolean): Reference | undefined {
    const root = rootOf(e);
    if (!root || (!root.absolute && isLocal(root.name))) return undefined;
    const name = dottedName(e);
    if (name === undefined) return undefined;
    for (const candidate of this.#candidates(name, root.absolute)) {
      const variable = this.variables.get(candidate);
      if (variable) return { variable };
      const type = TYPE_NAMES.get(candidate);
      if (type) return { type: new TypeValue(type) };
    }
    return undefined;
  }

  /**
   * The function that a call names: `math.greatest(…)` is one in a namespace, unless `math` is a variable.
   * `member` tells whether the target is an argument.
   */
  functionOf(
    call: ExprOf<"call">,
    isLocal: (name: string) => boolean,
  ): { decl: FunctionDecl; member: boolean } | undefined {
    const { target, name } = call;
    if (!target) {
      for (const candidate of this.#candidates(name, false)) {
        const decl = this.functions.get(candidate);
        if (decl?.overloads.some((o) => !o.member)) return { decl, member: false };
      }
      return undefined;
    }
    const namespace = dottedName(target);
    const root = rootOf(target);
    if (namespace !== undefined && root && !isLocal(root.name)) {
      for (const candidate of this.#candidates(`${namespace}.${name}`, root.absolute)) {
        const decl = this.functions.get(candidate);
        if (decl) return { decl, member: false };
      }
    }
    const decl = this.functions.get(name);
    return decl?.overloads.some((o) => o.member) ? { decl, member: true } : undefined;
  }

  #candidates(name: string, absolute: boolean): readonly string[] {
    return absolute ? [name] : this.#prefixes.map((prefix) => prefix + name);
  }
}
