import type { ToolModule } from "../callgate.d.ts";
import { find, KINDS, type Kind } from "./find.ts";

export default {
  tools: {
    redact: {
      description:
        "Takes personal data out of a text: e-mail addresses, phone numbers, card numbers and IBANs (by their checksums).",
      input: {
        type: "object",
        properties: {
          text: { type: "string", maxLength: 1_000_000 },
          kinds: { type: "array", items: { enum: KINDS }, minItems: 1, description: "Without it: all." },
        },
        required: ["text"],
        additionalProperties: false,
      },
      output: {
        type: "object",
        properties: {
          text: { type: "string" },
          found: {
            type: "object",
            properties: Object.fromEntries(KINDS.map((kind) => [kind, { type: "integer" }])),
            required: KINDS,
          },
        },
        required: ["text", "found"],
      },
      annotations: { readOnlyHint: true, openWorldHint: false },
      handler({ text, kinds = KINDS }: { text: string; kinds?: readonly Kind[] }) {
        const parts = find(text, kinds);
        let clean = "";
        let at = 0;
        for (const { kind, start, end } of parts) {
          clean += `${text.slice(at, start)}[${kind}]`;
          at = end;
        }
        const found = Object.fromEntries(KINDS.map((kind) => [kind, parts.filter((p) => p.kind === kind).length]));
        return { text: clean + text.slice(at), found };
      },
    },
  },
} satisfies ToolModule;
