/**
 * What `hawser install --set` knows beside the Mesh document's settings: values of the manifests, each with what it may be and
 * where it goes.
 */
import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { HawserError } from "../../core/errors.ts";
import { parseDurationMs } from "../../protocol/documents/duration.ts";
import type { ManifestSet } from "./manifest-set.ts";
import { AGENT, CONTROLLER } from "./names.ts";

export interface ManifestValue {
  readonly meaning: string;
  /** What the manifests have, for `--help`. */
  readonly initial: string;
  /** Throws HawserError `wrong-setting`. */
  apply(manifests: ManifestSet, value: string): void;
}

/** Time beyond the drain, for taking the rules away: a node with the most rules needs a second or two. */
const AFTER_DRAIN_S = 15;
const MAX_DRAIN_S = 3_600;
const MAX_REPLICAS = 9;
const LOG_LEVELS = ["debug", "info", "warn", "error"];

export const MANIFEST_VALUES: Readonly<Record<string, ManifestValue>> = {
  image: {
    meaning: "image of agent and controller, with a tag or digest",
    initial: "hawser:0.1.0",
    apply(manifests, value) {
      if (!/^[^\s:@]+(:\d+)?(\/[^\s:@]+)*(:[\w.-]+|@sha256:[0-9a-f]{64})$/.test(value)) {
        throw wrong("image", value, "a name with a tag or digest, e.g. registry.example.com/hawser:0.1.0");
      }
      manifests.setImage("DaemonSet", AGENT, value);
      manifests.setImage("Deployment", CONTROLLER, value);
    },
  },
  "controller.replicas": {
    meaning: `replicas of the controller, 1 to ${MAX_REPLICAS}`,
    initial: "2",
    apply(manifests, value) {
      const replicas = wholeNumber("controller.replicas", value, 1, MAX_REPLICAS);
      manifests.find("Deployment", CONTROLLER).setIn(["spec", "replicas"], replicas);
      // A budget that keeps the only replica would keep its node from being drained for ever.
      if (replicas === 1) manifests.remove("PodDisruptionBudget", CONTROLLER);
    },
  },
  "controller.logLevel": logLevel("controller.logLevel", "Deployment", CONTROLLER, "HAWSER_CONTROLLER_LOG_LEVEL"),
  "agent.logLevel": logLevel("agent.logLevel", "DaemonSet", AGENT, "HAWSER_LOG_LEVEL"),
  "agent.drain": {
    meaning: "time for open connections when an agent stops",
    initial: "30s",
    apply(manifests, value) {
      const ms = parseDurationMs(value);
      const seconds = ms === undefined ? Number.NaN : Math.ceil(ms / 1_000);
      if (!(seconds <= MAX_DRAIN_S)) throw wrong("agent.drain", value, "a duration of at most 1h, e.g. 30s");
      manifests.setEnvironment("DaemonSet", AGENT, "HAWSER_DRAIN_SECONDS", `${seconds}`);
      const grace = ["spec", "template", "spec", "terminationGracePeriodSeconds"];
      manifests.find("DaemonSet", AGENT).setIn(grace, seconds + AFTER_DRAIN_S);
    },
  },
  "agent.workers": {
    meaning: "data threads of an agent, 1 to 64",
    initial: "1",
    apply(manifests, value) {
      manifests.setEnvironment("DaemonSet", AGENT, "HAWSER_WORKERS", `${wholeNumber("agent.workers", value, 1, 64)}`);
    },
  },
  "agent.iptables": {
    meaning: "auto, nft or legacy",
    initial: "auto",
    apply(manifests, value) {
      if (!["auto", "nft", "legacy"].includes(value)) throw wrong("agent.iptables", value, "auto, nft or legacy");
      manifests.setEnvironment("DaemonSet", AGENT, "HAWSER_IPTABLES_BACKEND", value);
    },
  },
  "agent.clusterCidrs": {
    meaning: "pod networks that are guarded before a node has had its first table, with commas between",
    initial: "none",
    apply(manifests, value) {
      manifests.setEnvironment(
        "DaemonSet",
        AGENT,
        "HAWSER_CLUSTER_CIDRS",
        cidrs("agent.clusterCidrs", value).join(","),
      );
    },
  },
  "networkPolicy.adminCidrs": {
    meaning: "who may read the controller's metrics and state by address: API servers, for `hawser status`",
    initial: "none",
    apply(manifests, value) {
      const policy = manifests.find("NetworkPolicy", CONTROLLER);
      for (const cidr of cidrs("networkPolicy.adminCidrs", value)) {
        policy.addIn(["spec", "ingress", 1, "from"], policy.createNode({ ipBlock: { cidr } }));
      }
    },
  },
};

function logLevel(key: string, kind: string, name: string, variable: string): ManifestValue {
  return {
    meaning: LOG_LEVELS.join(", "),
    initial: "info",
    apply(manifests, value) {
      if (!LOG_LEVELS.includes(value)) throw wrong(key, value, `one of ${LOG_LEVELS.join(", ")}`);
      manifests.setEnvironment(kind, name, variable, value);
    },
  };
}

function wholeNumber(key: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw wrong(key, text, `a whole number from ${least} to ${most}`);
}

/** A single address stands for itself. */
function cidrs(key: string, text: string): readonly string[] {
  return text.split(",").map((one) => {
    if (ipaddr.isValidCIDR(one)) return one;
    const family = isIP(one);
    if (family === 0) throw wrong(key, one, "CIDRs or addresses with commas between");
    return `${one}/${family === 4 ? 32 : 128}`;
  });
}

function wrong(key: string, value: string, expected: string): HawserError {
  return new HawserError("wrong-setting", `Cannot set ${key} to "${value}", expected ${expected}`);
}
