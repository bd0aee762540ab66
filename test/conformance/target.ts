import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

/** A server that the suites can be pointed at. They cannot send a token: it MUST serve callers without one. */
export interface Target {
  readonly name: string;
  readonly url: string;
  close(): Promise<void>;
}

export type StartTarget = () => Promise<Target>;

/** The revisions, and how the client is told to speak them. */
const MODES = { "2025-11-25": "legacy", "2026-07-28": { pin: "2026-07-28" } } as const;
export type Revision = keyof typeof MODES;
export const REVISIONS = Object.keys(MODES) as Revision[];

/** Connects to a server in one revision, lends the client to `use`, and disconnects. */
export async function withClient<T>(url: string, revision: Revision, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(
    { name: "callgate-conformance", version: "1.0.0" },
    { versionNegotiation: { mode: MODES[revision] } },
  );
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/**
 * The liveness assertion: the fixture itself, behind whatever is in front of it, answers one call in every revision. Throws
 * otherwise. A suite whose server is gone must not be read as one whose checks failed.
 */
export async function assertAlive({ name, url }: Target): Promise<void> {
  for (const revision of REVISIONS) {
    const result = await withClient(url, revision, (client) =>
      client.callTool({ name: "test_simple_text", arguments: {} }),
    ).catch((cause: unknown) => {
      throw new Error(`${name} does not answer in ${revision}`, { cause });
    });
    const first = result.content[0];
    if (result.isError || first?.type !== "text" || first.text !== "This is a simple text response for testing.") {
      throw new Error(`${name} answers in ${revision} with something else: ${JSON.stringify(result)}`);
    }
  }
}
