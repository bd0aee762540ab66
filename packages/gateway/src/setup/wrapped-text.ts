import { isObject } from "@callgate/core";
import type { Offer } from "../config/index.ts";

/** The tools that the server itself calls destructive. One that says nothing is not among them. */
export function askedTools(offer: Offer): string[] {
  return offer.tools.flatMap((tool) => {
    const hints = isObject(tool["annotations"]) ? tool["annotations"] : {};
    return hints["destructiveHint"] === true && hints["readOnlyHint"] !== true ? [tool.name] : [];
  });
}

/** The comment on top of a manifest that nobody has read yet. */
export function manifestHeader(name: string): string {
  return [
    `What \`${name}\` offers, drafted by \`callgate wrap\` from what the server says of itself. Each digest pins a definition: a`,
    `tool whose definition changes cannot be called until \`callgate pin --accept ${name}\`.`,
    "",
    "The server may ask nothing of the client. To let it, add what it may ask for:",
    "callbacks: [elicitation, sampling, roots]",
    "",
  ].join("\n");
}

/** The policies to start with: as before, but for what the server itself calls destructive. */
export function policyText(name: string, agent: string, offer: Offer): string {
  const asked = askedTools(offer);
  return `# What \`${agent}\` may do with \`${name}\`. What is not permitted is denied; an ask wins over a permit, a forbid over both.
policies:
  # As before: everything the server offers. The client still asks its user as it is set up to; what this broker adds is the
  # record of each call, the loop breaker, and that a tool which changes its definition is stopped.
  - id: as-before
    effect: permit
    tools: ["*"]

  # What the server itself calls destructive is asked about each time: by the client where it can ask (elicitation), else the
  # call waits for \`callgate approvals approve\`. A tool that says nothing of itself is not in the list; add it if it should be.
${asked.length > 0 ? askRule(asked, "  ") : askRule(["NAME"], "  # ")}`;
}

function askRule(tools: readonly string[], indent: string): string {
  return [
    "- id: ask-before-destroying",
    "  effect: ask",
    "  approve: client",
    `  tools: [${tools.map(quoted).join(", ")}]`,
    "  reason: the server says that this can destroy what is there",
  ]
    .map((line) => `${indent}${line}\n`)
    .join("");
}

/** A tool's name as YAML: plain where nothing else could be meant. */
function quoted(name: string): string {
  return /^[a-z]+[_-][\w-]+$/i.test(name) ? name : JSON.stringify(name);
}
