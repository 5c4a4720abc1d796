/** What policies say of a rule's requests and of a Service's endpoints, a line each, with the TrafficPolicy that says it (pure). */
import type {
  CircuitBreaker,
  Collapsing,
  ConcurrencyLimit,
  Fallback,
  Fault,
  Hedging,
  PolicyPart,
  Quota,
  RateLimit,
  RequestSizes,
  RouteRetry,
  RouteRule,
  RouteTimeouts,
} from "../protocol/route-table.ts";
import type { LiveProtection } from "../protocol/live-state.ts";
import type { OutlierSettings, ServiceEntry } from "../protocol/table.ts";
import { describeCondition, describeSource } from "../routing/http/describe-match.ts";
import { breakerNow, concurrencyNow, quotaNow, rateNow } from "./protection-now.ts";

export type Line = readonly [label: string, text: string];

/** `now`: how that stands which protects the requests, at one agent. */
export function ruleLines(rule: RouteRule, now?: LiveProtection): readonly Line[] {
  const { timeouts, retry, session, sizes, concurrency, breaker, fallback, hedging, collapsing } = rule;
  return [
    ...line("timeouts", timeouts, timeoutsText),
    ...line("retries", retry, retryText),
    ...line("session", session, ({ type, name }) => `kept by ${type} ${name}`),
    ...part("sizes", sizes, sizesText),
    ...part("concurrency", concurrency, concurrencyText),
    ...present(concurrency, now, concurrencyNow),
    ...part("breaker", breaker, breakerText),
    ...present(breaker, now, breakerNow),
    ...(rule.rateLimits ?? []).flatMap((each) => [
      ...part("rate limit", each, rateText),
      ...present(each, now, rateNow),
    ]),
    ...(rule.quotas ?? []).flatMap((each) => [...part("quota", each, quotaText), ...present(each, now, quotaNow)]),
    ...(rule.faults ?? []).flatMap((each) => part("fault", each, faultText)),
    ...part("fallback", fallback, fallbackText),
    ...part("hedging", hedging, hedgingText),
    ...part("collapse", collapsing, collapseText),
  ];
}

/** How endpoints are chosen, where the Service has its own way. */
export function serviceLines(service: ServiceEntry): readonly Line[] {
  const { locality, loadBalancer, hash, slowStart, spillOver, outlier, ejection } = service;
  const said = [
    locality,
    loadBalancer === undefined
      ? undefined
      : `${loadBalancer}${hash === undefined ? "" : ` by ${describeSource(hash)}`}`,
    slowStart && `slow start from ${slowStart.minPercent} % over ${ms(slowStart.windowMs)}`,
    spillOver && `others help below ${spillOver.minHealthyPercent} % of the near ones`,
    service.honorsRetryAfter === false ? "Retry-After does not count" : undefined,
    ejection && `ejects after ${ejection.consecutiveFailures} failed connects`,
    ...outlierTexts(outlier),
  ].filter((text) => text !== undefined);
  return said.length === 0 ? [] : [["", `endpoints: ${said.join(", ")}`]];
}

function line<T>(label: string, value: T | undefined, text: (value: T) => string): readonly Line[] {
  return value === undefined ? [] : [[label, text(value)]];
}

function part<T extends PolicyPart>(label: string, value: T | undefined, text: (value: T) => string): readonly Line[] {
  return line(label, value, (given) => `${text(given)} (TrafficPolicy ${given.policy}, for ${given.scope})`);
}

function present<T extends PolicyPart>(
  value: T | undefined,
  now: LiveProtection | undefined,
  text: (value: T, now: LiveProtection) => string,
): readonly Line[] {
  return value === undefined || now === undefined ? [] : [["", `now ${text(value, now)}`]];
}

function timeoutsText(timeouts: RouteTimeouts): string {
  return Object.entries(timeouts)
    .map(([key, value]: [string, number]) => `${key.replace(/Ms$/, "")} ${value === 0 ? "none" : `${value} ms`}`)
    .join(", ");
}

function retryText({ attempts, on, backoffMs, budget }: RouteRetry): string {
  return `${attempts} on ${on.join(", ")}, after ${backoffMs} ms, at most ${budget.percent} % of the requests`;
}

function sizesText({ requestBytes, responseBytes, requestHeaderBytes }: RequestSizes): string {
  const sizes = { "request body": requestBytes, "response body": responseBytes, "request headers": requestHeaderBytes };
  const said = Object.entries(sizes).filter(([, bytes]) => bytes !== undefined);
  return said.map(([of, bytes]) => `${of} ${bytes} bytes`).join(", ");
}

function concurrencyText({ maxRequests, maxWaiting, maxWaitMs }: ConcurrencyLimit): string {
  return `${maxRequests} at once for each agent, ${maxWaiting} wait up to ${ms(maxWaitMs)}`;
}

function breakerText({ errorPercent, windowMs, minRequests, openMs, halfOpenRequests }: CircuitBreaker): string {
  const when = `opens at ${errorPercent} % errors of at least ${minRequests} requests in ${ms(windowMs)}`;
  return `${when}, for ${ms(openMs)}, then ${halfOpenRequests} find out`;
}

function rateText({ requests, perMs, burst, by }: RateLimit): string {
  const each = by === undefined ? "for each agent" : `for each agent and ${describeSource(by)}`;
  return `${requests} in ${ms(perMs)}, ${burst} at once, ${each}`;
}

function quotaText({ name, requests, perMs }: Quota): string {
  return `${name}: ${requests} in ${ms(perMs)} in the whole mesh`;
}

function faultText({ percent, when, delayMs, abort, bytesPerSecond, untilMs }: Fault): string {
  const done = [
    delayMs === undefined ? undefined : `delayed by ${ms(delayMs)}`,
    abort && `answered ${abort.status}`,
    bytesPerSecond && `answers at ${bytesPerSecond} bytes per second`,
  ].filter((text) => text !== undefined);
  const which = when === undefined ? "" : ` (${describeCondition(when)})`;
  return `${percent} % of the requests${which} ${done.join(", ")}, until ${new Date(untilMs).toISOString()}`;
}

function fallbackText({ on, response, backend, lastGoodMs }: Fallback): string {
  const instead = [
    response && `answer ${response.status}`,
    backend && `Service ${backend.service}, port ${backend.port}`,
    lastGoodMs && `the last good answer, up to ${ms(lastGoodMs)} old`,
  ].filter((text) => text !== undefined);
  return `for ${on.join(", ")}: ${instead.join(", ")}`;
}

function hedgingText({ afterMs, attempts, budget }: Hedging): string {
  const after =
    afterMs === undefined ? "the 95th percentile of the last answers, for 5 % of the requests" : ms(afterMs);
  return `${attempts} more after ${after}, at most ${budget.percent} % of the requests`;
}

function collapseText({ headers, maxWaiting }: Collapsing): string {
  return `identical GETs once, told apart by ${headers.join(", ")}, ${maxWaiting} wait`;
}

function outlierTexts(outlier: OutlierSettings = {}): readonly (string | undefined)[] {
  const { consecutiveErrors, successShare, latency, returnMs } = outlier;
  return [
    consecutiveErrors && `ejects after ${consecutiveErrors} errors`,
    successShare &&
      `ejects below ${successShare.percent} % good of ${successShare.minRequests} in ${ms(successShare.intervalMs)}`,
    latency && `ejects above ${latency.factor} times the others' latency`,
    returnMs && `return over ${ms(returnMs)}`,
  ].map((text) => (text === "" || text === 0 ? undefined : text));
}

const MS_PER_SECOND = 1_000;

function ms(value: number): string {
  return value >= MS_PER_SECOND ? `${value / MS_PER_SECOND} s` : `${value} ms`;
}
