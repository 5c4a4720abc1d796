/** Service documents with the TrafficPolicies that aim at them -> service entries. */
import type { ServiceDocument, TrafficPolicyDocument } from "../protocol/documents/document.ts";
import type { MeshSettings, ServiceEntry, ServicePort } from "../protocol/table.ts";
import { normalizeAddress } from "./address.ts";
import type { AddressClaims } from "./address-claims.ts";
import { mergeEjection } from "./compile-mesh.ts";
import { type CompileProblems, placeOfDocument, someOf } from "./compile-problems.ts";

export function compileServices(
  documents: readonly ServiceDocument[],
  policies: readonly TrafficPolicyDocument[],
  mesh: MeshSettings,
  claims: AddressClaims,
  problems: CompileProblems,
): ServiceEntry[] {
  const policyOf = assignPolicies(documents, policies, problems);
  return documents.map((document) => {
    const key = serviceKey(document);
    return toEntry(document, policyOf.get(key), mesh, clusterIps(document, claims, problems));
  });
}

export function serviceKey({ metadata }: ServiceDocument): string {
  return `${metadata.namespace}/${metadata.name}`;
}

/** By service key. One policy per Service: which of two holds must not depend on the order of files. */
function assignPolicies(
  documents: readonly ServiceDocument[],
  policies: readonly TrafficPolicyDocument[],
  problems: CompileProblems,
): ReadonlyMap<string, TrafficPolicyDocument> {
  const services = new Set(documents.map(serviceKey));
  const assigned = new Map<string, TrafficPolicyDocument>();
  const path = ["spec", "targetRef", "name"];
  for (const policy of policies) {
    const key = `${policy.metadata.namespace}/${policy.spec.targetRef.name}`;
    const earlier = assigned.get(key);
    if (!services.has(key)) {
      const expected = expectedTarget(policy, documents);
      problems.add(policy, { code: "missing-target", path, found: `Service ${key}, which does not exist`, expected });
    } else if (earlier !== undefined) {
      const found = `a second TrafficPolicy for Service ${key}`;
      const expected = `one, the first is ${earlier.metadata.name} (${placeOfDocument(earlier)})`;
      problems.add(policy, { code: "conflicting-policy", path, found, expected });
    } else assigned.set(key, policy);
  }
  return assigned;
}

/** The usual slip is a policy in another namespace than its Service. */
function expectedTarget({ metadata, spec }: TrafficPolicyDocument, documents: readonly ServiceDocument[]): string {
  const elsewhere = documents.filter((document) => document.metadata.name === spec.targetRef.name);
  if (elsewhere.length > 0) {
    return `a TrafficPolicy in the namespace of its Service (${someOf(elsewhere.map(serviceKey))})`;
  }
  const siblings = documents.filter((document) => document.metadata.namespace === metadata.namespace);
  return `one of the Services of namespace ${metadata.namespace} (${someOf(siblings.map(({ metadata: { name } }) => name))})`;
}

function toEntry(
  { metadata: { namespace, name }, spec }: ServiceDocument,
  policy: TrafficPolicyDocument | undefined,
  mesh: MeshSettings,
  ips: readonly string[],
): ServiceEntry {
  const { locality, loadBalancer, ejection } = policy?.spec ?? {};
  return {
    key: `${namespace}/${name}`,
    namespace,
    name,
    clusterIps: ips,
    ports: spec.ports.map(toPort),
    ...(locality === undefined ? {} : { locality }),
    ...(loadBalancer === undefined ? {} : { loadBalancer: loadBalancer.algorithm }),
    ...(ejection === undefined ? {} : { ejection: mergeEjection(mesh.ejection, ejection) }),
  };
}

function toPort({ name, port, protocol, appProtocol }: ServiceDocument["spec"]["ports"][number]): ServicePort {
  return { name: name ?? "", port, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) };
}

function clusterIps(document: ServiceDocument, claims: AddressClaims, problems: CompileProblems): string[] {
  const { clusterIP, clusterIPs = [] } = document.spec;
  const texts: [string, readonly (string | number)[]][] = clusterIPs.map((ip, i) => [ip, ["spec", "clusterIPs", i]]);
  if (clusterIP !== undefined) texts.unshift([clusterIP, ["spec", "clusterIP"]]);
  const addresses = new Set<string>();
  for (const [text, path] of texts) {
    // "None" is no address, and so a headless Service has none.
    const address = normalizeAddress(text);
    if (address === undefined || addresses.has(address)) continue;
    if (claims.claim(address, `Service ${serviceKey(document)}`, document)) addresses.add(address);
    else claims.report(problems, address, document, path);
  }
  return [...addresses];
}
