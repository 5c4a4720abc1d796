/** What one pod's document becomes: its entry, what is behind Services by it, and what is wrong with it. */
import type { PodDocument } from "../protocol/documents/document.ts";
import type { Problem } from "../protocol/documents/problem.ts";
import type { EndpointEntry, WorkloadEntry } from "../protocol/table.ts";
import type { AddressClaims } from "./address-claims.ts";
import type { ServiceSelectors } from "./compile-endpoints.ts";
import { CompileProblems } from "./compile-problems.ts";
import { compileWorkload, type WorkloadFacts } from "./compile-workloads.ts";

export interface PodPart {
  readonly document: PodDocument;
  /** Undefined: the pod is not in the table. */
  readonly entry: WorkloadEntry | undefined;
  /** By the selectors of Services. */
  readonly endpoints: readonly EndpointEntry[];
  readonly problems: readonly Problem[];
}

export interface PodSurroundings {
  readonly facts: WorkloadFacts;
  readonly claims: AddressClaims;
  readonly selectors: ServiceSelectors;
}

/** Ten thousand pods have none. */
const NONE: readonly never[] = [];

export function compilePod(document: PodDocument, { facts, claims, selectors }: PodSurroundings): PodPart {
  const problems = new CompileProblems();
  const entry = compileWorkload(document, facts, claims, problems);
  const endpoints = entry === undefined ? NONE : selectors.endpointsOf(entry, document);
  return { document, entry, endpoints, problems: problems.list.length === 0 ? NONE : problems.list };
}

export function podKey({ metadata }: PodDocument): string {
  return `${metadata.namespace}/${metadata.name}`;
}
