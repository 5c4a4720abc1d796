/** `hawser explain` as text (pure): what was asked, which rule it is under, and what becomes of it. */
import type { HeaderChanges, RouteRule } from "../protocol/route-table.ts";
import { describeMatch } from "../routing/http/describe-match.ts";
import type { Explanation, ExplainedEndpoint, Outcome } from "../routing/http/explain-request.ts";
import type { ForwardRequest, RespondToRequest } from "../routing/http/request-decision.ts";

type Line = readonly [label: string, text: string];

const LABEL_WIDTH = 11;

export function renderExplanation(explanation: Explanation): string {
  const lines: Line[] = [...asked(explanation), ...under(explanation)];
  for (const outcome of explanation.outcomes) lines.push(...outcomeLines(outcome, explanation.outcomes.length > 1));
  if (explanation.by !== undefined) lines.push(...ruleLines(explanation.by.rule));
  if (explanation.notInForce !== undefined) lines.push(["note", explanation.notInForce]);
  return lines.map(([label, text]) => `${label.padEnd(LABEL_WIDTH)}${text}`.trimEnd()).join("\n");
}

function asked({ question, servicePort }: Explanation): readonly Line[] {
  const { method, authority, target, source, namespace, service, port } = question;
  const protocol = servicePort?.appProtocol ?? servicePort?.name ?? "";
  const from = source === undefined ? `a caller in namespace ${namespace}` : `pod ${source.uid} on node ${source.node}`;
  return [
    ["request", `${method} http://${authority}${target}`],
    ["from", from],
    ["to", `Service ${service}, port ${port}${protocol === "" ? "" : ` (${protocol})`}`],
  ];
}

function under({ by, place, outcomes }: Explanation): readonly Line[] {
  if (by === undefined) {
    const routed = outcomes[0]?.decision.kind !== "not-routed";
    return routed ? [] : [["route", "none is attached: handled as a connection"]];
  }
  const { kind, rule, match } = by;
  const name = rule.name === undefined ? "" : ` "${rule.name}"`;
  const at = place === undefined ? "" : ` (${place.file}:${place.line})`;
  return [
    ["route", `${kind} ${rule.route}, rule ${rule.index + 1}${name}${at}`],
    ["match", describeMatch(match)],
  ];
}

function outcomeLines({ share, decision, endpoints }: Outcome, several: boolean): readonly Line[] {
  if (decision.kind === "not-routed") return [];
  const label = several ? `${Number((share * 100).toFixed(2))} %` : "result";
  return decision.kind === "forward"
    ? [[label, forwarded(decision)], ...sentLines(decision), ...endpoints.map(endpointLine)]
    : [[label, answered(decision)], ...headerLines("response", decision.responseHeaders)];
}

function forwarded({ backend }: ForwardRequest): string {
  return `forwarded to Service ${backend.service}, port ${backend.port}`;
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

function endpointLine({ key, address, port, node, state, weight, chosen }: ExplainedEndpoint): Line {
  const pod = key.includes("/") ? (key.split(":")[0] ?? key) : "outside the pods";
  const at = address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
  const where = node === undefined ? "" : ` on ${node}`;
  const why = chosen || state !== "ready" ? "" : ", not for this caller";
  return ["", `${chosen ? "-" : "x"} ${pod} ${at}${where}, ${state}, weight ${weight}${why}`];
}

function ruleLines({ timeouts, retry, session }: RouteRule): readonly Line[] {
  const lines: Line[] = [];
  if (timeouts !== undefined) {
    const texts = Object.entries(timeouts).map(
      ([key, ms]) => `${key.replace(/Ms$/, "")} ${ms === 0 ? "none" : `${ms} ms`}`,
    );
    lines.push(["timeouts", texts.join(", ")]);
  }
  if (retry !== undefined) {
    const { attempts, on, backoffMs, budget } = retry;
    const bound = `at most ${budget.percent} % of the requests`;
    lines.push(["retries", `${attempts} on ${on.join(", ")}, after ${backoffMs} ms, ${bound}`]);
  }
  if (session !== undefined) lines.push(["session", `kept by ${session.type} ${session.name}`]);
  return lines;
}
