/**
 * Service documents with the TrafficPolicies that aim at them -> service entries. What a policy says goes before what
 * the Service says, and that before the mesh.
 */
import type { ServiceDocument, TrafficPolicyDocument } from "../protocol/documents/document.ts";
import type { Problem } from "../protocol/documents/problem.ts";
import type {
  LoadBalancerAlgorithm,
  Locality,
  MeshSettings,
  OutlierSettings,
  ServiceEntry,
  ServicePort,
} from "../protocol/table.ts";
import { type AddressClaims, type WantedAddress, wantedAddresses } from "./address-claims.ts";
import { mergeEjection } from "./compile-mesh.ts";
import { CompileProblems, placeOfDocument, someOf } from "./compile-problems.ts";
import { definedValues } from "./defined-values.ts";

type PolicySpec = TrafficPolicyDocument["spec"];

/** By service key. */
export type Policies = ReadonlyMap<string, TrafficPolicyDocument>;

/** What one Service's document becomes. */
export interface ServicePart {
  readonly document: ServiceDocument;
  readonly entry: ServiceEntry;
  readonly problems: readonly Problem[];
}

export interface ServiceSurroundings {
  readonly policies: Policies;
  readonly mesh: MeshSettings;
  readonly claims: AddressClaims;
}

export function compileService(
  document: ServiceDocument,
  { policies, mesh, claims }: ServiceSurroundings,
): ServicePart {
  const problems = new CompileProblems();
  const addresses = claims.granted(document, serviceAddresses(document), problems);
  const entry = toEntry(document, policies.get(serviceKey(document)), mesh, addresses);
  return { document, entry, problems: problems.list };
}

/** ExternalName is a name in DNS for something else: nothing of it passes through us. */
export function isRouted({ spec }: ServiceDocument): boolean {
  return spec.type !== "ExternalName";
}

/** The policy says which endpoints are preferred: then hints of slices do not. */
export function isPlaced(policy: TrafficPolicyDocument | undefined): boolean {
  return policy?.spec.locality !== undefined;
}

export function serviceKey({ metadata }: ServiceDocument): string {
  return `${metadata.namespace}/${metadata.name}`;
}

/** One policy per Service: which of two holds must not depend on the order of files. */
export function assignPolicies(
  documents: readonly ServiceDocument[],
  policies: readonly TrafficPolicyDocument[],
  problems: CompileProblems,
): Policies {
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
  const { ejection } = policy?.spec ?? {};
  const protocol = policy?.spec.protocol;
  const locality = policy?.spec.locality ?? distribution(spec);
  const loadBalancer = policy?.spec.loadBalancer?.algorithm ?? affinity(spec);
  return {
    key: `${namespace}/${name}`,
    namespace,
    name,
    clusterIps: ips,
    ports: spec.ports.map((port) => toPort(port, protocol)),
    ...(locality === undefined ? {} : { locality }),
    ...(loadBalancer === undefined ? {} : { loadBalancer }),
    ...(ejection === undefined ? {} : { ejection: mergeEjection(mesh.ejection, ejection) }),
    ...endpointChoice(policy?.spec),
    ...(spec.internalTrafficPolicy === "Local" ? { internalTrafficPolicy: "Local" as const } : {}),
  };
}

/** PreferClose is the older name of PreferSameZone (KEP-3015). */
function distribution({ trafficDistribution }: ServiceDocument["spec"]): Locality | undefined {
  if (trafficDistribution === undefined) return undefined;
  return trafficDistribution === "PreferSameNode" ? "prefer-local" : "prefer-zone";
}

function affinity({ sessionAffinity }: ServiceDocument["spec"]): LoadBalancerAlgorithm | undefined {
  return sessionAffinity === "ClientIP" ? "source-hash" : undefined;
}

/** What only a policy says of endpoints. */
function endpointChoice(spec: PolicySpec | undefined) {
  const { loadBalancer, ejection, spillOver } = spec ?? {};
  const { hash, slowStart, honorRetryAfter } = loadBalancer ?? {};
  return definedValues({
    hash,
    outlier: toOutlier(ejection),
    slowStart: slowStart && { windowMs: slowStart.window, minPercent: slowStart.minPercent },
    spillOver,
    honorsRetryAfter: honorRetryAfter,
  });
}

function toOutlier(ejection: PolicySpec["ejection"] = {}): OutlierSettings | undefined {
  const { consecutiveErrors, successShare, latency, return: returnMs } = ejection;
  const outlier = definedValues({
    consecutiveErrors,
    successShare: successShare && inMs(successShare),
    latency: latency && inMs(latency),
    returnMs,
  });
  return Object.keys(outlier).length === 0 ? undefined : outlier;
}

function inMs<T extends { readonly interval: number }>({ interval, ...others }: T) {
  return { ...others, intervalMs: interval };
}

type PortDocument = ServiceDocument["spec"]["ports"][number];

function toPort({ name, port, protocol, appProtocol }: PortDocument, known: PolicySpec["protocol"]): ServicePort {
  const policyProtocol = protocol === "TCP" ? known : undefined;
  return { name: name ?? "", port, protocol, ...definedValues({ appProtocol, policyProtocol }) };
}

export function serviceAddresses({ spec }: ServiceDocument): readonly WantedAddress[] {
  const { clusterIP, clusterIPs = [] } = spec;
  const texts = clusterIPs.map((ip, i) => [ip, ["spec", "clusterIPs", i]] as const);
  return wantedAddresses(clusterIP === undefined ? texts : [[clusterIP, ["spec", "clusterIP"]], ...texts]);
}
