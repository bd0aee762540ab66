import type { Node } from "yaml";
import type { SourceFile } from "./source.ts";
import { didYouMean } from "./suggest.ts";

/** The fields of one policy, read one by one. What is wrong with them is reported to their file. */
export class Fields {
  readonly file: SourceFile;
  readonly node: Node;
  readonly #entries: ReadonlyMap<string, { readonly key: Node; readonly value: Node | null }>;

  constructor(
    file: SourceFile,
    node: Node,
    entries: ReadonlyMap<string, { readonly key: Node; readonly value: Node | null }>,
  ) {
    this.file = file;
    this.node = node;
    this.#entries = entries;
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  value(name: string): Node | null | undefined {
    return this.#entries.get(name)?.value;
  }

  /** Reports something about a field as a whole, at its name. */
  refuse(name: string, message: string, help: string): void {
    this.file.report(message, this.#entries.get(name)?.key ?? this.node, help);
  }

  require(name: string, help: string): boolean {
    if (this.has(name)) return true;
    this.file.report(`the policy has no \`${name}\``, this.node, help);
    return false;
  }

  text(name: string): string | undefined {
    return this.has(name) ? this.file.text(this.value(name), `\`${name}\``) : undefined;
  }

  texts(name: string): readonly string[] | undefined {
    return this.has(name) ? this.file.texts(this.value(name), `\`${name}\``) : undefined;
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const value = this.text(name);
    if (value === undefined || allowed.includes(value as T)) return value as T | undefined;
    return this.file.report(
      `\`${name}\` cannot be \`${value}\``,
      this.value(name),
      didYouMean(value, allowed, "it is one of"),
    );
  }
}
