import test from "ava";
import { kubeProxyRules } from "../../../lab/cluster/kube-proxy-rules.ts";
import type { ServiceBackends } from "../../../lab/cluster/kube-proxy-rules.ts";

const CLUSTER_CIDR = "10.244.0.0/16";

function backends(endpoints: readonly string[]): ServiceBackends {
  const port = { name: "http", port: 80, targetPort: 8080, protocol: "TCP" };
  return {
    service: {
      key: "shop/catalog",
      namespace: "shop",
      name: "catalog",
      clusterIps: ["10.96.0.1", "fd10:96::1"],
      selector: { app: "catalog" },
      ports: [port],
    },
    port,
    endpoints: endpoints.map((ip) => ({ ip, port: 8080 })),
  };
}

test("every endpoint gets an equal share", (t) => {
  const { text } = kubeProxyRules([backends(["10.244.1.2", "10.244.2.2", "10.244.3.2"])], 4, CLUSTER_CIDR, new Set());
  t.deepEqual(
    [...text.matchAll(/probability (\S+)/g)].map((match) => match[1]),
    ["0.3333333333", "0.5000000000"],
  );
  t.is(text.match(/DNAT --to-destination 10\.244\.\d\.2:8080/g)?.length, 3);
});

test("a family has the ClusterIP and the endpoints of that family only", (t) => {
  const { text } = kubeProxyRules([backends(["10.244.1.2", "fd10:244:1::2"])], 6, undefined, new Set());
  t.true(text.includes("-d fd10:96::1/128"));
  t.true(text.includes("--to-destination [fd10:244:1::2]:8080"));
  t.false(text.includes("10."));
});

test("a Service without endpoints is rejected, not dropped", (t) => {
  const { text, chains } = kubeProxyRules([backends([])], 4, CLUSTER_CIDR, new Set());
  t.regex(text, /-A KUBE-SERVICES -d 10\.96\.0\.1\/32 -p tcp .* --dport 80 -j REJECT/);
  t.is(chains.size, 0);
});

test("chains of endpoints that went away are deleted", (t) => {
  const before = kubeProxyRules([backends(["10.244.1.2", "10.244.2.2"])], 4, CLUSTER_CIDR, new Set());
  const after = kubeProxyRules([backends(["10.244.1.2"])], 4, CLUSTER_CIDR, before.chains);
  t.is(before.chains.size, 3);
  t.is(after.text.match(/^-X KUBE-SEP-/gm)?.length, 1);
});
