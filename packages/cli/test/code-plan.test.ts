import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { callgate, emptyFolder } from "./run.ts";
import { laterPolicies } from "./story.ts";

/** A file with a script. */
async function script(text: string): Promise<string> {
  const file = join(await emptyFolder(), "script.ts");
  await writeFile(file, text);
  return file;
}

test("a script's calls are shown with their lines and what stands in the text", async () => {
  const file = await script(
    `const to: string = input.to;\nawait tools.mail.send_mail({ to, subject: "x", n: 9007199254740993n });\nreturn tools["vault"].read_secret({})\n`,
  );
  const { code, out, err } = await callgate("code", "plan", file);
  expect([code, err]).toEqual([0, ""]);
  expect(out).toMatch(/^2 +mail__send_mail +subject: "x", n: 9007199254740993, to: …$/m);
  expect(out).toMatch(/^3 +vault__read_secret *$/m);
  expect(out).toContain("complete: the script can call these and no others");
  expect(JSON.parse((await callgate("code", "plan", file, "--json")).out)).toMatchObject({
    calls: [{ line: 2, tool: "mail__send_mail" }, { line: 3 }],
    complete: true,
  });
});

test("what cannot be read from the text is said, and nothing acts on the terminal", async () => {
  const { code, out } = await callgate(
    "code",
    "plan",
    await script(`const t = tools; await tools.a["\\u001b[2J"]({ "\\u202e": "\\u001b[0m" })`),
  );
  expect(code).toBe(0);
  expect(out).toContain("not complete: ");
  expect(out).toContain("a__\\u{1b}[2J");
  expect([out.includes("\u001b"), out.includes("\u202e")]).toEqual([false, false]);
});

test("a configuration says which tools there are, what they do, and which are meant", async () => {
  const config = await laterPolicies();
  const file = await script(
    "await tools.mail.send_mial({}); await tools.vault.read_secret({}); await tools.post.read_inbox({}); tools.x.y()",
  );
  const closed = await callgate("code", "plan", file, "--config", config);
  expect(closed.out).toContain("the configuration has no `code`: agents cannot run scripts");
  await writeFile(config, `${await readFile(config, "utf8")}code: { tools: ["mail__*"] }\n`);
  const { code, out } = await callgate("code", "plan", file, "--config", config);
  expect(code).toBe(0);
  expect(out).toMatch(/^mail__send_mial .*unknown: did you mean `mail__send_mail`\?$/m);
  expect(out).toMatch(/^post__read_inbox .*unknown: did you mean `mail__read_inbox`\?$/m);
  expect(out).toMatch(/^vault__read_secret +read +- +secret +closed to scripts by `code.tools`$/m);
  expect(out).toMatch(/^x__y .*unknown$/m);
  expect(out).not.toContain("has no `code`");
});

test("a script that cannot be read is told with its place, one that is not there as wrong usage", async () => {
  const file = await script("const a = 1;\nenum A { b }\n");
  const wrong = await callgate("code", "plan", file);
  expect([wrong.code, wrong.out]).toEqual([1, ""]);
  expect(wrong.err).toContain("script.ts:2:1: ");
  const told = await callgate("code", "plan", file, "--json");
  expect(JSON.parse(told.err)).toMatchObject({
    error: { code: "SANDBOX_SYNTAX", diagnostics: [{ span: { line: 2, column: 1 } }] },
  });
  expect((await callgate("code", "plan", `${file}.none`)).code).toBe(2);
});
