/**
 * The world of the Gateway API's conformance suite for meshes: servers `echo-v1` and `echo-v2` on two nodes, Services of
 * each and of both, ports 80 and 8080. Its routes, and tables of what is asked and what has to come of it.
 */
import type { ExecutionContext } from "ava";
import type { Lab } from "../../lab/lab-client.ts";
import type { LabPod } from "../../lab/lab-status.ts";
import type { HttpOutcome, HttpRequests } from "../pods/http-requests.ts";
import { documentsText, type NodeNumber, pod, service, STORY_NAMESPACE } from "./cluster-documents.ts";
import { eventually } from "./eventually.ts";
import { runProgram } from "./run-program.ts";

export const CHANGE = { timeoutMs: 10_000 };
export const V1 = "echo-v1";
export const V2 = "echo-v2";
/** Says which set of routes is in force: every set has a rule for it. */
const MARK = "/which-routes";

export interface Asked {
  readonly path?: string;
  readonly to?: string;
  readonly from?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Expected {
  /** Default 200. */
  readonly status?: number;
  /** Who answered. */
  readonly pod?: string;
  /** As the server saw it. */
  readonly url?: string;
  readonly location?: string;
  /** As the server saw them; undefined: it must not have seen it. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Of the answer's `x-route`. */
  readonly route?: string | undefined;
}

export type Row = readonly [Asked, Expected];

export interface RouteOptions {
  readonly name?: string;
  readonly port?: number;
  readonly parent?: object;
  readonly namespace?: string;
}

export function route(
  serviceName: string,
  rules: readonly object[],
  { name = serviceName, port, parent = { name: serviceName }, namespace = STORY_NAMESPACE }: RouteOptions = {},
): object {
  return {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "HTTPRoute",
    metadata: { name, namespace },
    spec: { parentRefs: [{ group: "", kind: "Service", ...parent, ...(port === undefined ? {} : { port }) }], rules },
  };
}

export function to(name: string, port: number): object {
  return { name, port };
}

export function backend(name: string): object {
  return { backendRefs: [to(name, 8080)] };
}

export function prefix(value: string): object {
  return { path: { type: "PathPrefix", value } };
}

/** Its rule is in the answer. */
export function answers(value: string): object {
  return { type: "ResponseHeaderModifier", responseHeaderModifier: { add: [{ name: "x-route", value }] } };
}

export function echo(name: string, node: NodeNumber): LabPod {
  const command = ["node", "e2e/pods/http-server.ts", "8080"];
  return pod({ name, node, command, port: 8080, labels: { group: "echo" } });
}

export function echoService(name: string, number: number, selector: Readonly<Record<string, string>>): object {
  const ports = [
    { name: "http", port: 80, targetPort: 8080, appProtocol: "http" },
    { name: "http-alt", port: 8080, appProtocol: "http" },
  ];
  return service({ name, number, selector, ports: [], spec: { ports } });
}

export function inNamespace(namespace: string, document: LabPod): LabPod {
  return { ...document, metadata: { ...document.metadata, namespace } };
}

// The lab.

/** All routes there are. Resolves when they are in force for calls of `host`. */
export async function inForce(lab: Lab, set: string, routes: readonly object[], host = "echo"): Promise<void> {
  const redirect = { type: "RequestRedirect", requestRedirect: { hostname: `${set}.example` } };
  const mark = route(host, [{ matches: [{ path: { type: "Exact", value: MARK } }], filters: [redirect] }], {
    name: "which-routes",
    port: 80,
  });
  await apply(lab, [...routes, mark]);
  await eventually(`the routes ${set}`, CHANGE, async () => {
    const { headers } = await ask(lab, { to: host, path: MARK });
    return headers["location"] === `http://${set}.example${MARK}`;
  });
}

export async function apply(lab: Lab, documents: readonly object[]): Promise<void> {
  await lab.call("applyDocuments", { file: "routes.yaml", text: documentsText(documents) });
}

export async function rows(t: ExecutionContext, lab: Lab, table: readonly Row[]): Promise<void> {
  for (const [asked, expected] of table) {
    const { status, headers, seen } = await ask(lab, asked);
    const name = JSON.stringify(asked);
    t.is(status, expected.status ?? 200, name);
    if (expected.pod !== undefined) t.is(seen?.pod, expected.pod, name);
    if (expected.url !== undefined) t.is(seen?.url, expected.url, name);
    if (expected.location !== undefined) t.is(headers["location"], expected.location, name);
    if ("route" in expected) t.is(headers["x-route"], expected.route, name);
    for (const [field, value] of Object.entries(expected.headers ?? {})) t.is(seen?.headers[field], value, name);
  }
}

export async function ask(
  lab: Lab,
  { path = "/", to: host = "echo", from = V1, headers = {} }: Asked,
): Promise<HttpOutcome> {
  return (await run(lab, from, { url: `http://${host}${path}`, headers }))[0] as HttpOutcome;
}

export async function run(lab: Lab, from: string, requests: HttpRequests): Promise<readonly HttpOutcome[]> {
  return await runProgram<readonly HttpOutcome[]>(lab, from, "http-requests.ts", [JSON.stringify(requests)]);
}
