import { createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Broker, startBroker } from "../support/broker.ts";
import { makeFolder } from "../support/folder.ts";
import { ran, writeOdd } from "../support/odd/setup.ts";
import { callModern, headersFor, modernRequest, openSession, send, type WireAnswer } from "../support/wire.ts";

const folder = makeFolder("face");
let broker: Broker;
let token: string;
let key: KeyObject;

beforeAll(async () => {
  broker = await startBroker(
    writeOdd(folder, {
      config: { limits: { bodyBytes: "64KiB", depth: 16, stringBytes: "8KiB", argumentBytes: "16KiB" } },
    }),
  );
  token = await broker.token("ann");
  key = createPrivateKey({ key: JSON.parse(readFileSync(join(broker.data, "token-key.json"), "utf8")), format: "jwk" });
});
afterAll(async () => {
  // Whatever was thrown at it, the broker still serves.
  const { result } = await callModern(broker.url, token, "odd__echo", { text: "alive" });
  expect(result).toMatchObject({ content: [{ text: "echo: alive" }] });
  expect(await broker.stop()).toBe(0);
  folder.remove();
});

const CALL = modernRequest(1, "tools/call", { name: "odd__echo", arguments: { text: "x" } });

function post(
  bearer: string | undefined,
  more: Record<string, string> = {},
  body: unknown = CALL.body,
): Promise<WireAnswer> {
  return send(broker.url, headersFor(bearer, { ...CALL.headers, ...more }), body);
}

describe("a token", () => {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const ed25519 = (secret: KeyObject) => (text: string) => sign(null, Buffer.from(text), secret);
  const seconds = () => Math.floor(Date.now() / 1000);
  const claims = () => ({
    iss: "callgate",
    aud: "callgate:/mcp",
    sub: "ann",
    scope: "odd:use",
    iat: seconds(),
    exp: seconds() + 60,
    jti: "tok_test",
  });

  function jwt(header: object, body: object, signer: (text: string) => Buffer): string {
    const text = `${encode({ typ: "at+jwt", ...header })}.${encode(body)}`;
    return `${text}.${signer(text).toString("base64url")}`;
  }

  /** Signed as the broker signs, with claims of the test's own. */
  const own = (body: object, header: object = {}) => jwt({ alg: "EdDSA", ...header }, body, ed25519(key));
  const without = (name: string) => Object.fromEntries(Object.entries(claims()).filter(([k]) => k !== name));

  it("made here in the same way is accepted, so that the refusals below have one reason each", async () => {
    expect((await post(own(claims()))).messages[0]?.result).toMatchObject({ content: [{ text: "echo: x" }] });
  });

  const bad: Record<string, () => string> = {
    "that has expired": () => own({ ...claims(), exp: seconds() - 1 }),
    "that is not good yet": () => own({ ...claims(), nbf: seconds() + 600 }),
    "for another audience": () => own({ ...claims(), aud: "callgate:/other" }),
    "of another issuer": () => own({ ...claims(), iss: "somebody" }),
    "of an agent that is not configured": () => own({ ...claims(), sub: "eve" }),
    "of an agent by a name that every object has": () => own({ ...claims(), sub: "constructor" }),
    "of another type": () => own(claims(), { typ: "JWT" }),
    "without an expiry": () => own(without("exp")),
    "without an id": () => own(without("jti")),
    "without an audience": () => own(without("aud")),
    "signed with another key": () =>
      jwt({ alg: "EdDSA" }, claims(), ed25519(generateKeyPairSync("ed25519").privateKey)),
    "with its own key in the header": () => {
      const pair = generateKeyPairSync("ed25519");
      return jwt({ alg: "EdDSA", jwk: pair.publicKey.export({ format: "jwk" }) }, claims(), ed25519(pair.privateKey));
    },
    "with claims changed after signing": () => {
      const [head, , mac] = own(claims()).split(".");
      return `${head}.${encode({ ...claims(), sub: "bob" })}.${mac}`;
    },
    "with `alg: none`": () => jwt({ alg: "none" }, claims(), () => Buffer.alloc(0)),
    "with `alg: None` and the signature of a good one": () => jwt({ alg: "None" }, claims(), ed25519(key)),
    "with HS256 and the public key as PEM for a secret": () =>
      jwt({ alg: "HS256" }, claims(), (text) =>
        createHmac("sha256", createPublicKey(key).export({ type: "spki", format: "pem" }))
          .update(text)
          .digest(),
      ),
    "with HS256 and the public key's bytes for a secret": () =>
      jwt({ alg: "HS256" }, claims(), (text) =>
        createHmac("sha256", Buffer.from(createPublicKey(key).export({ format: "jwk" }).x as string, "base64url"))
          .update(text)
          .digest(),
      ),
    "that is no JWT": () => "nonsense",
    "that is empty but for its dots": () => "..",
  };

  it.each(Object.entries(bad))("%s is refused with 401 and what RFC 6750 asks for", async (_, make) => {
    const before = ran(folder).length;
    const answer = await post(make());
    expect(answer.status).toBe(401);
    expect(answer.headers["www-authenticate"]).toMatch(
      /^Bearer realm="callgate", error="invalid_token", error_description="[^"]+"$/,
    );
    expect(ran(folder)).toHaveLength(before);
  });

  it("that is missing gets 401 without an error, in every method and era", async () => {
    const answers = [
      await post(undefined),
      await send(broker.url, headersFor(undefined), { jsonrpc: "2.0", id: 1, method: "initialize", params: {} }),
      await send(broker.url, headersFor(undefined), undefined, "GET"),
      await send(broker.url, headersFor(undefined), undefined, "DELETE"),
      // Never from the URL, where logs would keep it (RFC 6750, section 2.3).
      await send(`${broker.url}?access_token=${token}`, headersFor(undefined, CALL.headers), CALL.body),
    ];
    for (const answer of answers) {
      expect(answer.status).toBe(401);
      expect(answer.headers["www-authenticate"]).toBe('Bearer realm="callgate"');
    }
  });

  it.each(["Basic YW5uOmFubg==", "Bearer", "Bearer a b"])("in a header like `%s` is refused", async (authorization) => {
    const answer = await post(undefined, { authorization });
    expect([400, 401]).toContain(answer.status);
    expect(answer.headers["www-authenticate"]).toMatch(/^Bearer realm="callgate"/);
  });

  it("does not appear in the broker's log", () => {
    expect(broker.process.lines.join("\n")).not.toContain(token);
  });
});

describe("DNS rebinding", () => {
  const hosts = [
    "evil.example",
    "evil.example:80",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil-localhost",
    "[::ffff:8.8.8.8]",
    "0.0.0.0.evil.example:8722",
  ];
  it.each(hosts)("is stopped at the Host `%s`, whatever the token", async (host) => {
    const answer = await post(token, { host });
    expect([400, 403]).toContain(answer.status);
  });

  const origins = [
    "https://evil.example",
    "http://127.0.0.1.evil.example",
    "http://localhost.evil.example",
    "null",
    "file://",
    "http://localhost@evil.example",
    "nonsense",
  ];
  it.each(origins)("is stopped at the Origin `%s`, whatever the token", async (origin) => {
    expect((await post(token, { origin })).status).toBe(403);
    // Before anything is said of tokens.
    expect((await post(undefined, { origin })).status).toBe(403);
  });

  it.each([
    [{ host: "localhost" }],
    [{ host: "127.0.0.1:9" }],
    [{ host: "[::1]:9" }],
    [{ origin: "http://localhost:5173" }],
    [{ origin: "http://127.0.0.1" }],
  ])("does not stop what comes from this machine: %o", async (headers: Record<string, string>) => {
    expect((await post(token, headers)).status).toBe(200);
  });
});

describe("a body", () => {
  it("over the limit is refused, announced or not", async () => {
    const large = { ...CALL.body, padding: "x".repeat(70_000) };
    expect((await post(token, {}, large)).status).toBe(413);
    const status = await new Promise<number>((resolve, reject) => {
      const req = request(
        broker.url,
        {
          method: "POST",
          headers: { ...headersFor(token, CALL.headers), "transfer-encoding": "chunked" },
          agent: false,
        },
        (res) => {
          res.resume();
          resolve(res.statusCode ?? 0);
        },
      );
      req.on("error", reject);
      for (let i = 0; i < 10; i++) req.write("x".repeat(10_000));
      req.end();
    });
    expect(status).toBe(413);
  });

  it("that is too deep is refused before anything walks it", async () => {
    const nested = (levels: number) => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;
    const body = (levels: number) =>
      JSON.stringify(CALL.body).replace('"arguments":{"text":"x"}', `"arguments":${nested(levels)}`);
    for (const levels of [40, 9000]) {
      const deep = await post(token, {}, body(levels));
      expect([levels, deep.status]).toEqual([levels, 400]);
      expect(deep.messages[0]?.error?.message).toMatch(/nests deeper/);
    }
    const over = await post(token, {}, body(18));
    expect(over.messages[0]?.result).toMatchObject({
      isError: true,
      _meta: { "io.callgate/denial": { rule: "callgate/invalid-arguments" } },
    });
  });

  it("with arguments or a text over their limits is a denied call", async () => {
    for (const [args, says] of [
      [{ text: "x".repeat(9000) }, "a string in the arguments is over 8192 bytes"],
      [{ text: "é".repeat(4097) }, "a string in the arguments is over 8192 bytes"],
      [{ ["k".repeat(8193)]: 1, text: "x" }, "a string in the arguments is over 8192 bytes"],
      [{ text: "x", more: Array(9).fill("y".repeat(2000)) }, "the arguments are over 16384 bytes"],
    ] as const) {
      const { result } = await callModern(broker.url, token, "odd__echo", args);
      expect(result?.["_meta"]).toMatchObject({
        "io.callgate/denial": { rule: "callgate/invalid-arguments", reason: says },
      });
    }
  });

  it.each(["", "{", "nonsense", '{"jsonrpc":"2.0",}', "\u0000", "[", "\ufeff{}x"])(
    "that is not JSON (%j) is a parse error",
    async (text) => {
      const answer = await post(token, {}, text);
      expect(answer.status).toBe(400);
      expect(answer.messages[0]).toMatchObject({ jsonrpc: "2.0", id: null, error: { code: -32700 } });
    },
  );

  it.each(["null", "1", '"text"', "[]", "[1]", "{}", '{"jsonrpc":"1.0","id":1,"method":"ping"}'])(
    "that is no JSON-RPC message (%s) is refused",
    async (text) => {
      const stateless = await post(token, {}, text);
      expect(stateless.status).toBe(400);
      expect(stateless.messages[0]?.error?.code).toBeLessThan(0);
      const session = await openSession(broker.url, token);
      const sessionful = await send(broker.url, headersFor(token, { "mcp-session-id": session }), text);
      expect(sessionful.status).toBe(400);
    },
  );

  it("that is a batch is refused without sessions, and runs nothing", async () => {
    const before = ran(folder).length;
    const answer = await post(token, {}, [CALL.body, CALL.body]);
    expect(answer.status).toBe(400);
    expect(ran(folder)).toHaveLength(before);
  });

  it("that is a batch in a session is answered one by one, each call governed", async () => {
    const session = await openSession(broker.url, token);
    const call = (id: number, name: string) => ({
      jsonrpc: "2.0",
      id,
      method: "tools/call",
      params: { name, arguments: { text: `number ${id}` } },
    });
    const batch = await send(broker.url, headersFor(token, { "mcp-session-id": session }), [
      call(1, "odd__echo"),
      call(2, "odd__missing"),
      call(3, "odd__echo"),
    ]);
    const answers = Object.fromEntries(batch.messages.map((m) => [m.id, m]));
    expect(answers[1]?.result).toMatchObject({ content: [{ text: "echo: number 1" }] });
    expect(answers[2]?.error).toMatchObject({ data: { rule: "callgate/unknown" } });
    expect(answers[3]?.result).toMatchObject({ content: [{ text: "echo: number 3" }] });
    const twice = await send(broker.url, headersFor(token, { "mcp-session-id": session }), [
      call(4, "odd__echo"),
      call(4, "odd__echo"),
    ]);
    expect(twice.status).toBe(400);
  });

  it("that is not declared as JSON is refused", async () => {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
      expect((await post(token, { "content-type": type })).status).toBe(415);
  });

  it("whose headers say something else than it does is refused", async () => {
    const before = ran(folder).length;
    for (const headers of [
      { "mcp-name": "odd__same" },
      { "mcp-method": "tools/list" },
      { "mcp-protocol-version": "2025-11-25" },
    ] as Record<string, string>[])
      expect((await post(token, headers)).status).toBe(400);
    expect(ran(folder)).toHaveLength(before);
  });

  it("with members that reach for prototypes is judged by the schema like any other", async () => {
    const text = JSON.stringify(
      modernRequest(1, "tools/call", { name: "odd__place", arguments: { city: "Rome" } }).body,
    );
    const named = { "mcp-name": "odd__place" };
    for (const member of ["__proto__", "constructor", "prototype"]) {
      const { messages } = await post(
        token,
        named,
        text.replace('{"city":"Rome"}', `{"city":"Rome","${member}":{"polluted":true}}`),
      );
      expect([member, messages[0]?.result?.["_meta"]]).toMatchObject([
        member,
        { "io.callgate/denial": { rule: "callgate/invalid-arguments" } },
      ]);
    }
  });

  it.each(["\\ud800", "\\u0000", "\\u202e", "\u{1f600}"])(
    "with the text %s is answered, and the broker goes on",
    async (escaped) => {
      const { messages } = await post(
        token,
        {},
        JSON.stringify(CALL.body).replace('"text":"x"', `"text":"a${escaped}b"`),
      );
      expect(messages[0]).toHaveProperty("result");
    },
  );
});

describe("another way in", () => {
  it("is not there", async () => {
    expect((await post(token, {}, CALL.body)).status).toBe(200);
    for (const path of ["/", "/mcp/", "/mcp/../admin", "/.callgate/token-key.json"])
      expect((await send(new URL(path, broker.url).href, headersFor(token), CALL.body)).status).toBe(404);
    for (const method of ["PUT", "PATCH", "OPTIONS"])
      expect((await send(broker.url, headersFor(token), undefined, method)).status).toBe(405);
  });
});
