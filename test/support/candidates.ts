/** Candidates as routing gives them, for tests of the balancer. */
import type { Candidate } from "../../routing/decide-connection.ts";

/** One candidate per weight: pods `shop/pod-0`, `shop/pod-1`, ... on port 8080. */
export function candidatesWithWeights(weights: readonly number[]): Candidate[] {
  return weights.map((weight, index) => candidate(`pod-${index}`, { weight, address: `10.244.2.${index + 1}` }));
}

export function candidate(name: string, options: { weight?: number; address?: string } = {}): Candidate {
  const address = options.address ?? "10.244.2.1";
  return {
    key: `shop/${name}:8080`,
    address,
    port: 8080,
    weight: options.weight ?? 100,
    transport: "tunnel",
    workload: {
      uid: `shop/${name}`,
      namespace: "shop",
      name,
      workload: "pod",
      node: "node-2",
      addresses: [address],
      serviceAccount: "default",
      labels: {},
      mesh: true,
      state: "ready",
    },
  };
}
