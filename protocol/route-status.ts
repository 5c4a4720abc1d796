/**
 * What became of a route, as data for the `status` of its object: one entry per reference to a Service. References to
 * other parents (Gateways) are other controllers' business and not in here.
 */
import type { BackendProblem, RouteKind } from "./route-table.ts";

export type AcceptedReason =
  | "Accepted"
  /** The Service or its port is not there, or a Service of this type cannot be dialled. */
  | "NoMatchingParent"
  /** It says something that no agent carries out in this version; it holds nowhere. */
  | "UnsupportedValue"
  /** A route of another kind holds on the port (GEP-1294). */
  | "Conflicted";

export type ResolvedRefsReason = "ResolvedRefs" | BackendProblem;

export type RouteCondition =
  | {
      readonly type: "Accepted";
      readonly status: "True" | "False";
      readonly reason: AcceptedReason;
      readonly message: string;
    }
  | {
      readonly type: "ResolvedRefs";
      readonly status: "True" | "False";
      readonly reason: ResolvedRefsReason;
      readonly message: string;
    };

/** As the document has it, with its defaults filled in. */
export interface RouteParentRef {
  readonly group: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  readonly sectionName?: string;
  readonly port?: number;
}

export interface RouteParentStatus {
  readonly parentRef: RouteParentRef;
  readonly conditions: readonly RouteCondition[];
}

export interface RouteStatus {
  readonly kind: RouteKind;
  readonly namespace: string;
  readonly name: string;
  /** `observedGeneration` of the conditions; absent when the document has none. */
  readonly generation?: number;
  readonly parents: readonly RouteParentStatus[];
}
