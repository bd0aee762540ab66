import { CallgateError } from "@callgate/core";

/** What `--to` names. */
export type ExportAddress =
  | { readonly kind: "jsonl" | "ocsf" | "cef"; readonly path: string }
  | { readonly kind: "tiles"; readonly path: string }
  | {
      readonly kind: "syslog";
      readonly transport: "udp" | "tcp" | "tls";
      readonly host: string;
      readonly port: number;
    }
  | { readonly kind: "otlp"; readonly url: string; readonly host: string; readonly port: number };

/** IANA's ports of syslog; over plain TCP receivers commonly listen on that of UDP. */
const SYSLOG_PORTS = { udp: 514, tcp: 514, tls: 6514 } as const;

const HELP =
  "use `jsonl:FILE`, `ocsf:FILE`, `cef:FILE`, `cef:tls://HOST:PORT` (or `udp`, `tcp`), `otlp:http://HOST:4318` or `tiles:FOLDER`";

/** Reads `--to`. Throws `BAD_ARGUMENT`. */
export function parseAddress(text: string): ExportAddress {
  const [, kind = "", rest = ""] = /^([a-z]+):(.+)$/s.exec(text) ?? [];
  switch (kind) {
    case "jsonl":
    case "ocsf":
    case "tiles":
      return { kind, path: rest };
    case "cef":
      return /^[a-z]+:\/\//.test(rest) ? syslogAddress(rest) : { kind, path: rest };
    case "otlp":
      return otlpAddress(rest);
    default:
      throw wrong(text);
  }
}

function syslogAddress(text: string): ExportAddress {
  const url = URL.parse(text);
  const transport = url?.protocol.slice(0, -1);
  if (transport !== "udp" && transport !== "tcp" && transport !== "tls") throw wrong(text);
  if (!url?.hostname || (url.pathname !== "" && url.pathname !== "/") || url.username !== "") throw wrong(text);
  const port = url.port === "" ? SYSLOG_PORTS[transport] : Number(url.port);
  return { kind: "syslog", transport, host: bare(url.hostname), port };
}

function otlpAddress(text: string): ExportAddress {
  const url = URL.parse(text);
  if (!url || (url.protocol !== "http:" && url.protocol !== "https:") || url.search !== "" || url.hash !== "")
    throw wrong(text);
  if (url.username !== "" || url.password !== "")
    throw new CallgateError("BAD_ARGUMENT", "a collector's address holds no password", {
      help: "set OTEL_EXPORTER_OTLP_HEADERS, as in `authorization=Bearer ...`",
    });
  const port = url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
  return { kind: "otlp", url: url.href.replace(/\/+$/, ""), host: bare(url.hostname), port };
}

/** The address in an IPv6 host's brackets. */
function bare(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}

function wrong(text: string): CallgateError {
  return new CallgateError("BAD_ARGUMENT", `\`${text}\` in \`--to\` is not a target`, { help: HELP });
}
