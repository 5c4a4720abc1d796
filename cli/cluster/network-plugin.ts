/**
 * Which network a cluster has, and what of it passes the host's iptables by (pure). What passes it by is not intercepted, and
 * so not encrypted.
 */
import { type Finding, failed, ok, warning } from "../../protocol/finding.ts";
import type { ClusterFacts } from "./cluster-facts.ts";

const SUBJECT = "network plugin";

export function networkPlugin(facts: ClusterFacts): readonly Finding[] {
  if (facts.cilium !== undefined) return cilium(facts.cilium.data ?? {});
  if (facts.calicoEbpf === true) {
    const todo =
      'Switch its data plane: kubectl patch felixconfiguration default --type merge -p \'{"spec":{"bpfEnabled":false}}\'';
    return [failed(SUBJECT, "Calico with eBPF passes the host's iptables by: nothing would be intercepted", todo)];
  }
  const names = [...KNOWN]
    .filter(([pattern]) => facts.daemonSets.some((one) => pattern.test(one)))
    .map(([, name]) => name);
  if (facts.version.includes("+k3s") && names.length === 0) names.push("flannel of k3s");
  if (names.length > 0) return [ok(SUBJECT, names.join(", "))];
  const todo = "Hawser needs pods' traffic in the host's PREROUTING: run `hawser-agent --check` on a node";
  return [warning(SUBJECT, "not known", todo)];
}

/** `namespace/name` of a DaemonSet. */
const KNOWN: ReadonlyMap<RegExp, string> = new Map([
  [/\/calico-node$/, "Calico (iptables)"],
  [/\/(kube-flannel-ds|kube-flannel)$/, "flannel"],
  [/\/canal$/, "Canal"],
  [/\/kindnet$/, "kindnet"],
  [/\/aws-node$/, "AWS VPC CNI"],
  [/\/azure-cni/, "Azure CNI"],
  [/\/kube-router$/, "kube-router"],
  [/\/antrea-agent$/, "Antrea"],
  [/\/weave-net$/, "Weave Net"],
]);

// Keys of Cilium's agent (cilium-config). What each does to packets is from Cilium's documentation; none was tried here.
function cilium(data: Readonly<Record<string, string>>): readonly Finding[] {
  const isOn = (key: string): boolean => ["true", "strict"].includes(data[key] ?? "");
  const findings: Finding[] = [];
  const replacesKubeProxy = isOn("kube-proxy-replacement");
  if ((data["routing-mode"] ?? "tunnel") === "tunnel") {
    const detail = "Cilium's tunnels take pods' packets before the host's iptables: nothing would be intercepted";
    findings.push(
      failed(SUBJECT, detail, "Set routing-mode: native, with auto-direct-node-routes or your network's routes"),
    );
  }
  if (replacesKubeProxy && !isOn("enable-host-legacy-routing")) {
    const detail = "Cilium routes past the host's iptables (BPF host routing): nothing would be intercepted";
    findings.push(
      failed(SUBJECT, detail, "Set enable-host-legacy-routing: true (Helm: bpf.hostLegacyRouting) and restart it"),
    );
  }
  if ((replacesKubeProxy || isOn("bpf-lb-sock")) && !isOn("bpf-lb-sock-hostns-only")) {
    const detail =
      "Cilium chooses endpoints in the pod's connect(): calls are encrypted, but Hawser's balancing has no say";
    findings.push(warning(SUBJECT, detail, "Set bpf-lb-sock-hostns-only: true (Helm: socketLB.hostNamespaceOnly)"));
  }
  if (isOn("enable-wireguard") || isOn("enable-ipsec")) {
    findings.push(
      warning(SUBJECT, "Cilium encrypts between nodes too", "Turn one of the two off: everything is encrypted twice"),
    );
  }
  return findings.length > 0 ? findings : [ok(SUBJECT, "Cilium, with the host's routing")];
}
