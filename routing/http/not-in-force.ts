/**
 * Nothing forwards by requests yet: documents about HTTP are told as `not-supported` where a table is compiled, so that
 * nobody takes for granted what does not happen. Checking and explaining them works all the same.
 */
import type { Document, TrafficPolicyDocument } from "../../protocol/documents/document.ts";
import { type CompileProblems, documentName } from "../compile-problems.ts";

const EXPECTED = "no HTTP routing, which is checked and explained but not in force in this version";

/** The policies that connections to Services are under; of everything that is about requests, a problem. */
export function policiesInForce(
  documents: readonly Document[],
  problems: CompileProblems,
): readonly TrafficPolicyDocument[] {
  const policies: TrafficPolicyDocument[] = [];
  for (const document of documents) {
    for (const path of notInForce(document)) {
      problems.add(document, { code: "not-supported", path, found: describe(document, path), expected: EXPECTED });
    }
    if (document.kind === "TrafficPolicy" && document.spec.targetRef.kind === "Service") policies.push(document);
  }
  return policies;
}

/** Where in the document it is. A route of Gateways alone is other controllers' and no problem. */
function notInForce(document: Document): readonly (readonly (string | number)[])[] {
  if (document.kind === "HTTPRoute" || document.kind === "GRPCRoute") {
    return document.spec.parentRefs.some(({ kind }) => kind === "Service") ? [["kind"]] : [];
  }
  if (document.kind !== "TrafficPolicy") return [];
  const { spec } = document;
  if (spec.targetRef.kind !== "Service") return [["spec", "targetRef", "kind"]];
  return (["timeouts", "retries"] as const).filter((key) => spec[key] !== undefined).map((key) => ["spec", key]);
}

function describe(document: Document, path: readonly (string | number)[]): string {
  const name = documentName(document);
  return path.length === 1 ? name : `${path.slice(1).join(".")} of ${name}`;
}
