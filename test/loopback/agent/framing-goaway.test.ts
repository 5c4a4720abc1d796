/** What a peer that breaks HTTP/2 gets to read over real TLS, although we close on it. */
import { connect as tlsConnect } from "node:tls";
import test from "ava";
import { timers } from "../../../agent/limits.ts";
import { FramingAcceptor } from "../../../agent/tunnel/framing/framing-acceptor.ts";
import { FramingClientTunnel } from "../../../agent/tunnel/framing/framing-client-tunnel.ts";
import { framingLimits } from "../../../agent/tunnel/framing/limits.ts";
import { TLS_SETTINGS } from "../../../agent/tunnel/tls-settings.ts";
import { eventually } from "../../support/eventually.ts";
import { TunnelWorld } from "../../support/tunnel-world.ts";
import { CLIENT_PREFACE, EMPTY_SETTINGS, frame, type WireFrame, WireReader } from "../../support/wire-frames.ts";

const ENGINE = {
  name: "framing",
  dial: (options: ConstructorParameters<typeof FramingClientTunnel>[0]) => new FramingClientTunnel(options),
  acceptor: (options: ConstructorParameters<typeof FramingAcceptor>[0]) => new FramingAcceptor(options),
};

test("a peer that breaks the protocol reads why, and is cut off whether it closes or not", async (t) => {
  const world = await TunnelWorld.create(ENGINE);
  const { keyPem: key, chainPem: cert, rootsPem: ca } = world.client;
  const options = {
    ...TLS_SETTINGS,
    key,
    cert,
    ca,
    port: world.port,
    ALPNProtocols: ["h2"],
    allowHalfOpen: true,
    checkServerIdentity: () => undefined,
  };
  const tls = tlsConnect(options);
  const frames: WireFrame[] = [];
  const reader = new WireReader();
  tls.on("error", () => {}).on("data", (chunk: Buffer) => frames.push(...reader.push(chunk)));
  // A megabyte behind the mistake: unread, it would turn our close into a reset that overtakes the GOAWAY.
  tls.once("secureConnect", () =>
    tls.write(Buffer.concat([CLIENT_PREFACE, EMPTY_SETTINGS, frame(0, 0, 0, "x"), Buffer.alloc(1_000_000)])),
  );
  const goaway = await eventually("GOAWAY", () => frames.find(({ type }) => type === 7));
  t.is(goaway.payload.readUInt32BE(4), 1);
  world.clock.advance(framingLimits.lingerMs);
  await eventually("its tunnel is gone", () => world.closedTunnels === 1);
  await eventually("the socket is closed", () => world.openSockets === 0);
  t.is(world.clock.pendingTimers, 0);
  tls.destroy();
  world.close();
});

test("a tunnel that waits for an answer to PING is not held by it when it is destroyed", async (t) => {
  const world = await TunnelWorld.create(ENGINE);
  const { tunnel } = await world.open();
  await eventually("server's end", () => world.tunnels.length === 1);
  world.clock.advance(timers.pingMs);
  tunnel.destroy("test");
  await eventually("the server's end is closed", () => world.closedTunnels === 1);
  t.is(world.clock.pendingTimers, 0);
  world.close();
});
