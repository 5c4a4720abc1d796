/** Quotas by name: policies of any namespace that name the same one share it, and so must agree how much it is. */
import type { TrafficPolicyDocument } from "../../protocol/documents/document.ts";
import type { Quota } from "../../protocol/route-table.ts";
import { type CompileProblems, documentName, placeOfDocument } from "../compile-problems.ts";

type QuotaValue = Pick<Quota, "name" | "requests" | "perMs">;

export class QuotaValues {
  readonly #known = new Map<string, { readonly value: QuotaValue; readonly document: TrafficPolicyDocument }>();

  /** Of two values the first one holds, and the second one is a problem. Undefined: the policy has no quota. */
  of(document: TrafficPolicyDocument, problems: CompileProblems): QuotaValue | undefined {
    const { quota } = document.spec;
    if (quota === undefined) return undefined;
    const { metadata } = document;
    // A name of one's own has no slash: it is nobody's default.
    const { name = `${metadata.namespace}/${metadata.name}`, requests, per } = quota;
    const earlier = this.#known.get(name);
    if (earlier === undefined) {
      const value = { name, requests, perMs: per };
      this.#known.set(name, { value, document });
      return value;
    }
    const { value } = earlier;
    if (value.requests !== requests || value.perMs !== per) {
      const found = `${requests} requests per ${per / 1_000} s for quota ${name}`;
      const first = `${documentName(earlier.document)} (${placeOfDocument(earlier.document)})`;
      const expected = `${value.requests} requests per ${value.perMs / 1_000} s, as in ${first}`;
      problems.add(document, { code: "conflicting-policy", path: ["spec", "quota"], found, expected });
    }
    return value;
  }
}
