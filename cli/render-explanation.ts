/** `hawser explain` as text (pure): what was asked, which rule it is under, and what becomes of it. */
import type { LiveEndpoint, LiveProtection } from "../protocol/live-state.ts";
import type { HeaderChanges } from "../protocol/route-table.ts";
import { describeMatch } from "../routing/http/describe-match.ts";
import type { Explanation, ExplainedEndpoint, Outcome } from "../routing/http/explain-request.ts";
import type { ForwardRequest, RespondToRequest } from "../routing/http/request-decision.ts";
import { type Line, ruleLines, serviceLines } from "./policy-lines.ts";

const LABEL_WIDTH = 12;

/** What comes from whoever has the table in force. */
export interface LiveFacts {
  /** `agent of node-1, table 10`. */
  readonly about: string;
  /** As the workers of one agent see them. */
  readonly live: readonly LiveEndpoint[];
  /** Of that agent. */
  readonly node: string | undefined;
  /** Likewise: of what protects the rule's requests, where something does. */
  readonly protection?: LiveProtection;
}

export function renderExplanation(explanation: Explanation, facts?: LiveFacts): string {
  const lines: Line[] = [...asked(explanation), ...inForce(explanation, facts), ...under(explanation)];
  const several = explanation.outcomes.length > 1;
  for (const outcome of explanation.outcomes) lines.push(...outcomeLines(outcome, several, facts?.live ?? []));
  if (explanation.by !== undefined) lines.push(...ruleLines(explanation.by.rule, facts?.protection));
  return lines.map(([label, text]) => `${label.padEnd(LABEL_WIDTH)}${text}`.trimEnd()).join("\n");
}

function asked({ question, servicePort }: Explanation): readonly Line[] {
  const { method, authority, target, source, namespace, service, port } = question;
  const protocol = servicePort?.policyProtocol ?? servicePort?.appProtocol ?? servicePort?.name ?? "";
  const from = source === undefined ? `a caller in namespace ${namespace}` : `pod ${source.uid} on node ${source.node}`;
  return [
    ["request", `${method} http://${authority}${target}`],
    ["from", from],
    ["to", `Service ${service}, port ${port}${protocol === "" ? "" : ` (${protocol})`}`],
  ];
}

function inForce({ question }: Explanation, facts: LiveFacts | undefined): readonly Line[] {
  if (facts === undefined) return [];
  const { source } = question;
  if (facts.node === undefined || source === undefined || source.node === facts.node)
    return [["in force", facts.about]];
  return [["in force", `${facts.about}; the caller is on ${source.node}, whose agent may see endpoints otherwise`]];
}

function under({ by, place, outcomes }: Explanation): readonly Line[] {
  if (by === undefined) {
    const routed = outcomes[0]?.decision.kind !== "not-routed";
    return routed ? [] : [["route", "none is attached: handled as a connection"]];
  }
  const { kind, rule, match } = by;
  const at = place === undefined ? "" : ` (${place.file}:${place.line})`;
  if (kind === "TrafficPolicy") return [["route", `none, but TrafficPolicy ${rule.route} speaks of requests${at}`]];
  const name = rule.name === undefined ? "" : ` "${rule.name}"`;
  return [
    ["route", `${kind} ${rule.route}, rule ${rule.index + 1}${name}${at}`],
    ["match", describeMatch(match)],
  ];
}

function outcomeLines(outcome: Outcome, several: boolean, live: readonly LiveEndpoint[]): readonly Line[] {
  const { share, decision, service } = outcome;
  const candidates = [...(service === undefined ? [] : serviceLines(service)), ...endpointLines(outcome, live)];
  if (decision.kind === "not-routed") return candidates;
  const label = several ? `${Number((share * 100).toFixed(2))} %` : "result";
  return decision.kind === "forward"
    ? [[label, forwarded(decision)], ...sentLines(decision), ...candidates]
    : [[label, answered(decision)], ...headerLines("response", decision.responseHeaders)];
}

function forwarded({ backend }: ForwardRequest): string {
  const subset = backend.subset === undefined ? "" : `, Subset ${backend.subset.name}`;
  return `forwarded to Service ${backend.service}, port ${backend.port}${subset}`;
}

function answered({ status, grpcStatus, code, reason }: RespondToRequest): string {
  const grpc = grpcStatus === undefined ? "" : ` (grpc-status ${grpcStatus})`;
  return `answered ${status}${grpc}, ${code}: ${reason}`;
}

function sentLines(decision: ForwardRequest): readonly Line[] {
  const { by, authority, target, requestHeaders, responseHeaders, mirrors } = decision;
  const rewritten = by.rule.filters?.rewrite !== undefined || decision.backend.filters?.rewrite !== undefined;
  return [
    ...(rewritten ? [["", `sent as ${target}, Host ${authority}`] as const] : []),
    ...headerLines("request", requestHeaders),
    ...headerLines("response", responseHeaders),
    ...mirrors.map(({ service, port, numerator, denominator }): Line => {
      const part = numerator === denominator ? "" : ` ${numerator} of ${denominator} requests`;
      return ["", `mirrored to Service ${service}, port ${port}${part}`];
    }),
  ];
}

function headerLines(of: string, changes: readonly HeaderChanges[]): readonly Line[] {
  return changes.flatMap(({ set = [], add = [], remove = [] }): readonly Line[] => [
    ...set.map(([name, value]): Line => ["", `${of} header ${name} set to ${value}`]),
    ...add.map(([name, value]): Line => ["", `${of} header ${name} gets ${value} added`]),
    ...remove.map((name): Line => ["", `${of} header ${name} removed`]),
  ]);
}

function endpointLines({ decision, endpoints }: Outcome, live: readonly LiveEndpoint[]): readonly Line[] {
  return endpoints.map((endpoint) => {
    const seen = live.filter(
      (each) =>
        each.endpoint === endpoint.key &&
        each.address === endpoint.address &&
        each.ofRequests === (decision.kind === "forward"),
    );
    const [label, text] = endpointLine(endpoint);
    return [label, `${text}${liveText(seen)}`];
  });
}

const MS_PER_SECOND = 1_000;

function seconds(ms: number): string {
  return `${Math.ceil(ms / MS_PER_SECOND)} s`;
}

/** Workers see endpoints each for itself. */
function liveText(seen: readonly LiveEndpoint[]): string {
  if (seen.length === 0) return "";
  const out = seen.filter(({ state }) => state !== "serving");
  const inFlight = seen.reduce((sum, each) => sum + each.inFlight, 0);
  const longestMs = Math.max(0, ...out.map(({ ejectedForMs = 0 }) => ejectedForMs));
  const workers = seen.length === 1 ? "" : ` in ${out.length} of ${seen.length} workers`;
  const ejected = out.length === 0 ? "" : `; ${out[0]?.state ?? ""}${workers}, for ${seconds(longestMs)} more`;
  const pausedMs = Math.max(0, ...seen.map(({ pausedForMs = 0 }) => pausedForMs));
  const paused = pausedMs === 0 ? "" : `; asked for a pause, ${seconds(pausedMs)} more`;
  const weights = seen.map(({ weightNow }) => weightNow).filter((weight) => weight !== undefined);
  const grown = weights.length === 0 ? "" : `; now weight ${Math.min(...weights)}`;
  return `${ejected}${paused}${grown}; ${inFlight} in flight`;
}

function endpointLine({ key, address, port, node, state, weight, chosen }: ExplainedEndpoint): Line {
  const pod = key.includes("/") ? (key.split(":")[0] ?? key) : "outside the pods";
  const at = address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
  const where = node === undefined ? "" : ` on ${node}`;
  const why = chosen || state !== "ready" ? "" : ", not for this caller";
  return ["", `${chosen ? "-" : "x"} ${pod} ${at}${where}, ${state}, weight ${weight}${why}`];
}
