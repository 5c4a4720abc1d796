/**
 * What every tunnel engine must do, whatever it is made of: run with a factory per engine, and once more with the ends
 * of two engines mixed. Real TCP and TLS 1.3 on loopback.
 */
import { createHash, randomBytes } from "node:crypto";
import { createServer, connect as netConnect, type AddressInfo, type Socket } from "node:net";
import { connect as tlsConnect } from "node:tls";
import type { ExecutionContext, TestFn } from "ava";
import { limits, timers } from "../../agent/limits.ts";
import { ErrorCode, type IncomingStream, type TunnelStream } from "../../agent/tunnel/engine.ts";
import { TLS_SETTINGS } from "../../agent/tunnel/tls-settings.ts";
import { eventually } from "./eventually.ts";
import { EchoHandler, StreamProbe } from "./stream-probe.ts";
import { TestAuthority } from "./test-authority.ts";
import { CLIENT_IDENTITY, type Dialled, SERVER_IDENTITY, type TunnelEngine, TunnelWorld } from "./tunnel-world.ts";

const REQUEST = { authority: "10.244.2.7:8080", headers: { forwarded: 'for="10.244.1.2:4711"' } };
/** Wrong things that must not come need a moment in which they could have come: several round trips on loopback. */
const SETTLE_MS = 60;

export function tunnelEngineContract(test: TestFn, engine: TunnelEngine): void {
  const contract = (title: string, run: (t: ExecutionContext, world: TunnelWorld) => Promise<void>): void => {
    test(`${engine.name}: ${title}`, async (t) => {
      const world = await TunnelWorld.create(engine);
      try {
        await run(t, world);
      } finally {
        world.close();
      }
    });
  };
  handshakes(contract);
  streams(contract);
  aborts(contract);
  flowControl(contract);
  ends(contract);
  attackers(contract);
}

type Contract = (title: string, run: (t: ExecutionContext, world: TunnelWorld) => Promise<void>) => void;

function handshakes(contract: Contract): void {
  contract("negotiates TLS 1.3, AES-GCM and the post-quantum hybrid", async (t, world) => {
    const { negotiated, tunnel } = await world.open();
    t.is(negotiated?.tlsVersion, "TLSv1.3");
    t.regex(negotiated?.cipher ?? "", /^TLS_AES_(128|256)_GCM/);
    t.is(negotiated?.keyExchange, "X25519MLKEM768");
    t.false(negotiated?.resumed);
    t.is(tunnel.state, "open");
    t.is(await eventually("server's end", () => world.tunnels[0]?.peerIdentity), CLIENT_IDENTITY);
    t.is(world.settledHandshakes, 1);
  });

  contract("falls back to X25519 for a peer without the hybrid", async (t, world) => {
    const tls = tlsConnect({
      ...TLS_SETTINGS,
      ...clientPem(world),
      ecdhCurve: "X25519",
      port: world.port,
      ALPNProtocols: ["h2"],
      checkServerIdentity: () => undefined,
    });
    await new Promise((resolve) => tls.once("secureConnect", resolve));
    const group = tls.getEphemeralKeyInfo() as { name?: string };
    t.is(group.name, "X25519");
    tls.destroy();
  });

  contract("resumes a TLS session, and still knows who the peer is", async (t, world) => {
    const first = await world.open();
    const session = await eventually("a ticket", () => first.tlsSessions[0]);
    first.tunnel.destroy("test");
    const second = await world.open({ tlsSession: session });
    t.true(second.negotiated?.resumed);
    await eventually("server's end", () => world.tunnels.length === 2);
    t.is(world.tunnels[1]?.peerIdentity, CLIENT_IDENTITY);
    t.is((await exchange(world, second, "hello")).text, "hello");
  });

  contract("refuses a resumed session when another identity is expected", async (t, world) => {
    const first = await world.open();
    const session = await eventually("a ticket", () => first.tlsSessions[0]);
    const second = world.dial({ tlsSession: session, expectedIdentity: "spiffe://cluster.local/ns/shop/sa/other" });
    await eventually("it fails", () => second.error);
    t.regex(second.error?.message ?? "", /table says spiffe:\/\/cluster.local\/ns\/shop\/sa\/other/);
  });

  contract("refuses a resumed session once the certificates behind it have expired, at both ends", async (t, world) => {
    const first = await world.open();
    const session = await eventually("a ticket", () => first.tlsSessions[0]);
    // Only the agents' clocks move, OpenSSL's does not: exactly what happens when a chain is not verified again.
    world.clock.advance(2 * 3_600_000);
    const second = world.dial({ tlsSession: session });
    await eventually("the client refuses", () => second.error);
    t.regex(second.error?.message ?? "", /is valid from .* to .*this node's time is/);
    const tls = tlsConnect({
      ...TLS_SETTINGS,
      ...clientPem(world),
      ...IGNORE_SERVER,
      port: world.port,
      session: session.ticket,
    });
    tls.on("error", () => {}).resume();
    await eventually("it was resumed", () => tls.isSessionReused());
    const late = /is valid from .* to .*this node's time is/;
    await eventually("the server refuses", () => world.refusals.some((reason) => late.test(reason)));
    await eventually("it is cut off", () => tls.destroyed);
  });

  contract("resumes no session of roots that were replaced", async (t, world) => {
    const first = await world.open();
    const session = await eventually("a ticket", () => first.tlsSessions[0]);
    const other = await TestAuthority.create("New root");
    const renewed = await other.issue(SERVER_IDENTITY);
    const rootsPem = `${world.authority.rootPem}\n${other.rootPem}`;
    world.acceptor.setCredentials([{ ...renewed, rootsPem: other.rootPem }]);
    const refused = world.dial({ tlsSession: session, credentials: { ...world.client, rootsPem } });
    await eventually("the server refuses the old root's client", () => world.refusals.length > 0);
    await eventually("it is over", () => refused.events.some((event) => event.startsWith("closed")));
    t.is(world.tunnels.length, 1);
    const client = await other.issue(CLIENT_IDENTITY);
    const { tunnel } = await world.open({ credentials: { ...client, rootsPem } });
    t.is(tunnel.state, "open");
  });

  contract("continues with renewed credentials, and takes nobody for an identity that is gone", async (t, world) => {
    const open = await world.open();
    world.acceptor.setCredentials([await world.authority.issue(SERVER_IDENTITY)]);
    t.is((await world.open()).tunnel.state, "open");
    world.acceptor.setCredentials([]);
    const refused = world.dial();
    await eventually("it fails", () => refused.error);
    t.is((await exchange(world, open, "still here")).text, "still here");
  });

  contract("client refuses a server of another identity", async (t, world) => {
    const dialled = world.dial({ expectedIdentity: "spiffe://cluster.local/ns/shop/sa/other" });
    await eventually("it fails", () => dialled.error);
    t.is(dialled.error?.code, "tls-handshake-failed");
    t.regex(dialled.error?.message ?? "", /Peer proves .*sa\/server, the table says .*sa\/other/);
    t.is(dialled.tunnel.state, "closed");
    t.deepEqual(dialled.events, ["closed tls-handshake-failed"]);
  });

  contract("client refuses a server of another authority", async (t, world) => {
    const other = await TestAuthority.create("Other root");
    world.acceptor.setCredentials([await other.issue(SERVER_IDENTITY)]);
    const dialled = world.dial();
    await eventually("it fails", () => dialled.error);
    t.is(dialled.error?.code, "tls-handshake-failed");
    await eventually("the server's socket is gone", () => world.openSockets === 0);
    t.is(world.settledHandshakes, 1);
  });

  contract("client refuses a server with an expired certificate", async (t, world) => {
    world.acceptor.setCredentials([await world.authority.issue(SERVER_IDENTITY, { notAfterMs: Date.now() - 60_000 })]);
    const dialled = world.dial();
    await eventually("it fails", () => dialled.error);
    t.is(dialled.error?.code, "tls-handshake-failed");
  });

  contract("gives up a server that accepts and stays silent", async (t, world) => {
    const silent = await silentListener(world);
    const dialled = world.dial({ port: silent.port });
    await eventually("TLS begins", () => silent.sockets.length > 0);
    await eventually("the client's hello has come", () => (silent.sockets[0]?.bytesRead ?? 0) > 0);
    world.clock.advance(timers.tlsHandshakeMs);
    t.is(dialled.error?.code, "tls-handshake-failed");
    t.is(world.clock.pendingTimers, 0);
  });

  contract("reports a port that nobody listens on", async (t, world) => {
    const silent = await silentListener(world);
    silent.close();
    const dialled = world.dial({ port: silent.port });
    await eventually("it fails", () => dialled.error);
    t.is(dialled.error?.code, "tcp-connect-failed");
    t.is(world.clock.pendingTimers, 0);
  });
}

function streams(contract: Contract): void {
  contract("carries early data, the answer and an echo", async (t, world) => {
    const { tunnel } = await world.open();
    const probe = new StreamProbe();
    const stream = tunnel.openStream(REQUEST, probe);
    stream.write(Buffer.from("early "));
    const incoming = await world.nextStream();
    t.is(incoming.method, "CONNECT");
    t.is(incoming.request.authority, REQUEST.authority);
    t.is(incoming.request.headers["forwarded"], REQUEST.headers.forwarded);
    stream.write(Buffer.from("data"));
    t.deepEqual(probe.events, []);
    echo(incoming);
    await probe.receives(10);
    t.is(probe.text, "early data");
    t.deepEqual(probe.events, ["response 200"]);
    stream.end();
    await probe.saw("end");
    await eventually("both ends forget it", () => tunnel.openStreams + (world.tunnels[0]?.openStreams ?? 1) === 0);
    t.deepEqual(probe.events, ["response 200", "end"]);
  });

  contract("carries many streams of random sizes unharmed", async (t, world) => {
    const { tunnel } = await world.open();
    world.onStream = echo;
    await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const bytes = randomBytes(Math.floor(Math.random() * (index % 8 === 0 ? 3_000_000 : 60_000)));
        const { probe } = await send(tunnel.openStream.bind(tunnel), bytes);
        await probe.saw("end");
        t.is(probe.receivedBytes, bytes.length);
        t.is(probe.sha256, createHash("sha256").update(bytes).digest("hex"));
      }),
    );
    await eventually("both ends forget them", () => tunnel.openStreams + (world.tunnels[0]?.openStreams ?? 1) === 0);
  });

  contract("half-closes in either order", async (t, world) => {
    const { tunnel } = await world.open();
    for (const clientFirst of [true, false]) {
      const [client, server] = [new StreamProbe(), new StreamProbe()];
      const near = tunnel.openStream(REQUEST, client);
      const far = (await world.nextStream()).accept({}, server);
      const [first, firstSees, second, secondSees] = clientFirst
        ? [near, client, far, server]
        : [far, server, near, client];
      first.end();
      await secondSees.saw("end");
      second.write(Buffer.from("still talking"));
      await firstSees.receives(13);
      t.false(firstSees.events.includes("end"));
      second.end();
      await firstSees.saw("end");
      await eventually("both ends forget it", () => tunnel.openStreams + (world.tunnels[0]?.openStreams ?? 1) === 0);
      t.false([...client.events, ...server.events].some((event) => event.startsWith("reset")));
    }
  });

  contract("delivers an end that came before the stream was accepted", async (t, world) => {
    const { tunnel } = await world.open();
    const client = new StreamProbe();
    const stream = tunnel.openStream(REQUEST, client);
    stream.write(Buffer.from("all there is"));
    stream.end();
    const incoming = await world.nextStream();
    await settle();
    const server = new StreamProbe();
    const far = incoming.accept({}, server);
    await server.saw("end");
    t.is(server.text, "all there is");
    far.write(Buffer.from("answer"));
    far.end();
    await client.saw("end");
    t.is(client.text, "answer");
  });

  contract("refuses with a status and a reason", async (t, world) => {
    const { tunnel } = await world.open();
    const probe = new StreamProbe();
    const stream = tunnel.openStream(REQUEST, probe);
    stream.write(randomBytes(50_000));
    const incoming = await world.nextStream();
    let aborted = false;
    incoming.onAbort(() => {
      aborted = true;
    });
    incoming.refuse(503, { "hawser-reason": "connection refused" });
    await probe.saw("response 503");
    t.is(probe.reason, "connection refused");
    stream.reset(ErrorCode.cancel);
    const before = [...probe.events];
    await settle();
    t.deepEqual(probe.events, before);
    t.false(aborted);
    t.is(tunnel.openStreams, 0);
    t.is(world.tunnels[0]?.openStreams, 0);
    t.is((await exchange(world, { tunnel }, "next")).text, "next");
  });

  contract("refuses with a status in the very moment in which the request comes", async (t, world) => {
    world.onStream = (incoming) => incoming.refuse(400, { "hawser-reason": "at once" });
    const { tunnel } = await world.open();
    const probe = new StreamProbe();
    tunnel.openStream(REQUEST, probe);
    await probe.saw("response 400");
    t.is(probe.reason, "at once");
    await eventually("both ends forget it", () => tunnel.openStreams + (world.tunnels[0]?.openStreams ?? 1) === 0);
  });

  contract("refuses a stream whose early data keeps coming, and forgets it", async (t, world) => {
    const { tunnel } = await world.open();
    const probe = new StreamProbe();
    probe.onResponse = (status) => {
      probe.events.push(`response ${status}`);
      // What outbound does: resets from inside the callback.
      stream.reset(ErrorCode.cancel);
    };
    const stream = tunnel.openStream(REQUEST, probe);
    for (let count = 0; count < 40; count += 1) stream.write(randomBytes(100_000));
    const incoming = await world.nextStream();
    await settle();
    incoming.refuse(503, { "hawser-reason": "no" });
    await probe.saw("response 503");
    await eventually("both ends forget it", () => tunnel.openStreams + (world.tunnels[0]?.openStreams ?? 1) === 0);
    t.deepEqual(probe.events, ["response 503"]);
    t.is((await exchange(world, { tunnel }, "next")).text, "next");
  });
}

function aborts(contract: Contract): void {
  for (const queued of [0, 4_000_000]) {
    const queue = queued === 0 ? "" : " while data is queued";
    contract(`client's reset arrives as CANCEL, never as an end${queue}`, async (t, world) => {
      const { tunnel } = await world.open();
      const [client, server] = [new StreamProbe(), new StreamProbe()];
      const near = tunnel.openStream(REQUEST, client);
      const far = (await world.nextStream()).accept({}, server);
      if (queued > 0) far.pause();
      near.write(Buffer.alloc(queued + 1));
      await settle();
      near.reset(ErrorCode.cancel);
      await server.saw("reset 8");
      await settle();
      t.deepEqual(server.events, ["reset 8"]);
      t.false(client.events.some((event) => event !== "response 200"));
      await eventually("both ends forget it", () => tunnel.openStreams + (world.tunnels[0]?.openStreams ?? 1) === 0);
    });

    contract(`server's reset arrives as CANCEL, never as an end${queue}`, async (t, world) => {
      const { tunnel } = await world.open();
      const [client, server] = [new StreamProbe(), new StreamProbe()];
      const near = tunnel.openStream(REQUEST, client);
      const far = (await world.nextStream()).accept({}, server);
      await client.saw("response 200");
      if (queued > 0) near.pause();
      far.write(Buffer.alloc(queued + 1));
      await settle();
      far.reset(ErrorCode.cancel);
      await client.saw("reset 8");
      await settle();
      t.deepEqual(client.events, ["response 200", "reset 8"]);
      t.deepEqual(server.events, []);
      await eventually("both ends forget it", () => tunnel.openStreams + (world.tunnels[0]?.openStreams ?? 1) === 0);
    });
  }

  contract("a reset of a half-closed stream arrives as a reset", async (t, world) => {
    const { tunnel } = await world.open();
    const [client, server] = [new StreamProbe(), new StreamProbe()];
    const near = tunnel.openStream(REQUEST, client);
    const far = (await world.nextStream()).accept({}, server);
    near.end();
    await server.saw("end");
    far.reset(ErrorCode.cancel);
    await client.saw("reset 8");
    t.false(client.events.includes("end"));
  });

  contract("a reset before the answer reaches onAbort, and onAbort is silent after the answer", async (t, world) => {
    const { tunnel } = await world.open();
    const near = tunnel.openStream(REQUEST, new StreamProbe());
    near.write(randomBytes(1_000));
    const waiting = await world.nextStream();
    let aborts = 0;
    waiting.onAbort(() => {
      aborts += 1;
    });
    near.reset(ErrorCode.cancel);
    await eventually("the abort", () => aborts === 1);

    const next = tunnel.openStream(REQUEST, new StreamProbe());
    const accepted = await world.nextStream();
    accepted.onAbort(() => {
      aborts += 1;
    });
    const server = new StreamProbe();
    accepted.accept({}, server);
    next.reset(ErrorCode.cancel);
    await server.saw("reset 8");
    t.is(aborts, 1);
  });

  contract("a stream that the server resets without an answer is lost with its code", async (t, world) => {
    const { tunnel } = await world.open();
    const probe = new StreamProbe();
    tunnel.openStream(REQUEST, probe).write(randomBytes(1_000));
    (await world.nextStream()).reset(ErrorCode.refusedStream);
    await probe.saw("reset 7");
    t.deepEqual(probe.events, ["reset 7"]);
  });

  contract("nothing is called after the own reset", async (t, world) => {
    const { tunnel } = await world.open();
    const client = new StreamProbe();
    const near = tunnel.openStream(REQUEST, client);
    const server = new StreamProbe();
    const far = (await world.nextStream()).accept({}, server);
    await client.saw("response 200");
    for (let count = 0; count < 20; count += 1) far.write(Buffer.alloc(10_000));
    near.reset(ErrorCode.cancel);
    const received = client.receivedBytes;
    far.end();
    near.write(Buffer.from("into the void"));
    near.end();
    near.reset(ErrorCode.cancel);
    await server.saw("reset 8");
    await settle();
    t.deepEqual(client.events, ["response 200"]);
    t.is(client.receivedBytes, received);
  });
}

function flowControl(contract: Contract): void {
  contract("a reader that stops holds up no other stream, and no more than a window", async (t, world) => {
    const { tunnel } = await world.open();
    const near = tunnel.openStream(REQUEST, new StreamProbe());
    const server = new StreamProbe({ keep: false });
    const far = (await world.nextStream()).accept({}, server);
    far.pause();
    const bytes = 8 * limits.streamWindowBytes;
    writeAll(near, Buffer.alloc(bytes));
    await eventually("a window has come", () => far.unreadBytes >= limits.streamWindowBytes * 0.9);
    await settle();
    t.true(far.unreadBytes <= limits.streamWindowBytes * 1.1, `${far.unreadBytes} unread`);
    t.true(near.queuedBytes > 0);
    t.is((await exchange(world, { tunnel }, "not held up")).text, "not held up");
    far.resume();
    await server.receives(bytes);
    await eventually("all is sent", () => near.queuedBytes === 0);
  });

  contract("the client's reader stops likewise", async (t, world) => {
    const { tunnel } = await world.open();
    const client = new StreamProbe({ keep: false });
    const near = tunnel.openStream(REQUEST, client);
    const far = (await world.nextStream()).accept({}, new StreamProbe());
    await client.saw("response 200");
    near.pause();
    const bytes = 4 * limits.streamWindowBytes;
    writeAll(far, Buffer.alloc(bytes));
    await eventually("a window has come", () => near.unreadBytes >= limits.streamWindowBytes * 0.9);
    await settle();
    t.true(near.unreadBytes <= limits.streamWindowBytes * 1.1, `${near.unreadBytes} unread`);
    near.resume();
    await client.receives(bytes);
    t.pass();
  });

  contract("a write that returned false is followed by onDrain", async (t, world) => {
    const { tunnel } = await world.open();
    world.onStream = echo;
    const probe = new StreamProbe({ keep: false });
    const near = tunnel.openStream(REQUEST, probe);
    let writes = 0;
    while (near.write(Buffer.alloc(32_768)) && writes < 1_000) writes += 1;
    t.true(writes < 1_000);
    await eventually("drain", () => probe.drains > 0);
    near.end();
    await probe.saw("end");
  });

  contract("the load tells how busy a tunnel is, and fades", async (t, world) => {
    const { tunnel } = await world.open();
    t.is(tunnel.load, 0);
    await exchange(world, { tunnel }, "x".repeat(10_000));
    t.true(tunnel.load >= 10_000);
    world.clock.advance(5_000);
    t.true(tunnel.load < 1);
  });
}

function ends(contract: Contract): void {
  contract("drain: GOAWAY, existing streams finish, the last one closes the tunnel", async (t, world) => {
    const dialled = await world.open();
    const { tunnel } = dialled;
    const [client, server] = [new StreamProbe(), new StreamProbe()];
    const near = tunnel.openStream(REQUEST, client);
    const far = (await world.nextStream()).accept({}, server);
    world.tunnels[0]?.drain();
    await eventually("the client knows", () => tunnel.state === "draining");
    t.throws(() => tunnel.openStream(REQUEST, new StreamProbe()), { code: "tunnel-closed" });
    near.write(Buffer.from("ping"));
    await server.receives(4);
    far.write(Buffer.from("pong"));
    await client.receives(4);
    near.end();
    far.end();
    await client.saw("end");
    await eventually("the client's end closes", () => dialled.events.includes("closed"));
    await eventually("the server's end closes", () => world.closedTunnels === 1);
    await eventually("sockets close", () => world.openSockets === 0);
    t.deepEqual(dialled.events, ["open", "draining", "closed"]);
    t.is(world.clock.pendingTimers, 0);
  });

  contract("drain of an idle tunnel closes it, from either end", async (t, world) => {
    const first = await world.open();
    await eventually("server's end", () => world.tunnels.length === 1);
    world.tunnels[0]?.drain();
    await eventually("closed", () => first.events.includes("closed"));
    const second = await world.open();
    second.tunnel.drain();
    await eventually("closed", () => second.events.includes("closed"));
    await eventually("the server's ends close", () => world.closedTunnels === 2);
    await eventually("sockets close", () => world.openSockets === 0);
    t.is(world.clock.pendingTimers, 0);
  });

  contract("a stream that crosses a GOAWAY is refused, so that it can be tried again", async (t, world) => {
    const { tunnel } = await world.open();
    const held = tunnel.openStream(REQUEST, new StreamProbe());
    await world.nextStream();
    // The GOAWAY cannot have come yet: no turn of the event loop has passed.
    world.tunnels[0]?.drain();
    const probe = new StreamProbe();
    tunnel.openStream(REQUEST, probe).write(Buffer.from("early"));
    await eventually("it is over", () => probe.events.length > 0);
    t.deepEqual(probe.events, [`reset ${ErrorCode.refusedStream}`]);
    t.is(world.streams.length, 0);
    held.reset(ErrorCode.cancel);
  });

  for (const drainer of ["client", "server"] as const) {
    for (const reader of ["client", "server"] as const) {
      contract(`a slow ${reader} gets everything when the ${drainer} drains`, async (t, world) => {
        const dialled = await world.open();
        const [pair] = await openPairs(world, dialled, 1);
        if (pair === undefined) throw new Error("No pair");
        const [slow, slowSees, fast] =
          reader === "client" ? [pair.near, pair.client, pair.far] : [pair.far, pair.server, pair.near];
        slow.pause();
        const bytes = Math.floor(limits.streamWindowBytes / 2);
        fast.write(Buffer.alloc(bytes));
        fast.end();
        slow.end();
        await eventually("all has come", () => slow.unreadBytes === bytes);
        if (drainer === "client") dialled.tunnel.drain();
        else world.tunnels[0]?.drain();
        await settle();
        slow.resume();
        await slowSees.saw("end");
        t.is(slowSees.receivedBytes, bytes);
        t.false(slowSees.events.some((event) => event.startsWith("reset")));
      });
    }
  }

  contract("a dead connection resets every stream, at both ends", async (t, world) => {
    const dialled = await world.open();
    const pairs = await openPairs(world, dialled, 5);
    for (const { far } of pairs) far.write(randomBytes(100_000));
    dialled.socket.destroy();
    for (const { client, server } of pairs) {
      await Promise.all([client.saw("reset 8"), server.saw("reset 8")]);
      t.false(client.events.includes("end") || server.events.includes("end"));
    }
    await eventually("both ends closed", () => dialled.tunnel.state === "closed" && world.closedTunnels === 1);
    t.is(dialled.tunnel.openStreams, 0);
    t.is(world.clock.pendingTimers, 0);
  });

  contract("a peer that closes its connection without a word ends the tunnel at once", async (t, world) => {
    const dialled = await world.open();
    const [pair] = await openPairs(world, dialled, 1);
    // As the kernel does for a process that was killed: FIN, without close_notify or GOAWAY.
    for (const socket of world.acceptor.tunnels) socket.destroy("killed");
    await pair?.client.saw("reset 8");
    await eventually("closed", () => dialled.tunnel.state === "closed");
    await eventually("sockets close", () => world.openSockets === 0);
    t.false(pair?.client.events.includes("end"));
  });

  contract("destroy resets the streams at both ends", async (t, world) => {
    const dialled = await world.open();
    const [pair] = await openPairs(world, dialled, 1);
    dialled.tunnel.destroy("test");
    t.is(dialled.tunnel.state, "closed");
    await Promise.all([pair?.client.saw("reset 8"), pair?.server.saw("reset 8")]);
    t.false(pair?.server.events.includes("end"));
    t.is(dialled.error?.code, "tunnel-closed");
  });

  contract("PING finds a tunnel whose network is gone, at both ends", async (t, world) => {
    const proxy = await blackHole(world);
    const dialled = await world.open({ port: proxy.port });
    const [pair] = await openPairs(world, dialled, 1);
    for (let round = 0; round < 4; round += 1) {
      const before = dialled.socket.bytesRead;
      world.clock.advance(timers.pingMs);
      await eventually("PINGs and their answers", () => dialled.socket.bytesRead > before);
    }
    t.is(dialled.tunnel.state, "open");
    proxy.swallow();
    world.clock.advance(timers.pingMs);
    t.is(dialled.tunnel.state, "open");
    world.clock.advance(timers.pingTimeoutMs + timers.pingMs);
    t.is(dialled.tunnel.state, "closed");
    t.regex(dialled.error?.message ?? "", /PING/);
    await Promise.all([pair?.client.saw("reset 8"), pair?.server.saw("reset 8")]);
    await eventually("the server's end is closed too", () => world.closedTunnels === 1);
    t.is(world.clock.pendingTimers, 0);
  });

  contract("a drained tunnel is gone in bounded time when its peer does not answer", async (t, world) => {
    const proxy = await blackHole(world);
    const dialled = await world.open({ port: proxy.port });
    await eventually("server's end", () => world.tunnels.length === 1);
    proxy.swallow();
    dialled.tunnel.drain();
    world.tunnels[0]?.drain();
    await settle();
    world.clock.advance(timers.pingTimeoutMs + timers.pingMs);
    await eventually("both ends closed", () => dialled.tunnel.state === "closed" && world.closedTunnels === 1);
    t.is(world.clock.pendingTimers, 0);
  });

  contract("an idle tunnel closes in order", async (t, world) => {
    const dialled = await world.open();
    for (let passed = 0; passed < timers.idleTunnelMs; passed += timers.pingMs) {
      const before = dialled.socket.bytesRead;
      world.clock.advance(timers.pingMs);
      await eventually("PINGs and their answers", () => dialled.socket.bytesRead > before);
    }
    await eventually("closed", () => dialled.tunnel.state === "closed");
    t.deepEqual(dialled.events, ["open", "draining", "closed"]);
  });
}

function attackers(contract: Contract): void {
  contract("refuses a client without a certificate", async (t, world) => {
    await refused(t, world, await attack(world, { key: undefined, cert: undefined }));
  });

  contract("refuses a client of another authority, and says so", async (t, world) => {
    const other = await (await TestAuthority.create("Other root")).issue(CLIENT_IDENTITY);
    await refused(t, world, await attack(world, { key: other.keyPem, cert: other.chainPem }));
    t.regex(world.refusals[0] ?? "", /UNABLE_TO_|SELF_SIGNED|unable to/i);
  });

  contract("refuses a client whose certificate has expired, and says so", async (t, world) => {
    const expired = await world.authority.issue(CLIENT_IDENTITY, { notAfterMs: Date.now() - 60_000 });
    await refused(t, world, await attack(world, { key: expired.keyPem, cert: expired.chainPem }));
    t.regex(world.refusals[0] ?? "", /expired/i);
  });

  contract("refuses a client whose certificate is not valid yet", async (t, world) => {
    const early = await world.authority.issue(CLIENT_IDENTITY, { notBeforeMs: Date.now() + 60_000 });
    await refused(t, world, await attack(world, { key: early.keyPem, cert: early.chainPem }));
  });

  contract("refuses a client that offers no ALPN", async (t, world) => {
    await refused(t, world, await attack(world, { ALPNProtocols: [] }));
    t.regex(world.refusals[0] ?? "", /ALPN/);
  });

  contract("refuses a client that offers another protocol", async (t, world) => {
    await refused(t, world, await attack(world, { ALPNProtocols: ["http/1.1"] }));
  });

  contract("refuses TLS 1.2", async (t, world) => {
    await refused(t, world, await attack(world, { minVersion: "TLSv1.2", maxVersion: "TLSv1.2", ciphers: undefined }));
  });

  contract("refuses a certificate without a SPIFFE ID", async (t, world) => {
    for (const options of [
      { uris: [] },
      { uris: [], dnsNames: ["spiffe.example"] },
      { uris: ["https://x.example/"] },
    ]) {
      const leaf = await world.authority.issue(CLIENT_IDENTITY, options);
      await refused(t, world, await attack(world, { key: leaf.keyPem, cert: leaf.chainPem }));
      t.regex(world.refusals.pop() ?? "", /exactly one SPIFFE URI/);
    }
  });

  contract("refuses a certificate with two URI names", async (t, world) => {
    const leaf = await world.authority.issue(CLIENT_IDENTITY, { uris: [CLIENT_IDENTITY, SERVER_IDENTITY] });
    await refused(t, world, await attack(world, { key: leaf.keyPem, cert: leaf.chainPem }));
    t.regex(world.refusals[0] ?? "", /exactly one SPIFFE URI/);
  });

  contract("refuses garbage instead of TLS", async (t, world) => {
    const socket = netConnect({ host: "127.0.0.1", port: world.port });
    socket.on("error", () => {}).resume();
    socket.write(randomBytes(4_096));
    await eventually("it is cut off", () => socket.destroyed);
    await eventually("it is reported", () => world.refusals.length > 0);
    await eventually("it is settled", () => world.settledHandshakes === 1);
    t.is(world.tunnels.length, 0);
  });

  contract("refuses garbage instead of HTTP/2, and goes on serving others", async (t, world) => {
    const good = await world.open();
    const tls = tlsConnect({ ...TLS_SETTINGS, ...clientPem(world), ...IGNORE_SERVER, port: world.port });
    tls.on("error", () => {}).resume();
    tls.once("secureConnect", () => tls.write(randomBytes(65_536)));
    await eventually("it is cut off", () => tls.destroyed);
    await eventually("its tunnel is gone", () => world.closedTunnels === 1);
    t.is((await exchange(world, good, "unharmed")).text, "unharmed");
  });

  contract("a peer that may not come from there gets a grace period, then no tunnel", async (t, world) => {
    world.authorize = () => "no pod of this identity is there";
    const dialled = await world.open();
    await eventually("server's end", () => world.tunnels.length === 1);
    t.is(dialled.tunnel.state, "open");
    world.clock.advance(timers.tableGraceMs);
    await eventually("it is closed", () => dialled.tunnel.state === "closed");
    t.deepEqual(world.refusals, ["no pod of this identity is there"]);
  });

  contract("a peer that the table learns of within the grace period keeps its tunnel", async (t, world) => {
    let known = false;
    world.authorize = () => (known ? undefined : "not yet");
    const dialled = await world.open();
    await eventually("server's end", () => world.tunnels.length === 1);
    known = true;
    world.clock.advance(timers.tableGraceMs);
    t.is((await exchange(world, dialled, "welcome")).text, "welcome");
    t.deepEqual(world.refusals, []);
  });
}

// The two ends.

function echo(incoming: IncomingStream): void {
  const handler = new EchoHandler();
  handler.stream = incoming.accept({}, handler);
}

/** Sends a text through a new stream, has it echoed, and waits for the end. */
async function exchange(world: TunnelWorld, { tunnel }: Pick<Dialled, "tunnel">, text: string): Promise<StreamProbe> {
  const probe = new StreamProbe();
  const stream = tunnel.openStream(REQUEST, probe);
  stream.write(Buffer.from(text));
  stream.end();
  echo(await world.nextStream());
  await probe.saw("end");
  return probe;
}

async function send(
  open: (request: typeof REQUEST, handler: StreamProbe) => TunnelStream,
  bytes: Buffer,
): Promise<{ probe: StreamProbe; stream: TunnelStream }> {
  const probe = new StreamProbe({ keep: false });
  const stream = open(REQUEST, probe);
  writeAll(stream, bytes);
  stream.end();
  return { probe, stream };
}

/** In pieces as a socket would give them. */
function writeAll(stream: TunnelStream, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; at += 65_536) stream.write(bytes.subarray(at, at + 65_536));
}

interface Pair {
  readonly client: StreamProbe;
  readonly server: StreamProbe;
  readonly near: TunnelStream;
  readonly far: TunnelStream;
}

async function openPairs(world: TunnelWorld, { tunnel }: Dialled, count: number): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (let index = 0; index < count; index += 1) {
    const [client, server] = [new StreamProbe(), new StreamProbe()];
    const near = tunnel.openStream(REQUEST, client);
    const far = (await world.nextStream()).accept({}, server);
    await client.saw("response 200");
    pairs.push({ client, server, near, far });
  }
  return pairs;
}

// Attackers and broken networks.

const IGNORE_SERVER = { ALPNProtocols: ["h2"], checkServerIdentity: () => undefined } as const;

function clientPem(world: TunnelWorld): { key: string; cert: string; ca: string } {
  return { key: world.client.keyPem, cert: world.client.chainPem, ca: world.client.rootsPem };
}

/** What came of a TLS client that would open a stream with anything it has. Resolves when it was cut off. */
async function attack(world: TunnelWorld, options: object): Promise<{ answered: boolean }> {
  const tls = tlsConnect({ ...TLS_SETTINGS, ...clientPem(world), ...IGNORE_SERVER, port: world.port, ...options });
  const result = { answered: false };
  let over = false;
  tls.on("error", () => {});
  tls.on("data", () => {
    result.answered = true;
  });
  tls.once("close", () => {
    over = true;
  });
  // Connection preface and empty SETTINGS (RFC 9113 section 3.4).
  tls.once("secureConnect", () => tls.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"));
  await eventually("the attacker is cut off", () => over);
  return result;
}

async function refused(t: ExecutionContext, world: TunnelWorld, _result: { answered: boolean }): Promise<void> {
  await eventually("it is reported", () => world.refusals.length > 0);
  await eventually("its socket is gone", () => world.openSockets === 0);
  t.is(world.tunnels.length, 0);
  t.is(world.streams.length, 0);
  t.true(world.settledHandshakes >= 1);
  t.is(world.refusals.length, 1);
}

/** Accepts and never says a word. */
async function silentListener(world: TunnelWorld): Promise<{ port: number; sockets: Socket[]; close: () => void }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => {}).resume();
    sockets.push(socket);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  world.onClose(close);
  return { port, sockets, close };
}

/** A TCP proxy that can stop to pass anything on, with both connections left open. */
async function blackHole(world: TunnelWorld): Promise<{ port: number; swallow: () => void }> {
  const sockets: Socket[] = [];
  let swallowing = false;
  const pass = (from: Socket, to: Socket): void => {
    from.on("error", () => {});
    from.on("data", (chunk) => {
      if (!swallowing) to.write(chunk);
    });
    from.on("end", () => {
      if (!swallowing) to.end();
    });
    sockets.push(from);
  };
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = netConnect({ host: "127.0.0.1", port: world.port, allowHalfOpen: true });
    pass(near, far);
    pass(far, near);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  world.onClose(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return {
    port: (server.address() as AddressInfo).port,
    swallow: () => {
      swallowing = true;
    },
  };
}

function settle(ms = SETTLE_MS): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
