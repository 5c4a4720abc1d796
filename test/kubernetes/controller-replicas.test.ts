/** Two replicas of the controller on a real API server, with the rights of `daemonset/`. Needs KUBEBUILDER_ASSETS. */
import { once } from "node:events";
import test, { type ExecutionContext } from "ava";
import { WebSocket } from "ws";
import { createCertificateRequest } from "../../agent/identity/certificate-request.ts";
import type { ControllerAccess } from "../support/controller-under-test.ts";
import { TestAgent } from "../support/controller-under-test.ts";
import { newAuthorityCertificate, newAuthorityKey } from "../../controller/authority-material.ts";
import type { KubeObject } from "../../kubernetes/kube-client.ts";
import { CHANNEL_PATH, CHANNEL_SUBPROTOCOL, type DeltaMessage, type SnapshotMessage } from "../../protocol/channel.ts";
import { eventually } from "../support/eventually.ts";
import { apiServerAssets } from "../support/real-api-server.ts";
import { type ControllerProcess, RealCluster } from "../support/real-cluster.ts";

type Data = { readonly data: Readonly<Record<string, string>> };

const SYSTEM = "/api/v1/namespaces/hawser-system";
const OURS = { key: "hawser.dev/agent-not-ready", effect: "NoSchedule" };
const OTHER = { key: "example.com/mine", effect: "NoSchedule" };

const assets = apiServerAssets();

if (assets === undefined) {
  test("without KUBEBUILDER_ASSETS no replicas are tested on a real API server", (t) => {
    t.log("Set KUBEBUILDER_ASSETS to a folder with kube-apiserver and etcd");
    t.pass();
  });
} else {
  let cluster: RealCluster;
  let replicas: readonly [ControllerProcess, ControllerProcess];
  let agentPods: readonly [KubeObject, KubeObject];

  test.before(async (t) => {
    t.timeout(120_000);
    cluster = await RealCluster.start(assets);
    await cluster.addNode("node-1", 1, [OTHER, OURS]);
    await cluster.addNode("node-2", 2, [OURS]);
    await cluster.addNamespace("shop");
    await cluster.addPod("shop", "catalog", "node-1", "10.244.1.2");
    await cluster.addPod("shop", "reviews", "node-2", "10.244.2.2");
    agentPods = [
      await cluster.addPod("hawser-system", "hawser-agent-1", "node-1"),
      await cluster.addPod("hawser-system", "hawser-agent-2", "node-2"),
    ];
    replicas = [await cluster.controller("a"), await cluster.controller("b")];
    for (const replica of replicas) replica.spawn();
    await Promise.all(replicas.map((replica) => replica.listening()));
  });
  test.after.always(() => cluster?.close());

  const story = (title: string, tell: (t: ExecutionContext) => Promise<void>): void =>
    test.serial(title, async (t) => {
      t.timeout(90_000);
      await tell(t);
    });

  const roots = async (): Promise<string> =>
    (await cluster.get<Data>(`${SYSTEM}/configmaps/hawser-ca-root`)).data["ca-root.pem"] ?? "";
  /** The leader, then the other one. */
  const leader = (): Promise<readonly [ControllerProcess, ControllerProcess]> =>
    eventually(
      "there is one leader",
      async () => {
        const [a, b] = replicas;
        const [one, other] = [(await a.status()).leader, (await b.status()).leader];
        if (one === other) return undefined;
        return one ? [a, b] : [b, a];
      },
      30_000,
    );

  async function agent(t: ExecutionContext, controller: ControllerProcess, node: 1 | 2): Promise<TestAgent> {
    const token = await cluster.token({ pod: agentPods[node - 1] as KubeObject });
    const pem = await roots();
    const access: ControllerAccess = { url: controller.url, token: () => token, roots: () => pem };
    const started = new TestAgent(access, `node-${node}`);
    t.teardown(() => started.channel.close());
    started.channel.start();
    await eventually("the agent has a table", () => started.table);
    return started;
  }

  /** The HTTP status with which a channel is refused; 101 when it is not. */
  async function knock(t: ExecutionContext, controller: ControllerProcess, token: string): Promise<number> {
    const headers = { authorization: `Bearer ${token}` };
    const socket = new WebSocket(`${controller.url}${CHANNEL_PATH}`, CHANNEL_SUBPROTOCOL, {
      ca: await roots(),
      headers,
    });
    t.teardown(() => socket.terminate());
    socket.on("error", () => {});
    return await Promise.race([
      once(socket, "open").then(() => 101),
      once(socket, "unexpected-response").then(([, response]) => (response as { statusCode: number }).statusCode),
    ]);
  }

  story("replicas that start together have one authority and one leader", async (t) => {
    const [one, two] = await Promise.all(replicas.map((replica) => replica.status()));
    t.is(one?.issuer, two?.issuer);
    t.is((await roots()).match(/BEGIN/g)?.length, 1);
    await leader();
    t.regex(await (await replicas[0].get("/readyz")).text(), /ok/);
    for (const replica of replicas) t.false(replica.said(/forbidden/i), "no right is missing");
  });

  story("an agent is its node by its token; every other token is refused, and the reason told", async (t) => {
    const [pod] = agentPods;
    const [controller] = replicas;
    t.is(await knock(t, controller, await cluster.token({ pod })), 101);
    const wrong: [string, string][] = [
      [await cluster.token({ pod, audience: "" }), "token-audience"],
      [await cluster.token({ account: "hawser-controller" }), "token-account"],
      [await cluster.token(), "token-node"],
      [`${await cluster.token({ pod })}x`, "token"],
    ];
    for (const [token, reason] of wrong) {
      const before = await controller.metric(`hawser_controller_connections_refused_total{reason="${reason}"}`);
      t.is(await knock(t, controller, token), 401, reason);
      t.is(await controller.metric(`hawser_controller_connections_refused_total{reason="${reason}"}`), before + 1);
      t.true(controller.said(new RegExp(`"reason":"${reason}"`)), reason);
      t.false(controller.said(new RegExp(token.slice(-40))), "no token is logged");
    }
  });

  story("the token of a pod that was deleted is void", async (t) => {
    const path = `${SYSTEM}/pods/hawser-agent-short`;
    const pod = await cluster.addPod("hawser-system", "hawser-agent-short", "node-1");
    const token = await cluster.token({ pod });
    await cluster.admin.delete(path, { gracePeriodSeconds: 0 });
    t.is(await knock(t, replicas[0], token), 401);
  });

  story("an agent gets certificates of its own node's pods only, and cannot say that it is another node", async (t) => {
    const [controller] = replicas;
    const started = await agent(t, controller, 1);
    const request = async (name: string): Promise<string> =>
      (await createCertificateRequest(`spiffe://cluster.local/ns/shop/sa/${name}`)).csrPem;
    t.regex((await started.channel.sign(await request("catalog"))).chain, /BEGIN CERTIFICATE/);
    await t.throwsAsync(started.channel.sign(await request("reviews")), {
      message: /No pod with identity .* is on node node-1/,
    });
    t.true(controller.said(/Certificate request refused.*|.*node-1.*reviews/));
    const hello = { kind: "hello", node: "node-2", version: "", instance: "i" } as const;
    const liar = await agent(t, controller, 1);
    await liar.channel.close();
    const token = await cluster.token({ pod: agentPods[0] });
    const headers = { authorization: `Bearer ${token}` };
    const socket = new WebSocket(`${controller.url}${CHANNEL_PATH}`, CHANNEL_SUBPROTOCOL, {
      ca: await roots(),
      headers,
    });
    await once(socket, "open");
    socket.send(JSON.stringify(hello));
    t.is((await once(socket, "close"))[0], 4403);
  });

  story("an agent that is ready at one replica is known to both, and its node loses the taint, no other", async (t) => {
    const [a, b] = replicas;
    const [one, two] = [await agent(t, a, 1), await agent(t, b, 2)];
    one.channel.send({ kind: "report", ready: true, counters: {} });
    for (const each of [one, two]) await eventually("node-1 has an agent", () => each.table?.node("node-1")?.agent);
    t.deepEqual(Object.keys((await cluster.get<Data>(`${SYSTEM}/configmaps/hawser-agents`)).data), ["node-1"]);
    const taints = async (node: string): Promise<string> => JSON.stringify(await cluster.get(`/api/v1/nodes/${node}`));
    await eventually("the taint is gone", async () => !(await taints("node-1")).includes(OURS.key));
    t.true((await taints("node-1")).includes(OTHER.key));
    t.true((await taints("node-2")).includes(OURS.key));
    two.channel.send({ kind: "report", ready: true, counters: {} });
    for (const each of [one, two]) await eventually("node-2 has an agent", () => each.table?.node("node-2")?.agent);
    one.channel.send({ kind: "goodbye", removed: true });
    for (const each of [one, two])
      await eventually("node-1 has none", () => each.table?.node("node-1")?.agent === false);
    t.deepEqual(Object.keys((await cluster.get<Data>(`${SYSTEM}/configmaps/hawser-agents`)).data), ["node-2"]);
  });

  story(
    "the leader is followed at once after an orderly stop, and after the Lease's duration when it was killed",
    async (t) => {
      for (const [signal, most] of [
        ["SIGTERM", 4_000],
        ["SIGKILL", 19_000],
      ] as const) {
        const [first, second] = await leader();
        const endedMs = performance.now();
        await first.kill(signal);
        await eventually("the other one leads", async () => (await second.status()).leader, 30_000);
        const tookMs = performance.now() - endedMs;
        t.log(`${signal}: the other replica leads after ${Math.round(tookMs)} ms`);
        t.true(tookMs < most, `${signal}: ${tookMs} ms`);
        first.spawn();
        await first.listening();
      }
    },
  );

  story("a replica that has just started knows the nodes with an agent in its first table", async (t) => {
    const third = await cluster.controller("c");
    third.spawn();
    await third.listening();
    const token = await cluster.token({ pod: agentPods[0] });
    const pem = await roots();
    const tables: (SnapshotMessage | DeltaMessage)[] = [];
    const access: ControllerAccess = { url: third.url, token: () => token, roots: () => pem };
    const started = new TestAgent(access, "node-1", { onTable: (message) => void tables.push(message) });
    t.teardown(() => started.channel.close());
    started.channel.start();
    const first = await eventually("the first table", () => tables[0]);
    t.is(first.kind, "snapshot");
    const nodes = first.kind === "snapshot" ? first.table.nodes : [];
    t.deepEqual(
      nodes.map(({ name, agent: served }) => [name, served]),
      [
        ["node-1", false],
        ["node-2", true],
      ],
    );
    await third.kill("SIGTERM");
  });

  story("the Secret's new roots and signer are in force at every replica and every agent within seconds", async (t) => {
    const [a, b] = replicas;
    const agents = [await agent(t, a, 1), await agent(t, b, 2)];
    const { data } = await cluster.get<Data>(`${SYSTEM}/secrets/hawser-ca`);
    const { issuer } = await a.status();
    const key = newAuthorityKey();
    const certificate = await newAuthorityCertificate({ text: key, place: "key" }, "mine", Date.now());
    const base64 = (text: string): string => Buffer.from(text).toString("base64");
    const changedMs = performance.now();
    await cluster.admin.patch(`${SYSTEM}/secrets/hawser-ca`, "application/merge-patch+json", {
      data: { "tls.key": base64(key), "tls.crt": base64(certificate), "extra-roots.pem": data["tls.crt"] },
    });
    for (const replica of replicas) {
      await eventually("it signs with the new key", async () => (await replica.status()).issuer !== issuer);
    }
    t.log(`in force at both after ${Math.round(performance.now() - changedMs)} ms`);
    await eventually("agents find both roots", async () => (await roots()).match(/BEGIN/g)?.length === 2);
    for (const each of agents) t.true(each.channel.connected);
    await agent(t, a, 2);
  });

  story(
    "without an API server agents keep their channel, and nobody new is let in; after it all is as before",
    async (t) => {
      const [a] = replicas;
      const started = await agent(t, a, 1);
      const token = await cluster.token({ pod: agentPods[1] });
      const ca = await roots();
      await cluster.server.killServer();
      const headers = { authorization: `Bearer ${token}` };
      const stranger = new WebSocket(`${a.url}${CHANNEL_PATH}`, CHANNEL_SUBPROTOCOL, { ca, headers });
      stranger.on("error", () => {});
      const [, response] = (await once(stranger, "unexpected-response")) as [unknown, { statusCode: number }];
      t.is(response.statusCode, 503);
      t.is((await a.get("/livez")).status, 200);
      t.true(started.channel.connected);
      await eventually(
        "there is no leader",
        async () => !(await a.status()).leader && !(await replicas[1].status()).leader,
        30_000,
      );
      await cluster.server.startServer();
      await leader();
      t.is(await knock(t, a, token), 101);
      t.true(started.channel.connected);
      t.deepEqual(started.received.filter((message) => message.startsWith("snapshot")).length, 1);
    },
  );
}
