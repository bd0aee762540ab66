import { type Life, type Refusal, refuse } from "./life.ts";

/** Scopes of the manifest, budgets, the loop breaker. What is reserved here is settled or released before the call ends. */
export function admit(life: Life): Refusal | undefined {
  const { gate, grant, session, tool, request, began, round } = life;
  if (!tool || !life.argsDigest) throw new Error("admit before validate");
  const missing = tool.scopes.filter((s) => !grant.scopes.includes(s));
  if (missing.length > 0)
    return refuse(
      "missing-scope",
      `\`${request.name}\` needs the scope ${missing.map((s) => `\`${s}\``).join(", ")}`,
      "ask for a token with this scope, or use another tool",
    );

  // Coming back with an answer goes on with a call that was counted: it costs nothing and repeats nothing.
  const continues = round !== undefined && round.kind !== "approval";
  const { cost, callsPerMinute, concurrent, wall } = tool.limits;
  const own = {
    ...(callsPerMinute !== undefined && { callsPerMinute }),
    ...(concurrent !== undefined && { concurrent }),
    ...(wall !== undefined && { wall }),
  };
  const reserved = gate.budgets.reserve(
    session.id,
    grant.principal.agent,
    request.name,
    own,
    continues ? 0 : cost,
    began,
  );
  if ("rule" in reserved) return { reasons: [reserved] };
  life.reservation = reserved;

  life.loopKey = `${request.name}\0${life.argsDigest}`;
  const loop = continues
    ? { repeats: 0, period: 0, sameResult: false }
    : session.state.trail.look(life.loopKey, began, gate.loop);
  if (gate.loop.repeats > 0 && loop.repeats > gate.loop.repeats)
    return refuse(
      "loop",
      `\`${request.name}\` was called ${loop.repeats - 1} times with the same arguments in the last ${gate.loop.window / 1000} s${loop.sameResult ? ", each time with the same result" : ""}`,
      "do not repeat this call: use the result you have, change the arguments, or stop and say what is missing",
    );
  if (loop.period > 0)
    return refuse(
      "loop",
      `the last ${loop.period * gate.loop.cycles} calls went round in a circle of ${loop.period} with unchanged results`,
      "break the circle: use the results you have, or stop and say what is missing",
    );
  const { watch } = session.state;
  const readsFlow = gate.policies.readsFlow(tool);
  const readsLabels = gate.policies.readsLabels(tool);
  // A rule that asks for origins or labels MUST NOT be decided on a session of which only the end was watched.
  if ((readsFlow || readsLabels) && !watch)
    return refuse(
      "flow-unwatched",
      "the session began before the policies asked where its values come from",
      "open a new session, or use a new token",
    );
  const { within } = life.exchange;
  const flow = readsFlow ? watch?.facts(tool.name, request.args, within) : undefined;
  const script = life.script?.facts ?? within?.facts;
  const labels = readsLabels ? watch?.labels() : [];
  if ((readsFlow && !flow) || !labels)
    return refuse(
      "flow-lost",
      "something in this session, or in this call, could not be read for where its values come from",
      "open a new session, or use a new token; send fewer and smaller arguments",
    );
  session.state.mark(labels);
  life.facts = {
    principal: { ...grant.principal, scopes: grant.scopes },
    tool,
    args: request.args,
    session: session.state.facts(),
    loop,
    budget: reserved.facts,
    ...(flow && { flow }),
    ...(script && { script }),
    time: began,
  };
  if (!continues) session.state.trail.push(life.id, life.loopKey, began);
  return undefined;
}
