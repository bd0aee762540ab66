import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { type AddressInfo, createServer as createSocketServer, type Server } from "node:net";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { addressKind } from "../src/fetching/addresses.ts";
import { type FetchRules, governedFetch } from "../src/fetching/fetch.ts";
import { Hosts } from "../src/fetching/hosts.ts";
import { CERTIFICATE, KEY } from "./fixtures/certificate.ts";

const RULES = { hosts: [], timeout: 10_000, requestBytes: 1024, responseBytes: 65_536 };

async function listening<T extends Server>(server: T): Promise<number> {
  server.listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** A server on loopback, and what it was asked. */
async function served(answer: RequestListener): Promise<{ port: number; seen: IncomingMessage[] }> {
  const seen: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    seen.push(request);
    answer(request, response);
  });
  onTestFinished(() => server.closeAllConnections());
  return { port: await listening(server), seen };
}

const ask = (url: string, rules: Partial<FetchRules>, more: object = {}, signal?: AbortSignal) =>
  governedFetch({ url, method: "GET", headers: {}, ...more }, { ...RULES, ...rules }, signal);

const textOf = (answer: Awaited<ReturnType<typeof ask>>): string =>
  "result" in answer ? Buffer.from(answer.result.body, "base64").toString() : answer.error.code;

test("a named loopback server with its port is asked, and its answer is cut down to what a guest may see", async () => {
  const { port, seen } = await served((request, response) => {
    response.setHeader("set-cookie", "session=1");
    response.setHeader("x-internal", "secret");
    response.setHeader("content-type", "text/plain");
    request.pipe(response);
  });
  const answer = await ask(
    `http://localhost:${port}/a?b=c#d`,
    { hosts: [`localhost:${port}`] },
    {
      method: "POST",
      headers: { "X-Own": "1", Cookie: "a=b" },
      body: Buffer.from("hello").toString("base64"),
    },
  );
  expect(answer).toMatchObject({ result: { status: 200, url: `http://localhost:${port}/a?b=c` } });
  expect(textOf(answer)).toBe("hello");
  expect("result" in answer && Object.keys(answer.result.headers).sort()).toEqual(["content-type", "date"]);
  expect(seen[0]?.headers).toMatchObject({ host: `localhost:${port}`, "x-own": "1", cookie: "a=b" });
});

test("https goes to the address that was checked, with the name's certificate", async () => {
  const server = createSecureServer({ key: KEY, cert: CERTIFICATE }, (request, response) => {
    response.end(request.headers.host);
  });
  const port = await listening(server);
  const lookup = async () => [{ address: "127.0.0.1", family: 4 }];
  const hosts = [`*.example.test:${port}`, `127.0.0.1:${port}`];
  expect(textOf(await ask(`https://api.example.test:${port}/`, { hosts, lookup, ca: CERTIFICATE }))).toBe(
    `api.example.test:${port}`,
  );
  expect(textOf(await ask(`https://other.example.test:${port}/`, { hosts, lookup, ca: CERTIFICATE }))).toBe(
    "FETCH_FAILED",
  );
  expect(textOf(await ask(`https://api.example.test:${port}/`, { hosts, lookup }))).toBe("FETCH_FAILED");
});

test("a name that leads into this network is refused, even beside a public address", async () => {
  const { port, seen } = await served((_, response) => response.end("reached"));
  for (const found of [
    ["127.0.0.1"],
    ["8.8.8.8", "127.0.0.1"],
    ["::ffff:127.0.0.1"],
    ["64:ff9b::7f00:1"],
    ["not an address"],
  ]) {
    const lookup = async () => found.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
    const answer = await ask(`https://rebind.example:${port}/`, { hosts: [`rebind.example:${port}`], lookup });
    expect(answer).toMatchObject({ error: { code: "FETCH_ADDRESS" } });
    // What the name leads to is not for a guest to know.
    expect(JSON.stringify(answer)).not.toContain("127.0.0.1");
  }
  expect(seen).toEqual([]);
});

test("a name is looked up once: what it leads to a moment later does not matter", async () => {
  const reached: string[] = [];
  const victim = await listening(
    createSocketServer((socket) => {
      reached.push("victim");
      socket.destroy();
    }),
  );
  let asked = 0;
  const lookup = async () => {
    asked++;
    // An address for documentation, named by the test so that it counts as allowed; nothing answers there.
    return [{ address: asked === 1 ? "192.0.2.1" : "127.0.0.1", family: 4 }];
  };
  const hosts = [`rebind.example:${victim}`, `192.0.2.1:${victim}`];
  const answer = await ask(`https://rebind.example:${victim}/`, { hosts, lookup, timeout: 300 });
  expect(answer).toMatchObject({ error: {} });
  expect([asked, reached]).toEqual([1, []]);
});

test("headers of the operator's go to their host alone, over what the guest sends, and do not come back", async () => {
  const { port, seen } = await served((request, response) => {
    response.writeHead(200, { etag: String(request.headers.authorization) });
    response.end(JSON.stringify(request.headers));
  });
  const other = await served((request, response) => response.end(JSON.stringify(request.headers)));
  const hosts = [`localhost:${port}`, `localhost:${other.port}`];
  const headers = { [`localhost:${port}`]: { Authorization: "Bearer top-secret-123" } };
  const init = { headers: { authorization: "Bearer mine", "x-own": "1" } };
  const answer = await ask(`http://localhost:${port}/`, { hosts, headers }, init);
  expect(seen).toHaveLength(1);
  expect(JSON.parse(textOf(answer))).toMatchObject({ authorization: "[secret]", "x-own": "1" });
  expect(JSON.stringify(answer)).not.toContain("top-secret");
  expect(answer).toMatchObject({ result: { headers: { etag: "[secret]" } } });
  expect(JSON.parse(textOf(await ask(`http://localhost:${other.port}/`, { hosts, headers }, init)))).toMatchObject({
    authorization: "Bearer mine",
  });
});

test("a redirect is an answer, and nobody follows it here", async () => {
  const target = await served((_, response) => response.end("reached"));
  const { port } = await served((_, response) => {
    // The body of a redirect does not end: it is left, not read.
    response.writeHead(302, { location: `http://127.0.0.1:${target.port}/`, "set-cookie": "a=b" }).write("body");
  });
  const hosts = [`localhost:${port}`, `127.0.0.1:${target.port}`];
  const answer = await ask(`http://localhost:${port}/`, { hosts });
  expect(answer).toMatchObject({ result: { status: 302, headers: { location: `http://127.0.0.1:${target.port}/` } } });
  expect(answer).not.toHaveProperty("result.headers.set-cookie");
  expect(target.seen).toEqual([]);
});

test.each([
  "http://169.254.169.254/latest/meta-data/",
  "https://168.63.129.16/",
  "https://[::1]/",
  "https://2130706433/",
  "file:///etc/passwd",
  "http://user:pass@localhost/",
])("%s is asked by nobody", async (url) => {
  expect(await ask(url, { hosts: ["localhost:80", "api.example.com"] })).toHaveProperty("error");
});

test("a body is counted after it is unpacked, whatever length it claims", async () => {
  const bomb = gzipSync(Buffer.alloc(20 * 1024 * 1024));
  const { port } = await served((request, response) => {
    if (request.url === "/bomb") response.writeHead(200, { "content-encoding": "gzip" }).end(bomb);
    else if (request.url === "/twice")
      response.writeHead(200, { "content-encoding": "gzip, gzip" }).end(gzipSync(bomb));
    else if (request.url === "/small") response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("small"));
    else if (request.url === "/cut")
      response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("small").subarray(0, -8));
    else for (let i = 0; i < 100; i++) response.write(Buffer.alloc(1024), () => i === 99 && response.end());
  });
  const get = async (path: string) =>
    textOf(await ask(`http://localhost:${port}${path}`, { hosts: [`localhost:${port}`] }));
  expect(bomb.length).toBeLessThan(RULES.responseBytes);
  expect(await get("/bomb")).toBe("FETCH_TOO_LARGE");
  expect(await get("/endless")).toBe("FETCH_TOO_LARGE");
  expect(await get("/twice")).toBe("FETCH_FAILED");
  expect(await get("/cut")).toBe("FETCH_FAILED");
  expect(await get("/small")).toBe("small");
});

test("a server that never ends its answer is left when the time is over, and when the caller leaves", async () => {
  const { port, seen } = await served((_, response) => void response.writeHead(200).write("a"));
  const hosts = [`localhost:${port}`];
  expect(textOf(await ask(`http://localhost:${port}/`, { hosts, timeout: 100 }))).toBe("FETCH_TIMEOUT");
  const stop = new AbortController();
  const asked = ask(`http://localhost:${port}/`, { hosts }, {}, stop.signal);
  await expect.poll(() => seen.length).toBe(2);
  stop.abort();
  expect(textOf(await asked)).toBe("FETCH_CANCELLED");
  // The connections are gone with it.
  await expect.poll(() => seen.every((request) => request.socket.destroyed)).toBe(true);
  const never = new Promise<never>(() => {});
  expect(textOf(await ask("https://a.example/", { hosts: ["a.example"], timeout: 50, lookup: () => never }))).toBe(
    "FETCH_TIMEOUT",
  );
});

test("what is left of a time is any number of milliseconds", async () => {
  const { port } = await served((_, response) => response.end("a"));
  const hosts = [`localhost:${port}`];
  for (const timeout of [9968.098629000002, Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER])
    expect(textOf(await ask(`http://localhost:${port}/`, { hosts, timeout }))).toBe("a");
  expect(
    textOf(
      await ask("https://a.example/", { hosts: ["a.example"], timeout: -0.5, lookup: () => new Promise(() => {}) }),
    ),
  ).toBe("FETCH_TIMEOUT");
});

test("headers that are not the guest's to set, and those that would split a request, are refused", async () => {
  const { port, seen } = await served((_, response) => response.end());
  const refused = [
    { Host: "other" },
    { "content-length": "1" },
    { "Transfer-Encoding": "chunked" },
    { connection: "upgrade" },
    { "proxy-authorization": "x" },
    { "X-Forwarded-For": "10.0.0.1" },
    { a: "b\r\nhost: other" },
    { a: "b\nc" },
    { a: "\u0000" },
    { "a: b\r\nc": "d" },
    { "": "x" },
    { a: "1", A: "2" },
    { a: 1 },
    { a: "x".repeat(20_000) },
  ];
  for (const headers of refused)
    expect(await ask(`http://localhost:${port}/`, { hosts: [`localhost:${port}`] }, { headers })).toMatchObject({
      error: { code: "FETCH_INVALID" },
    });
  expect(seen).toEqual([]);
});

test("a request that is none is refused", async () => {
  const hosts = ["api.example.com"];
  const url = "https://api.example.com/";
  for (const bad of [
    { url: "api.example.com" },
    { url: `${url}${"x".repeat(9000)}` },
    { url, method: "CONNECT" },
    { url, method: "get\r\n" },
    { url, method: "GET", body: "AAAA" },
    { url, method: "POST", body: "not base64" },
    { url, method: "POST", body: "A".repeat(4096) },
    { url, headers: [] },
    "x",
  ])
    expect(await governedFetch(bad, { ...RULES, hosts })).toMatchObject({ error: { code: "FETCH_INVALID" } });
});

test("hosts fit as they are written, by host and port, over https", () => {
  const hosts = new Hosts(["api.example.com", "*.corp.example", "other.example:8443", "localhost:8080", "10.1.2.3"]);
  const fits = (url: string): boolean => hosts.refusal(new URL(url)) === undefined;
  for (const url of [
    "https://api.example.com/x",
    "https://API.example.com:443/",
    "https://a.b.corp.example/",
    "https://other.example:8443/",
    "http://localhost:8080/",
    "https://10.1.2.3/",
    "https://167838211/",
  ])
    expect([url, fits(url)]).toEqual([url, true]);
  for (const url of [
    "http://api.example.com/",
    "http://api.example.com:443/",
    "https://api.example.com:8443/",
    "https://api.example.com./",
    "https://api.example.com.evil.example/",
    "https://evil-api.example.com/",
    "https://corp.example/",
    "https://xcorp.example/",
    "https://other.example/",
    "http://localhost/",
    "https://localhost/",
    "https://a:b@api.example.com/",
    "ftp://api.example.com/",
    "https://10.1.2.4/",
    "https://[::ffff:10.1.2.4]/",
  ])
    expect([url, fits(url)]).toEqual([url, false]);
  // Plain text needs a port that somebody wrote down, even where it is the one that is meant without.
  expect(new Hosts(["localhost"]).refusal(new URL("http://localhost:443/"))).toBeDefined();
  expect(new Hosts(["localhost"]).refusal(new URL("https://localhost/"))).toBeUndefined();
});

test("an address inside is reached if it is named itself, one of a metadata service never", () => {
  const hosts = new Hosts(["intern.example", "10.1.2.3", "169.254.169.254", "localhost:8080"]);
  expect(hosts.refusedAddress("intern.example", "443", "10.1.2.3")).toBeUndefined();
  expect(hosts.refusedAddress("intern.example", "443", "10.1.2.4")).toBe("private");
  expect(hosts.refusedAddress("intern.example", "8080", "10.1.2.3")).toBe("private");
  expect(hosts.refusedAddress("169.254.169.254", "443", "169.254.169.254")).toBe("metadata");
  expect(hosts.refusedAddress("localhost", "8080", "::1")).toBeUndefined();
  expect(hosts.refusedAddress("intern.example", "443", "::1")).toBe("loopback");
  expect(hosts.refusedAddress("localhost", "8080", "10.9.9.9")).toBe("private");
});

test("addresses that are not of the public internet are known as such, however they are written", () => {
  const inside = [
    ...["0.0.0.0", "10.0.0.1", "100.64.0.1", "127.9.9.9", "169.254.1.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
    ...["192.0.0.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.5"],
    ...["::", "::1", "::ffff:10.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::1", "100::1"],
    ...["fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2002:7f00:1::1", "2001::1"],
    ...["2001:db8::1", "3fff::1", "[::1]", "", "x", "1.2.3"],
  ];
  for (const address of inside) expect([address, addressKind(address) !== undefined]).toEqual([address, true]);
  for (const address of [
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "fd00:ec2::254",
    "FD00:EC2:0::254",
  ])
    expect([address, addressKind(address)]).toEqual([address, "metadata"]);
  for (const address of ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"])
    expect([address, addressKind(address)]).toEqual([address, undefined]);
});

test("an IPv4 address is of the same kind when it is written as IPv6", () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      expect(addressKind(`::ffff:${address}`)).toBe(addressKind(address));
    }),
    { numRuns: 500 },
  );
});
