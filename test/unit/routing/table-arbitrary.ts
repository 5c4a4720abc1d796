/** Random tables of a small cluster, so that two of them have much in common and addresses change hands often. */
import fc from "fast-check";
import type { RouteEntry } from "../../../protocol/route-table.ts";
import type { EndpointEntry, PodEndpoint, ServiceEntry, WorkloadEntry } from "../../../protocol/table.ts";
import type { TableContents } from "../../../routing/compile.ts";
import { MESH_DEFAULTS } from "../../../routing/mesh-defaults.ts";
import { endpointEntry, nodeEntry, outsideEntry, routeEntry, serviceEntry, workloadEntry } from "./sample-table.ts";

const POD_ADDRESSES = ["10.244.1.1", "10.244.1.2", "10.244.2.1", "10.244.2.2", "fd00:1::1", "fd00:2::1"];
const NODE_NAMES = ["n1", "n2", "n3"];
const POD_UIDS = ["a/p1", "a/p2", "a/p3", "b/p1", "b/p2"];
const OUTSIDE = "198.51.100.7:3306";
const SERVICE_KEYS = ["a/web", "a/db", "b/web"];

/** Keys with a value each, at most one value per key. */
const some = <T>(keys: readonly string[], value: (key: string) => fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.subarray([...keys]).chain((chosen) => fc.tuple(...chosen.map(value)));

const node = (name: string) =>
  fc
    .record({
      agent: fc.boolean(),
      podCidrs: fc.subarray([`10.244.${name.slice(1)}.0/24`, `fd00:${name.slice(1)}::/64`]),
      zone: fc.constantFrom(undefined, "z1", "z2"),
    })
    .map(({ zone, ...fields }) =>
      nodeEntry(name, {
        ...fields,
        addresses: [`192.168.0.${name.slice(1)}`],
        ...(zone === undefined ? {} : { zone }),
      }),
    );

const service = (key: string) =>
  fc
    .record({
      clusterIps: fc.constantFrom([], [`10.96.0.${SERVICE_KEYS.indexOf(key) + 1}`]),
      port: fc.constantFrom(80, 443),
      // Most Services say nothing of it.
      more: fc.constantFrom<Partial<ServiceEntry>[]>(
        {},
        {},
        {},
        { locality: "prefer-zone" },
        { locality: "spread" },
        { loadBalancer: "source-hash" },
        { internalTrafficPolicy: "Local" },
      ),
    })
    .map(({ clusterIps, port, more }) =>
      serviceEntry(key, { clusterIps, ports: [{ name: "main", port, protocol: "TCP" }], ...more }),
    );

/** Every address belongs to at most one pod, as a compiled table has it. */
const workloads: fc.Arbitrary<WorkloadEntry[]> = fc
  .tuple(
    fc.subarray(POD_UIDS),
    fc.array(fc.nat(), { minLength: POD_ADDRESSES.length, maxLength: POD_ADDRESSES.length }),
    fc.array(fc.constantFrom("ready" as const, "draining" as const, "unready" as const), {
      minLength: 5,
      maxLength: 5,
    }),
    fc.array(fc.constantFrom(true, true, true, false), { minLength: 5, maxLength: 5 }),
  )
  .map(([uids, owners, states, meshed]) =>
    uids.map((uid, index) => {
      const addresses = POD_ADDRESSES.filter((_, i) => (owners[i] ?? 0) % uids.length === index);
      return workloadEntry(uid, NODE_NAMES[index % 3] ?? "", {
        addresses,
        state: states[index] ?? "ready",
        mesh: meshed[index] ?? true,
      });
    }),
  );

type EndpointFields = Pick<PodEndpoint, "weight" | "state" | "forZones" | "forNodes">;

/** Most endpoints say nothing but their weight. */
const endpointFields: fc.Arbitrary<EndpointFields> = fc
  .record({
    weight: fc.constantFrom(0, 50, 100),
    more: fc.constantFrom<Partial<EndpointFields>[]>({}, {}, {}, { state: "unready" }, { state: "ready" }),
    hints: fc.constantFrom<Partial<EndpointFields>[]>({}, { forZones: ["z1"] }, { forZones: ["z2"], forNodes: ["n1"] }),
  })
  .map(({ weight, more, hints }) => ({ weight, ...more, ...hints }));

const endpoints = (
  pods: readonly WorkloadEntry[],
  services: readonly ServiceEntry[],
): fc.Arbitrary<EndpointEntry[]> => {
  const all = services.flatMap(
    ({ key }) => [...pods.map(({ uid }) => [key, uid]), [key, OUTSIDE]] as [string, string][],
  );
  return fc.subarray(all).chain((chosen) =>
    fc.array(endpointFields, { minLength: chosen.length, maxLength: chosen.length }).map((fields) =>
      chosen.map(([key, target], i) => {
        const { weight = 100, ...more } = fields[i] ?? {};
        if (target === OUTSIDE) return outsideEntry(key, OUTSIDE, 80, { weight, ...more });
        return endpointEntry(key, target, { 80: 8080, 443: 8443 }, weight, more);
      }),
    ),
  );
};

/** Of some Services, for everyone or for one namespace, on a port that they have or not. */
const routes = (services: readonly ServiceEntry[]): fc.Arbitrary<RouteEntry[]> =>
  fc
    .subarray(services.flatMap(({ key }) => [routeEntry(key), routeEntry(key, { consumer: "b" })]))
    .chain((chosen) => fc.constantFrom(1, 2).map((weight) => chosen.map((entry) => withWeight(entry, weight))));

const withWeight = (entry: RouteEntry, weight: number): RouteEntry => ({
  ...entry,
  rules: entry.rules.map((rule) => ({
    ...rule,
    backends: rule.backends.map((backend) => ({ ...backend, weight })),
  })),
});

export const tableContents: fc.Arbitrary<TableContents> = fc
  .tuple(some(NODE_NAMES, node), workloads, some(SERVICE_KEYS, service), fc.constantFrom("strict", "permissive"))
  .chain(([nodes, pods, services, encryption]) =>
    fc.tuple(endpoints(pods, services), routes(services)).map(([behind, routed]) => ({
      mesh: { ...MESH_DEFAULTS, encryption },
      nodes,
      workloads: pods,
      services,
      endpoints: behind,
      routes: routed,
    })),
  );

/** Every address that a lookup could be about. */
export const PROBED_ADDRESSES = [...POD_ADDRESSES, "192.168.0.1", "192.168.0.2", "10.244.3.9", "10.96.0.1", "8.8.8.8"];
export const PROBED_NODES = NODE_NAMES;
