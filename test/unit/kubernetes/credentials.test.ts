import { generateKeyPairSync } from "node:crypto";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { HawserError } from "../../../core/errors.ts";
import { systemClock } from "../../../core/clock.ts";
import { InClusterCredentials } from "../../../kubernetes/in-cluster-credentials.ts";
import { KubeconfigCredentials } from "../../../kubernetes/kubeconfig-credentials.ts";
import { timers } from "../../../kubernetes/limits.ts";
import { openKubeClient } from "../../../kubernetes/open-kube-client.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

function kubeconfig(user: object, cluster: object = {}): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server: "https://api.example:6443", ...cluster } }],
    users: [{ name: "u", user }],
    contexts: [
      { name: "one", context: { cluster: "c", user: "u" } },
      { name: "none", context: { cluster: "missing", user: "u" } },
    ],
    "current-context": "one",
  });
}

test("a pod's token is read again when it may have been replaced, and at once when it was refused", async (t) => {
  const directory = await temporaryDirectory(t);
  const write = (name: string, text: string): Promise<void> => writeFile(join(directory, name), text);
  await write("token", "first\n");
  await write("ca.crt", "ca");
  const clock = new FakeClock();
  const source = new InClusterCredentials({ host: "fd00::1", port: "443", directory, clock });
  t.is(source.server.href, "https://[fd00::1]/");
  const token = async (): Promise<string | undefined> => (await source.current()).headers["authorization"];
  t.is(await token(), "Bearer first");
  t.is((await source.current()).tls.ca, "ca");
  await write("token", "second");
  t.is(await token(), "Bearer first");
  clock.advance(timers.credentialsMs);
  t.is(await token(), "Bearer second");
  await write("token", "third");
  source.forget();
  t.is(await token(), "Bearer third");
});

test("a pod without a token says what is missing", async (t) => {
  const directory = await temporaryDirectory(t);
  const source = new InClusterCredentials({ host: "10.96.0.1", port: "443", directory, clock: systemClock });
  const error = await t.throwsAsync(source.current(), { instanceOf: HawserError });
  t.regex(error.message, /is the ServiceAccount's token mounted/);
});

test("a kubeconfig's token, client certificate and CA", async (t) => {
  const directory = await temporaryDirectory(t);
  const file = join(directory, "config");
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = privateKey.export({ type: "sec1", format: "pem" });
  const encode = (text: string): string => Buffer.from(text).toString("base64");
  const user = { token: "t", "client-certificate-data": encode("cert"), "client-key-data": encode(key) };
  await writeFile(file, kubeconfig(user, { "certificate-authority-data": encode("ca"), "tls-server-name": "name" }));
  const source = new KubeconfigCredentials({ files: [file], clock: systemClock });
  t.is(source.server.href, "https://api.example:6443/");
  const { tls, headers, agent } = await source.current();
  t.deepEqual(headers, { authorization: "Bearer t" });
  t.deepEqual(tls, { key: Buffer.from(key), cert: Buffer.from("cert"), ca: Buffer.from("ca"), servername: "name" });
  t.is(agent, undefined);
});

test("a credential plugin is asked, and asked again when what it gave was refused", async (t) => {
  const directory = await temporaryDirectory(t);
  const plugin = join(directory, "plugin");
  const counter = join(directory, "count");
  const answer = '{"kind":"ExecCredential","status":{"token":"token-%s"}}';
  await writeFile(plugin, `#!/bin/sh\necho x >> ${counter}\nprintf '${answer}' $(wc -l < ${counter})\n`);
  await chmod(plugin, 0o755);
  const file = join(directory, "config");
  const exec = { apiVersion: "client.authentication.k8s.io/v1", command: plugin, interactiveMode: "Never" };
  await writeFile(file, kubeconfig({ exec }));
  const source = new KubeconfigCredentials({ files: [file], clock: systemClock });
  t.is((await source.current()).headers["authorization"], "Bearer token-1");
  t.is((await source.current()).headers["authorization"], "Bearer token-1");
  source.forget();
  t.is((await source.current()).headers["authorization"], "Bearer token-2");
});

test("a plugin that fails, a file that is not there and a context without a cluster are told", async (t) => {
  const directory = await temporaryDirectory(t);
  const file = join(directory, "config");
  await writeFile(file, kubeconfig({ exec: { apiVersion: "v1", command: "/bin/false" } }));
  const source = new KubeconfigCredentials({ files: [file], clock: systemClock });
  t.regex((await t.throwsAsync(source.current()))?.message ?? "", /credential plugin/);
  t.throws(() => new KubeconfigCredentials({ files: [join(directory, "nothing")], clock: systemClock }), {
    code: "kubeconfig-invalid",
  });
  t.throws(() => new KubeconfigCredentials({ files: [file], context: "none", clock: systemClock }), {
    message: /context none/,
  });
});

test("the API server is found by what is given, then by the surroundings", async (t) => {
  const directory = await temporaryDirectory(t);
  const file = join(directory, "config");
  await writeFile(file, kubeconfig({ token: "t" }));
  await t.notThrowsAsync(openKubeClient({ kubeconfig: file, environment: {} }));
  await t.notThrowsAsync(openKubeClient({ environment: { KUBECONFIG: file } }));
  await t.notThrowsAsync(
    openKubeClient({ environment: { KUBERNETES_SERVICE_HOST: "10.96.0.1", KUBERNETES_SERVICE_PORT: "443" } }),
  );
  await t.throwsAsync(openKubeClient({ environment: { HOME: directory } }), { code: "kube-credentials-missing" });
});
