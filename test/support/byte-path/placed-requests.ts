/** Requests whose paths say which bytes they have and which they are answered with, and the routes that carry them. */
import type { RouteMirror, RouteRetry, RouteRule } from "../../../protocol/route-table.ts";
import type { RequestDecision } from "../../../routing/http/request-decision.ts";
import type { RequestFacts } from "../../../routing/http/request-facts.ts";
import { forward } from "../http-world.ts";
import type { Moods } from "./moods.ts";

const KINDS = ["plain", "mirrored", "retried", "hedged", "shared"] as const;

/** What the agent does with it: gives copies to a mirror, sends it again after a 503, or beside itself, or once for many. */
export type RequestKind = (typeof KINDS)[number];

export interface PlacedRequest {
  readonly kind: RequestKind;
  readonly number: number;
  readonly up: number;
  readonly down: number;
  /** Without lengths, both ways. */
  readonly isChunked: boolean;
}

const MOST_BYTES = 512 * 1024;
/** Less than is kept for another try. */
const REPEATED_BYTES = 60_000;
const SHARED = 4;

export function drawRequest(moods: Moods, number: number): PlacedRequest {
  const kind = moods.chance(0.5) ? "plain" : moods.pick(KINDS);
  // Equal ones are asked for at once by several.
  if (kind === "shared") {
    const shared = Math.floor(moods.random() * SHARED);
    return { kind, number: shared, up: 0, down: 100_000 * shared, isChunked: shared % 2 === 0 };
  }
  const up = moods.length(kind === "retried" ? REPEATED_BYTES : MOST_BYTES);
  return { kind, number: SHARED + number, up, down: moods.length(MOST_BYTES), isChunked: moods.chance(0.5) };
}

export function pathOf({ kind, number, up, down, isChunked }: PlacedRequest): string {
  return `/${kind}/${number}/${up}/${down}/${isChunked ? "chunked" : "length"}`;
}

export function requestOf(path: string): PlacedRequest {
  const [, kind, number, up, down, framing] = path.split("/");
  return {
    kind: kind as RequestKind,
    number: Number(number),
    up: Number(up),
    down: Number(down),
    isChunked: framing === "chunked",
  };
}

/** The numbers of its bytes, either way. */
export function streamsOf({ number }: PlacedRequest): { readonly up: number; readonly down: number } {
  return { up: 2 * number, down: 2 * number + 1 };
}

const BUDGET = { percent: 100, intervalMs: 10_000, minRetries: 1_000, minRetriesIntervalMs: 1_000 };
const RETRY: RouteRetry = { attempts: 3, on: [503], backoffMs: 1, budget: BUDGET };
const MIRROR: RouteMirror = { service: "shop/mirror", port: 80, numerator: 1, denominator: 1 };
const POLICY = { policy: "shop/placed", scope: "Service shop/catalog" };

const RULES: Readonly<Record<RequestKind, Partial<RouteRule>>> = {
  plain: {},
  mirrored: {},
  retried: { retry: RETRY },
  hedged: { hedging: { ...POLICY, afterMs: 5, attempts: 1, budget: BUDGET } },
  shared: { collapsing: { ...POLICY, headers: [], maxWaiting: 100 } },
};

export function decidePlaced(facts: RequestFacts): RequestDecision {
  const kind = KINDS.find((each) => facts.target.startsWith(`/${each}/`));
  if (kind === undefined) return forward(facts);
  return forward(facts, { rule: RULES[kind], mirrors: kind === "mirrored" ? [MIRROR] : [] });
}
