import { existsSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { CallgateError, digestOf } from "@callgate/core";
import { type Approval, ApprovalStore, printable, printableLines } from "@callgate/gateway";
import { Command } from "commander";
import { withConfig, withKeyFile } from "../configuration.ts";
import { dataFolder } from "../data.ts";
import { table } from "../output.ts";
import { jsonLines, shortText } from "../render/json.ts";
import { sinceText } from "../render/time.ts";

interface Options {
  readonly config: string;
  readonly data?: string;
  readonly json?: boolean;
}

/** `callgate approvals`: the calls that wait for a person, and the person's answers. */
export function approvalsCommand(): Command {
  const list = withConfig(new Command("list"))
    .description("the calls that wait for an answer")
    .option("--all", "those that are answered, used or expired too")
    .option("--json", "print JSON")
    .action((options: Options & { all?: boolean }) =>
      withStore(options, (store) => {
        const found = store.list(options.all ? undefined : "pending");
        if (options.json) console.log(JSON.stringify(found));
        else if (found.length === 0)
          console.log(options.all ? "there are no approvals" : "nothing waits for an approval");
        else console.log(listing(found));
      }),
    );
  const show = withConfig(new Command("show"))
    .description("one held call, with its exact arguments in full, and what a script can do")
    .argument("<id>", "the approval, as `list` names it")
    .option("--json", "print JSON")
    .action((id: string, options: Options) =>
      withStore(options, (store) => {
        const approval = get(store, id);
        console.log(options.json ? JSON.stringify({ ...approval, complete: isComplete(approval) }) : whole(approval));
      }),
    );
  return withKeyFile(
    new Command("approvals")
      .description("calls that a policy holds until a person answers")
      .addCommand(list, { isDefault: true })
      .addCommand(show)
      .addCommand(answerCommand("approve", "let exactly this call happen, once"))
      .addCommand(answerCommand("deny", "refuse this call")),
  );
}

function answerCommand(name: "approve" | "deny", description: string): Command {
  const verdict = name === "approve" ? "approved" : "denied";
  const command = withConfig(new Command(name))
    .description(description)
    .argument("<id>", "the approval, as `list` names it")
    .option("--by <name>", "who answers, for the record (default: the user of this machine)")
    .option("--json", "print JSON");
  if (name === "approve")
    command.option("--unseen", "approve although the arguments are too long to have been kept in full");
  return command.action((id: string, options: Options & { by?: string; unseen?: boolean }) =>
    withStore(options, (store) => {
      const approval = get(store, id);
      if (name === "approve" && !isComplete(approval) && !options.unseen) {
        throw new CallgateError(
          "APPROVAL_INCOMPLETE",
          `the arguments of \`${id}\` were too long to keep: nobody can see all of what would be approved`,
          {
            help: `look at the start with \`callgate approvals show ${id}\`; \`--unseen\` approves the rest unseen`,
          },
        );
      }
      const taken = store.answer(id, verdict, options.by ?? userInfo().username);
      if (!taken.ok)
        throw new CallgateError("APPROVAL_ANSWERED", taken.reason, { help: "run `callgate approvals list --all`" });
      if (options.json) console.log(JSON.stringify(taken.approval));
      else
        console.log(
          `${verdict}: ${printable(approval.agent)} ${printable(approval.tool)} ${shortText(approval.argsText, 200)}`,
        );
    }),
  );
}

/** Runs `work` on the store that a broker shares through the data folder. Does not make one where there is none. */
async function withStore(options: Options, work: (store: ApprovalStore) => void): Promise<void> {
  const folder = await dataFolder(options);
  if (!existsSync(join(folder, "approvals.db"))) {
    throw new CallgateError("NO_APPROVALS", `no broker has run in \`${folder}\` yet`, {
      help: "name the broker's data folder with `--data`, or its configuration with `--config`",
    });
  }
  const store = new ApprovalStore(folder);
  try {
    work(store);
  } finally {
    store.close();
  }
}

function get(store: ApprovalStore, id: string): Approval {
  // Listing marks what has expired, so that what is shown is what an answer will meet.
  store.list("pending");
  const approval = store.get(id);
  if (approval) return approval;
  throw new CallgateError("BAD_ARGUMENT", `there is no approval \`${printable(id)}\``, {
    help: "run `callgate approvals list`",
  });
}

/** Whether the text that was kept is all of the arguments: their digest says so. Of what is over nothing is kept. */
function isComplete(approval: Approval): boolean {
  return approval.argsText === "" || digestOf(approval.argsText) === approval.args;
}

function listing(found: readonly Approval[]): string {
  const now = Date.now();
  const rows = found.map((a) => [
    a.id,
    a.status,
    a.status === "pending" ? `${sinceText(a.expires - now)} left` : `${sinceText(now - a.created)} ago`,
    printable(a.user === undefined ? a.agent : `${a.agent} for ${a.user}`),
    printable(a.tool),
    shortText(a.plan === "" ? a.argsText : oneLine(a.plan), 60),
    shortText(a.reason, 60),
  ]);
  return table(["id", "status", "time", "agent", "tool", "arguments", "held because"], rows);
}

/** A plan for a table: what it says first is what matters most. */
function oneLine(plan: string): string {
  return plan.replace(/^the script can call:\n/, "").replaceAll("\n", "; ");
}

function whole(a: Approval): string {
  const facts: [string, string | undefined][] = [
    ["id", a.id],
    ["status", a.status],
    ["agent", a.agent],
    ["user", a.user],
    ["tool", a.tool],
    ["held because", a.reason],
    ["asked", new Date(a.created).toISOString()],
    ["expires", new Date(a.expires).toISOString()],
    ["answered by", a.answeredBy],
    ["answered", a.answeredAt === undefined ? undefined : new Date(a.answeredAt).toISOString()],
    ["session", a.session],
    ["call", a.call],
    ["arguments", a.args === "" ? "not kept: it is over; see `callgate ledger tree --call`" : a.args],
    ["policies", a.policies],
  ];
  const lines = facts.flatMap(([name, value]) =>
    value === undefined ? [] : [`${name.padEnd(13)} ${printable(value)}`],
  );
  const cut = isComplete(a)
    ? []
    : ["", "WARNING: these are only the first characters; the arguments were too long to keep"];
  const plan = a.plan === "" ? [] : ["", ...printableLines(a.plan).split("\n")];
  return [...lines, ...plan, ...cut, ...(a.argsText === "" ? [] : ["", ...jsonLines(a.argsText)])].join("\n");
}
