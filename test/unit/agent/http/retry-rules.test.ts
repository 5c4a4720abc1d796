import test from "ava";
import { retriesAnswer, retriesFailure, retryDelayMs } from "../../../../agent/http/retry-rules.ts";
import { UpstreamFailure, type UpstreamFailureCode } from "../../../../agent/http/upstream/upstream-failure.ts";
import type { ResponseHead } from "../../../../agent/http/response-head.ts";
import { Fields } from "../../../../agent/http/fields.ts";
import type { RetryReason, RouteRetry } from "../../../../protocol/route-table.ts";

function retryOn(...on: RetryReason[]): RouteRetry {
  const budget = { percent: 20, intervalMs: 10_000, minRetries: 10, minRetriesIntervalMs: 1_000 };
  return { attempts: 1, on, backoffMs: 100, budget };
}

const FAILURES: readonly [UpstreamFailureCode, string, readonly RetryReason[], boolean][] = [
  ["connect-failure", "POST", ["connect-failure"], true],
  ["connect-failure", "POST", ["5xx"], false],
  ["connect-timeout", "GET", ["connect-failure"], true],
  ["connect-timeout", "POST", ["connect-failure"], false],
  ["reset", "POST", ["reset"], true],
  ["reset", "POST", ["connect-failure"], false],
  ["stale", "POST", ["reset"], true],
  ["bad-response", "GET", ["gateway-error"], true],
  ["per-try-timeout", "GET", ["gateway-error"], true],
  ["per-try-timeout", "GET", ["reset"], false],
  ["refused", "GET", ["connect-failure", "reset", "5xx"], false],
];
for (const [code, method, on, expected] of FAILURES) {
  test(`${code} of ${method} is ${expected ? "" : "not "}retried on ${on.join(", ")}`, (t) => {
    t.is(retriesFailure(retryOn(...on), new UpstreamFailure(code, ""), method), expected);
  });
}

function answer(status: number, grpcStatus?: string, hasBody = false): ResponseHead {
  const fields = new Fields();
  if (grpcStatus !== undefined) fields.add("grpc-status", grpcStatus);
  return { status, reason: undefined, fields, hasBody, length: undefined, upgrade: undefined };
}

const GRPC: readonly [string, RetryReason, boolean, boolean][] = [
  ["14", "unavailable", false, true],
  ["14", "cancelled", false, false],
  ["1", "cancelled", false, true],
  ["4", "deadline-exceeded", false, true],
  ["8", "resource-exhausted", false, true],
  ["14", "unavailable", true, false],
  ["0", "5xx", false, false],
];
for (const [grpcStatus, on, hasBody, expected] of GRPC) {
  const what = `gRPC status ${grpcStatus}${hasBody ? " beside messages" : ""}`;
  test(`${what} is ${expected ? "" : "not "}retried on ${on}`, (t) => {
    t.is(retriesAnswer(retryOn(on), answer(200, grpcStatus, hasBody)), expected);
  });
}

const STATUSES: readonly [number, RetryReason, boolean][] = [
  [503, 503, true],
  [503, 500, false],
  [500, "5xx", true],
  [499, "5xx", false],
  [504, "gateway-error", true],
  [500, "gateway-error", false],
  [503, "reset", false],
];
for (const [status, on, expected] of STATUSES) {
  test(`${status} is ${expected ? "" : "not "}retried on ${on}`, (t) => {
    t.is(retriesAnswer(retryOn(on), answer(status)), expected);
  });
}

test("the first delay is never shorter than the route says, later ones double", (t) => {
  t.is(
    retryDelayMs(retryOn(), 0, () => 0),
    100,
  );
  t.is(
    retryDelayMs(retryOn(), 2, () => 0),
    400,
  );
  t.true(retryDelayMs(retryOn(), 30, () => 0.99) <= 10_000);
});
