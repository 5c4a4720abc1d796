/** Quotas over real channels: one controller, its restart, and two replicas of which one leads. */
import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import type { AgentPresence } from "../../../controller/agent-presence.ts";
import { AuthorityFiles } from "../../../controller/authority-files.ts";
import { FilesSource } from "../../../controller/files-source.ts";
import { JoinTokens } from "../../../controller/join-tokens.ts";
import type { QuotaLeader } from "../../../controller/quota/quota-desk.ts";
import { systemClock } from "../../../core/clock.ts";
import type { Quota } from "../../../protocol/route-table.ts";
import { nodeText, podText } from "../../support/cluster-documents.ts";
import { type ControllerAccess, ControllerUnderTest } from "../../support/controller-under-test.ts";
import { eventually } from "../../support/eventually.ts";
import { QuotaAgent } from "../../support/quota-agent.ts";

const QUOTA: Quota = {
  name: "shop/catalog",
  requests: 500,
  perMs: 1_000,
  policy: "shop/catalog",
  scope: "Service shop/catalog",
};
const NODES = ["node-1", "node-2", "node-3"];
const POLICY = `apiVersion: v1
kind: Service
metadata: { name: catalog, namespace: shop }
spec: { clusterIP: 10.96.0.10, selector: { app: catalog }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: hawser.dev/v1
kind: TrafficPolicy
metadata: { name: catalog, namespace: shop }
spec: { targetRef: { kind: Service, name: catalog }, protocol: http, quota: { requests: 500, per: 1s } }
`;

async function writeDocuments({ documents }: ControllerUnderTest): Promise<void> {
  await documents.write("nodes.yaml", NODES.map((node, index) => nodeText(node, index + 1)).join("---\n"));
  await documents.write(
    "pods.yaml",
    NODES.map((node, index) => podText(`web-${index + 1}`, node, `10.244.${index + 1}.9`)).join("---\n"),
  );
  await documents.write("policy.yaml", POLICY);
}

/** All nodes have an agent, and every agent knows it. */
async function settled(agents: readonly QuotaAgent[]): Promise<void> {
  await eventually("tables with all agents and the quota", () =>
    agents.every(({ agent: { table } }) => {
      const served = [...(table?.nodes() ?? [])].filter((node) => node.agent);
      return served.length === NODES.length && table?.route("shop/catalog:80") !== undefined;
    }),
  );
}

function start(t: ExecutionContext, controllers: readonly ControllerAccess[]): readonly QuotaAgent[] {
  const agents = controllers.map((controller, index) => new QuotaAgent(controller, NODES[index] as string, QUOTA));
  t.teardown(() => Promise.all(agents.map((agent) => agent.close())));
  return agents;
}

/** Per second, of each. */
async function rates(agents: readonly QuotaAgent[], seconds: number): Promise<number[]> {
  const before = agents.map(({ admitted }) => admitted);
  const startMs = performance.now();
  await delay(seconds * 1_000);
  const passed = (performance.now() - startMs) / 1_000;
  return agents.map(({ admitted }, index) => (admitted - (before[index] as number)) / passed);
}

function isWithinFivePercent(t: ExecutionContext, found: readonly number[]): void {
  const total = found.reduce((sum, each) => sum + each, 0);
  t.true(total >= 475 && total <= 525, `${Math.round(total)} of 500: ${found.map(Math.round).join(" ")}`);
}

function want(agents: readonly QuotaAgent[], ...demands: number[]): void {
  agents.forEach((agent, index) => {
    agent.demand = demands[index] ?? 0;
  });
}

test.serial("three agents with uneven demand; the controller stops, and comes back", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  await writeDocuments(controller);
  const agents = start(t, [controller, controller, controller]);
  await settled(agents);
  want(agents, 1_000, 150, 40);
  await delay(1_500);
  const uneven = await rates(agents, 3);
  isWithinFivePercent(t, uneven);
  t.true((uneven[2] as number) > 36, "who wants little gets it");

  const { quotas } = await controller.status();
  t.is(quotas?.role, "leading");
  t.deepEqual(
    quotas?.leases.map(({ name, requests, agents: { length } }) => [name, requests, length]),
    [["shop/catalog", 500, 3]],
  );
  t.is(await controller.metric("hawser_controller_quotas_in_demand"), 1);

  await controller.stop();
  await delay(2_600);
  t.deepEqual(
    agents.map(({ state }) => state?.standing),
    ["alone", "alone", "alone"],
  );
  want(agents, 400, 400, 400);
  await delay(500);
  const alone = await rates(agents, 2);
  isWithinFivePercent(t, alone);
  t.true(alone.every((rate) => rate > 155 && rate < 180));

  await controller.start();
  await eventually("channels", () => agents.every(({ agent }) => agent.channel.connected));
  want(agents, 1_000, 0, 0);
  await delay(3_000);
  const back = await rates(agents, 2);
  isWithinFivePercent(t, back);
});

/** One presence for two replicas, as the ConfigMap is. */
function sharedPresence(): () => AgentPresence {
  let nodes: ReadonlySet<string> = new Set();
  const listeners: (() => void)[] = [];
  const change = (next: ReadonlySet<string>): void => {
    nodes = next;
    for (const listener of listeners) listener();
  };
  return () => ({
    start: async (onChange) => void listeners.push(onChange),
    get nodes() {
      return nodes;
    },
    isSettled: true,
    add: (node) => {
      if (!nodes.has(node)) change(new Set([...nodes, node]));
    },
    remove: (node) => change(nodes.difference(new Set([node]))),
    close: async () => {},
  });
}

test.serial("two replicas: agents of both share the quota by demand, and another leader goes on with it", async (t) => {
  const presence = sharedPresence();
  const leaders: ((leader: QuotaLeader) => void)[] = [];
  const leader = await ControllerUnderTest.start(t, {
    platform: { presence: presence(), start: (onLeader) => void leaders.push(onLeader) },
  });
  await writeDocuments(leader);
  const { log, stateDirectory: directory } = leader;
  // Who finds none makes one, and two must not at the same time.
  await eventually("tokens of all nodes", () => NODES.every((node) => existsSync(`${directory}/tokens/${node}`)));
  const clock = systemClock;
  const port = Number(new URL(leader.url).port);
  const tokens = new JoinTokens({ directory: `${directory}/tokens`, log, count: () => {} });
  // As in a cluster: the same port, another address, the same authority.
  const follower = await ControllerUnderTest.start(t, {
    listen: { host: "127.0.0.2", port },
    serverNames: ["localhost", "127.0.0.2"],
    platform: {
      source: new FilesSource({ directory: leader.documents.directory, clock, log }),
      authority: new AuthorityFiles({ directory, trustDomain: "cluster.local", clock, log }),
      authenticator: tokens,
      presence: presence(),
      start: (onLeader) => void leaders.push(onLeader),
      setNodes: (nodes) => tokens.setNodes(nodes),
    },
  });
  const [toLeader, toFollower] = leaders;
  if (toLeader === undefined || toFollower === undefined) return t.fail();
  toLeader("self");
  toFollower({ host: "127.0.0.1" });
  const there = { url: `wss://127.0.0.2:${port}`, token: leader.token.bind(leader), roots: leader.roots.bind(leader) };
  const agents = start(t, [leader, there, there]);
  await settled(agents);
  await eventually("a link to the leader", async () => (await follower.status()).quotas?.role === "relaying");
  want(agents, 150, 1_000, 40);
  await delay(2_500);
  const relayed = await rates(agents, 3);
  isWithinFivePercent(t, relayed);
  t.true((relayed[1] as number) > 260);
  t.deepEqual((await follower.status()).quotas?.leases, []);

  // The other one leads.
  toLeader({ host: "127.0.0.2" });
  toFollower("self");
  isWithinFivePercent(t, await rates(agents, 2));
  await delay(1_000);
  isWithinFivePercent(t, await rates(agents, 2));
  t.is((await follower.status()).quotas?.leases[0]?.agents.length, 3);
});

test.serial("another replica is let in by what only holders of the authority's key have", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  for (const token of [controller.token("node-1"), "0".repeat(64)]) {
    const socket = controller.rawSocket(token, "/v1/replica");
    socket.on("error", () => {});
    const status = await new Promise((resolve) => {
      socket.once("unexpected-response", (_, response) => resolve(response.statusCode));
      socket.once("open", () => resolve("open"));
    });
    t.is(status, 401);
  }
});
