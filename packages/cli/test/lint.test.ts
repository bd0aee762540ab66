import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import { callgate, emptyFolder } from "./run.ts";

const EXAMPLE = join(import.meta.dirname, "..", "..", "..", "examples", "start", "callgate.yaml");
const PIN = `sha256:${"0".repeat(64)}`;

/** A configuration with two agents, two tools and one policy file. */
async function configured(policies: string): Promise<string> {
  const folder = await emptyFolder();
  const put = (name: string, content: unknown): Promise<void> =>
    writeFile(join(folder, name), typeof content === "string" ? content : stringify(content));
  const tools = {
    send: { scopes: ["mail:send"], effects: ["external"], digest: PIN },
    list: { scopes: [], effects: ["read"], digest: PIN },
  };
  await put("mail.yaml", { version: 1, server: "mail", tools });
  await put("policies.yaml", policies);
  await put("callgate.yaml", {
    version: 1,
    data: "data",
    servers: { mail: { command: "node", manifest: "mail.yaml" } },
    agents: { ann: { scopes: ["mail:send"] }, bob: {} },
    policies: ["policies.yaml"],
  });
  return join(folder, "callgate.yaml");
}

test("the example's policies are in order", async () => {
  expect(await callgate("policy", "lint", "--strict", "-c", EXAMPLE)).toMatchObject({
    code: 0,
    out: "nothing found\n",
  });
});

test("findings have a place, a severity and help; `--strict` fails for more than notes", async () => {
  const config = await configured(`policies:
  - { id: all, effect: permit, tools: ["*"] }
  - id: dead
    effect: ask
    tools: [mail__send]
    when: args.n > 3 && args.n < 2
    reason: because
  - { id: no-mail, effect: forbid, tools: [mail__send], mode: shadow, reason: because }
`);
  const { code, out } = await callgate("policy", "lint", "-c", config);
  expect(code).toBe(0);
  expect(out).toMatch(
    /policies\.yaml:2:40: warning\[too-broad\]: `all`: every call of every tool is permitted\n {2}help: /,
  );
  expect(out).toMatch(/policies\.yaml:6:11: error\[never-true\]: `dead`: the condition is never true\n {2}help: /);
  expect(out).toMatch(/policies\.yaml:8:5: info\[on-trial\]/);
  expect(out).toMatch(/\n1 error, 1 warning, 1 note\n$/);

  const strict = await callgate("policy", "lint", "-c", config, "--strict", "--json");
  expect(strict.code).toBe(1);
  const { ok, findings } = JSON.parse(strict.out) as { ok: boolean; findings: object[] };
  expect(ok).toBe(false);
  expect(findings[1]).toMatchObject({ code: "never-true", severity: "error", rule: "dead", line: 6, column: 11 });
});

test("policies that do not load are wrong input", async () => {
  const config = await configured("policies:\n  - { id: x, effect: permit, tools: [mail__send], when: argz.a }\n");
  const commands = ["lint", "suggest"].map(async (command) =>
    expect(await callgate("policy", command, "-c", config)).toMatchObject({
      code: 2,
      err: expect.stringContaining("argz"),
    }),
  );
  await Promise.all(commands);
});

const REACH = `policies:
  - { id: reads, effect: permit, tools: ["*"], when: '"read" in tool.effects' }
  - id: mail
    effect: permit
    tools: ["mail__send"]
    when: '"external" in tool.effects && args.to == "boss"'
  - { id: hide, effect: forbid, tools: [mail__send], phase: list, agents: [bob], reason: not for bob }
`;

test("who can reach a tool, by scopes, lists and policies", async () => {
  const config = await configured(REACH);
  const shown = await callgate("policy", "reach", "mail__send", "-c", config);
  expect(shown).toMatchObject({ code: 0, err: "" });
  expect(shown.out).toBe(`ann  mail__send
  scopes    held
  lists     shown
  policies  if: it depends on the call
    permit \`mail\` when args.to == "boss"
bob  mail__send
  scopes    missing: mail:send
  lists     not shown, for want of scopes
    forbid \`hide\`
  policies  if: it depends on the call
    permit \`mail\` when args.to == "boss"
`);
  const json = await callgate("policy", "reach", "mail__send", "--agent", "ann", "--json", "-c", config);
  expect(JSON.parse(json.out)).toEqual({
    agent: "ann",
    tool: "mail__send",
    missing: [],
    listed: "yes",
    hiding: [],
    policies: "if",
    rules: [{ rule: "mail", effect: "permit", when: 'args.to == "boss"' }],
  });
});

test("all agents and tools in a table", async () => {
  const { out } = await callgate("policy", "reach", "-c", await configured(REACH));
  expect(out.split("\n").slice(0, 3)).toEqual([
    "tool        ann     bob",
    "mail__send  if      no scope",
    "mail__list  always  always",
  ]);
  const wrong = await callgate("policy", "reach", "mail__sned", "-c", await configured(REACH));
  expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining("is no tool's name") });
});
