import { argumentsOf, printable } from "@callgate/gateway";
import type { ReachedTool, ScriptReach } from "../code/reach.ts";
import { table } from "../output.ts";
import { shortText } from "./json.ts";

const WIDTH = 100;

/** What a script can reach, in lines that are safe to print. */
export function reachLines({ calls, complete, tools, open }: ScriptReach): string[] {
  const rows = calls.map((call) => [
    String(call.line),
    shortText(call.tool, WIDTH),
    shortText(argumentsOf(call), WIDTH),
  ]);
  return [
    calls.length === 0 ? "the script calls no tool" : table(["line", "tool", "arguments"], rows),
    "",
    complete
      ? "complete: the script can call these and no others"
      : "not complete: the script also uses tools in a way that cannot be read from its text",
    ...(tools ? ["", ...toolLines(tools)] : []),
    ...(open === false ? ["", "the configuration has no `code`: agents cannot run scripts"] : []),
  ];
}

function toolLines(tools: readonly ReachedTool[]): string[] {
  if (tools.length === 0) return [];
  const rows = tools.map((tool) => [
    shortText(tool.tool, WIDTH),
    ...(tool.known
      ? [
          tool.effects.join(", ") || "-",
          tool.scopes.join(" ") || "-",
          tool.labels.join(", ") || "-",
          tool.open ? "" : "closed to scripts by `code.tools`",
        ]
      : ["?", "?", "?", `unknown${tool.meant === undefined ? "" : `: did you mean \`${tool.meant}\`?`}`]),
  ]);
  return table(["tool", "effects", "scopes", "labels", ""], rows).split("\n").map(printable);
}
