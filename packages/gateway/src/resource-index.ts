import { isObject } from "@callgate/core";

const MAX_URIS = 50_000;

/** Which server a resource's URI belongs to, learnt from the lists that servers gave. Only routes: what may be read is decided elsewhere. */
export class ResourceIndex {
  #uris = new Map<string, string>();
  #templates = new Map<string, readonly Template[]>();

  /** The first server to list a URI keeps it. */
  learn(server: string, resources: readonly unknown[]): void {
    for (const resource of resources) {
      if (!isObject(resource) || typeof resource["uri"] !== "string" || this.#uris.has(resource["uri"])) continue;
      if (this.#uris.size >= MAX_URIS) this.#uris.delete(this.#uris.keys().next().value as string);
      this.#uris.set(resource["uri"], server);
    }
  }

  learnTemplates(server: string, templates: readonly unknown[]): void {
    const known = templates.flatMap((t) =>
      isObject(t) && typeof t["uriTemplate"] === "string" ? [templateOf(t["uriTemplate"])] : [],
    );
    this.#templates.set(server, known);
  }

  find(uri: string, among: ReadonlySet<string>): string | undefined {
    const exact = this.#uris.get(uri);
    if (exact !== undefined && among.has(exact)) return exact;
    for (const [server, templates] of this.#templates)
      if (among.has(server) && templates.some((t) => t.text === uri || fits(t, uri))) return server;
    return undefined;
  }
}

interface Template {
  readonly text: string;
  readonly head: string;
  readonly tail: string;
}

/** The fixed ends of an RFC 6570 template. No pattern is built from what a server sent. */
function templateOf(text: string): Template {
  const open = text.indexOf("{");
  return open < 0
    ? { text, head: text, tail: "" }
    : { text, head: text.slice(0, open), tail: text.slice(text.lastIndexOf("}") + 1) };
}

/** True for every expansion of the template, and for more: the server has the last word. */
function fits(template: Template, uri: string): boolean {
  return (
    uri.length >= template.head.length + template.tail.length &&
    uri.startsWith(template.head) &&
    uri.endsWith(template.tail)
  );
}
