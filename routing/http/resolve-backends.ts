/** What routes forward and mirror to: finds the Services and subsets of them, and says what is wrong with a reference. */
import type {
  ReferenceGrantDocument,
  ServiceDocument,
  SubsetDocument,
  TrafficPolicyDocument,
} from "../../protocol/documents/document.ts";
import type { BackendProblem, RouteKind, RouteTarget } from "../../protocol/route-table.ts";
import type { CompileProblems } from "../compile-problems.ts";
import type { Names } from "../traced-names.ts";
import { nearestOf } from "./nearest-of.ts";
import type { RouteDocument } from "./route-parents.ts";

/** The common part of a backend and a mirror. */
interface BackendReference {
  readonly group: string;
  readonly kind: string;
  readonly namespace?: string | undefined;
  readonly name: string;
  readonly port?: number | undefined;
}

export interface ResolvedBackend {
  readonly target: RouteTarget;
  readonly fault?: BackendFault;
}

export interface BackendFault {
  readonly problem: BackendProblem;
  /** Key of the reference that is wrong. */
  readonly key: "kind" | "name" | "namespace" | "port";
  readonly found: string;
  readonly expected: string;
}

/** A route has no TLS to speak with its backends, the mesh has its own. */
const ENCRYPTED = new Set(["https", "tls", "kubernetes.io/wss"]);
/** What a gRPC call cannot be sent over. */
const NOT_GRPC = new Set(["kubernetes.io/ws"]);

export interface BackendInput {
  /** By `namespace/name`, as the subsets. */
  readonly services: Names<ServiceDocument>;
  readonly subsets: Names<SubsetDocument>;
  /** Absent: routes may use Services of every namespace (GEP-1294, Namespace boundaries). */
  readonly grants?: readonly ReferenceGrantDocument[] | undefined;
}

export class BackendResolver {
  readonly #services: Names<ServiceDocument>;
  readonly #subsets: Names<SubsetDocument>;
  readonly #grants: readonly ReferenceGrantDocument[] | undefined;

  constructor({ services, subsets, grants }: BackendInput) {
    this.#services = services;
    this.#subsets = subsets;
    this.#grants = grants;
  }

  resolve(route: RouteDocument, reference: BackendReference): ResolvedBackend {
    const namespace = reference.namespace ?? route.metadata.namespace;
    const key = `${namespace}/${reference.name}`;
    const port = reference.port ?? 0;
    const early = kindFault(reference) ?? this.#grantFault(route, namespace, reference);
    if (early !== undefined) return { target: { service: key, port }, fault: early };
    if (reference.group === SUBSET.group) return this.#resolveSubset(route, key, port);
    const target = { service: key, port };
    const fault = this.#serviceFault(target, route.kind);
    return fault === undefined ? { target } : { target, fault };
  }

  /** Undefined: the policy names no other Service, or none that exists. */
  resolveFallback(policy: TrafficPolicyDocument, problems: CompileProblems): RouteTarget | undefined {
    const backend = policy.spec.fallback?.backend;
    if (backend === undefined) return undefined;
    const { name, namespace = policy.metadata.namespace, port } = backend;
    const target = { service: `${namespace}/${name}`, port };
    const fault = this.#serviceFault(target, "HTTPRoute");
    if (fault === undefined) return target;
    const { key, found, expected } = fault;
    const code = fault.problem === "BackendNotFound" ? "missing-target" : "wrong-value";
    problems.add(policy, { code, path: ["spec", "fallback", "backend", key], found, expected });
    return undefined;
  }

  #resolveSubset(route: RouteDocument, key: string, port: number): ResolvedBackend {
    const subset = this.#subsets.get(key);
    if (subset === undefined) {
      const expected = nearestOf(key, this.#subsets.keys(), "an existing Subset");
      const found = `Subset ${key}, which does not exist`;
      return { target: { service: key, port }, fault: { problem: "BackendNotFound", key: "name", found, expected } };
    }
    const { metadata, spec } = subset;
    const service = `${metadata.namespace}/${spec.service}`;
    const target = { service, port, subset: { name: key, labels: spec.labels } };
    const fault = this.#serviceFault(target, route.kind);
    if (fault === undefined) return { target };
    return { target, fault: { ...fault, found: `${fault.found} (of Subset ${key})` } };
  }

  #grantFault(route: RouteDocument, namespace: string, reference: BackendReference): BackendFault | undefined {
    if (this.#grants === undefined || namespace === route.metadata.namespace) return undefined;
    const { group, kind, name } = reference;
    const granted = this.#grants.some(
      ({ metadata, spec }) =>
        metadata.namespace === namespace &&
        spec.from.some(
          (from) =>
            from.group === "gateway.networking.k8s.io" &&
            from.kind === route.kind &&
            from.namespace === route.metadata.namespace,
        ) &&
        spec.to.some((to) => to.group === group && to.kind === kind && (to.name ?? name) === name),
    );
    if (granted) return undefined;
    const expected = `a ReferenceGrant in namespace ${namespace} for ${route.kind}s of namespace ${route.metadata.namespace}`;
    return { problem: "RefNotPermitted", key: "namespace", found: "none", expected };
  }

  #serviceFault({ service, port }: RouteTarget, kind: RouteKind): BackendFault | undefined {
    const document = this.#services.get(service);
    if (document === undefined) {
      const expected = nearestOf(service, this.#services.keys(), "an existing Service");
      return { problem: "BackendNotFound", key: "name", found: `Service ${service}, which does not exist`, expected };
    }
    if (document.spec.type === "ExternalName") {
      const found = `Service ${service}, which is a name of something outside (ExternalName)`;
      return { problem: "BackendNotFound", key: "name", found, expected: "a Service with endpoints" };
    }
    const servicePort = document.spec.ports.find((each) => each.port === port && each.protocol === "TCP");
    if (servicePort === undefined) {
      const ports = document.spec.ports.filter(({ protocol }) => protocol === "TCP").map((each) => each.port);
      const expected =
        ports.length === 0 ? "a Service with a TCP port" : `a TCP port of Service ${service} (${ports.join(", ")})`;
      return { problem: "BackendNotFound", key: "port", found: `port ${port}`, expected };
    }
    const { appProtocol = "" } = servicePort;
    if (!ENCRYPTED.has(appProtocol) && !(kind === "GRPCRoute" && NOT_GRPC.has(appProtocol))) return undefined;
    const found = `port ${port} of Service ${service} with appProtocol ${appProtocol}`;
    return { problem: "UnsupportedProtocol", key: "port", found, expected: `a port that a ${kind} can be sent to` };
  }
}

const SUBSET = { group: "hawser.dev", kind: "Subset" } as const;

function kindFault({ group, kind }: BackendReference): BackendFault | undefined {
  if (group === "" && kind === "Service") return undefined;
  if (group === SUBSET.group && kind === SUBSET.kind) return undefined;
  const found = group === "" ? kind : `${group}/${kind}`;
  const expected = 'kind Service of group "", or kind Subset of group hawser.dev';
  return { problem: "InvalidKind", key: "kind", found, expected };
}
