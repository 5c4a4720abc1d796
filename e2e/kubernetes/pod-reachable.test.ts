/** How long after its creation a pod is reached from another node, through the mesh. */
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Lab } from "../../lab/lab-client.ts";
import type { ReachRecord } from "../pods/reach-probe.ts";
import { captured } from "../support/captured.ts";
import { clientPod, mesh, pod, STORY_NAMESPACE } from "../support/cluster-documents.ts";
import { describeDistribution, quantile } from "../support/distribution.ts";
import { eventually } from "../support/eventually.ts";
import { kubernetesStories } from "../support/kubernetes-stories.ts";
import { programCommand } from "../support/run-program.ts";

const PORT = 7000;
const PODS = 40;
/** The stated target, from the creation of the object to the first answer. */
const TARGET_P99_MS = 1_000;

const story = await kubernetesStories([mesh({ encryption: "strict" }), clientPod("client", 1)]);

story("a new pod is reached from another node, through the mesh, within a second", async (t, lab) => {
  const probe = await ReachProbe.start(lab, "client");
  const sinceCreated: number[] = [];
  const sinceStarted: number[] = [];
  const wire = await captured(lab, async () => {
    for (let index = 0; index < PODS; index += 1) {
      const name = `server-${index}`;
      const createdMs = Date.now();
      const { ips } = await lab.call("addPod", { document: server(name, index % 2 === 0 ? 2 : 3) });
      const startedMs = Date.now();
      const record = await probe.reached(ips[0] ?? "", PORT);
      t.is(record.answeredBy, name);
      sinceCreated.push(record.reachedMs - createdMs);
      sinceStarted.push(Math.max(0, record.reachedMs - startedMs));
      await lab.call("removePod", { pod: `${STORY_NAMESPACE}/${name}`, graceSeconds: 0 });
    }
  });
  t.log(`created to reached: ${describeDistribution(sinceCreated)}`);
  t.log(`process started to reached: ${describeDistribution(sinceStarted)}`);
  t.true(quantile(sinceCreated, 0.99) < TARGET_P99_MS, describeDistribution(sinceCreated));
  t.is(wire.plaintextPackets, 0, wire.plaintextSamples.join("\n"));
  probe.stop();
});

function server(name: string, node: 2 | 3): ReturnType<typeof pod> {
  return pod({ name, node, command: ["node", "e2e/pods/name-server.ts", `${PORT}`], port: PORT });
}

class ReachProbe {
  readonly #child: ChildProcess;
  readonly #records: ReachRecord[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
    createInterface({ input: child.stdout as Readable }).on("line", (line) =>
      this.#records.push(JSON.parse(line) as ReachRecord),
    );
  }

  static async start(lab: Lab, podName: string): Promise<ReachProbe> {
    const command = programCommand("reach-probe.ts", []);
    return new ReachProbe(await lab.spawn(podName, command, { stdio: ["pipe", "pipe", "inherit"] }));
  }

  reached(host: string, port: number): Promise<ReachRecord> {
    const before = this.#records.length;
    this.#child.stdin?.write(`${host} ${port}\n`);
    return eventually(`${host} to be reached`, { timeoutMs: 15_000, everyMs: 5 }, () => this.#records[before]);
  }

  stop(): void {
    this.#child.kill("SIGKILL");
  }
}
