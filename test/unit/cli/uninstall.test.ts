import test from "ava";
import { ManifestSet } from "../../../cli/manifests/manifest-set.ts";
import { readManifests } from "../../../cli/read-manifests.ts";
import { uninstall } from "../../../cli/uninstall/uninstall.ts";
import { type KubeClient, KubeError } from "../../../kubernetes/kube-client.ts";

const NAMESPACE_PATH = "/api/v1/namespaces/hawser-system";
const DAEMON_SETS = "/apis/apps/v1/namespaces/hawser-system/daemonsets";
const objects = new ManifestSet(readManifests().values()).references();

/** A cluster of one node, whose agent's pod goes two looks after its DaemonSet, and whose cleaning pod needs two to be ready. */
class FakeCluster {
  readonly calls: string[] = [];
  readonly said: string[] = [];
  readonly #agentLeaves: boolean;
  #agent = true;
  #agentPods = 2;
  #cleaning: "absent" | "running" | "gone" = "absent";
  #cleaningLooks = 0;
  #namespace = true;
  #controller = true;

  constructor(options: { agentLeaves: boolean } = { agentLeaves: true }) {
    this.#agentLeaves = options.agentLeaves;
  }

  readonly kube = {
    get: (path: string, query?: { labelSelector?: string }) => {
      if (path === `${DAEMON_SETS}/hawser-agent` && this.#agent) return Promise.resolve(AGENT_DAEMON_SET);
      if (path === CONTROLLER_DEPLOYMENT && this.#controller) return Promise.resolve(AGENT_DAEMON_SET);
      if (path === `${DAEMON_SETS}/hawser-cleaning`) {
        return Promise.resolve({ status: { observedGeneration: 1, desiredNumberScheduled: 1 } });
      }
      if (path === `${NAMESPACE_PATH}/pods`) return Promise.resolve({ items: this.#pods(query?.labelSelector ?? "") });
      if (path === NAMESPACE_PATH && this.#namespace) return Promise.resolve({});
      return Promise.reject(notFound());
    },
    create: (path: string) => {
      this.calls.push(`create ${path}`);
      if (this.#cleaning === "running") return Promise.reject(new KubeError("there", 409, "AlreadyExists"));
      this.#cleaning = "running";
      return Promise.resolve({});
    },
    delete: (path: string) => {
      this.calls.push(`delete ${path}`);
      if (path.endsWith("/hawser-agent") && path.includes("daemonsets")) this.#agent = false;
      if (path.endsWith("/hawser-cleaning")) this.#cleaning = "gone";
      if (path === NAMESPACE_PATH) this.#namespace = false;
      if (path === CONTROLLER_DEPLOYMENT) this.#controller = false;
      return path.includes("poddisruptionbudgets") ? Promise.reject(notFound()) : Promise.resolve();
    },
  } as unknown as KubeClient;

  /** As a run leaves it that was cut off while nodes were cleaned. */
  cutOff(options: { controller: boolean }): this {
    this.#agent = false;
    this.#agentPods = 0;
    this.#controller = options.controller;
    if (options.controller) this.#cleaning = "running";
    return this;
  }

  async run(keepState = false): Promise<void> {
    const say = (line: string): void => void this.said.push(line);
    await uninstall({ kube: this.kube, objects, keepState, say, sleep: () => Promise.resolve() });
  }

  #pods(selector: string): readonly object[] {
    if (selector.includes("component=agent")) {
      if (!this.#agent && this.#agentLeaves) this.#agentPods -= 1;
      return this.#agentPods > 0 ? [pod("hawser-agent-x", true)] : [];
    }
    if (this.#cleaning !== "running") return [];
    this.#cleaningLooks += 1;
    return [pod("hawser-cleaning-x", this.#cleaningLooks > 2)];
  }
}

const CONTROLLER_DEPLOYMENT = "/apis/apps/v1/namespaces/hawser-system/deployments/hawser-controller";

const AGENT_DAEMON_SET = {
  metadata: { name: "hawser-agent" },
  spec: { template: { spec: { terminationGracePeriodSeconds: 45, containers: [{ image: "hawser:0.1.0" }] } } },
};

function pod(name: string, ready: boolean): object {
  const conditions = [{ type: "Ready", status: ready ? "True" : "False" }];
  return { metadata: { name }, spec: { nodeName: "node-1" }, status: { conditions } };
}

function notFound(): KubeError {
  return new KubeError("not found", 404, "NotFound");
}

test("agents go first, then their traces, then the rest, and the namespace last", async (t) => {
  const cluster = new FakeCluster();
  await cluster.run();
  t.deepEqual(cluster.calls.slice(0, 3), [
    `delete ${DAEMON_SETS}/hawser-agent`,
    `create ${DAEMON_SETS}`,
    `delete ${DAEMON_SETS}/hawser-cleaning`,
  ]);
  t.is(cluster.calls.at(-1), `delete ${NAMESPACE_PATH}`);
  t.is(cluster.calls.length, objects.length + 2);
  t.true(cluster.said.includes("Waiting for 1 agents to go"));
  t.true(cluster.said.includes("PodDisruptionBudget hawser-controller is not there"));
});

test("state is left when it is to be kept", async (t) => {
  const cluster = new FakeCluster();
  await cluster.run(true);
  t.is(cluster.calls.length, objects.length);
});

test("a second run cleans the nodes all the same, also where the first one was cut off at it", async (t) => {
  const cluster = new FakeCluster().cutOff({ controller: true });
  await cluster.run();
  t.is(cluster.calls[1], `create ${DAEMON_SETS}`);
  t.is(cluster.calls[2], `delete ${DAEMON_SETS}/hawser-cleaning`);
});

test("nodes that cannot be cleaned for want of an image are told", async (t) => {
  const cluster = new FakeCluster().cutOff({ controller: false });
  await cluster.run();
  t.false(cluster.calls.includes(`create ${DAEMON_SETS}`));
  t.true(cluster.said.some((line) => line.startsWith("No image of Hawser is known here")));
});

test("an agent that does not go stops everything: the controller stays for it", async (t) => {
  const cluster = new FakeCluster({ agentLeaves: false });
  await t.throwsAsync(() => cluster.run(), {
    code: "not-gone",
    message: "Waited 105 s for agents hawser-agent-x; look at it with kubectl, then run this again",
  });
  t.is(cluster.calls.length, 1);
});
