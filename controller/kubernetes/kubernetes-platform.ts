/**
 * A mesh in a Kubernetes cluster: agents by their projected tokens, the authority in a Secret, presence in a ConfigMap, one
 * leader among the replicas by a Lease.
 */
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import type { KubeClient } from "../../kubernetes/kube-client.ts";
import type { ControllerMetrics } from "../metrics.ts";
import type { Platform } from "../platform.ts";
import { AuthoritySecret } from "./authority-secret.ts";
import { KubernetesSource } from "./kubernetes-source.ts";
import { LeaderLease } from "./leader-lease.ts";
import { LeaderWatch } from "./leader-watch.ts";
import { NodeCare } from "./node-care.ts";
import { PresenceConfigMap } from "./presence-config-map.ts";
import type { SourceMetrics } from "./source-metrics.ts";
import { TokenReviews } from "./token-reviews.ts";

export interface KubernetesPlatformOptions {
  readonly client: KubeClient;
  /** Hawser's own. */
  readonly namespace: string;
  /** Of this replica, unlike that of any other, now or earlier. */
  readonly identity: string;
  /** For the name of a new root. */
  readonly trustDomain: string;
  readonly metrics: ControllerMetrics;
  readonly sourceMetrics: SourceMetrics;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

export function kubernetesPlatform(options: KubernetesPlatformOptions): Platform {
  const { metrics, sourceMetrics } = options;
  const lease = new LeaderLease({
    ...options,
    onChange: (isLeader) => {
      metrics.leader.set(isLeader ? 1 : 0);
      leader.look();
    },
  });
  const leader: LeaderWatch = new LeaderWatch({ ...options, lease });
  const source = new KubernetesSource({ ...options, isLeader: () => lease.isLeader, metrics: sourceMetrics });
  const presence = new PresenceConfigMap({
    ...options,
    watchMetrics: sourceMetrics,
    countFailure: () => metrics.apiFailures.inc({ object: "hawser-agents" }),
  });
  const care = new NodeCare({
    ...options,
    leadership: lease,
    presence,
    nodesWithTaint: () => source.nodesWithTaint(),
    count: (result) => metrics.taints.inc({ result }),
  });
  return {
    source,
    authenticator: new TokenReviews({ ...options, count: (result) => metrics.tokenReviews.inc({ result }) }),
    authority: new AuthoritySecret({
      ...options,
      watchMetrics: sourceMetrics,
      countFailure: (object) => metrics.apiFailures.inc({ object }),
    }),
    presence,
    start: (onLeader) => {
      lease.start();
      leader.start(onLeader);
      care.start();
    },
    setNodes: async (nodes) => care.setNodes(nodes),
    status: () => ({ identity: options.identity, leader: lease.isLeader, holder: lease.holder }),
    close: async () => {
      leader.close();
      await care.close();
      await lease.close();
    },
  };
}
