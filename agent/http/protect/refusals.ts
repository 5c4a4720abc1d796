/**
 * What a client is told whose request a policy does not let through: one place from the reason to status, gRPC status and
 * text. The text names the policy and what it is for, so that whoever reads it knows what to change.
 */
import type {
  CircuitBreaker,
  ConcurrencyLimit,
  Fault,
  HeaderField,
  PolicyPart,
  Quota,
  RateLimit,
  RequestSizes,
} from "../../../protocol/route-table.ts";
import type { Refusal } from "../admission.ts";

/** Why a request is not sent: it has no place, or its turn came too late. */
export type PlaceReason =
  /** All places are taken, and no more may wait. */
  | "concurrency-limit"
  /** It has waited for a place, for as long as it may. */
  | "queue-timeout"
  | "circuit-open";

export type ProtectionReason =
  | "rate-limited"
  /** What the whole mesh may do is used up, or this agent's share of it. */
  | "quota"
  | PlaceReason
  | "request-too-large"
  | "request-headers-too-large"
  | "response-too-large"
  | "fault-abort";

export interface ProtectionRefusal extends Refusal {
  readonly reason: ProtectionReason;
  /** `namespace/name` of the TrafficPolicy. */
  readonly policy: string;
}

const TOO_MANY_REQUESTS = 429;
const UNAVAILABLE = 503;
const CONTENT_TOO_LARGE = 413;
const FIELDS_TOO_LARGE = 431;
const BAD_GATEWAY = 502;
/** Codes of gRPC. */
const RESOURCE_EXHAUSTED = 8;
const GRPC_UNAVAILABLE = 14;
const MS_PER_SECOND = 1_000;

export function rateLimited(limit: RateLimit, waitMs: number): ProtectionRefusal {
  const { requests, perMs, burst } = limit;
  return {
    reason: "rate-limited",
    status: TOO_MANY_REQUESTS,
    grpcStatus: RESOURCE_EXHAUSTED,
    text: said(limit, `lets ${requests} requests through per ${perMs} ms, ${burst} at once${perValue(limit)}`),
    headers: [retryAfter(waitMs)],
    policy: limit.policy,
  };
}

export function quotaUsedUp(quota: Quota, waitMs: number): ProtectionRefusal {
  const { name, requests, perMs, policy } = quota;
  return {
    reason: "quota",
    status: TOO_MANY_REQUESTS,
    grpcStatus: RESOURCE_EXHAUSTED,
    text: said(quota, `has ${requests} requests per ${perMs} ms for the whole mesh (quota ${name})`),
    headers: [retryAfter(waitMs)],
    policy,
  };
}

export function noPlace(limit: ConcurrencyLimit): ProtectionRefusal {
  const { maxRequests, maxWaiting } = limit;
  return unavailable("concurrency-limit", limit, `has ${maxRequests} requests under way and ${maxWaiting} waiting`);
}

export function waitedTooLong(limit: ConcurrencyLimit): ProtectionRefusal {
  const { maxRequests, maxWaitMs } = limit;
  const text = `has ${maxRequests} requests under way, and none has ended within ${maxWaitMs} ms`;
  return unavailable("queue-timeout", limit, text);
}

export function circuitOpen(breaker: CircuitBreaker, waitMs: number): ProtectionRefusal {
  const text = "lets no requests through, because too many have failed";
  return { ...unavailable("circuit-open", breaker, text), headers: [retryAfter(waitMs)] };
}

export function requestTooLarge(sizes: RequestSizes): ProtectionRefusal {
  return tooLarge("request-too-large", CONTENT_TOO_LARGE, sizes, `bodies up to ${sizes.requestBytes} bytes`);
}

export function fieldsTooLarge(sizes: RequestSizes): ProtectionRefusal {
  const text = `header fields up to ${sizes.requestHeaderBytes} bytes`;
  return tooLarge("request-headers-too-large", FIELDS_TOO_LARGE, sizes, text);
}

export function responseTooLarge(sizes: RequestSizes): ProtectionRefusal {
  return tooLarge("response-too-large", BAD_GATEWAY, sizes, `answers up to ${sizes.responseBytes} bytes`);
}

export function faultAbort(fault: Fault, { status, grpcStatus }: NonNullable<Fault["abort"]>): ProtectionRefusal {
  return {
    reason: "fault-abort",
    status,
    ...(grpcStatus === undefined ? {} : { grpcStatus }),
    text: said(fault, "has some requests fail on purpose"),
    policy: fault.policy,
  };
}

function unavailable(reason: PlaceReason, part: PolicyPart, text: string): ProtectionRefusal {
  return { reason, status: UNAVAILABLE, grpcStatus: GRPC_UNAVAILABLE, text: said(part, text), policy: part.policy };
}

function tooLarge(
  reason: "request-too-large" | "request-headers-too-large" | "response-too-large",
  status: number,
  part: PolicyPart,
  what: string,
): ProtectionRefusal {
  return { reason, status, grpcStatus: RESOURCE_EXHAUSTED, text: said(part, `takes ${what}`), policy: part.policy };
}

function said({ policy, scope }: PolicyPart, text: string): string {
  return `${scope}, by TrafficPolicy ${policy}, ${text}`;
}

function perValue({ by }: RateLimit): string {
  if (by === undefined) return "";
  return "name" in by ? ` for each ${by.from} ${by.name}` : ` for each ${by.from}`;
}

/** In whole seconds (RFC 9110 section 10.2.3), up: who comes back at that time is not too early. */
function retryAfter(waitMs: number): HeaderField {
  return ["retry-after", `${Math.max(1, Math.ceil(waitMs / MS_PER_SECOND))}`];
}
