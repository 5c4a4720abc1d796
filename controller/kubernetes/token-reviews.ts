/**
 * Agents by their projected ServiceAccount tokens: the API server says whose a token is (TokenReview), and on which node
 * the pod runs that it is bound to. Nothing is believed that the API server has not confirmed; what the token says of
 * itself only spares it the tokens that cannot be good.
 *
 *   token --claims--> known a moment ago? --> waiting (bounded) --> TokenReview --> account, audience, node
 *             \\-- wrong audience, another account: refused here
 */
import { createHash } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import { Turns } from "../../core/turns.ts";
import type { KubeClient } from "../../kubernetes/kube-client.ts";
import type { AgentAuthenticator, Authentication, AuthenticationRefusal } from "../agent-authenticator.ts";
import { limits, timers } from "../limits.ts";
import type { PodObject } from "./cluster-objects.ts";
import { readIfThere } from "../../kubernetes/read-if-there.ts";

export interface TokenReviewsOptions {
  readonly client: Pick<KubeClient, "create" | "get">;
  readonly namespace: string;
  readonly clock: Clock;
  readonly count?: (result: AuthenticationRefusal | "node") => void;
}

/** What agents' tokens are made for: one that any pod has does not do. */
const AUDIENCE = "hawser";
const AGENT_ACCOUNT = "hawser-agent";
/** What the API server knows of the pod that a token is bound to (KEP-4193). */
const EXTRA_NODE_NAME = "authentication.kubernetes.io/node-name";
const EXTRA_POD_NAME = "authentication.kubernetes.io/pod-name";
const EXTRA_POD_UID = "authentication.kubernetes.io/pod-uid";

interface ReviewStatus {
  readonly authenticated?: boolean;
  readonly audiences?: readonly string[];
  readonly error?: string;
  readonly user?: { readonly username?: string; readonly extra?: Readonly<Record<string, readonly string[]>> };
}

/** What a token says of itself (RFC 7519), as far as it is looked at. */
interface Claims {
  readonly aud?: unknown;
  readonly sub?: unknown;
  readonly exp?: unknown;
}

interface Known {
  readonly node: string;
  /** Both by the wall clock. */
  readonly expiresAtMs: number;
  readonly untilMs: number;
}

export class TokenReviews implements AgentAuthenticator {
  readonly #options: TokenReviewsOptions;
  readonly #account: string;
  readonly #turns = new Turns({ atOnce: limits.tokenReviews, waiting: limits.tokenReviewsWaiting });
  /** By digest: a token is a secret. Oldest first. */
  readonly #known = new Map<string, Known>();

  constructor(options: TokenReviewsOptions) {
    this.#options = options;
    this.#account = `system:serviceaccount:${options.namespace}:${AGENT_ACCOUNT}`;
  }

  async authenticate(token: string): Promise<Authentication> {
    const claims = readClaims(token);
    if (claims === undefined) return { refused: "token", detail: "it is not a ServiceAccount token" };
    const hopeless = this.#refuseByClaims(claims);
    if (hopeless !== undefined) return hopeless;
    const digest = createHash("sha256").update(token).digest("base64");
    const known = this.#known.get(digest);
    if (known !== undefined && known.untilMs > this.#options.clock.nowMs()) {
      return { node: known.node, expiresAtMs: known.expiresAtMs };
    }
    const answer = await this.#inTime(token);
    this.#options.count?.("refused" in answer ? answer.refused : "node");
    return "node" in answer ? this.#remember(digest, answer.node, claims) : answer;
  }

  #refuseByClaims({ aud, sub }: Claims): Authentication | undefined {
    const audiences = [aud].flat().map(String);
    if (!audiences.includes(AUDIENCE)) {
      return {
        refused: "token-audience",
        detail: `it is for ${audiences.join(", ").slice(0, 200)}, not for ${AUDIENCE}`,
      };
    }
    if (sub === this.#account) return undefined;
    return { refused: "token-account", detail: `it is that of ${String(sub).slice(0, 200)}, not of ${this.#account}` };
  }

  /** Waiting for a turn included. What comes later is forgotten: the agent has given up by then. */
  #inTime(token: string): Promise<Authentication> {
    return new Promise((resolve) => {
      const detail = `the API server did not judge it within ${timers.authenticationMs} ms`;
      const expired = new AbortController();
      const timer = this.#options.clock.after(timers.authenticationMs, () => {
        expired.abort();
        resolve({ refused: "api-unreachable", detail });
      });
      const judged = this.#turns.take(() => this.#review(token), expired.signal);
      if (judged === undefined) resolve({ refused: "busy", detail: "too many tokens wait for the API server" });
      void (judged ?? Promise.resolve(undefined)).then((answer) => {
        timer.cancel();
        if (answer !== undefined) resolve(answer);
      });
    });
  }

  /** Never rejects. */
  async #review(token: string): Promise<Authentication> {
    try {
      const review = await this.#options.client.create<{ readonly status?: ReviewStatus }>(
        "/apis/authentication.k8s.io/v1/tokenreviews",
        {
          apiVersion: "authentication.k8s.io/v1",
          kind: "TokenReview",
          spec: { token, audiences: [AUDIENCE] },
        },
      );
      return await this.#judge(review.status ?? {});
    } catch (error) {
      return { refused: "api-unreachable", detail: describeError(error) };
    }
  }

  async #judge({ authenticated, audiences, error, user }: ReviewStatus): Promise<Authentication> {
    if (authenticated !== true) return { refused: "token", detail: error ?? "the API server does not know it" };
    if (audiences?.includes(AUDIENCE) !== true) {
      // A server that knows nothing of audiences confirms none: its word is about another question.
      return { refused: "token-audience", detail: `the API server does not confirm the audience ${AUDIENCE}` };
    }
    if (user?.username !== this.#account) {
      return { refused: "token-account", detail: `it is that of ${user?.username}, not of ${this.#account}` };
    }
    const node = await this.#nodeOf(user.extra ?? {});
    if (node !== undefined) return { node };
    return { refused: "token-node", detail: "it is not bound to a pod that runs on a node" };
  }

  async #nodeOf(extra: Readonly<Record<string, readonly string[]>>): Promise<string | undefined> {
    const [node] = extra[EXTRA_NODE_NAME] ?? [];
    if (node !== undefined) return node;
    const [[pod] = [], [uid] = []] = [extra[EXTRA_POD_NAME], extra[EXTRA_POD_UID]];
    return pod === undefined || uid === undefined ? undefined : await this.#nodeOfPod(pod, uid);
  }

  /** API servers before 1.30 name only the pod. */
  async #nodeOfPod(name: string, uid: string): Promise<string | undefined> {
    const path = `/api/v1/namespaces/${this.#options.namespace}/pods/${encodeURIComponent(name)}`;
    const pod = await readIfThere<PodObject>(this.#options.client, path);
    return pod?.metadata.uid === uid ? pod.spec?.nodeName : undefined;
  }

  /** A token without an expiry is looked at as one that has passed it: again and again. */
  #remember(digest: string, node: string, { exp }: Claims): Authentication {
    const nowMs = this.#options.clock.nowMs();
    const expiresAtMs = typeof exp === "number" ? exp * 1_000 : nowMs;
    this.#known.delete(digest);
    this.#known.set(digest, { node, expiresAtMs, untilMs: Math.min(nowMs + timers.knownTokenMs, expiresAtMs) });
    for (const [oldest, { untilMs }] of this.#known) {
      if (this.#known.size <= limits.knownTokens && untilMs > nowMs) break;
      this.#known.delete(oldest);
    }
    return { node, expiresAtMs };
  }
}

function readClaims(token: string): Claims | undefined {
  const [, payload, signature] = token.split(".");
  if (payload === undefined || signature === undefined) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, "base64url").toString());
    return typeof claims === "object" && claims !== null ? claims : undefined;
  } catch {
    return undefined;
  }
}
