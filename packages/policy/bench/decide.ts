// Compiled once, evaluated many times: one realistic rule and fifty rules over one call, beside two other engines.
//   node packages/policy/bench/decide.ts
// The engines take turns in one run, so that a busy machine slows all of them; compare ratios, not runs.
// Ours is measured with the decision around it (rules combined, reasons, obligations); the others evaluate the bare
// expressions. Cedar, another language, has the rules as near as it can say them (it has no patterns but globs, no doubles and no
// indexes); its policies are parsed once too, but the call crosses into WebAssembly as JSON. Neither CEL engine bounds the cost of an evaluation. Loading, canonical JSON and the ledger are not in it.
import { type CelInput, celEnv, parse, plan } from "@bufbuild/cel";
import { strings } from "@bufbuild/cel/ext";
import { preparsePolicySet, statefulIsAuthorized } from "@cedar-policy/cedar-wasm/nodejs";
import { Environment } from "@marcbachmann/cel-js";
import { loadPolicies } from "../src/index.ts";
import { call, MAIL } from "../test/facts.ts";

const REALISTIC = [
  '"reader" in principal.roles && size(args.to) <= 5',
  'args.to.all(a, a.endsWith("@example.com"))',
  '(!has(args.priority) || args.priority in ["low", "normal"])',
  "(!has(args.amount) || args.amount < 1000.0)",
  'args.subject.matches("^[A-Za-z ]+$") && session.calls < 100',
  '!("untrusted" in session.labels)',
].join(" && ");

const SMALL = [
  'args.subject == "x" || args.subject.startsWith("he")',
  "size(args.to) <= 5 && session.calls < 100",
  'args.to.exists(a, a == "bob@example.com")',
  '"reader" in principal.roles && principal.agent != "intern"',
  "has(args.amount) && args.amount < 500.0",
];
const FIFTY = Array.from({ length: 50 }, (_, i) => SMALL[i % SMALL.length] as string);

const CALL = call(MAIL, {
  to: ["ann@example.com", "bob@example.com"],
  subject: "hello there",
  priority: "low",
  amount: 12.5,
});

type Run = () => unknown;

function ours(rules: readonly string[]): Run {
  const policies = rules.map((when, i) => ({ id: `r${i}`, effect: "permit", tools: ["mail__send"], when }));
  const loaded = loadPolicies([{ file: "bench.yaml", text: JSON.stringify({ policies }) }], [MAIL]);
  if (!loaded.ok) throw new Error(loaded.diagnostics[0]?.message);
  const { set } = loaded;
  if (set.decide(CALL).verdict !== "allow") throw new Error("the rules do not allow the call");
  return () => set.decide(CALL);
}

// Both know JSON numbers as doubles and nothing of Unix milliseconds: they get what these rules read.
const FACTS = { principal: CALL.principal, args: CALL.args, session: { calls: 3n, labels: [] } };

function bufbuild(rules: readonly string[]): Run {
  const env = celEnv({ funcs: strings });
  const plans = rules.map((rule) => plan(env, parse(rule)));
  const facts = FACTS as unknown as Record<string, CelInput>;
  if (!plans.every((run) => run(facts) === true)) throw new Error("@bufbuild/cel does not allow the call");
  return () => plans.every((run) => run(facts) === true);
}

function celJs(rules: readonly string[]): Run {
  const env = new Environment({ unlistedVariablesAreDyn: true });
  const parsed = rules.map((rule) => env.parse(rule));
  if (!parsed.every((run) => run(FACTS) === true)) throw new Error("cel-js does not allow the call");
  return () => parsed.every((run) => run(FACTS) === true);
}

// The same conditions in Cedar: money in cents, addresses in a set, `like` for prefixes and patterns.
const CEDAR_REALISTIC = [
  'principal.roles.contains("reader") && context.count <= 5',
  '["ann@example.com", "bob@example.com"].containsAll(context.to)',
  '(!(context has priority) || ["low", "normal"].contains(context.priority))',
  "(!(context has amount) || context.amount < 100000)",
  'context.subject like "hello*" && context.calls < 100',
  '!(context.labels.contains("untrusted"))',
].join(" && ");
const CEDAR_SMALL = [
  'context.subject == "x" || context.subject like "he*"',
  "context.count <= 5 && context.calls < 100",
  'context.to.contains("bob@example.com")',
  'principal.roles.contains("reader") && principal.name != "intern"',
  "context has amount && context.amount < 50000",
];

function cedar(rules: readonly string[]): Run {
  const id = `bench-${rules.length}`;
  const staticPolicies = rules.map((r) => `permit(principal, action, resource) when { ${r} };`).join("\n");
  const parsed = preparsePolicySet(id, { staticPolicies });
  if (parsed.type !== "success") throw new Error(JSON.stringify(parsed));
  const uid = { type: "Agent", id: "bot" };
  const request = {
    principal: uid,
    action: { type: "Action", id: "call" },
    resource: { type: "Tool", id: "mail__send" },
    context: {
      to: ["ann@example.com", "bob@example.com"],
      count: 2,
      subject: "hello there",
      priority: "low",
      amount: 1250,
      calls: 3,
      labels: [],
    },
    preparsedPolicySetId: id,
    entities: [{ uid, attrs: { roles: ["reader"], name: "bot" }, parents: [] }],
  };
  const answer = statefulIsAuthorized(request);
  const matched = answer.type === "success" ? answer.response.diagnostics.reason.length : 0;
  if (matched !== rules.length) throw new Error(`Cedar does not allow the call: ${JSON.stringify(answer)}`);
  return () => statefulIsAuthorized(request);
}

const ROUNDS = 30;

/** Microseconds a run: the median over rounds in which the engines take turns. */
function measure(engines: Readonly<Record<string, Run>>, times: number): Map<string, number> {
  const samples = new Map(Object.keys(engines).map((name) => [name, [] as number[]]));
  for (let round = 0; round < ROUNDS + 5; round++) {
    for (const [name, run] of Object.entries(engines)) {
      const start = process.hrtime.bigint();
      for (let i = 0; i < times; i++) run();
      // The first rounds only warm up.
      if (round >= 5) samples.get(name)?.push(Number(process.hrtime.bigint() - start) / 1000 / times);
    }
  }
  return new Map([...samples].map(([name, list]) => [name, list.sort((a, b) => a - b)[list.length >> 1] as number]));
}

for (const [title, rules, inCedar, times] of [
  ["one realistic rule", [REALISTIC], [CEDAR_REALISTIC], 4000],
  ["fifty rules over one call", FIFTY, FIFTY.map((_, i) => CEDAR_SMALL[i % CEDAR_SMALL.length] as string), 200],
] as const) {
  const medians = measure(
    {
      callgate: ours(rules),
      "@bufbuild/cel": bufbuild(rules),
      "@marcbachmann/cel-js": celJs(rules),
      "@cedar-policy/cedar-wasm": cedar(inCedar),
    },
    times,
  );
  const base = medians.get("callgate") as number;
  console.log(title);
  for (const [name, us] of medians)
    console.log(`  ${name.padEnd(24)} ${us.toFixed(2).padStart(8)} us   ${(us / base).toFixed(1)}x`);
}
