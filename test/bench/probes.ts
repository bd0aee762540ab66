import { isObject } from "@callgate/core";
import { Client, type Target } from "./client.ts";
import { ASK_ABOVE, FORBIDDEN_TEXT } from "./setup.ts";

/** How many tool calls the upstream has run since it began. */
export async function upstreamCalls(upstream: string): Promise<number> {
  const body: unknown = await (await fetch(new URL("/calls", upstream))).json();
  if (!isObject(body) || typeof body.calls !== "number")
    throw new Error("the upstream did not say how many calls it ran");
  return body.calls;
}

interface Probe {
  readonly what: string;
  readonly args: Record<string, unknown>;
  /** True if a rule of the policies must have spoken: its id must be in the answer. */
  readonly rule?: string;
}

const PROBES: readonly Probe[] = [
  { what: "a forbidden text", args: { text: `please ${FORBIDDEN_TEXT} users` }, rule: "no-table-drops" },
  { what: "a number that asks", args: { text: "x", n: ASK_ABOVE + 1 } },
  { what: "a missing argument", args: { n: 1 } },
  { what: "an argument of the wrong type", args: { text: 7 } },
  { what: "an unknown argument", args: { text: "x", extra: true } },
];

/**
 * Proves that the measured broker governs: what must be refused is refused, and never reaches the upstream. Without this a
 * broker with its checks off would look fast. Throws at the first that is let through.
 */
export async function proveGoverned(target: Target, upstream: string): Promise<void> {
  const before = await upstreamCalls(upstream);
  const client = await Client.open(target);
  let id = 1_000_000;
  for (const probe of PROBES) {
    const { message } = await client.request(id++, "tools/call", { name: target.tool, arguments: probe.args });
    const result = isObject(message.result) ? message.result : {};
    const refused = message.error !== undefined || result.isError === true || result.resultType === "input_required";
    const text = JSON.stringify(message);
    if (!refused) throw new Error(`${target.era}: ${probe.what} was let through: ${text}`);
    if (probe.rule !== undefined && !text.includes(probe.rule)) {
      throw new Error(`${target.era}: ${probe.what} was refused, but not by \`${probe.rule}\`: ${text}`);
    }
  }
  await client.close();
  await proveTokenNeeded(target);
  const ran = (await upstreamCalls(upstream)) - before;
  if (ran !== 0) throw new Error(`${target.era}: ${ran} refused calls reached the upstream`);
}

async function proveTokenNeeded(target: Target): Promise<void> {
  const forged = `${target.token?.slice(0, -6) ?? ""}AAAAAA`;
  for (const token of [undefined, forged]) {
    const { token: _, ...open } = target;
    const client = await Client.open({ ...open, era: "modern", ...(token === undefined ? {} : { token }) });
    const args = { name: target.tool, arguments: { text: "x" } };
    const { status } = await client.request(1, "tools/call", args);
    if (status !== 401)
      throw new Error(`${token === undefined ? "no token" : "a forged token"} was answered with ${status}`);
    await client.close();
  }
}
