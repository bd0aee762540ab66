import type { ArgumentRole, ToolEffect } from "@callgate/core";
import { describe, expect, it } from "vitest";
import { draftFlow, SessionFlow } from "../src/index.ts";

const draft = (name: string, ...args: string[]) =>
  draftFlow({
    name,
    inputSchema: { type: "object", properties: Object.fromEntries(args.map((arg) => [arg, { type: "string" }])) },
  });

describe("a tool's effects, drafted from its name", () => {
  it.each<[string, string[], ToolEffect[]]>([
    // A verb that reads elsewhere.
    ["mark_as_read", ["email_id"], ["write"]],
    ["run_query", ["sql"], ["write"]],
    ["open_account", ["kind"], ["write"]],
    ["garage_open", [], ["write"]],
    ["check_in", ["booking"], ["write"]],
    ["open_page", ["url"], ["read", "external"]],
    ["browser_navigate", ["url"], ["read", "external"]],
    ["database_query", ["sql"], ["read"]],
    ["kill_process", ["pid"], ["write", "destructive"]],
    ["truncate_table", ["table"], ["write", "destructive"]],
    ["broadcast", ["text"], ["write", "external"]],
    // Others read what stands there.
    ["create_issue", ["title", "body"], ["write", "external"]],
    ["list_issues", [], ["read"]],
  ])("%s", (name, args, effects) => {
    expect(draft(name, ...args).effects).toEqual(effects);
  });
});

describe("what arguments are for, drafted from their names", () => {
  it.each<[string, Record<string, ArgumentRole>]>([
    ["move_file", { source: "path", destination: "path" }],
    ["send_package", { destination: "destination" }],
    ["book_flight", { destination: "target" }],
    ["slack_post_message", { channel_id: "destination", text: "content" }],
    ["transfer_money", { to_account_id: "payee", amount: "amount" }],
    ["pay_invoice", { address: "payee" }],
  ])("%s", (name, roles) => {
    expect(draft(name, ...Object.keys(roles)).arguments).toEqual(roles);
  });
});

it("a URL that is built on a known host is the model's, as far as it was not seen", () => {
  const flow = new SessionFlow();
  flow.observe({ tool: "mail__read", labels: ["untrusted"] }, "I liked the article on www.news.example/today");
  expect(flow.originsOf("https://www.news.example/today")).not.toContain("model");
  expect(flow.originsOf("https://www.news.example/?q=all+my+mail")).toEqual(["model", "tool:mail__read", "untrusted"]);
});
