/**
 * Everything a user can write: the kinds of documents, their schemas and their types.
 *
 * A `Document` is what a schema made of a text (defaults filled in, durations in milliseconds, frozen) together with
 * the place it came from, so that what is found wrong later can still be shown in the text.
 */
import type { z } from "zod";
import { grpcRouteDocumentSchema } from "./gateway/grpc-route-document.ts";
import { httpRouteDocumentSchema } from "./gateway/http-route-document.ts";
import { referenceGrantDocumentSchema } from "./gateway/reference-grant-document.ts";
import { endpointSliceDocumentSchema } from "./endpoint-slice-document.ts";
import { meshDocumentSchema } from "./mesh-document.ts";
import { namespaceDocumentSchema } from "./namespace-document.ts";
import { nodeDocumentSchema } from "./node-document.ts";
import { podDocumentSchema } from "./pod-document.ts";
import type { Position, ProblemPath } from "./problem.ts";
import { requestMatchDocumentSchema } from "./request-match-document.ts";
import { serviceDocumentSchema } from "./service-document.ts";
import { subsetDocumentSchema } from "./subset-document.ts";
import { trafficPolicyDocumentSchema } from "./traffic-policy-document.ts";

export const DOCUMENT_SCHEMAS = {
  Namespace: namespaceDocumentSchema,
  Node: nodeDocumentSchema,
  Pod: podDocumentSchema,
  Service: serviceDocumentSchema,
  EndpointSlice: endpointSliceDocumentSchema,
  Mesh: meshDocumentSchema,
  TrafficPolicy: trafficPolicyDocumentSchema,
  RequestMatch: requestMatchDocumentSchema,
  Subset: subsetDocumentSchema,
  HTTPRoute: httpRouteDocumentSchema,
  GRPCRoute: grpcRouteDocumentSchema,
  ReferenceGrant: referenceGrantDocumentSchema,
} as const;

export type DocumentKind = keyof typeof DOCUMENT_SCHEMAS;

export interface DocumentSource extends Position {
  /** The file, or how else the registry calls the document's place. */
  readonly file: string;
  /** Where the value at `path` is; of a path that is not there, the nearest that is. Slow: for problems only. */
  locate(path: ProblemPath): Position;
}

interface Sourced {
  readonly source: DocumentSource;
}

export type NamespaceDocument = z.output<typeof namespaceDocumentSchema> & Sourced;
export type NodeDocument = z.output<typeof nodeDocumentSchema> & Sourced;
export type PodDocument = z.output<typeof podDocumentSchema> & Sourced;
export type ServiceDocument = z.output<typeof serviceDocumentSchema> & Sourced;
export type EndpointSliceDocument = z.output<typeof endpointSliceDocumentSchema> & Sourced;
export type MeshDocument = z.output<typeof meshDocumentSchema> & Sourced;
export type TrafficPolicyDocument = z.output<typeof trafficPolicyDocumentSchema> & Sourced;
export type RequestMatchDocument = z.output<typeof requestMatchDocumentSchema> & Sourced;
export type SubsetDocument = z.output<typeof subsetDocumentSchema> & Sourced;
export type HttpRouteDocument = z.output<typeof httpRouteDocumentSchema> & Sourced;
export type GrpcRouteDocument = z.output<typeof grpcRouteDocumentSchema> & Sourced;
export type ReferenceGrantDocument = z.output<typeof referenceGrantDocumentSchema> & Sourced;

export type Document =
  | NamespaceDocument
  | NodeDocument
  | PodDocument
  | ServiceDocument
  | EndpointSliceDocument
  | MeshDocument
  | TrafficPolicyDocument
  | RequestMatchDocument
  | SubsetDocument
  | HttpRouteDocument
  | GrpcRouteDocument
  | ReferenceGrantDocument;

/** `Pod shop/catalog-1`, `Node node-1`: what makes a document unique. */
export function documentName(document: Document): string {
  const { metadata } = document;
  return "namespace" in metadata
    ? `${document.kind} ${metadata.namespace}/${metadata.name}`
    : `${document.kind} ${metadata.name}`;
}
