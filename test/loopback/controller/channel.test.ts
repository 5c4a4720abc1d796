import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:tls";
import { join } from "node:path";
import test from "ava";
import type { WebSocket } from "ws";
import { ChannelTrust } from "../../../agent/control/channel-trust.ts";
import { createCertificateRequest } from "../../../agent/identity/certificate-request.ts";
import { CloseCode } from "../../../controller/agent-session.ts";
import type { Authentication } from "../../../controller/agent-authenticator.ts";
import { newAuthorityCertificate, newAuthorityKey } from "../../../controller/authority-material.ts";
import { limits } from "../../../controller/limits.ts";
import type { AgentMessage, RootsMessage } from "../../../protocol/channel.ts";
import { temporaryPath } from "../../../core/write-file-atomic.ts";
import { testRequest } from "../../support/certificate-requests.ts";
import { ControllerUnderTest, type TestAgent } from "../../support/controller-under-test.ts";
import { eventually } from "../../support/eventually.ts";

const catalog = "spiffe://cluster.local/ns/shop/sa/catalog";
const reviews = "spiffe://cluster.local/ns/shop/sa/reviews";

async function inForce(agent: TestAgent, uid: string): Promise<void> {
  await eventually(`${uid} is in the agent's table`, () => agent.table?.workload(uid));
}

/** Opens a bare channel and says hello as an agent would. */
async function greet(controller: ControllerUnderTest, node: string, instance = "raw"): Promise<WebSocket> {
  const socket = controller.rawSocket(controller.token(node));
  await once(socket, "open");
  say(socket, { kind: "hello", node, version: "test", instance });
  return socket;
}

function say(socket: WebSocket, message: AgentMessage): void {
  socket.send(JSON.stringify(message));
}

async function closeCode(socket: WebSocket): Promise<number> {
  const [code] = (await once(socket, "close")) as [number];
  return code;
}

test("an agent is given the table, then each change", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const agent = controller.agent("node-1");
  await inForce(agent, "shop/catalog-1");
  await controller.documents.writePod("catalog-2", "node-2", "10.244.2.3");
  await inForce(agent, "shop/catalog-2");
  t.deepEqual(agent.received, ["snapshot 1", "delta 2"]);
  const status = await eventually("the change is acknowledged", async () => {
    const now = await controller.status();
    return now.agents[0]?.applied === 2 ? now : undefined;
  });
  t.deepEqual(status.stragglers, []);
  t.is(status.converged.samples, 1);
  t.is(typeof status.converged.p99Ms, "number");
});

test("a wrong token is refused, and so is a missing one", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  for (const token of ["", "wrong", controller.token("node-1").slice(1)]) {
    const socket = controller.rawSocket(token);
    const [error] = (await once(socket, "error")) as [Error];
    t.regex(error.message, /401/);
  }
  t.is(await controller.metric('hawser_controller_connections_refused_total{reason="token"}'), 3);
});

test("a refusal tells by its status whether the same token may be taken later, and by its reason why", async (t) => {
  const answers: Record<string, Authentication> = {
    audience: { refused: "token-audience", detail: "for another" },
    away: { refused: "api-unreachable", detail: "no answer" },
    stranger: { node: "node-9" },
    "a.long-jwt_of.some~characters==": { node: "node-1" },
  };
  const authenticate = async (token: string): Promise<Authentication> => answers[token] as Authentication;
  const controller = await ControllerUnderTest.start(t, { platform: { authenticator: { authenticate } } });
  const expected: [string, RegExp, string][] = [
    ["audience", /401/, "token-audience"],
    ["away", /503/, "api-unreachable"],
    ["stranger", /403/, "unknown-node"],
    ["x".repeat(limits.tokenBytes + 1), /401/, "token"],
    ["two words", /401/, "token"],
  ];
  for (const [token, status, reason] of expected) {
    const [error] = (await once(controller.rawSocket(token), "error")) as [Error];
    t.regex(error.message, status, reason);
    t.true(
      controller.log.lines.some(({ fields }) => fields["reason"] === reason),
      reason,
    );
  }
  t.is(await controller.metric('hawser_controller_connections_refused_total{reason="api-unreachable"}'), 1);
  await once(controller.rawSocket("a.long-jwt_of.some~characters=="), "open");
  t.false(controller.log.text.includes("a.long-jwt"));
});

test("a channel ends with the token that opened it, and its agent comes back with the next one", async (t) => {
  let current = "first";
  let isFirstOver = false;
  const authenticate = async (token: string): Promise<Authentication> => {
    if (token === "first" && isFirstOver) return { refused: "token", detail: "expired" };
    return { node: "node-1", expiresAtMs: Date.now() + (token === "first" ? 500 : 3_600_000) };
  };
  const controller = await ControllerUnderTest.start(t, { platform: { authenticator: { authenticate } } });
  const agent = controller.agent("node-1", { credentials: () => ({ token: current, roots: controller.roots() }) });
  await eventually("the agent is here", () => agent.channel.connected);
  const stolen = controller.rawSocket("first");
  await once(stolen, "open");
  isFirstOver = true;
  current = "second";
  const [code] = (await once(stolen, "close")) as [number];
  t.is(code, CloseCode.tokenExpired);
  await eventually(
    "the agent is back",
    async () => agent.channel.connected && (await controller.status()).agents.length === 1,
  );
  t.true(controller.log.text.includes("Token of a channel has expired"));
});

test("agents are told what to trust when they come, and when it changes; the server's certificate follows", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const told: RootsMessage[] = [];
  const first = controller.roots();
  const agent = controller.agent("node-1", { onRoots: (message) => told.push(message) });
  await eventually("the roots", () => told[0]);
  t.is(told[0]?.roots, first);
  const key = newAuthorityKey();
  const certificate = await newAuthorityCertificate({ text: key, place: "key" }, "cluster.local", Date.now());
  await writeFile(join(controller.stateDirectory, "ca-extra-roots.pem"), first);
  await writeFile(join(controller.stateDirectory, "ca.key"), key);
  await writeFile(join(controller.stateDirectory, "ca.crt"), certificate);
  const both = await eventually("both roots", () => told.find(({ roots }) => roots.match(/BEGIN/g)?.length === 2));
  t.not(both.issuer, told[0]?.issuer);
  const status = await controller.status();
  t.is(status.issuer, both.issuer);
  t.deepEqual(status.formerIssuer, ["node-1"], "it has not said what it has");
  agent.channel.send({ kind: "report", ready: true, counters: { formerIssuerCertificates: 0 } });
  await eventually("it has", async () => (await controller.status()).formerIssuer.length === 0);
  // Only the new root: what the server shows leads to it.
  const fresh = controller.agent("node-2", {
    credentials: () => ({ token: controller.token("node-2"), roots: certificate }),
  });
  await eventually("an agent that trusts the new root only", () => fresh.channel.connected);
});

test("an agent whose CA file is of yesterday is let in after a rotation, by what it has learnt", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const caFile = join(controller.stateDirectory, "..", "mounted-ca.pem");
  const learntFile = join(controller.stateDirectory, "..", "controller-roots.pem");
  await writeFile(caFile, controller.roots());
  const trust = new ChannelTrust({ caFile, learntFile, log: controller.log });
  const key = newAuthorityKey();
  const certificate = await newAuthorityCertificate({ text: key, place: "key" }, "cluster.local", Date.now());
  await writeFile(join(controller.stateDirectory, "ca-extra-roots.pem"), certificate);
  const agent = controller.agent("node-1", {
    credentials: () => ({ token: controller.token("node-1"), roots: trust.roots() }),
    onRoots: ({ roots }) => void trust.learn(roots),
  });
  await eventually("both roots are learnt", () => trust.roots().includes(certificate.trim()));
  await writeFile(join(controller.stateDirectory, "ca.key"), key);
  await writeFile(join(controller.stateDirectory, "ca.crt"), certificate);
  await rm(join(controller.stateDirectory, "ca-extra-roots.pem"));
  await eventually("one root", () => controller.roots().trim() === certificate.trim());
  await controller.stop();
  await eventually("the channel is lost", () => !agent.channel.connected);
  await controller.start();
  await eventually("the agent is back", () => agent.channel.connected);
  t.false((await readFile(caFile, "utf8")).includes(certificate.trim()));
});

test("the admin port can be reached from elsewhere", async (t) => {
  const controller = await ControllerUnderTest.start(t, { admin: { host: "0.0.0.0", port: 0 } });
  t.is((await controller.get("/readyz")).status, 200);
});

test("an agent with a wrong token says what to check", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const agent = controller.agent("node-1", { credentials: () => ({ token: "wrong", roots: controller.roots() }) });
  await eventually("the agent logs", () => agent.log.lines.find((line) => /check its address/.test(line.message)));
  t.regex(agent.log.text, /401/);
  t.false(agent.channel.connected);
});

test("an agent does not speak to a controller of another authority", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const stranger = await ControllerUnderTest.start(t);
  const agent = controller.agent("node-1", {
    credentials: () => ({ token: controller.token("node-1"), roots: stranger.roots() }),
  });
  await eventually("the agent logs", () => agent.log.lines.find((line) => line.level === "warn"));
  t.false(agent.channel.connected);
  t.deepEqual(agent.received, []);
});

test("a token of one node does not open another node's channel", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const socket = controller.rawSocket(controller.token("node-1"));
  await once(socket, "open");
  say(socket, { kind: "hello", node: "node-2", version: "test", instance: "x" });
  t.is(await closeCode(socket), 4403);
});

test("a path, a protocol or a plain request that is not ours is refused", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const socket = controller.rawSocket(controller.token("node-1"), "/v2/agent");
  const [error] = (await once(socket, "error")) as [Error];
  t.regex(error.message, /404/);
  const { port } = new URL(controller.url);
  const plain = connect({ host: "127.0.0.1", port: Number(port), ca: controller.roots() });
  t.teardown(() => plain.destroy());
  plain.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  const [answer] = (await once(plain, "data")) as [Buffer];
  t.regex(answer.toString(), /^HTTP\/1.1 426/);
});

test("a request for an identity on the node is signed", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const agent = controller.agent("node-1");
  await inForce(agent, "shop/catalog-1");
  const { csrPem } = await createCertificateRequest(catalog);
  const { chain, roots } = await agent.channel.sign(csrPem);
  t.regex(chain, /BEGIN CERTIFICATE/);
  t.is(roots, controller.roots());
});

test("a request for an identity on another node is refused, and logged", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const agent = controller.agent("node-1");
  await inForce(agent, "shop/catalog-1");
  const { csrPem } = await createCertificateRequest(reviews);
  await t.throwsAsync(agent.channel.sign(csrPem), { code: "sign-refused", message: /No pod with identity/ });
  t.true(controller.log.lines.some((line) => line.message === "Certificate request refused"));
  t.is(await controller.metric('hawser_controller_sign_requests_total{result="refused"}'), 1);
});

test("a request with two names is refused", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const agent = controller.agent("node-1");
  await inForce(agent, "shop/catalog-1");
  const names = [catalog, reviews].map((value) => ({ type: "url" as const, value }));
  const csr = await testRequest({ names });
  await t.throwsAsync(agent.channel.sign(csr), { code: "sign-refused", message: /must ask for one URI/ });
});

test("garbage in a request is refused and the channel stays open", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const agent = controller.agent("node-1");
  await inForce(agent, "shop/catalog-1");
  await t.throwsAsync(agent.channel.sign("garbage"), { code: "sign-refused" });
  t.true(agent.channel.connected);
});

test("an oversize message closes the channel", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const socket = await greet(controller, "node-1");
  socket.send("x".repeat(limits.agentMessageBytes + 1));
  t.is(await closeCode(socket), 1009);
  t.is(await controller.metric('hawser_controller_limit_hits_total{limit="agentMessageBytes"}'), 1);
});

test("a malformed message closes the channel, an unknown kind does not", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const socket = await greet(controller, "node-1");
  socket.send(JSON.stringify({ kind: "from-the-future", anything: 1 }));
  await eventually(
    "it is counted",
    async () => (await controller.metric('hawser_controller_messages_received_total{kind="unknown"}')) === 1,
  );
  socket.send(JSON.stringify({ kind: "applied", sequence: -1 }));
  t.is(await closeCode(socket), 4400);
});

test("a message before hello closes the channel", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const socket = controller.rawSocket(controller.token("node-1"));
  await once(socket, "open");
  say(socket, { kind: "report", ready: true, counters: {} });
  t.is(await closeCode(socket), 4400);
});

test("too many messages close the channel", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const socket = await greet(controller, "node-1");
  for (let index = 0; index <= limits.messageBurst + limits.messagesPerSecond; index += 1)
    say(socket, { kind: "ping" });
  t.is(await closeCode(socket), 4429);
});

test("a node has a bounded number of channels: the oldest gives way", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const sockets: WebSocket[] = [];
  for (let index = 0; index < limits.sessionsPerNode; index += 1) {
    sockets.push(await greet(controller, "node-1", `instance-${index}`));
  }
  const oldestClosed = once(sockets[0] as WebSocket, "close");
  await greet(controller, "node-1", "one-more");
  await oldestClosed;
  t.pass();
});

test("the same instance on a new channel replaces its old one", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const old = await greet(controller, "node-1", "same");
  await once(old, "message");
  const closed = closeCode(old);
  await greet(controller, "node-1", "same");
  t.is(await closed, 4409);
});

test("a lost channel is dialled again and brings only what is missing", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const agent = controller.agent("node-1");
  await inForce(agent, "shop/catalog-1");
  await controller.documents.writePod("catalog-2", "node-2", "10.244.2.3");
  await inForce(agent, "shop/catalog-2");
  agent.channel.redial();
  await eventually("the channel is lost", () => !agent.channel.connected);
  await controller.documents.writePod("catalog-3", "node-2", "10.244.2.4");
  await inForce(agent, "shop/catalog-3");
  t.deepEqual(agent.received, ["snapshot 1", "delta 2", "delta 3"]);
});

test("two agents with different last sequences both converge after a restart of the controller", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const left = controller.agent("node-1");
  await inForce(left, "shop/catalog-1");
  await left.channel.close();
  const stayed = controller.agent("node-2");
  await inForce(stayed, "shop/catalog-1");
  await controller.documents.writePod("catalog-2", "node-2", "10.244.2.3");
  await inForce(stayed, "shop/catalog-2");
  await controller.stop();
  await controller.documents.writePod("catalog-3", "node-2", "10.244.2.4");
  await controller.start();
  const back = controller.agent("node-1");
  back.table = left.table;
  await inForce(stayed, "shop/catalog-3");
  await inForce(back, "shop/catalog-3");
  t.deepEqual(stayed.table?.toSnapshot(), back.table?.toSnapshot());
  // One was at 2, which the restarted controller remembers; the other was older than its memory.
  t.deepEqual(stayed.received, ["snapshot 1", "delta 2", "delta 3"]);
  t.deepEqual(back.received, ["snapshot 3"]);
});

test("a restarted controller sends nothing to agents that have its table", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const agent = controller.agent("node-1");
  await inForce(agent, "shop/catalog-1");
  await controller.stop();
  await eventually("the channel is lost", () => !agent.channel.connected);
  t.truthy(agent.table?.workload("shop/catalog-1"));
  await controller.start();
  await eventually("the channel is open", () => agent.channel.connected);
  await controller.documents.writePod("catalog-2", "node-2", "10.244.2.3");
  await inForce(agent, "shop/catalog-2");
  t.deepEqual(agent.received, ["snapshot 1", "delta 2"]);
});

test("a controller that lost its table file sends a new epoch, and agents follow", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const agent = controller.agent("node-1");
  await inForce(agent, "shop/catalog-1");
  const before = agent.table?.epoch;
  await controller.stop();
  await writeFile(join(controller.stateDirectory, "table.json"), '{"epoch": "cut o');
  await controller.start();
  await eventually("the agent has the new epoch", () => agent.table?.epoch !== before);
  t.truthy(agent.table?.workload("shop/catalog-1"));
});

test("a state directory that cannot be written does not stop changes, and a restart after it converges", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const agent = controller.agent("node-1");
  await inForce(agent, "shop/catalog-1");
  await eventually("the first table is on disk", () => existsSync(join(controller.stateDirectory, "table.json")));
  // Directories in the place of the temporary files: writes fail for every user, root included.
  const obstacles = ["position", "table", "agents"].map((name) =>
    temporaryPath(join(controller.stateDirectory, `${name}.json`)),
  );
  for (const obstacle of obstacles) await mkdir(obstacle);
  await controller.documents.writePod("catalog-2", "node-2", "10.244.2.3");
  await inForce(agent, "shop/catalog-2");
  agent.channel.send({ kind: "report", ready: true, counters: {} });
  await eventually("node-1 has an agent", () => agent.table?.node("node-1")?.agent);
  t.true((await controller.metric("hawser_controller_store_failures_total")) > 0);
  await controller.stop();
  for (const obstacle of obstacles) await rm(obstacle, { recursive: true });
  await controller.documents.writePod("catalog-3", "node-2", "10.244.2.4");
  await controller.start();
  await inForce(agent, "shop/catalog-3");
  t.truthy(agent.table?.workload("shop/catalog-2"));
});

test("a ready agent marks its node, also across a restart of the controller and without a channel", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const agent = controller.agent("node-1");
  await inForce(agent, "shop/catalog-1");
  agent.channel.send({ kind: "report", ready: true, counters: {} });
  await eventually("node-1 has an agent", () => agent.table?.node("node-1")?.agent);
  await agent.channel.close();
  await controller.stop();
  await controller.start();
  t.deepEqual((await controller.status()).missing, ["node-1"]);
});

test("goodbye of the last agent clears the node, of one of two it does not", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const watcher = controller.agent("node-2");
  const [first, second] = [await greet(controller, "node-1", "first"), await greet(controller, "node-1", "second")];
  say(first, { kind: "report", ready: true, counters: {} });
  await eventually("node-1 has an agent", () => watcher.table?.node("node-1")?.agent);
  say(first, { kind: "goodbye", removed: true });
  first.close();
  await once(first, "close");
  t.true(watcher.table?.node("node-1")?.agent);
  say(second, { kind: "goodbye", removed: true });
  await eventually("node-1 has no agent", () => watcher.table?.node("node-1")?.agent === false);
  t.pass();
});

test("a node whose document is gone loses its channel and its token", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const socket = await greet(controller, "node-2");
  const token = controller.token("node-2");
  const closed = closeCode(socket);
  const nodes = await readFile(join(controller.documents.directory, "nodes.yaml"), "utf8");
  await controller.documents.remove("pod-reviews-1.yaml");
  await controller.documents.write("nodes.yaml", nodes.split("---\n")[0] ?? "");
  t.is(await closed, 4401);
  const again = controller.rawSocket(token);
  const [error] = (await once(again, "error")) as [Error];
  t.regex(error.message, /401/);
  // The token is void at once; its file follows.
  const file = join(controller.stateDirectory, "tokens", "node-2");
  await eventually("the token's file is gone", () => !existsSync(file));
});

test("an agent that refuses a change is sent a snapshot", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const agent = controller.agent("node-1");
  await inForce(agent, "shop/catalog-1");
  agent.refuseNextDelta = true;
  await controller.documents.writePod("catalog-2", "node-2", "10.244.2.3");
  await inForce(agent, "shop/catalog-2");
  t.deepEqual(agent.received, ["snapshot 1", "delta 2", "snapshot 2"]);
  t.true(controller.log.lines.some((line) => line.message === "Agent refused a table message"));
});

test("no secret is in the admin port's answers or in the log", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const agent = controller.agent("node-1");
  await inForce(agent, "shop/catalog-1");
  const { csrPem } = await createCertificateRequest(catalog);
  await agent.channel.sign(csrPem);
  const key = (await readFile(join(controller.stateDirectory, "ca.key"), "utf8")).split("\n")[1] ?? "";
  const pages = ["/livez", "/readyz", "/metrics", "/status", "/config_dump"];
  const texts = await Promise.all(pages.map(async (path) => (await controller.get(path)).text()));
  for (const text of [...texts, controller.log.text, agent.log.text]) {
    t.false(text.includes(controller.token("node-1")));
    t.false(text.includes(key));
    t.false(text.includes("PRIVATE KEY"));
  }
  t.is((await controller.get("/readyz")).status, 200);
});
