/**
 * Routes of the Gateway API (gateway.networking.k8s.io): as documents, when they are for Services, and what their status
 * needs besides: who they are attached to, and what is said about them already.
 */
import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "../../kubernetes/kube-client.ts";
import { formatPath } from "../../protocol/documents/problem.ts";
import { judgeValue } from "../../protocol/documents/schema-findings.ts";
import type { RouteKind } from "../../protocol/route-table.ts";
import type { RouteDocument } from "../../routing/http/route-parents.ts";
import { limits } from "./limits.ts";
import { ObjectSource } from "./object-source.ts";

const GATEWAY_GROUP = "gateway.networking.k8s.io";

export interface ParentRef {
  /** Absent: that of Gateway. "" for a Service. */
  readonly group?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name: string;
  readonly sectionName?: string;
  readonly port?: number;
}

export interface RouteCondition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly observedGeneration?: number;
  readonly lastTransitionTime: string;
  readonly reason: string;
  readonly message: string;
}

export interface RouteParentStatus {
  readonly parentRef: ParentRef;
  readonly controllerName: string;
  readonly conditions: readonly RouteCondition[];
}

export interface RouteObject extends KubeObject {
  readonly metadata: KubeObject["metadata"] & { readonly generation?: number; readonly creationTimestamp?: string };
  readonly spec?: { readonly parentRefs?: readonly ParentRef[]; readonly [key: string]: unknown };
  readonly status?: { readonly parents?: readonly RouteParentStatus[] };
}

/** What is kept of a route. */
export interface Route {
  readonly kind: RouteKind;
  readonly namespace: string;
  readonly name: string;
  readonly resourceVersion: string;
  readonly generation: number;
  readonly parentRefs: readonly ParentRef[];
  readonly parents: readonly RouteParentStatus[];
  /** Undefined: it is no Service's, or says something that this version cannot read. */
  readonly document?: RouteDocument;
  /** What it cannot read. */
  readonly problem?: string;
}

/** `before`: what was kept of it. A document that is the same stays the same object. */
export function reduceRoute(kind: RouteKind, object: RouteObject, before?: Route): Route {
  const { metadata, spec, status } = object;
  const { name, namespace = "default", resourceVersion = "", generation = 0 } = metadata;
  const parentRefs = spec?.parentRefs ?? [];
  return {
    kind,
    namespace,
    name,
    resourceVersion,
    generation,
    parentRefs,
    parents: status?.parents ?? [],
    ...(parentRefs.some(isServiceRef) ? readRoute(kind, object, before?.document) : {}),
  };
}

/** Everything else, Gateways above all, is for other controllers. */
export function isServiceRef({ group = GATEWAY_GROUP, kind = "Gateway" }: ParentRef): boolean {
  return group === "" && kind === "Service";
}

/**
 * Through the schema, unlike what there is in thousands: it knows what is left out, and a part that a newer version of the
 * API has added must not be passed over, as a route would then be for other requests than was written.
 */
function readRoute(
  kind: RouteKind,
  { metadata, spec }: RouteObject,
  before: RouteDocument | undefined,
): Pick<Route, "document" | "problem"> {
  const { name, namespace = "default", generation, creationTimestamp } = metadata;
  const value = {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind,
    metadata: {
      name,
      namespace,
      ...(generation === undefined ? {} : { generation }),
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    },
    spec,
  };
  const judgement = judgeValue(kind, value);
  if ("findings" in judgement) {
    const problem = judgement.findings.map(({ path, message }) => `${formatPath(path)}: ${message}`).join("; ");
    return { problem: problem.slice(0, limits.problemCharacters) };
  }
  const document = { ...judgement.data, source: new ObjectSource(kind, namespace, name) } as RouteDocument;
  return { document: before !== undefined && isDeepStrictEqual(before, document) ? before : document };
}
