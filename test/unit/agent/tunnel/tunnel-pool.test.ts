/** The pool with sockets and tunnels that the test plays. The real ones meet it in test/loopback/agent/tunnel-pool. */
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { createSecureContext, type SecureContext } from "node:tls";
import test from "ava";
import { limits, timers } from "../../../../agent/limits.ts";
import type { ClientTunnelOptions, Negotiated } from "../../../../agent/tunnel/h2-client-tunnel.ts";
import { TunnelError } from "../../../../agent/tunnel/tunnel-error.ts";
import { type Acquired, TunnelPool, type TunnelTarget } from "../../../../agent/tunnel/tunnel-pool.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { FakeTunnel } from "../../../support/fake-stream.ts";

const NEGOTIATED: Negotiated = { tlsVersion: "TLSv1.3", cipher: "", keyExchange: "", resumed: false };
const A: TunnelTarget = target("10.244.2.1");
const B: TunnelTarget = target("10.244.2.2");
const BUSY = 1_000_000;

function target(address: string): TunnelTarget {
  return { sourceIdentity: "spiffe://m/ns/n/sa/client", address, destinationIdentity: "spiffe://m/ns/n/sa/server" };
}

/** A socket that connects when the test says so. */
class DialledSocket extends EventEmitter {
  connecting = true;
  destroy(): void {}
}

/** A dialled tunnel, and the ends of the story the pool waits for. */
class Lane extends FakeTunnel {
  readonly options: ClientTunnelOptions;

  constructor(options: ClientTunnelOptions) {
    super();
    this.options = options;
    this.state = "connecting";
  }

  start(): void {}

  open(): void {
    this.state = "open";
    this.options.onOpen(NEGOTIATED);
  }

  override drain(): void {
    if (this.state === "open") this.state = "draining";
  }

  override destroy(): void {
    this.close(new TunnelError("tunnel-closed", "destroyed"));
  }

  close(error?: TunnelError): void {
    if (this.state === "closed") return;
    this.state = "closed";
    this.options.onClosed(error);
  }
}

function setUp() {
  const clock = new FakeClock();
  const sockets: DialledSocket[] = [];
  const lanes: Lane[] = [];
  const handshakes: string[] = [];
  const limitHits: string[] = [];
  const certificate: { context: SecureContext | undefined } = { context: createSecureContext() };
  const world = {
    clock,
    sockets,
    lanes,
    handshakes,
    limitHits,
    certificate,
    results: [] as unknown[],
    pool: new TunnelPool({
      clock,
      mark: 0,
      dial: () => {
        const socket = new DialledSocket();
        sockets.push(socket);
        return socket as unknown as Socket;
      },
      secureContext: () => certificate.context,
      onHandshake: (_target, result) => handshakes.push(result instanceof Error ? result.code : "ok"),
      onLimit: (name) => limitHits.push(name),
      createTunnel: (options) => {
        const lane = new Lane(options);
        lanes.push(lane);
        return lane;
      },
    }),
    acquire: (of: TunnelTarget = A): (() => void) => world.pool.acquire(of, (result) => record(result)),
    /** The newest dial connects and its handshakes succeed. */
    open: (): Lane => {
      const lane = world.connect();
      lane.open();
      return lane;
    },
    connect: (): Lane => {
      const socket = sockets.at(-1);
      if (socket === undefined) throw new Error("Nothing was dialled");
      socket.connecting = false;
      socket.emit("connect");
      const lane = lanes.at(-1);
      if (lane === undefined) throw new Error("No tunnel was made");
      return lane;
    },
  };
  const record: Acquired = (result) => world.results.push(result instanceof Error ? result.code : result);
  return world;
}

test("dials once for all that wait, and gives all of them the tunnel", (t) => {
  const world = setUp();
  for (let count = 0; count < 5; count += 1) world.acquire();
  t.is(world.sockets.length, 1);
  t.deepEqual(world.results, []);
  const lane = world.open();
  t.deepEqual(world.results, [lane, lane, lane, lane, lane]);
  world.acquire();
  t.is(world.results.at(-1), lane);
  t.is(world.sockets.length, 1);
  t.deepEqual(world.handshakes, ["ok"]);
});

test("keys never wait for each other", (t) => {
  const world = setUp();
  world.acquire(A);
  world.acquire(B);
  t.is(world.sockets.length, 2);
  const lane = world.open();
  t.deepEqual(world.results, [lane]);
});

test("a dial that fails fails all that wait, and the next one has to wait a moment", (t) => {
  const world = setUp();
  world.acquire();
  world.acquire();
  world.sockets[0]?.emit("error", new Error("ECONNREFUSED"));
  t.deepEqual(world.results, ["tcp-connect-failed", "tcp-connect-failed"]);
  world.acquire();
  t.is(world.results.length, 3);
  t.is(world.sockets.length, 1);
  world.clock.advance(timers.redialMs);
  world.acquire();
  t.is(world.sockets.length, 2);
  t.deepEqual(world.handshakes, ["tcp-connect-failed"]);
});

test("a handshake that fails fails those that wait", (t) => {
  const world = setUp();
  world.acquire();
  world.connect().close(new TunnelError("tls-handshake-failed", "wrong identity"));
  t.deepEqual(world.results, ["tls-handshake-failed"]);
  t.deepEqual(world.handshakes, ["tls-handshake-failed"]);
});

test("a tunnel that closes without an error before it opened is a failure too, and blocks nobody", (t) => {
  const world = setUp();
  world.acquire();
  world.connect().close(undefined);
  t.deepEqual(world.results, ["tunnel-closed"]);
  world.clock.advance(timers.redialMs);
  world.acquire();
  t.is(world.sockets.length, 2);
});

test("a full lane is followed by another, up to the bound", (t) => {
  const world = setUp();
  for (let lane = 1; lane <= limits.lanesPerKey; lane += 1) {
    world.acquire();
    t.is(world.sockets.length, lane);
    const opened = world.open();
    t.is(world.results.at(-1), opened);
    opened.openStreams = opened.maxStreams;
  }
  world.acquire();
  t.is(world.results.at(-1), "too-many-lanes");
  t.deepEqual(world.limitHits, ["lanesPerKey"]);
  const [first] = world.lanes;
  if (first !== undefined) first.openStreams -= 1;
  world.acquire();
  t.is(world.results.at(-1), first);
});

test("those that do not fit into a new lane wait for the next one", (t) => {
  const world = setUp();
  world.pool.acquire(A, (result) => {
    world.results.push(result);
    (result as FakeTunnel).openStreams = 100;
  });
  world.acquire();
  const first = world.open();
  t.deepEqual(world.results, [first]);
  t.is(world.sockets.length, 2);
  const second = world.open();
  t.deepEqual(world.results, [first, second]);
});

test("a busy lane is used at once, and another is dialled for those to come", (t) => {
  const world = setUp();
  world.acquire();
  const busy = world.open();
  busy.load = BUSY;
  world.acquire();
  world.acquire();
  t.is(world.results.at(-1), busy);
  t.is(world.sockets.length, 2);
  const idle = world.open();
  world.acquire();
  t.is(world.results.at(-1), idle);
  for (let lane = 2; lane < limits.busyLanesPerKey; lane += 1) {
    for (const each of world.lanes) each.load = BUSY;
    world.acquire();
    world.open();
  }
  for (const each of world.lanes) each.load = BUSY;
  world.acquire();
  t.is(world.sockets.length, limits.busyLanesPerKey);
});

test("a lane for the busy case that cannot be had is not dialled over and over", (t) => {
  const world = setUp();
  world.acquire();
  world.open().load = BUSY;
  world.acquire();
  world.sockets[1]?.emit("error", new Error("ECONNREFUSED"));
  for (let count = 0; count < 10; count += 1) world.acquire();
  t.is(world.sockets.length, 2);
  t.is(world.results.length, 12);
  world.clock.advance(timers.redialMs);
  world.acquire();
  t.is(world.sockets.length, 3);
});

test("a draining lane takes nothing more, and does not count against the bound", (t) => {
  const world = setUp();
  for (let generation = 0; generation < limits.lanesPerKey + 2; generation += 1) {
    world.acquire();
    const lane = world.open();
    t.is(world.results.at(-1), lane);
    lane.openStreams = 1;
    world.pool.renewed(A.sourceIdentity);
    t.is(lane.state, "draining");
  }
  t.is(world.pool.tunnelCount, limits.lanesPerKey + 2);
  for (const lane of world.lanes) lane.close();
  t.deepEqual(world.pool.describe(), []);
});

test("renewed: other identities keep their lanes", (t) => {
  const world = setUp();
  world.acquire();
  const lane = world.open();
  world.pool.renewed("spiffe://m/ns/n/sa/somebody-else");
  t.is(lane.state, "open");
});

test("renewed: TLS sessions of the old certificate are not resumed, even when no lane is left", (t) => {
  const world = setUp();
  const session = { ticket: Buffer.from("t"), identity: A.destinationIdentity, notAfterMs: Number.MAX_SAFE_INTEGER };
  const tlsSession = (): unknown => {
    world.acquire();
    const lane = world.open();
    lane.options.onTlsSession(session);
    lane.close();
    return lane.options.tlsSession;
  };
  t.is(tlsSession(), undefined);
  t.is(tlsSession(), session);
  world.pool.renewed(A.sourceIdentity);
  t.is(tlsSession(), undefined);
});

test("a session whose tunnel was lost is not resumed: the peer may not have taken it", (t) => {
  const world = setUp();
  const session = { ticket: Buffer.from("t"), identity: A.destinationIdentity, notAfterMs: Number.MAX_SAFE_INTEGER };
  world.acquire();
  const lane = world.open();
  lane.options.onTlsSession(session);
  lane.close(new TunnelError("tunnel-closed", "peer closed the tunnel"));
  world.acquire();
  t.is(world.connect().options.tlsSession, undefined);
});

test("a certificate renewed during the handshake: those who wait get a tunnel with the new one", (t) => {
  const world = setUp();
  world.acquire();
  const outdated = world.connect();
  const renewed = {} as SecureContext;
  world.certificate.context = renewed;
  world.pool.renewed(A.sourceIdentity);
  outdated.open();
  t.is(outdated.state, "draining");
  t.deepEqual(world.results, []);
  const lane = world.open();
  t.is(lane.options.secureContext, renewed);
  t.deepEqual(world.results, [lane]);
});

test("waits a moment for the certificate of a new pod", (t) => {
  const world = setUp();
  world.certificate.context = undefined;
  world.acquire();
  world.acquire();
  world.clock.advance(timers.tableGraceMs / 2);
  t.deepEqual([world.sockets.length, world.results.length], [0, 0]);
  world.certificate.context = createSecureContext();
  world.clock.advance(timers.tableRecheckMs);
  const lane = world.open();
  t.deepEqual(world.results, [lane, lane]);
});

test("gives up a certificate that does not come, and then tries anew", (t) => {
  const world = setUp();
  world.certificate.context = undefined;
  world.acquire();
  world.clock.advance(timers.tableGraceMs);
  t.deepEqual(world.results, ["no-certificate"]);
  world.clock.advance(timers.redialMs);
  t.deepEqual(world.pool.describe(), []);
  t.is(world.clock.pendingTimers, 0);
  world.certificate.context = createSecureContext();
  world.acquire();
  t.is(world.sockets.length, 1);
});

test("a request that was withdrawn is not answered, by success or failure", (t) => {
  const world = setUp();
  const withdraw = world.acquire();
  withdraw();
  world.open();
  t.deepEqual(world.results, []);
  world.acquire(B)();
  world.sockets.at(-1)?.emit("error", new Error("ECONNREFUSED"));
  t.deepEqual(world.results, []);
});

test("a request that another one's callback withdraws is not answered", (t) => {
  const world = setUp();
  let withdraw = (): void => {};
  world.pool.acquire(A, () => withdraw());
  withdraw = world.acquire();
  world.open();
  t.deepEqual(world.results, []);
});

test("a callback that asks again at once after a failure is told the failure, not called for ever", (t) => {
  const world = setUp();
  let calls = 0;
  const again: Acquired = () => {
    calls += 1;
    if (calls < 100) world.pool.acquire(A, again);
  };
  world.pool.acquire(A, again);
  world.sockets[0]?.emit("error", new Error("ECONNREFUSED"));
  t.is(world.sockets.length, 1);
  t.is(calls, 100);
});

test("how many wait for one tunnel is bounded", (t) => {
  const world = setUp();
  for (let count = 0; count < limits.waitingPerKey; count += 1) world.acquire();
  t.is(world.results.length, 0);
  world.acquire();
  t.deepEqual(world.results, ["too-many-waiting"]);
  t.deepEqual(world.limitHits, ["waitingPerKey"]);
});

test("drain: no new tunnels, and those that open meanwhile take nothing", (t) => {
  const world = setUp();
  world.acquire(A);
  const open = world.open();
  world.acquire(B);
  world.pool.drain();
  t.is(open.state, "draining");
  world.acquire(A);
  t.is(world.results.at(-1), "draining");
  const late = world.open();
  t.is(late.state, "draining");
  t.is(world.results.at(-1), "draining");
  t.is(world.sockets.length, 2);
});

test("destroy ends what is open, what is dialled and what waits", (t) => {
  const world = setUp();
  world.acquire(A);
  const open = world.open();
  world.acquire(B);
  const waitsForCertificate = target("10.244.2.3");
  world.certificate.context = undefined;
  world.acquire(waitsForCertificate);
  world.pool.destroy();
  t.is(open.state, "closed");
  t.deepEqual(world.results.slice(1), ["tcp-connect-failed", "draining"]);
  world.clock.advance(timers.tableGraceMs);
  t.is(world.clock.pendingTimers, 0);
  t.is(world.pool.tunnelCount, 0);
});

test("a key that is not used any more is forgotten", (t) => {
  const world = setUp();
  world.acquire();
  const lane = world.open();
  t.is(world.pool.describe().length, 1);
  lane.close();
  t.is(world.pool.describe().length, 0);
  world.acquire(B);
  world.sockets.at(-1)?.emit("error", new Error("ECONNREFUSED"));
  world.clock.advance(timers.redialMs);
  t.is(world.pool.describe().length, 0);
});
