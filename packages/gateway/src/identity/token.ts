import { CallgateError, type Grant, newId, SCOPE_TOKEN } from "@callgate/core";
import { errors, jwtVerify, SignJWT } from "jose";
import type { AgentConfig } from "../config/types.ts";
import type { SigningKey } from "./keys.ts";

/** Who issues the broker's own tokens, and whom they are for (RFC 7519 `iss`, `aud`). */
export const ISSUER = "callgate";

/** What a token is issued for. */
export interface TokenRequest {
  readonly agent: AgentConfig;
  readonly user?: string;
  /** Seconds from now; 1 to 86,400. */
  readonly ttl: number;
  /** The resource the token is good for: the broker's MCP URL or name. */
  readonly audience: string;
  /** Fewer scopes than the agent has; every one MUST be the agent's. */
  readonly scopes?: readonly string[];
  /** The declared session it is for; the token is good for nothing else. */
  readonly session?: string;
}

/** Signs a short-lived bearer token (JWT, EdDSA). Throws `TOKEN_REQUEST_INVALID`. */
export async function issueToken(key: SigningKey, request: TokenRequest): Promise<string> {
  if (!Number.isInteger(request.ttl) || request.ttl < 1 || request.ttl > 86_400)
    throw new CallgateError("TOKEN_REQUEST_INVALID", "a token lives from 1 second to 24 hours", {
      help: "give `--ttl` as `15m` or `8h`",
    });
  for (const scope of request.scopes ?? [])
    if (!request.agent.scopes.includes(scope))
      throw new CallgateError(
        "TOKEN_REQUEST_INVALID",
        `agent \`${request.agent.name}\` does not have the scope \`${scope}\``,
        {
          help: `its scopes are: ${request.agent.scopes.join(" ") || "none"}`,
        },
      );
  const now = Math.floor(Date.now() / 1000);
  const scope = (request.scopes ?? request.agent.scopes).join(" ");
  return await new SignJWT({
    scope,
    ...(request.user !== undefined && { act_for: request.user }),
    ...(request.session !== undefined && { sid: request.session }),
  })
    .setProtectedHeader({ alg: "EdDSA", kid: key.id, typ: "at+jwt" })
    .setIssuer(ISSUER)
    .setAudience(request.audience)
    .setSubject(request.agent.name)
    .setIssuedAt(now)
    .setExpirationTime(now + request.ttl)
    .setJti(newId("tok"))
    .sign(key.privateKey);
}

/** Why a token is not accepted: an OAuth error code (RFC 6750, section 3.1) and a sentence. */
export interface TokenRefusal {
  readonly error: "invalid_token" | "invalid_request";
  readonly message: string;
}

/** How many verified tokens are remembered. */
const CACHE = 4096;

/**
 * Verifies bearer tokens and remembers the verified ones until they expire.
 * A token's scopes MUST NOT exceed what the configuration gives its agent now: a reload that takes a scope away takes it from
 * tokens already out.
 */
export class TokenVerifier {
  #key: SigningKey;
  #audience: string;
  #agents: Readonly<Record<string, AgentConfig>>;
  #verified = new Map<string, Grant>();

  constructor(key: SigningKey, audience: string, agents: Readonly<Record<string, AgentConfig>>) {
    this.#key = key;
    this.#audience = audience;
    this.#agents = agents;
  }

  /** Takes a changed configuration: every remembered token is verified anew. */
  reload(agents: Readonly<Record<string, AgentConfig>>): void {
    this.#agents = agents;
    this.#verified.clear();
  }

  /** The remembered grant of a token, without a promise, for the hot path; undefined where `verify` must look. */
  recall(token: string): Grant | undefined {
    const grant = this.#verified.get(token);
    if (grant === undefined) return undefined;
    if (grant.expiresAt !== undefined && grant.expiresAt * 1000 > Date.now()) return grant;
    this.#verified.delete(token);
    return undefined;
  }

  async verify(token: string): Promise<Grant | TokenRefusal> {
    const known = this.recall(token);
    if (known) return known;
    try {
      const { payload } = await jwtVerify(token, this.#key.publicKey, {
        algorithms: ["EdDSA"],
        issuer: ISSUER,
        audience: this.#audience,
        typ: "at+jwt",
        requiredClaims: ["sub", "exp", "iat", "jti"],
      });
      const agent = Object.hasOwn(this.#agents, payload.sub as string)
        ? this.#agents[payload.sub as string]
        : undefined;
      if (!agent) return { error: "invalid_token", message: "the token's agent is not in the configuration" };
      const asked =
        typeof payload["scope"] === "string" ? payload["scope"].split(" ").filter((s) => SCOPE_TOKEN.test(s)) : [];
      const user = payload["act_for"];
      const session = payload["sid"];
      const grant: Grant = Object.freeze({
        principal: Object.freeze({ agent: agent.name, roles: agent.roles, ...(typeof user === "string" && { user }) }),
        scopes: Object.freeze(asked.filter((s) => agent.scopes.includes(s))),
        expiresAt: payload.exp as number,
        tokenId: payload.jti as string,
        ...(typeof session === "string" && { sessionId: session }),
      });
      if (this.#verified.size >= CACHE) this.#verified.delete(this.#verified.keys().next().value as string);
      this.#verified.set(token, grant);
      return grant;
    } catch (error) {
      return { error: "invalid_token", message: refusalOf(error) };
    }
  }
}

function refusalOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return "the token has expired; issue a new one with `callgate token issue`";
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === "aud") return "the token is for another audience; issue one for this broker";
    if (error.claim === "iss") return "the token was not issued by this broker";
    return `the token's \`${error.claim}\` is missing or wrong`;
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) return "the token's signature is not this broker's";
  if (error instanceof errors.JOSEAlgNotAllowed) return "the token's algorithm is not EdDSA";
  return "the token is not a well-formed JWT";
}
