/** Names that macros introduce, innermost first. */
export class Scope<T> {
  static readonly empty: Scope<never> = new Scope<never>(undefined, "", undefined as never);
  readonly #outer: Scope<T> | undefined;
  readonly #name: string;
  readonly #value: T;

  private constructor(outer: Scope<T> | undefined, name: string, value: T) {
    this.#outer = outer;
    this.#name = name;
    this.#value = value;
  }

  with(name: string, value: T): Scope<T> {
    return new Scope<T>(this, name, value);
  }

  get(name: string): T | undefined {
    for (let scope: Scope<T> | undefined = this; scope; scope = scope.#outer) {
      if (scope.#outer && scope.#name === name) return scope.#value;
    }
    return undefined;
  }

  names(): string[] {
    const names: string[] = [];
    for (let scope: Scope<T> | undefined = this; scope; scope = scope.#outer) if (scope.#outer) names.push(scope.#name);
    return names;
  }
}
