/**
 * Program run by an attacker: one attempt on the tunnels' port of a pod, and what came of it as JSON.
 * Usage: `node attacker.ts '<Attack as JSON>'`.
 */
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";

export type Attack = TunnelAttack | BytesAttack | FloodAttack;

interface Target {
  readonly host: string;
  readonly port: number;
}

/** A tunnel as an agent would open it, and one request in it. */
export interface TunnelAttack extends Target {
  readonly kind: "tunnel";
  /** PEM. Absent: no certificate is shown. */
  readonly credentials?: { readonly keyPem: string; readonly chainPem: string };
  readonly headers: Readonly<Record<string, string>>;
}

/** Writes these bytes and waits for the end. */
export interface BytesAttack extends Target {
  readonly kind: "bytes";
  readonly base64: string;
}

/** Opens connections and says nothing in them. */
export interface FloodAttack extends Target {
  readonly kind: "flood";
  readonly connections: number;
  readonly perSecond: number;
}

export interface TunnelOutcome {
  /** Of the answer. Absent: there was none. */
  readonly status?: number;
  readonly reason?: string;
  /** What the pod said to a line sent through the tunnel. */
  readonly said: string;
  readonly error?: string;
}

export interface BytesOutcome {
  /** `end`, or an error code; `open` when the other side still listens after a long time. */
  readonly ending: string;
  readonly receivedBytes: number;
}

export interface FloodOutcome {
  /** Still open when we gave up. */
  readonly held: number;
  /** Ended by the other side. */
  readonly refused: number;
  /** Never got an answer, by error code. */
  readonly failed: Readonly<Record<string, number>>;
}

/** Longer than any handshake timer of an agent. */
const PATIENCE_MS = 12_000;
/** Of the flood: how long connections are held after the last one was opened. */
const HOLD_MS = 2_000;
/** A batch of the flood; more at once would be dropped by our own kernel. */
const STEP_MS = 20;

const attack = JSON.parse(process.argv[2] ?? "{}") as Attack;
const outcome = await attempt();
process.stdout.write(`${JSON.stringify(outcome)}\n`, () => process.exit(0));

function attempt(): Promise<TunnelOutcome | BytesOutcome | FloodOutcome> {
  if (attack.kind === "tunnel") return tryTunnel(attack);
  return attack.kind === "bytes" ? tryBytes(attack) : flood(attack);
}

function tryTunnel({ host, port, credentials, headers }: TunnelAttack): Promise<TunnelOutcome> {
  return new Promise((resolve) => {
    const tls: ConnectionOptions = {
      rejectUnauthorized: false,
      ALPNProtocols: ["h2"],
      ...(credentials === undefined ? {} : { key: credentials.keyPem, cert: credentials.chainPem }),
    };
    const authority = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
    const session = connectHttp2(`https://${authority}`, tls);
    const found: { status?: number; reason?: string; error?: string; said: string } = { said: "" };
    const over = (error?: Error): void => {
      if (error !== undefined) found.error ??= (error as NodeJS.ErrnoException).code ?? error.message;
      session.destroy();
      resolve(found);
    };
    setTimeout(() => over(new Error("no answer")), PATIENCE_MS);
    session.on("error", over);
    session.on("close", () => over());
    const stream = session.request({ ...headers }, { endStream: false });
    stream.on("error", over);
    stream.on("response", (answer) => {
      found.status = Number(answer[":status"]);
      const reason = answer["hawser-reason"];
      if (typeof reason === "string") found.reason = reason;
      if (found.status !== 200) over();
      else stream.write("?\n");
    });
    stream.on("data", (chunk: Buffer) => {
      found.said += chunk.toString();
      if (found.said.endsWith("\n")) over();
    });
    stream.on("close", () => over());
  });
}

function tryBytes({ host, port, base64 }: BytesAttack): Promise<BytesOutcome> {
  return new Promise((resolve) => {
    let receivedBytes = 0;
    const socket = connectTcp({ host, port });
    const over = (ending: string): void => resolve({ ending, receivedBytes });
    setTimeout(() => over("open"), PATIENCE_MS);
    socket.on("connect", () => socket.write(Buffer.from(base64, "base64")));
    socket.on("data", (chunk) => {
      receivedBytes += chunk.length;
    });
    socket.on("error", (error: NodeJS.ErrnoException) => over(error.code ?? error.message));
    socket.on("end", () => over("end"));
  });
}

async function flood({ host, port, connections, perSecond }: FloodAttack): Promise<FloodOutcome> {
  let refused = 0;
  const failed: Record<string, number> = {};
  const held = new Set<Socket>();
  const open = (): void => {
    const socket = connectTcp({ host, port });
    held.add(socket);
    let error = "ended";
    socket.on("error", ({ code = "unknown" }: NodeJS.ErrnoException) => {
      error = code;
    });
    socket.on("close", () => {
      held.delete(socket);
      if (["ended", "ECONNRESET", "EPIPE"].includes(error)) refused += 1;
      else failed[error] = (failed[error] ?? 0) + 1;
    });
  };
  const perStep = Math.ceil((perSecond * STEP_MS) / 1000);
  for (let made = 0; made < connections; made += perStep) {
    for (let index = 0; index < Math.min(perStep, connections - made); index += 1) open();
    await delay(STEP_MS);
  }
  await delay(HOLD_MS);
  const result = { held: held.size, refused, failed };
  for (const socket of held) socket.destroy();
  return result;
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
