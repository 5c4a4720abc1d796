/** The lab itself, without the mesh: the cluster must be right before anything that runs on it can be judged. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { runCommand } from "../core/run-command.ts";
import { connectLab, startLab } from "../lab/lab-client.ts";
import type { Lab } from "../lab/lab-client.ts";
import { LeftoverSearch } from "../lab/launcher/leftovers.ts";
import { findLab } from "../lab/launcher/state-directory.ts";
import { askWho } from "./support/ask-who.ts";
import { story } from "./support/story.ts";
import { addressesOf } from "./support/addresses-of.ts";

const PROJECT_ROOT = path.resolve(import.meta.dirname, "..");
const FILE = path.join(import.meta.dirname, "support/two-nodes.yaml");

function startSmallLab(options: Parameters<typeof startLab>[0] = {}): Promise<Lab> {
  return startLab({ file: FILE, mesh: false, ...options });
}

/** What a host looks like from outside of every lab. */
async function hostText(): Promise<string> {
  const argvs = [["ip", "-o", "link"], ["ip", "rule"], ["ip", "route", "show", "table", "all"], ["iptables-save"]];
  const results = await Promise.all(argvs.map((argv) => runCommand(argv)));
  const withoutComments = results.map(({ stdout }) => stdout.replaceAll(/^#.*\n|\[\d+:\d+\]/gm, ""));
  return `${withoutComments.join("\n")}${readFileSync("/proc/self/mountinfo", "utf8")}`;
}

async function eventually<T>(find: () => Promise<T | undefined>, what: string): Promise<T> {
  const deadlineMs = performance.now() + 15_000;
  for (;;) {
    const found = await find().catch(() => undefined);
    if (found !== undefined) return found;
    if (performance.now() > deadlineMs) throw new Error(`Waited 15 s for ${what}`);
    await delay(50);
  }
}

for (const backend of ["nft", "legacy"] as const) {
  story(`pods reach pods and Services of both families, within a node and across nodes (${backend})`, async (t) => {
    await using lab = await startSmallLab({ backend });
    for (const pod of ["who-1", "who-2"]) {
      for (const ip of await addressesOf(lab, pod)) {
        const answer = await askWho(lab, "client-1", ip, 8080);
        t.is(answer.server, pod);
        t.true((await addressesOf(lab, "client-1")).includes(answer.client), `${ip} saw ${answer.client}`);
      }
    }
    for (const host of ["who", "who.test", "who.test.svc", "who.test.svc.cluster.local", "10.96.0.1", "fd10:96::1"]) {
      t.regex((await askWho(lab, "client-1", host, 80)).server, /^who-[12]$/);
    }
    t.regex((await askWho(lab, "other/stranger", "who.test", 80)).server, /^who-/);
    t.regex((await askWho(lab, "node-2", "10.96.0.1", 80)).server, /^who-/);
    await t.throwsAsync(askWho(lab, "other/stranger", "who", 80), { code: "no-answer" });
  });
}

for (const bridgeNetfilter of [false, true]) {
  const where = bridgeNetfilter ? ", with br_netfilter" : "";
  story(`a pod that calls a Service reaches itself when it is the only endpoint${where}`, async (t) => {
    await using lab = await startSmallLab({ bridgeNetfilter });
    for (const host of ["10.96.0.2", "fd10:96::2"]) {
      t.is((await askWho(lab, "who-1", host, 80)).server, "who-1");
    }
    t.regex((await askWho(lab, "client-1", "10.96.0.1", 80)).server, /^who-[12]$/);
  });
}

story("calls to a Service are spread over ready endpoints only", async (t) => {
  await using lab = await startSmallLab();
  const servers = async (): Promise<readonly string[]> => {
    const answers = await Promise.all(Array.from({ length: 24 }, () => askWho(lab, "client-1", "10.96.0.1", 80)));
    return [...new Set(answers.map((answer) => answer.server))].sort();
  };
  t.deepEqual(await servers(), ["who-1", "who-2"]);
  await lab.call("setReady", { pod: "who-1", ready: false });
  t.deepEqual(await servers(), ["who-2"]);
  await lab.call("removePod", { pod: "who-2" });
  await t.throwsAsync(askWho(lab, "client-1", "10.96.0.1", 80), { message: /refused/ });
});

story("a pod is created, terminated gracefully and forgotten", async (t) => {
  await using lab = await startSmallLab();
  const command = ["bash", "-c", "trap 'sleep 0.5; exit 0' TERM; touch /run/pod/up; while :; do sleep 0.05; done"];
  const document = { metadata: { name: "slow" }, spec: { nodeName: "node-1", containers: [{ command }] } };
  const { ips, uid } = await lab.call("addPod", { document });
  t.is(uid, "default/slow");
  t.is(ips.length, 2);
  await eventually(
    async () => ((await lab.exec("slow", ["ls", "/run/pod/up"])).exitCode === 0 ? true : undefined),
    "it",
  );
  const file = path.join(lab.documentsDir, "pod.default.slow.yaml");
  const gone = lab.call("removePod", { pod: "slow" });
  const dying = async (): Promise<true | undefined> =>
    readFileSync(file, "utf8").includes("deletionTimestamp") ? true : undefined;
  await eventually(dying, "the timestamp");
  await gone;
  t.false(existsSync(file));
  t.false((await lab.status()).pods.some((pod) => pod.name === "slow"));
});

story("a pod whose process ends is no longer ready", async (t) => {
  await using lab = await startSmallLab();
  await lab.call("signalPod", { pod: "who-2", signal: "SIGKILL" });
  const dead = async (): Promise<string | undefined> =>
    (await lab.status()).pods.find((pod) => pod.name === "who-2" && pod.state === "failed")?.reason;
  t.is(await eventually(dead, "who-2 to have failed"), "killed by SIGKILL");
  t.regex(readFileSync(path.join(lab.documentsDir, "pod.test.who-2.yaml"), "utf8"), /type: Ready\n\s+status: "False"/);
});

story("programs run inside pods and nodes, with input, output and exit code", async (t) => {
  await using lab = await startSmallLab();
  const result = await lab.exec("client-1", ["sh", "-c", "cat; hostname; exit 7"], { input: "hello\n" });
  t.deepEqual(result, { exitCode: 7, stdout: "hello\nclient-1\n", stderr: "" });
  const child = await lab.spawn("node-1", ["sleep", "3333"]);
  const running = async (): Promise<boolean> => (await lab.exec("node-1", ["ps", "ax"])).stdout.includes("sleep 3333");
  await eventually(async () => ((await running()) ? true : undefined), "sleep to run");
  child.kill();
  await eventually(async () => ((await running()) ? undefined : true), "sleep to be killed with its nsenter");
  t.pass();
});

story("labs of different names run beside each other and change nothing on the host", async (t) => {
  const before = await hostText();
  await using first = await startSmallLab();
  await using second = await startSmallLab();
  t.is((await askWho(first, "client-1", "10.96.0.1", 80)).client.startsWith("10.244.1."), true);
  await second.call("removePod", { pod: "who-1", graceSeconds: 0 });
  t.is((await first.status()).pods.find((pod) => pod.name === "who-1")?.state, "ready");
  await t.throwsAsync(startSmallLab({ name: first.name }), { code: "name-taken" });
  t.is(await hostText(), before);
  t.deepEqual(await first.stop(), []);
  t.false(existsSync(first.stateDir));
});

story("two dumps of an untouched node's network state are the same text", async (t) => {
  await using lab = await startSmallLab();
  const first = await lab.call("hostState", { node: "node-1" });
  await askWho(lab, "client-1", "10.96.0.1", 80);
  t.deepEqual(await lab.call("hostState", { node: "node-1" }), first);
  t.regex(first.iptablesNft, /KUBE-SERVICES/);
  t.regex(first.sysctl, /net\.ipv4\.ip_forward = 1/);
});

story("a cluster that cannot start says why and leaves nothing", async (t) => {
  const error = await t.throwsAsync(startSmallLab({ name: "broken", file: path.join(PROJECT_ROOT, "package.json") }));
  t.regex(error?.message ?? "", /Node addresses/);
  t.throws(() => findLab("broken"), { code: "no-lab" });
});

for (const signal of ["SIGKILL", "SIGTERM", "SIGINT"] as const) {
  story(`nothing is left of a lab when its launcher gets ${signal}`, async (t) => {
    const name = `end-${signal.toLowerCase()}-${process.pid}`;
    const args = [path.join(PROJECT_ROOT, "lab/bootstrap.mjs"), "up", "--no-mesh", "--file", FILE, "--name", name];
    const launcher = spawn(process.execPath, args, { stdio: "ignore" });
    const exited = once(launcher, "exit");
    const ready = async (): Promise<true | undefined> => {
      await using lab = await connectLab(name);
      return (await lab.status()).phase === "ready" ? true : undefined;
    };
    await eventually(ready, "the lab to be ready");
    const record = findLab(name);
    const search = new LeftoverSearch(record);
    t.true(
      search.find().some((one) => one.startsWith("process")),
      "its processes are seen while it lives",
    );
    launcher.kill(signal);
    const [code] = (await exited) as [number | null];
    if (signal !== "SIGKILL") t.is(code, 0);
    const onlyDirectory = async (): Promise<true | undefined> =>
      search.find().every((one) => one.startsWith("directory")) ? true : undefined;
    await eventually(onlyDirectory, "every process to be gone");
    t.is(existsSync(record.stateDir), signal === "SIGKILL");
    await using next = await startSmallLab();
    t.false(existsSync(record.stateDir), "the next lab removes what a dead one left");
    t.truthy(next);
  });
}
