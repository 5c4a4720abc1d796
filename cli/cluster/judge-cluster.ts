/** Facts of a cluster -> findings (pure), in the order in which a person would look: the cluster, then Hawser in it. */
import { X509Certificate } from "node:crypto";
import { describeError } from "../../core/errors.ts";
import { type Finding, failed, ok, warning } from "../../protocol/finding.ts";
import { AGENT, CONFIG_MAP, CONTROLLER, NAMESPACE, ROOTS_CONFIG_MAP } from "../manifests/names.ts";
import type { ClusterFacts } from "./cluster-facts.ts";
import { imageOf, isReady } from "./kube-shapes.ts";
import { networkPlugin } from "./network-plugin.ts";

export function judgeCluster(facts: ClusterFacts): readonly Finding[] {
  const cluster = [ok("API server", facts.version), ...networkPlugin(facts), kubeProxy(facts)];
  if (facts.agent === undefined && facts.controller === undefined) {
    const todo = "This cluster is looked at only before an installation: hawser install | kubectl apply -f -";
    return [...cluster, warning("Hawser", "is not installed", todo)];
  }
  return [
    ...cluster,
    coverage(facts),
    controller(facts),
    leader(facts),
    images(facts),
    ...roots(facts),
    ...mesh(facts),
  ];
}

function kubeProxy({ kubeProxy: config, cilium, version }: ClusterFacts): Finding {
  const subject = "kube-proxy";
  if (config === undefined) {
    if (cilium !== undefined) return ok(subject, "no configuration of it, Cilium may stand in for it");
    if (version.includes("+k3s")) return ok(subject, "built into k3s (iptables)");
    return ok(subject, "no ConfigMap of it to read");
  }
  const mode = /^mode:\s*"?(\w*)"?\s*$/m.exec(config.data?.["config.conf"] ?? "")?.[1] ?? "";
  if (mode === "" || mode === "iptables") return ok(subject, "iptables");
  const todo = `Set mode: iptables in ConfigMap kube-system/kube-proxy and restart it`;
  if (mode === "ipvs") return warning(subject, "ipvs: connections to ClusterIPs are not intercepted", todo);
  return warning(subject, `${mode}: it may choose endpoints before Hawser does`, todo);
}

/** Names at most as many as a line takes. */
const MAX_NAMES = 5;

function list(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMES).join(", ");
  return names.length > MAX_NAMES ? `${shown} and ${names.length - MAX_NAMES} more` : shown;
}

function coverage({ nodes, agent, agentPods }: ClusterFacts): Finding {
  if (agent === undefined) {
    return failed(
      "agents",
      `there is no DaemonSet ${AGENT}`,
      "Apply the manifests again: hawser install | kubectl apply -f -",
    );
  }
  const served = new Set(agentPods.filter(isReady).map((pod) => pod.spec?.nodeName));
  const bare = nodes.map(({ metadata }) => metadata.name).filter((name) => !served.has(name));
  if (bare.length === 0) return ok("agents", `ready on all ${nodes.length} nodes`);
  const detail = `ready on ${nodes.length - bare.length} of ${nodes.length} nodes, not on ${list(bare)}`;
  const pod = agentPods.find((one) => one.spec?.nodeName === bare[0]);
  const todo =
    pod === undefined
      ? `See why there is no pod: kubectl -n ${NAMESPACE} describe daemonset ${AGENT}`
      : `Ask it: kubectl -n ${NAMESPACE} exec ${pod.metadata.name} -- hawser-agent --check; kubectl -n ${NAMESPACE} logs ${pod.metadata.name}`;
  return failed("agents", detail, todo);
}

function controller({ controller: deployment }: ClusterFacts): Finding {
  if (deployment === undefined) {
    return failed(
      "controller",
      `there is no Deployment ${CONTROLLER}`,
      "Apply the manifests again: hawser install | kubectl apply -f -",
    );
  }
  const wanted = deployment.spec?.replicas ?? 1;
  const ready = deployment.status?.readyReplicas ?? 0;
  const detail = `${ready} of ${wanted} replicas ready`;
  if (ready >= wanted) return ok("controller", detail);
  const todo = `kubectl -n ${NAMESPACE} describe pods -l app.kubernetes.io/component=controller`;
  if (ready > 0) return warning("controller", detail, todo);
  return failed("controller", `${detail}: traffic goes on, changes do not reach it`, todo);
}

/** A Lease that nobody has renewed for so many of its durations has no living holder. */
const LOST_LEASES = 3;

function leader({ lease, nowMs }: ClusterFacts): Finding {
  const holder = lease?.spec?.holderIdentity;
  const todo = `Look at the controllers' logs: kubectl -n ${NAMESPACE} logs -l app.kubernetes.io/component=controller`;
  if (holder === undefined || holder === "") return warning("leader", "no replica holds the Lease", todo);
  const ageS = Math.round((nowMs - Date.parse(lease?.spec?.renewTime ?? "")) / 1_000);
  const boundS = LOST_LEASES * (lease?.spec?.leaseDurationSeconds ?? 15);
  if (!(ageS <= boundS)) return warning("leader", `${holder}, who last renewed the Lease ${ageS} s ago`, todo);
  return ok("leader", holder);
}

function images({ agent, controller: deployment, mesh: status }: ClusterFacts): Finding {
  const [ours = "none", theirs = "none"] = [imageOf(agent), imageOf(deployment)];
  const running = [...new Set((status?.agents ?? []).map(({ version }) => version))].sort();
  const versions = running.length === 0 ? "" : `, agents run ${running.join(", ")}`;
  const todo =
    "Apply one version's manifests; a rollout that stands still says why: kubectl -n hawser-system get pods -o wide";
  if (ours !== theirs) return warning("versions", `agent ${ours}, controller ${theirs}${versions}`, todo);
  if (running.length > 1) return warning("versions", `${ours}${versions}`, todo);
  return ok("versions", `${ours}${versions}`);
}

/** Roots live for years: a rotation takes an afternoon, but somebody has to plan it. */
const ROOT_WARNING_DAYS = 60;
const DAY_MS = 86_400_000;

function roots({ roots: configMap, nowMs }: ClusterFacts): readonly Finding[] {
  const pem = configMap?.data?.["ca-root.pem"] ?? "";
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) {
    const todo = `No agent can start without it: see the controllers' logs`;
    return [failed("roots", `ConfigMap ${ROOTS_CONFIG_MAP} has no certificate`, todo)];
  }
  return blocks.map((block) => root(block, nowMs));
}

function root(block: string, nowMs: number): Finding {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(block);
  } catch (error) {
    return failed("roots", `cannot be read: ${describeError(error)}`, `Repair ConfigMap ${ROOTS_CONFIG_MAP}`);
  }
  const days = Math.floor((certificate.validToDate.getTime() - nowMs) / DAY_MS);
  const name = certificate.subject.replaceAll("\n", ", ");
  const detail = `${name}, valid until ${certificate.validToDate.toISOString().slice(0, 10)}`;
  if (days >= ROOT_WARNING_DAYS) return ok("roots", detail);
  const level = days < 0 ? failed : warning;
  return level("roots", detail, "Rotate it, see docs/operations.md");
}

function mesh({ mesh: status }: ClusterFacts): readonly Finding[] {
  const answers = status?.replicas.filter((one) => !("problem" in one.status)) ?? [];
  if (status === undefined || answers.length === 0) {
    const problem = status?.replicas.flatMap(({ status: one }) => ("problem" in one ? one.problem : [])).at(0);
    const todo = `kubectl -n ${NAMESPACE} port-forward deployment/${CONTROLLER} 15010, then: hawser status --url http://127.0.0.1:15010`;
    return [warning("mesh", `no replica told its state${problem === undefined ? "" : `: ${problem}`}`, todo)];
  }
  return [documents(status.problems), convergence(status)];
}

function documents(problems: readonly string[]): Finding {
  const [first] = problems;
  if (first === undefined) return ok("documents", "accepted");
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more: hawser status)` : "";
  const todo = `Correct it; all else is in force, of the settings the last good ones: kubectl -n ${NAMESPACE} edit configmap ${CONFIG_MAP}`;
  return failed("documents", `not in force: ${first}${more}`, todo);
}

function convergence({ agents, missing, stragglers, p99Ms }: NonNullable<ClusterFacts["mesh"]>): Finding {
  const todo = `Look at its log: kubectl -n ${NAMESPACE} logs -l app.kubernetes.io/component=agent --prefix`;
  if (missing.length > 0) return failed("table", `no channel to the agents of ${list(missing)}`, todo);
  if (stragglers.length > 0) return warning("table", `not yet in force on ${list(stragglers)}`, todo);
  const pace = p99Ms === undefined ? "" : `, changes within ${Math.ceil(p99Ms)} ms (p99)`;
  return ok("table", `in force on all ${agents.length} agents${pace}`);
}
