/**
 * What is behind a Service by its EndpointSlices: what the cluster, or whoever else makes slices, says of it. The slices
 * of one Service together, because an endpoint may be in several of them: one per address family, and in two of one
 * family while it moves between slices.
 *
 *   address of an endpoint --of a pod in the table--> that pod, if it is the one that the slice means
 *                          --of a node, or of nobody, and the slice means no pod--> an endpoint outside the mesh
 *                          --else--> left out: its pod is not known yet, and to take it for something outside the mesh
 *                                    would be to dial it in clear
 */
import type { EndpointSliceDocument, PodDocument, ServiceDocument } from "../protocol/documents/document.ts";
import type { SERVICE_NAME_LABEL } from "../protocol/documents/endpoint-slice-document.ts";
import type { EndpointEntry, WorkloadEntry, WorkloadState } from "../protocol/table.ts";
import { formatHostPort, normalizeAddress } from "./address.ts";
import { compareText } from "./compare-text.ts";
import { DEFAULT_WEIGHT, weightOf } from "./compile-endpoints.ts";
import { serviceKey } from "./compile-services.ts";
import type { SharedValues } from "./shared-values.ts";

/** Who has an address: a pod of the table, a node, nobody that we know, or somebody who is no endpoint (yet). */
export type AddressOwner =
  | { readonly entry: WorkloadEntry; readonly document: PodDocument }
  | "node"
  | "nobody"
  | "other";

export interface SliceFacts {
  readonly ownerOf: (address: string) => AddressOwner;
  /** False where a TrafficPolicy says which endpoints are preferred: then the slices' hints do not. */
  readonly followsHints: boolean;
  readonly shared: SharedValues;
}

/** An endpoint that may yet be merged with the same one of another slice. */
interface Draft {
  /** Without its state. */
  readonly entry: EndpointEntry;
  readonly state: WorkloadState;
  /** What its state is when the entry says nothing. */
  readonly usual: WorkloadState;
}

type SliceEndpoint = EndpointSliceDocument["endpoints"][number];
type Ports = Readonly<Record<number, number>>;

/** The type of the constant keeps this equal to protocol's, of which routing may use only types. */
const SERVICE_LABEL: typeof SERVICE_NAME_LABEL = "kubernetes.io/service-name";

/** Of two slices with the same endpoint, it is not known which one is the newer: trust the better news. */
const BEST_STATE_FIRST: readonly WorkloadState[] = ["ready", "draining", "unready"];

/** Undefined: the slice belongs to no Service. */
export function serviceOfSlice({ metadata }: EndpointSliceDocument): string | undefined {
  const name = metadata.labels[SERVICE_LABEL];
  return name === undefined ? undefined : `${metadata.namespace}/${name}`;
}

/** Every address in the slices, normalized: what the result of `compileSlices` depends on. */
export function addressesOfSlices(slices: Iterable<EndpointSliceDocument>): ReadonlySet<string> {
  const addresses = new Set<string>();
  for (const { endpoints } of slices) {
    for (const endpoint of endpoints) {
      const address = addressOf(endpoint);
      if (address !== undefined) addresses.add(address);
    }
  }
  return addresses;
}

export function compileSlices(
  service: ServiceDocument,
  slices: Iterable<EndpointSliceDocument>,
  facts: SliceFacts,
): EndpointEntry[] {
  const drafts = new Map<string, Draft>();
  const add = (draft: Draft): void => {
    const { key } = draft.entry;
    const same = drafts.get(key);
    drafts.set(key, same === undefined ? draft : merge(same, draft, facts.shared));
  };
  for (const slice of [...slices].sort((a, b) => compareText(a.metadata.name, b.metadata.name))) {
    const ports = facts.shared.record(targetPorts(service, slice));
    if (Object.keys(ports).length === 0) continue;
    for (const endpoint of slice.endpoints) addEndpoint({ service, ports, endpoint, facts }, add);
  }
  // Most endpoints are in their pod's state: then it is not said twice.
  return [...drafts.values()].map(({ entry, state, usual }) => (state === usual ? entry : { ...entry, state }));
}

interface EndpointFacts {
  readonly service: ServiceDocument;
  readonly ports: Ports;
  readonly endpoint: SliceEndpoint;
  readonly facts: SliceFacts;
}

function addEndpoint({ service, ports, endpoint, facts }: EndpointFacts, add: (draft: Draft) => void): void {
  const address = addressOf(endpoint);
  if (address === undefined) return;
  const owner = facts.ownerOf(address);
  const meant = endpoint.targetRef?.kind === "Pod" ? endpoint.targetRef : undefined;
  const key = serviceKey(service);
  const hints = hintsOf(endpoint, facts);
  if (typeof owner === "object") {
    const { document } = owner;
    const { uid: workload, state: usual } = owner.entry;
    // The address has passed to another pod, and the slice has not heard of it.
    if (meant !== undefined && `${meant.namespace}/${meant.name}` !== workload) return;
    const weight = weightOf(document);
    const entry = { key: `${key}|${workload}`, service: key, workload, ports, weight, ...hints };
    add({ entry, state: podState(service, endpoint, document), usual });
  } else if (owner === "node" || (owner === "nobody" && meant === undefined)) {
    const { nodeName, zone } = endpoint;
    const place = { ...(nodeName === undefined ? {} : { node: nodeName }), ...(zone ? { zone } : {}), ...hints };
    const state = sliceState(endpoint);
    for (const [target, some] of byTarget(ports)) {
      const about = { address, ports: facts.shared.record(some), weight: DEFAULT_WEIGHT, ...place };
      const entry = { key: `${key}|${formatHostPort(address, target)}`, service: key, ...about };
      add({ entry, state, usual: "ready" });
    }
  }
}

/** Interchangeable addresses: consumers use the first (EndpointSlice API reference). */
function addressOf({ addresses: [text] }: SliceEndpoint): string | undefined {
  return text === undefined ? undefined : normalizeAddress(text);
}

/** By the name of the port, as the API wants it. */
function targetPorts(service: ServiceDocument, slice: EndpointSliceDocument): Ports {
  const targets: Record<number, number> = {};
  for (const { name = "", port, protocol } of service.spec.ports) {
    if (protocol !== "TCP") continue;
    const target = slice.ports.find((one) => one.name === name && one.protocol === "TCP")?.port;
    if (target !== undefined) targets[port] = target;
  }
  return targets;
}

/** One address may serve several ports of the Service on one port of its own, and others on another one. */
function byTarget(ports: Ports): ReadonlyMap<number, Ports> {
  const groups = new Map<number, Record<number, number>>();
  for (const [port, target] of Object.entries(ports)) {
    const group = groups.get(target) ?? {};
    group[Number(port)] = target;
    groups.set(target, group);
  }
  return groups;
}

/** EndpointSlice API reference, EndpointConditions: what is absent. Serving while terminating is kube-proxy's last resort. */
function sliceState({
  conditions: { ready = true, serving = ready, terminating = false },
}: SliceEndpoint): WorkloadState {
  if (ready) return "ready";
  return serving && terminating ? "draining" : "unready";
}

/** That a pod is to end is in its own document before it is in a slice. */
function podState(service: ServiceDocument, endpoint: SliceEndpoint, { metadata }: PodDocument): WorkloadState {
  const state = sliceState(endpoint);
  const isEnding = metadata.deletionTimestamp !== undefined && service.spec.publishNotReadyAddresses !== true;
  return state === "ready" && isEnding ? "draining" : state;
}

type Hints = Pick<EndpointEntry, "forZones" | "forNodes">;

function hintsOf({ hints }: SliceEndpoint, { followsHints, shared }: SliceFacts): Hints {
  if (hints === undefined || !followsHints) return {};
  const { forZones = [], forNodes = [] } = hints;
  return {
    ...(forZones.length === 0 ? {} : { forZones: shared.texts(forZones.map(({ name }) => name)) }),
    ...(forNodes.length === 0 ? {} : { forNodes: shared.texts(forNodes.map(({ name }) => name)) }),
  };
}

/** The first one's word, in the order of the slices' names, but for the state. */
function merge(first: Draft, second: Draft, shared: SharedValues): Draft {
  const state = BEST_STATE_FIRST.find((one) => one === first.state || one === second.state) ?? first.state;
  const [mine, others] = [first.entry.ports, second.entry.ports];
  const ports = mine === others ? mine : shared.record({ ...others, ...mine });
  return { ...first, entry: { ...first.entry, ports }, state };
}
