import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer, type TLSSocket } from "node:tls";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { CertificateBundle } from "../../../agent/identity/certificate-bundle.ts";
import { createCertificateRequest } from "../../../agent/identity/certificate-request.ts";
import { CertificateManager } from "../../../agent/identity/certificate-manager.ts";
import { CertificateStore } from "../../../agent/identity/certificate-store.ts";
import { systemClock } from "../../../core/clock.ts";
import { ControllerUnderTest } from "../../support/controller-under-test.ts";
import { eventually } from "../../support/eventually.ts";
import { RecordingLog } from "../../support/recording-log.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const catalog = "spiffe://cluster.local/ns/shop/sa/catalog";
const reviews = "spiffe://cluster.local/ns/shop/sa/reviews";

async function certificateOf(
  t: ExecutionContext,
  controller: ControllerUnderTest,
  node: string,
  identity: string,
): Promise<CertificateBundle> {
  const log = new RecordingLog();
  const agent = controller.agent(node);
  const manager = new CertificateManager({
    createRequest: createCertificateRequest,
    sign: (csrPem) => agent.channel.sign(csrPem),
    store: new CertificateStore({ directory: join(await temporaryDirectory(t), "certificates"), log }),
    clock: systemClock,
    random: Math.random,
    log,
  });
  t.teardown(() => manager.close());
  await manager.start();
  manager.setWanted(new Set([identity]));
  return eventually(`the certificate of ${identity}`, () => manager.bundles().get(identity));
}

/** One connection between two workloads as agents make it; resolves with what each end saw of the other. */
async function handshake(
  t: ExecutionContext,
  server: CertificateBundle,
  client: CertificateBundle | undefined,
): Promise<{ seenByServer: string | undefined; seenByClient: string | undefined; protocol: string | null }> {
  const listener = createServer({
    key: server.keyPem,
    cert: server.chainPem,
    ca: server.rootsPem,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.3",
  });
  t.teardown(() => listener.close());
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const accepted = new Promise<TLSSocket>((resolve, reject) => {
    listener.once("secureConnection", resolve);
    listener.once("tlsClientError", reject);
  });
  const socket = connect({
    host: "127.0.0.1",
    port: (listener.address() as AddressInfo).port,
    ...(client === undefined ? {} : { key: client.keyPem, cert: client.chainPem }),
    ca: server.rootsPem,
    checkServerIdentity: () => undefined,
  });
  t.teardown(() => socket.destroy());
  socket.on("error", () => {});
  const seen = await accepted;
  await eventually("the client is done", () => socket.authorized);
  return {
    seenByServer: seen.getPeerCertificate().subjectaltname,
    seenByClient: socket.getPeerCertificate().subjectaltname,
    protocol: socket.getProtocol(),
  };
}

test("certificates of the controller work on both ends of mutual TLS 1.3", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const [server, client] = await Promise.all([
    certificateOf(t, controller, "node-1", catalog),
    certificateOf(t, controller, "node-2", reviews),
  ]);
  const seen = await handshake(t, server, client);
  t.deepEqual(seen, { seenByServer: `URI:${reviews}`, seenByClient: `URI:${catalog}`, protocol: "TLSv1.3" });
});

test("a certificate of another authority, and none, are refused by the server's end", async (t) => {
  const controller = await ControllerUnderTest.start(t);
  const stranger = await ControllerUnderTest.start(t);
  const server = await certificateOf(t, controller, "node-1", catalog);
  const foreign = await certificateOf(t, stranger, "node-2", reviews);
  await t.throwsAsync(handshake(t, server, foreign));
  await t.throwsAsync(handshake(t, server, undefined), { message: /did not return a certificate/ });
});
