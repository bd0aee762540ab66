import { type Life, type Refusal, refuse } from "./life.ts";

/** Registered, with the definition that was pinned? Anything else cannot be called. */
export function resolve(life: Life): Refusal | undefined {
  const { gate, request } = life;
  const tool = gate.registry.get(request.name);
  if (tool?.operation === request.operation) {
    life.tool = tool;
    return undefined;
  }
  const quarantined = gate.registry.quarantined(request.name);
  if (quarantined && request.operation === "tools/call")
    return refuse(
      "quarantined",
      `\`${request.name}\` is quarantined: ${quarantined.reason}`,
      `an operator can review it and run \`callgate pin --accept ${quarantined.server} ${quarantined.name}\``,
    );
  const what = request.operation === "tools/call" ? "tool" : "resource, prompt or server";
  return {
    ...refuse(
      "unknown",
      `there is no ${what} \`${request.name.slice(0, 128)}\` here`,
      "call `tools/list` for the tools you may use",
    ),
    wire: "unknown",
  };
}
