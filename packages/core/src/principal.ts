/** Who calls: an agent, its roles, and the user it acts for. */
export interface Principal {
  readonly agent: string;
  readonly roles: readonly string[];
  /** The end user the agent acts for, where known. */
  readonly user?: string;
}

/** A principal with the scopes it was granted, until when, and by which token (OAuth 2.0, RFC 6749). */
export interface Grant {
  readonly principal: Principal;
  readonly scopes: readonly string[];
  /** Unix seconds; absent for a grant that lives as long as its configuration (stdio). */
  readonly expiresAt?: number;
  /** The token's `jti`. */
  readonly tokenId?: string;
  /** The declared session that the token is for, and for no other (its `sid`). */
  readonly sessionId?: string;
}

/** An OAuth scope token (RFC 6749, section 3.3). */
export const SCOPE_TOKEN = /^[\x21\x23-\x5B\x5D-\x7E]{1,128}$/;
