/** Quotas by name: policies of any namespace that name the same one share it, and so must agree how much it is. */
import type { TrafficPolicyDocument } from "../../protocol/documents/document.ts";
import type { Quota } from "../../protocol/route-table.ts";
import { type CompileProblems, documentName, placeOfDocument } from "../compile-problems.ts";
import type { Names } from "../traced-names.ts";

type QuotaValue = Pick<Quota, "name" | "requests" | "perMs">;

/** The policy that says how much each quota is: of two that name it, the first one. */
export function quotaHolders(policies: Iterable<TrafficPolicyDocument>): ReadonlyMap<string, TrafficPolicyDocument> {
  const holders = new Map<string, TrafficPolicyDocument>();
  for (const policy of policies) {
    const name = quotaName(policy);
    if (policy.spec.quota !== undefined && !holders.has(name)) holders.set(name, policy);
  }
  return holders;
}

/** Another value than the holder's is a problem, and does not count. Undefined: the policy has no quota. */
export function quotaValue(
  policy: TrafficPolicyDocument,
  holders: Names<TrafficPolicyDocument>,
  problems: CompileProblems,
): QuotaValue | undefined {
  const { quota } = policy.spec;
  if (quota === undefined) return undefined;
  const name = quotaName(policy);
  const holder = holders.get(name) ?? policy;
  const { requests, per } = holder.spec.quota ?? quota;
  if (quota.requests !== requests || quota.per !== per) {
    const found = `${quota.requests} requests per ${quota.per / 1_000} s for quota ${name}`;
    const first = `${documentName(holder)} (${placeOfDocument(holder)})`;
    const expected = `${requests} requests per ${per / 1_000} s, as in ${first}`;
    problems.add(policy, { code: "conflicting-policy", path: ["spec", "quota"], found, expected });
  }
  return { name, requests, perMs: per };
}

/** A name of one's own has no slash: it is nobody's default. */
function quotaName({ metadata, spec: { quota } }: TrafficPolicyDocument): string {
  return quota?.name ?? `${metadata.namespace}/${metadata.name}`;
}
