/**
 * Routes and grants of the Gateway API (gateway.networking.k8s.io), as far as their status needs them: who they are attached
 * to, what they send to, and what is said about them already.
 */
import type { KubeObject } from "../../kubernetes/kube-client.ts";

export interface ParentRef {
  /** Absent: that of Gateway. "" for a Service. */
  readonly group?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name: string;
  readonly sectionName?: string;
  readonly port?: number;
}

export interface BackendRef {
  /** Absent: "", of Service. */
  readonly group?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name: string;
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

interface RouteFilter {
  readonly requestMirror?: { readonly backendRef?: BackendRef };
}

export interface RouteObject extends KubeObject {
  readonly metadata: KubeObject["metadata"] & { readonly generation?: number };
  readonly spec?: {
    readonly parentRefs?: readonly ParentRef[];
    readonly rules?: readonly {
      readonly backendRefs?: readonly (BackendRef & { readonly filters?: readonly RouteFilter[] })[];
      readonly filters?: readonly RouteFilter[];
    }[];
  };
  readonly status?: { readonly parents?: readonly RouteParentStatus[] };
}

export type RouteKind = "HTTPRoute" | "GRPCRoute";

/** What is kept of a route. */
export interface Route {
  readonly kind: RouteKind;
  readonly namespace: string;
  readonly name: string;
  readonly resourceVersion: string;
  readonly generation: number;
  readonly parentRefs: readonly ParentRef[];
  /** Of all rules, mirrors included, in their order. */
  readonly backendRefs: readonly BackendRef[];
  readonly parents: readonly RouteParentStatus[];
}

export interface GrantObject extends KubeObject {
  readonly spec?: {
    readonly from?: readonly { readonly group: string; readonly kind: string; readonly namespace: string }[];
    readonly to?: readonly { readonly group: string; readonly kind: string; readonly name?: string }[];
  };
}

/** What is kept of a ReferenceGrant: who may refer to what in its namespace. */
export interface Grant {
  readonly namespace: string;
  readonly from: NonNullable<NonNullable<GrantObject["spec"]>["from"]>;
  readonly to: NonNullable<NonNullable<GrantObject["spec"]>["to"]>;
}

export function reduceRoute(kind: RouteKind, { metadata, spec, status }: RouteObject): Route {
  const { name, namespace = "default", resourceVersion = "", generation = 0 } = metadata;
  const rules = spec?.rules ?? [];
  const backendRefs = rules.flatMap(({ backendRefs: refs = [], filters = [] }) => [
    ...refs,
    ...mirrorsOf([...filters, ...refs.flatMap((ref) => ref.filters ?? [])]),
  ]);
  return {
    kind,
    namespace,
    name,
    resourceVersion,
    generation,
    parentRefs: spec?.parentRefs ?? [],
    backendRefs: backendRefs.map(({ group = "", kind: backendKind = "Service", namespace: target, name: backend }) => ({
      group,
      kind: backendKind,
      name: backend,
      ...(target === undefined ? {} : { namespace: target }),
    })),
    parents: status?.parents ?? [],
  };
}

export function reduceGrant({ metadata, spec }: GrantObject): Grant {
  return { namespace: metadata.namespace ?? "default", from: spec?.from ?? [], to: spec?.to ?? [] };
}

function mirrorsOf(filters: readonly RouteFilter[]): BackendRef[] {
  return filters.map(({ requestMirror }) => requestMirror?.backendRef).filter((ref) => ref !== undefined);
}
