import { readFileSync } from "node:fs";
import { type Config, loadConfig, toolFactsOf } from "@callgate/gateway";
import { loadPolicies } from "@callgate/policy";
import { openSandbox, openStudy, RUN_ERRORS } from "@callgate/sandbox";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeFolder } from "../support/folder.ts";

const PAGE = readFileSync(new URL("../../docs/code-mode.md", import.meta.url), "utf8");
const DIGEST = `sha256:${"1".repeat(64)}`;
const folder = makeFolder("code-docs");
let config: Config;

/** The first block of a language that begins with a text. */
function snippet(language: string, start: string): string {
  const blocks = [...PAGE.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map(
    (m) => m[1] as string,
  );
  const found = blocks.find((block) => block.startsWith(start));
  if (found === undefined) throw new Error(`the page shows no ${language} that starts with ${start}`);
  return found;
}

beforeAll(async () => {
  for (const [server, name, effect] of [
    ["mail", "read_inbox", "read"],
    ["bank", "pay", "write"],
  ] as const)
    folder.write(`manifests/${server}.yaml`, {
      version: 1,
      server,
      tools: { [name]: { scopes: [], effects: [effect], labels: [], digest: DIGEST } },
    });
  folder.write("policies.yaml", snippet("yaml", "policies:"));
  const more =
    "version: 1\nservers: { mail: { command: node }, bank: { command: node } }\nagents: { ann: {} }\npolicies: [policies.yaml]\n";
  const loaded = await loadConfig(folder.write("callgate.yaml", `${snippet("yaml", "# callgate.yaml")}${more}`));
  if (!loaded.ok) throw new Error(loaded.diagnostics.map(({ message }) => message).join("\n"));
  config = loaded.config;
});
afterAll(() => folder.remove());

it("shows a configuration that loads, and means what the page says", () => {
  expect(config.code).toMatchObject({
    scopes: ["code:run"],
    tools: ["*"],
    budgets: { calls: 50, wall: 30_000, writes: 5 },
  });
});

it("shows policies that load beside the tools that they name", () => {
  const loaded = loadPolicies(config.policies, toolFactsOf(config), config.settings);
  if (!loaded.ok) throw new Error(loaded.diagnostics.map(({ message }) => message).join("\n"));
  expect(loaded.set.policies.map(({ id }) => id)).toEqual(["scripts", "scripts-that-send", "by-hand"]);
});

it("shows a script that can be read whole, and runs", async () => {
  const study = openStudy();
  const sandbox = await openSandbox({ workers: 1 });
  try {
    const { code, plan } = await study.read(snippet("ts", "const mails"));
    const calls = [{ server: "mail", name: "read_inbox", literals: {}, computed: [], open: false, line: 1 }];
    expect(plan).toEqual({ calls, complete: true });
    const inbox = [{ from: "bob@corp.example" }, { from: "it@corp.example" }, { from: "bob@corp.example" }];
    const result = await sandbox.run({
      kind: "script",
      code,
      tools: { mail: ["read_inbox"] },
      onCall: async () => ({ result: JSON.stringify(inbox) }),
    });
    expect(result).toMatchObject({ ok: true, value: '{"bob@corp.example":2,"it@corp.example":1}' });
  } finally {
    await sandbox.close();
    await study.close();
  }
});

it("names every way in which a run can end", () => {
  const ends = PAGE.slice(PAGE.indexOf("## What ends a run"), PAGE.indexOf("## Policies about scripts"));
  expect([...ends.matchAll(/`([A-Z]+_?[A-Z]+)`/g)].map((match) => match[1] as string).toSorted()).toEqual(
    RUN_ERRORS.toSorted(),
  );
});
