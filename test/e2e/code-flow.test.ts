import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Agent, ruleOf, type ToolResult, textOf } from "../support/agent.ts";
import { ERUL, type Office, openOffice, PASSWORD } from "../support/clerk.ts";
import { newestIn, payloadsOf, recordsIn } from "../support/ledger.ts";
import { bodyOf, runScript as run } from "../support/script.ts";

// What code made of what it read is known to be made of it, whichever way it takes: runs inside runs, modules, inputs, returned values.

const forbid = (id: string, tool: string, when: string): object => ({
  id,
  effect: "forbid",
  tools: [tool],
  when,
  reason: `not by ${id}`,
});

let office: Office;

beforeAll(async () => {
  office = await openOffice(
    "code-flow",
    [
      { id: "all", effect: "permit", tools: ["*"] },
      forbid("no-lures", "clerk__send", 'has(args.to) && origin(args.to).exists(o, o == "untrusted")'),
      forbid("no-secrets", "clerk__send", 'has(args.text) && origin(args.text).exists(o, o == "secret")'),
      forbid("clean", "clerk__pay", '"untrusted" in session.labels'),
      forbid("clear", "clerk__write", '"secret" in session.labels'),
    ],
    {},
    {
      mod: {
        tools: {
          forward: { properties: { to: {} }, body: "return await tools.clerk.send({ to: args.to })" },
          reverse: { properties: { text: {} }, body: 'return { to: args.text.split("").reverse().join("") }' },
          read: { body: "return await tools.clerk.mail({})" },
        },
        module: { calls: ["clerk__*"] },
      },
    },
  );
});
afterAll(() => office?.close());

/** What a script makes of a mail: the address in it, backwards. */
const READ = `const mail = await tools.clerk.mail({});
  const lure = mail.slice(16, 32).split("").reverse().join("");`;
const send = (to: string): string => `await tools.clerk.send({ to: ${to} }); return "sent"`;
const caught = (script: string): string => `try { ${script} } catch (e) { return e.data?.rule ?? e.message }`;

/** Runs a script in a session of its own and gives what it returned. */
async function valueOf(code: string, more: object = {}): Promise<unknown> {
  const agent = await office.agent();
  const { value, error } = bodyOf(await run(agent, code, more));
  await agent.close();
  return value ?? error;
}

/** The origins of the value that the last call of `send` got, as the policies saw them. */
async function originsOf(agent: Agent, to: string): Promise<string[]> {
  const before = newestIn(office.broker.data);
  await agent.call("clerk__send", { to });
  const [record] = recordsIn(office.broker.data, { after: before, kind: ["intent", "denial"] });
  const facts = JSON.parse(payloadsOf(office.broker.data, record?.seq as number)["facts"] as string);
  return facts.flow.origins[to] as string[];
}

describe("a value that a script made of a mail", () => {
  it("is still from it in a run inside, whether it is handed over as input or written into the code", async () => {
    const before = office.heard("send").length;
    const inner = caught(send('input.split("~").join("")'));
    expect(
      await valueOf(
        `${READ} return (await tools.callgate.run_code({ code: ${JSON.stringify(inner)}, input: [...lure].join("~") })).value`,
      ),
    ).toBe("no-lures");
    const written = `"try { await tools.clerk.send({ to: " + JSON.stringify(lure) + " }); return 1 } catch (e) { return e.data.rule }"`;
    expect(await valueOf(`${READ} return (await tools.callgate.run_code({ code: ${written} })).value`)).toBe(
      "no-lures",
    );
    expect(office.heard("send")).toHaveLength(before);
  });

  it("is still from it where a module sends it on, or turns it round", async () => {
    const before = office.heard("send").length;
    const forwarded = await valueOf(`${READ} ${caught("await tools.mod.forward({ to: lure }); return 'sent'")}`);
    expect(forwarded).toContain("not by no-lures");
    expect(
      await valueOf(
        `const mail = await tools.clerk.mail({});
         const { to } = await tools.mod.reverse({ text: mail.slice(16, 32) }); ${caught(send("to"))}`,
      ),
    ).toBe("no-lures");
    expect(office.heard("send")).toHaveLength(before);
  });

  it("is still from it where the agent sends it on, in whatever form it was returned", async () => {
    for (const form of ["lure", "{ record: { email: lure } }", "[[lure]]"]) {
      const agent = await office.agent();
      await run(agent, `${READ} return ${form}`);
      expect(ruleOf(await agent.call("clerk__send", { to: ERUL })), form).toBe("no-lures");
      expect(await originsOf(agent, ERUL)).not.toContain("record");
      await agent.close();
    }
  });

  it("cannot be spelled out of an alphabet in the script's text", async () => {
    const spelled = '[...lure].map((c) => [..."abcdefghijklmnopqrstuvwxyz.@"].find((a) => a === c)).join("")';
    expect(await valueOf(`${READ} ${caught(send(spelled))}`)).toBe("no-lures");
  });
});

describe("a mail that the agent hands in", () => {
  it("as a script's input is still a mail, cut up or not", async () => {
    const agent = await office.agent();
    const input = textOf(await agent.call("clerk__mail"));
    for (const to of ["input.slice(16, 32)", 'input.slice(16, 32).split("").reverse().join("")'])
      expect(bodyOf(await run(agent, caught(send(to)), { input })).value, to).toBe("no-lures");
    await agent.close();
  });

  it("to a module that reaches nothing comes back as what it was", async () => {
    const agent = await office.agent();
    const mail = textOf(await agent.call("clerk__mail"));
    const { to } = (await agent.call("mod__reverse", { text: mail.slice(16, 32) })).structuredContent as { to: string };
    expect(to).toBe(ERUL);
    expect(ruleOf(await agent.call("clerk__send", { to }))).toBe("no-lures");
    await agent.close();
  });
});

describe("what a script says by itself", () => {
  it.each([
    ["a text", '"ann@corp.example"'],
    ["an address in its prose", '"Write to ann@corp.example, please.".split(" ")[2].replace(",", "")'],
    ["JSON in a text", `JSON.parse('{"to":"ann@corp.example"}').to`],
    ["a part of a template", '`${"to"} ann@corp.example`.split(" ")[1]'],
    ["a number", "4711"],
    ["an address in its input", 'input.note.split(" ").at(-1)'],
    ["a number in its input", "input.n"],
  ])("%s is the model's own, also after a mail was read", async (_, to) => {
    const input = { note: "the address is ann@corp.example", n: 815 };
    expect(await valueOf(`await tools.clerk.mail({}); ${caught(send(to))}`, { input })).toBe("sent");
  });
});

describe("the label of a single field", () => {
  const sent = (text: string): string =>
    caught(`await tools.clerk.send({ to: "ann@corp.example", text: ${text} }); return "sent"`);

  it("goes with what a script makes of the field", async () => {
    const read = "const { rows } = await tools.clerk.crm({});";
    expect(await valueOf(`${read} ${sent("rows[0].password")}`)).toBe("no-secrets");
    expect(await valueOf(`${read} ${sent('[...rows[0].password].reverse().join("")')}`)).toBe("no-secrets");
  });

  it("goes with what a script returns, and marks the session", async () => {
    const agent = await office.agent();
    const code = `const { rows } = await tools.clerk.crm({}); return [...rows[0].password].reverse().join("").toUpperCase()`;
    const text = bodyOf(await run(agent, code)).value as string;
    expect(text).toBe(PASSWORD.split("").reverse().join("").toUpperCase());
    expect(ruleOf(await agent.call("clerk__send", { to: "ann@corp.example", text }))).toBe("no-secrets");
    expect(ruleOf(await agent.call("clerk__write", { to: "ann" }))).toBe("clear");
    await agent.close();
  });
});

describe("labels", () => {
  it("reach the session at once, from a run inside and from a module's call", async () => {
    const pay = caught(`await tools.clerk.pay({ to: "ann" }); return "paid"`);
    const inner = JSON.stringify("return (await tools.clerk.mail({})).length");
    expect(await valueOf(pay)).toBe("paid");
    expect(await valueOf(`await tools.callgate.run_code({ code: ${inner} }); ${pay}`)).toBe("clean");
    expect(await valueOf(`await tools.mod.read({}); ${pay}`)).toBe("clean");
  });

  it("and origins of what a run inside or a module read go with what it gives back", async () => {
    const inner = JSON.stringify("return (await tools.clerk.mail({})).slice(16, 32)");
    const turned = 'got.split("").reverse().join("")';
    expect(
      await valueOf(`const got = (await tools.callgate.run_code({ code: ${inner} })).value; ${caught(send(turned))}`),
    ).toBe("no-lures");
    expect(await valueOf(`const got = (await tools.mod.read({})).slice(16, 32); ${caught(send(turned))}`)).toBe(
      "no-lures",
    );
  });
});

describe("what the broker tells of tools", () => {
  it.each([
    ["callgate__search_tools", { query: "mail crm" }],
    ["callgate__describe_tool", { tools: ["clerk__mail"] }],
  ])("by %s grounds nothing: a server wrote it", async (name, args) => {
    const agent = await office.agent();
    const told: ToolResult = await agent.call(name, args);
    expect(JSON.stringify(told)).toContain("Does what mail does");
    const origins = await originsOf(agent, "Does what mail does");
    expect(origins).toContain("model");
    expect(origins).not.toContain("record");
    await agent.close();
  });
});
