// A service of rates for the examples: node rates-server.mjs [port]. It prints the port that it listens on.
import { createServer } from "node:http";

const PER_EURO = { EUR: 1, USD: 1.08, GBP: 0.85, JPY: 162.5, NOK: 11.4, KWD: 0.332 };

const server = createServer((request, response) => {
  const base = new URL(request.url ?? "/", "http://localhost").searchParams.get("base") ?? "EUR";
  const own = PER_EURO[base];
  if (own === undefined) return response.writeHead(404).end();
  const rates = Object.fromEntries(
    Object.entries(PER_EURO).map(([code, rate]) => [code, Number((rate / own).toFixed(6))]),
  );
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ base, date: "2026-01-15", rates }));
});
server.listen(Number(process.argv[2] ?? 8741), "127.0.0.1", () => {
  const address = server.address();
  console.log(typeof address === "object" && address ? address.port : address);
});
