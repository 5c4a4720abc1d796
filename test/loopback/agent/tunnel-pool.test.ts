/** The pool with real sockets and TLS, for either engine: single dial, resumption, renewal, a server that goes away. */
import type { SecureContext } from "node:tls";
import { connect } from "node:net";
import test from "ava";
import { timers } from "../../../agent/limits.ts";
import type { ClientTunnel } from "../../../agent/tunnel/engine.ts";
import type { EngineName } from "../../../agent/tunnel/engine-name.ts";
import { loadEngine } from "../../../agent/tunnel/engines.ts";
import type { Negotiated } from "../../../agent/tunnel/h2-client-tunnel.ts";
import type { TunnelError } from "../../../agent/tunnel/tunnel-error.ts";
import { TunnelPool } from "../../../agent/tunnel/tunnel-pool.ts";
import { eventually } from "../../support/eventually.ts";
import { EchoHandler, StreamProbe } from "../../support/stream-probe.ts";
import { CLIENT_IDENTITY, SERVER_IDENTITY, secureContextOf, TunnelWorld } from "../../support/tunnel-world.ts";

const TARGET = { sourceIdentity: CLIENT_IDENTITY, address: "127.0.0.1", destinationIdentity: SERVER_IDENTITY };
const REQUEST = { authority: "127.0.0.1:80", headers: {} };

async function setUp(name: EngineName) {
  const engine = await loadEngine(name);
  const world = await TunnelWorld.create({
    name,
    dial: (options) => engine.createTunnel(options),
    acceptor: (options) => engine.createAcceptor(options),
  });
  world.onStream = (incoming) => {
    const handler = new EchoHandler();
    handler.stream = incoming.accept({}, handler);
  };
  const handshakes: (Negotiated | TunnelError)[] = [];
  const certificate: { context: SecureContext | undefined } = { context: secureContextOf(world.client) };
  const setup = {
    world,
    certificate,
    handshakes,
    dials: 0,
    pool: new TunnelPool({
      clock: world.clock,
      mark: 0,
      dial: () => {
        setup.dials += 1;
        return connect({ host: "127.0.0.1", port: world.port, allowHalfOpen: true, noDelay: true });
      },
      secureContext: () => certificate.context,
      onHandshake: (_target, result) => handshakes.push(result),
      onLimit: () => {},
      createTunnel: (options) => engine.createTunnel(options),
    }),
    acquire: () =>
      new Promise<ClientTunnel>((resolve, reject) => {
        setup.pool.acquire(TARGET, (result) => (result instanceof Error ? reject(result) : resolve(result)));
      }),
    echo: async (tunnel: ClientTunnel, text: string): Promise<string> => {
      const probe = new StreamProbe();
      const stream = tunnel.openStream(REQUEST, probe);
      stream.write(Buffer.from(text));
      stream.end();
      await probe.saw("end");
      return probe.text;
    },
    close: () => {
      setup.pool.destroy();
      world.close();
    },
  };
  return setup;
}

for (const name of ["framing", "node-http2"] as const) {
  test(`${name}: a hundred requests at once share one tunnel`, async (t) => {
    const setup = await setUp(name);
    const tunnels = await Promise.all(Array.from({ length: 100 }, () => setup.acquire()));
    t.is(new Set(tunnels).size, 1);
    t.is(setup.dials, 1);
    const texts = await Promise.all(tunnels.map((tunnel, index) => setup.echo(tunnel, `call ${index}`)));
    t.is(texts[99], "call 99");
    setup.close();
  });

  test(`${name}: a tunnel that was closed in order is followed by one that resumes its session`, async (t) => {
    const setup = await setUp(name);
    const first = await setup.acquire();
    t.is(await setup.echo(first, "hello"), "hello");
    first.drain();
    await eventually("it is closed", () => setup.pool.tunnelCount === 0);
    const second = await setup.acquire();
    t.is(await setup.echo(second, "again"), "again");
    t.deepEqual(
      setup.handshakes.map((result) => "resumed" in result && result.resumed),
      [false, true],
    );
    setup.close();
  });

  test(`${name}: renewed credentials lead to a new tunnel, while the old one finishes its streams`, async (t) => {
    const setup = await setUp(name);
    const first = await setup.acquire();
    const probe = new StreamProbe();
    const stream = first.openStream(REQUEST, probe);
    stream.write(Buffer.from("old "));
    await probe.receives(4);
    setup.certificate.context = secureContextOf(await setup.world.authority.issue(CLIENT_IDENTITY));
    setup.pool.renewed(CLIENT_IDENTITY);
    const second = await setup.acquire();
    t.not(second, first);
    t.is(await setup.echo(second, "new"), "new");
    const last = setup.handshakes.at(-1);
    t.false(last !== undefined && "resumed" in last && last.resumed);
    stream.write(Buffer.from("stream"));
    stream.end();
    await probe.saw("end");
    t.is(probe.text, "old stream");
    await eventually("the old one is closed", () => setup.pool.tunnelCount === 1);
    setup.close();
  });

  test(`${name}: a server that drains gets no new streams, and nothing fails`, async (t) => {
    const setup = await setUp(name);
    await setup.echo(await setup.acquire(), "one");
    setup.world.tunnels[0]?.drain();
    await eventually("it is closed", () => setup.pool.tunnelCount === 0);
    t.is(await setup.echo(await setup.acquire(), "two"), "two");
    t.is(setup.dials, 2);
    setup.close();
  });

  test(`${name}: a server with another identity fails those who wait, and is not dialled again at once`, async (t) => {
    const setup = await setUp(name);
    setup.world.acceptor.setCredentials([
      { ...(await setup.world.authority.issue("spiffe://cluster.local/ns/shop/sa/thief")), identity: SERVER_IDENTITY },
    ]);
    const failures = await Promise.allSettled([setup.acquire(), setup.acquire()]);
    t.true(failures.every(({ status }) => status === "rejected"));
    await t.throwsAsync(setup.acquire(), { message: /table says/ });
    t.is(setup.dials, 1);
    setup.world.acceptor.setCredentials([setup.world.server]);
    setup.world.clock.advance(timers.redialMs);
    t.is(await setup.echo(await setup.acquire(), "well again"), "well again");
    setup.close();
  });
}
