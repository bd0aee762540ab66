import { CallgateError, type Digest, formatDiagnostic } from "@callgate/core";
import { type Document, isMap, isScalar, parseDocument, type YAMLMap } from "yaml";
import { type ToolDraft, toolNode } from "./draft.ts";
import { parseSource } from "./source.ts";

/**
 * The text of a manifest with `pins` as the digests of its tools, and `added` as new tools. Digests that are there are changed
 * in place: every other character stays. Where something has to be added, comments stay and the rest may be laid out anew.
 * Throws `MANIFEST_INVALID` for a text that cannot be read, `PIN_UNKNOWN_TOOL` for a pin of a tool that it does not have.
 */
export function acceptPins(
  manifestText: string,
  pins: Readonly<Record<string, Digest>>,
  added: Readonly<Record<string, ToolDraft>> = {},
): string {
  let text = manifestText;
  for (const [tool, digest] of Object.entries(pins)) {
    const doc = parse(text);
    const entry = toolEntry(doc, tool);
    if (!entry) {
      throw new CallgateError("PIN_UNKNOWN_TOOL", `\`${tool}\` is not in the manifest`, {
        help: "add the tool with its scopes and effects first; `callgate register` drafts it",
      });
    }
    const old = entry.get("digest", true);
    if (isScalar(old) && old.range && old.value !== null) {
      text = text.slice(0, old.range[0]) + digest + text.slice(old.range[1]);
    } else {
      entry.set("digest", digest);
      text = print(doc, /[[{] \S/.test(manifestText));
    }
  }
  const fresh = Object.entries(added);
  if (fresh.length === 0) return text;
  const doc = parse(text);
  if (!isMap(doc.get("tools"))) doc.set("tools", doc.createNode({}));
  const tools = doc.get("tools") as YAMLMap;
  // New entries are block mappings, which a flow mapping cannot hold.
  tools.flow = false;
  for (const [name, draft] of fresh) {
    if (!tools.has(name)) tools.add(doc.createPair(name, toolNode(doc, draft)));
  }
  return print(doc, /[[{] \S/.test(manifestText));
}

function parse(text: string): Document.Parsed {
  const read = parseSource("manifest", text);
  if (!read.ok) {
    throw new CallgateError("MANIFEST_INVALID", read.diagnostics.map(formatDiagnostic).join("\n"), {
      help: "mend the manifest by hand, then try again",
      diagnostics: read.diagnostics,
    });
  }
  return parseDocument(text, { stringKeys: true });
}

function toolEntry(doc: Document.Parsed, tool: string): YAMLMap | undefined {
  const entry = doc.getIn(["tools", tool]);
  return isMap(entry) ? entry : undefined;
}

/** `padded`: whether the text writes `[ a ]` rather than `[a]`. */
function print(doc: Document.Parsed, padded: boolean): string {
  return doc.toString({ lineWidth: 0, flowCollectionPadding: padded });
}
