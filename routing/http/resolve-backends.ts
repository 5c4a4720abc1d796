/** What routes forward and mirror to: finds the Services, and says what is wrong with a reference. */
import type { ReferenceGrantDocument, ServiceDocument } from "../../protocol/documents/document.ts";
import type { BackendProblem, RouteKind, RouteTarget } from "../../protocol/route-table.ts";
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

export class BackendResolver {
  readonly #services: ReadonlyMap<string, ServiceDocument>;
  readonly #grants: readonly ReferenceGrantDocument[] | undefined;

  /** Without `grants`, routes may use Services of every namespace (GEP-1294, Namespace boundaries). */
  constructor(services: ReadonlyMap<string, ServiceDocument>, grants: readonly ReferenceGrantDocument[] | undefined) {
    this.#services = services;
    this.#grants = grants;
  }

  resolve(route: RouteDocument, reference: BackendReference): ResolvedBackend {
    const namespace = reference.namespace ?? route.metadata.namespace;
    const target = { service: `${namespace}/${reference.name}`, port: reference.port ?? 0 };
    const fault =
      kindFault(reference) ?? this.#grantFault(route, namespace, reference) ?? this.#serviceFault(target, route.kind);
    return fault === undefined ? { target } : { target, fault };
  }

  #grantFault(route: RouteDocument, namespace: string, { name }: BackendReference): BackendFault | undefined {
    if (this.#grants === undefined || namespace === route.metadata.namespace) return undefined;
    const granted = this.#grants.some(
      ({ metadata, spec }) =>
        metadata.namespace === namespace &&
        spec.from.some(
          (from) =>
            from.group === "gateway.networking.k8s.io" &&
            from.kind === route.kind &&
            from.namespace === route.metadata.namespace,
        ) &&
        spec.to.some((to) => to.group === "" && to.kind === "Service" && (to.name ?? name) === name),
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

function kindFault({ group, kind }: BackendReference): BackendFault | undefined {
  if (group === "" && kind === "Service") return undefined;
  const found = group === "" ? kind : `${group}/${kind}`;
  return { problem: "InvalidKind", key: "kind", found, expected: 'kind Service of group ""' };
}
