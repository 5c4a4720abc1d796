/**
 * Which node an agent speaks for, by the bearer token it shows. Every way to prove it (join tokens in files, projected
 * tokens of Kubernetes) ends in this interface; the channel never knows which one it is.
 */

/**
 * Why a token was not taken.
 *   token             nobody we know made it, or it is no longer valid
 *   token-audience    it is valid somewhere else: a pod's own token, for instance
 *   token-account     it belongs to another ServiceAccount than the agents'
 *   token-node        it does not say on which node its pod runs
 *   api-unreachable   whoever could judge it does not answer: the agent tries again
 *   busy              too many are judged already: the agent tries again
 */
export type AuthenticationRefusal =
  | "token"
  | "token-audience"
  | "token-account"
  | "token-node"
  | "api-unreachable"
  | "busy";

export type Authentication =
  /** `expiresAtMs`: by the wall clock; absent for a token that is good until it is replaced. */
  | { readonly node: string; readonly expiresAtMs?: number }
  /** `detail` is for the log, it never holds the token. */
  | { readonly refused: AuthenticationRefusal; readonly detail: string };

export interface AgentAuthenticator {
  /** Never rejects. Bounded in time. */
  authenticate(token: string): Promise<Authentication>;
}

/** True when the same token may be taken a moment later. */
export function isTemporary(refusal: AuthenticationRefusal): boolean {
  return refusal === "api-unreachable" || refusal === "busy";
}
