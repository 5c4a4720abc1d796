/** What is to be done with a request, and why: the rule and the match of it, of which document. */
import type {
  HeaderChanges,
  HeaderField,
  RouteBackend,
  RulesKind,
  RouteMatch,
  RouteMirror,
  RouteRule,
} from "../../protocol/route-table.ts";
import type { Candidate } from "../decide-connection.ts";

/** What led to a decision. Timeouts, retries and session persistence are the rule's. */
export interface RoutedBy {
  readonly kind: RulesKind;
  readonly rule: RouteRule;
  readonly match: RouteMatch;
}

/** No route is attached: the connection is handled as if there were no HTTP. */
export interface NotRouted {
  readonly kind: "not-routed";
}

export interface ForwardRequest {
  readonly kind: "forward";
  readonly by: RoutedBy;
  readonly backend: RouteBackend;
  /** The client's session is there. */
  readonly endpoint?: Candidate;
  /** As they are to be sent. */
  readonly authority: string;
  readonly target: string;
  /** Applied one after the other. */
  readonly requestHeaders: readonly HeaderChanges[];
  readonly responseHeaders: readonly HeaderChanges[];
  /** Where a copy of the request goes, whose answer is thrown away. */
  readonly mirrors: readonly RouteMirror[];
}

export type ResponseCode =
  | "redirect"
  /** A preflight request is answered by the filter CORS. */
  | "cors-preflight"
  /** Routes are attached, and the request is under no rule of them. */
  | "no-match"
  /** The rule has no backend, or none with a weight. */
  | "no-backend"
  /** The chosen backend does not exist, or must not be used. */
  | "invalid-backend"
  | "no-endpoints"
  /** A filter of the rule is not known. */
  | "unknown-extension";

export interface RespondToRequest {
  readonly kind: "respond";
  readonly code: ResponseCode;
  readonly status: number;
  /** For a gRPC caller, who is told by this and not by `status`. */
  readonly grpcStatus?: number;
  readonly headers: readonly HeaderField[];
  /** Applied to the above. */
  readonly responseHeaders: readonly HeaderChanges[];
  /** One sentence for the operator. */
  readonly reason: string;
  readonly by?: RoutedBy;
  readonly backend?: RouteBackend;
}

export type RequestDecision = NotRouted | ForwardRequest | RespondToRequest;
