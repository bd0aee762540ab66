import { qualifiedName, TOOL_NAME } from "@callgate/core";
import type { Findings } from "./findings.ts";
import type { LoadedManifest } from "./manifest.ts";
import type { ConfigInput } from "./schema.ts";
import type { Source } from "./source.ts";

const LONGEST = 64;
/** The server whose tools are the broker's own. */
export const OWN_SERVER = "callgate";
export const OWN_TOOLS = ["run_code", "search_tools", "describe_tool"] as const;

/** Checks that every tool has a name of its own that model APIs accept. Returns the names. */
export function checkNames(
  { naming, code }: Pick<ConfigInput, "naming" | "code">,
  manifests: ReadonlyMap<string, LoadedManifest>,
  source: Source,
  findings: Findings,
): string[] {
  if (naming === "bare" && manifests.size > 1) {
    findings.error(
      `\`naming: bare\` is for a single server, and there are ${manifests.size}`,
      source.at(["naming"]),
      "write `naming: prefixed`, or keep one server",
    );
  }
  if (code && naming === "bare")
    findings.error(
      "`naming: bare` leaves no room for the tools of `code`",
      source.at(["naming"]),
      "write `naming: prefixed`",
    );
  if (code && manifests.has(OWN_SERVER))
    findings.error(
      `the name \`${OWN_SERVER}\` is taken by the tools of \`code\``,
      source.keyAt(["servers", OWN_SERVER]),
      "give the server another name",
    );
  // INVARIANT: no two tools share a name. A server's name holds no `__` and does not end in `_`, so that `server__tool` splits in
  // one way only; bare names are those of one server.
  const names = new Set<string>();
  for (const [server, { manifest, parsed }] of manifests) {
    for (const tool of Object.keys(manifest.tools)) {
      const qualified = qualifiedName(naming, server, tool);
      const span = parsed?.source.keyAt(["tools", tool]) ?? source.keyAt(["servers", server]);
      if (qualified.length > LONGEST) {
        const help = `leave the tool out, or shorten the server's name by ${qualified.length - LONGEST}`;
        findings.error(
          `\`${qualified}\` is ${qualified.length} characters long, and model APIs take ${LONGEST}`,
          span,
          help,
        );
      } else if (!TOOL_NAME.test(qualified)) {
        const help = "leave the tool out: a name may hold letters, digits, `_` and `-`";
        findings.error(`\`${qualified}\` is not a name that model APIs take`, span, help);
      }
      names.add(qualified);
    }
  }
  if (code) for (const tool of OWN_TOOLS) names.add(qualifiedName("prefixed", OWN_SERVER, tool));
  return [...names];
}
