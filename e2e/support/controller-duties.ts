/**
 * What a controller does with its rights in the API server, each as a check that rejects when it is not done in time. Every
 * check leaves the cluster as it was, and starts with controllers that have just been started.
 */
import type { Lab } from "../../lab/lab-client.ts";
import { STORY_NAMESPACE } from "./cluster-documents.ts";
import { eventually } from "./eventually.ts";
import { kubectl, kubeObject, mergePatch } from "./kubectl.ts";
import { meshConverged, meshPods, SYSTEM_NAMESPACE } from "./mesh-pods.ts";
import { webServer } from "./web-cluster.ts";

type Duty = (lab: Lab) => Promise<void>;

const NODE = "node-1";
const TAINT = "hawser.dev/agent-not-ready";
/** A controller that may do everything is ready within two. */
const READY_MS = 8_000;
const DONE_MS = 8_000;
/** Of a change that a watch tells. Without the watch it comes with a list, now and then: hence several times. */
const SEEN_MS = 1_200;
const CHANGES = 4;

export const CONTROLLER_DUTIES = {
  "becomes ready": async (lab) => {
    await eventually("the controllers to be ready", { timeoutMs: READY_MS }, async () => {
      const controllers = await meshPods(lab, "controller");
      return controllers.length === 2 && controllers.every(({ state }) => state === "ready");
    });
  },
  "knows agents by their tokens": async (lab) => {
    await eventually("the agents to be connected", { timeoutMs: DONE_MS }, async () => {
      const { agents } = await lab.status();
      return agents.length === 3 && agents.every(({ ready }) => ready);
    });
  },
  "sees pods come": (lab) =>
    repeatedly(async (round) => {
      const { ips } = await lab.call("addPod", { document: webServer(`herald-${round}`, 3) });
      await inTable(lab, ips[0] ?? "");
      await lab.call("removePod", { pod: `herald-${round}`, graceSeconds: 0 });
    }),
  "sees Services come": (lab) =>
    repeatedly(async (round) => {
      const metadata = { name: `herald-${round}`, namespace: STORY_NAMESPACE };
      const clusterIP = `10.96.1.${round + 1}`;
      const spec = { clusterIP, selector: { group: "web" }, ports: [{ port: 80, targetPort: 7000 }] };
      await create(lab, { apiVersion: "v1", kind: "Service", metadata, spec });
      await inTable(lab, clusterIP);
      await kubectl(lab, ["--namespace", STORY_NAMESPACE, "delete", "service", metadata.name]);
    }),
  "sees endpoints come": async (lab) => {
    const metadata = { name: "outside", namespace: STORY_NAMESPACE };
    const ports = [{ name: "http", port: 80 }];
    await create(lab, { apiVersion: "v1", kind: "Service", metadata, spec: { clusterIP: "10.96.1.99", ports } });
    await repeatedly(async (round) => {
      const address = `10.99.0.${round + 1}`;
      await create(lab, {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: { ...metadata, labels: { "kubernetes.io/service-name": "outside" } },
        addressType: "IPv4",
        endpoints: [{ addresses: [address], conditions: { ready: true } }],
        ports: [{ name: "http", port: 80, protocol: "TCP" }],
      });
      await inTable(lab, address);
      await kubectl(lab, ["--namespace", STORY_NAMESPACE, "delete", "endpointslice", "outside"]);
    });
    await kubectl(lab, ["--namespace", STORY_NAMESPACE, "delete", "service", "outside"]);
  },
  "sees namespaces change": (lab) =>
    repeatedly(async (round) => {
      const value = round % 2 === 0 ? "disabled" : "enabled";
      await kubectl(lab, ["label", "--overwrite", "namespace", STORY_NAMESPACE, `hawser.dev/mesh=${value}`]);
      await eventually(`the namespace to be ${value}`, { timeoutMs: SEEN_MS }, async () => {
        return (await tableText(lab)).includes('"web-2"') === (value === "enabled");
      });
    }),
  "takes taints from nodes": (lab) =>
    repeatedly(async () => {
      await kubectl(lab, ["taint", "nodes", NODE, `${TAINT}=:NoSchedule`]);
      // The leader looks once a second.
      await eventually("the taint to be gone", { timeoutMs: SEEN_MS + 1_000 }, async () => {
        const { spec } = await kubeObject<{ spec: { taints?: readonly object[] } }>(lab, "", `node/${NODE}`);
        return spec.taints === undefined;
      });
    }),
  "sees edits of its settings": (lab) =>
    repeatedly(async (round) => {
      const locality = round % 2 === 0 ? "spread" : "prefer-local";
      await writeMesh(lab, `encryption: strict, locality: ${locality}`);
      await eventually(`${locality} to be in force`, { timeoutMs: SEEN_MS }, async () => {
        return (await tableText(lab)).includes(`"locality":"${locality}"`);
      });
    }),
  "stores good settings": async (lab) => {
    const name = `e2e-${Date.now()}`;
    await writeMesh(lab, `encryption: strict, exclude: { namespaces: [${name}] }`);
    // The leader looks every five seconds.
    await eventually("them to be stored", { timeoutMs: DONE_MS + 5_000 }, async () => {
      const { data = {} } = await kubeObject<{ data?: object }>(lab, SYSTEM_NAMESPACE, "configmap/hawser-last-good");
      return JSON.stringify(data).includes(name);
    });
    await writeMesh(lab, "encryption: strict");
  },
  "tells a refused edit": async (lab) => {
    await kubectl(lab, ["--namespace", SYSTEM_NAMESPACE, "delete", "events", "--all"]);
    await writeMesh(lab, "encryption: wrong");
    await eventually("an Event", { timeoutMs: DONE_MS }, async () => (await refusals(lab)).length > 0);
    await writeMesh(lab, "encryption: strict");
  },
  "counts refused edits": async (lab) => {
    await kubectl(lab, ["--namespace", SYSTEM_NAMESPACE, "delete", "events", "--all"]);
    for (const spec of ["encryption: wrong", "encryption: strict", "encryption: wrong"]) {
      await writeMesh(lab, spec);
      await eventually("what is in force to be told", { timeoutMs: DONE_MS }, async () => {
        const answer = await lab.call("controllerHttp", { path: "/status" });
        return answer.body.includes("wrong") === spec.includes("wrong");
      });
      // An Event that waits is replaced by a newer one about the same.
      await eventually("Events", { timeoutMs: DONE_MS }, async () => (await refusals(lab)).length > 0);
    }
    await eventually("a count", { timeoutMs: DONE_MS }, async () => (await refusals(lab)).some((count) => count > 1));
    await writeMesh(lab, "encryption: strict");
  },
  "holds the Lease": async (lab) => {
    await eventually("one of them to hold it", { timeoutMs: DONE_MS }, async () => {
      const holder = await leaseHolder(lab);
      const controllers = await meshPods(lab, "controller");
      return controllers.some(({ name }) => holder.startsWith(`${name}_`));
    });
  },
  "makes the Lease": async (lab) => {
    await kubectl(lab, ["--namespace", SYSTEM_NAMESPACE, "delete", "lease", "hawser-controller"]);
    await eventually("a new Lease", { timeoutMs: DONE_MS }, async () => (await leaseHolder(lab)) !== "");
  },
  "publishes the roots": async (lab) => {
    await mergePatch(lab, SYSTEM_NAMESPACE, "configmap/hawser-ca-root", { data: { "ca-root.pem": "nonsense" } });
    await restartControllers(lab);
    await eventually("the roots to be repaired", { timeoutMs: DONE_MS }, async () => {
      return (await rootsText(lab)).includes("BEGIN CERTIFICATE");
    });
  },
  "makes the ConfigMap of the roots": async (lab) => {
    await kubectl(lab, ["--namespace", SYSTEM_NAMESPACE, "delete", "configmap", "hawser-ca-root"]);
    await restartControllers(lab);
    await eventually("the roots to be there", { timeoutMs: DONE_MS }, async () => {
      return (await rootsText(lab)).includes("BEGIN CERTIFICATE");
    });
  },
  "sees a change of the authority": async (lab) => {
    const secret = await kubeObject<{ data: Record<string, string> }>(lab, SYSTEM_NAMESPACE, "secret/hawser-ca");
    const certificate = secret.data["tls.crt"] ?? "";
    // The same root once more: two where one was.
    await repeatedly(async (round) => {
      const extra = round % 2 === 0 ? await otherRoot(lab) : null;
      await mergePatch(lab, SYSTEM_NAMESPACE, "secret/hawser-ca", { data: { "extra-roots.pem": extra } });
      await eventually("the roots to follow", { timeoutMs: SEEN_MS }, async () => {
        return ((await rootsText(lab)).match(/BEGIN CERTIFICATE/g) ?? []).length === (extra === null ? 1 : 2);
      });
    });
    if (certificate === "") throw new Error("The Secret has no certificate");
  },
  "remembers agents": async (lab) => {
    await mergePatch(lab, SYSTEM_NAMESPACE, "configmap/hawser-agents", { data: { [NODE]: null } });
    await restartControllers(lab);
    await eventually(`${NODE} to be marked again`, { timeoutMs: DONE_MS }, async () => {
      const marks = await kubeObject<{ data?: object }>(lab, SYSTEM_NAMESPACE, "configmap/hawser-agents");
      return Object.hasOwn(marks.data ?? {}, NODE);
    });
  },
  "sees what others remember": (lab) =>
    repeatedly(async () => {
      await mergePatch(lab, SYSTEM_NAMESPACE, "configmap/hawser-agents", { data: { [NODE]: null } });
      // It is marked again with its agent's next report, by whoever sees that it is not.
      await eventually(`${NODE} to be unmarked`, { timeoutMs: SEEN_MS, everyMs: 10 }, async () => {
        return (await tableText(lab)).includes(`"agent":false`);
      });
      await meshConverged(lab);
    }),
} as const satisfies Record<string, Duty>;

export type ControllerDuty = keyof typeof CONTROLLER_DUTIES;

/** Resolves when two new ones run; whether they become ready is another question. */
export async function restartControllers(lab: Lab): Promise<void> {
  const old = (await meshPods(lab, "controller")).map(({ name }) => name);
  await kubectl(lab, ["--namespace", SYSTEM_NAMESPACE, "delete", "pods", ...old]);
  await eventually("new controllers to run", { timeoutMs: 20_000 }, async () => {
    const controllers = await meshPods(lab, "controller");
    return controllers.length === 2 && controllers.every(({ name, pid }) => !old.includes(name) && pid !== undefined);
  });
}

async function repeatedly(change: (round: number) => Promise<void>): Promise<void> {
  for (let round = 0; round < CHANGES; round += 1) await change(round);
}

async function create(lab: Lab, object: object): Promise<void> {
  await kubectl(lab, ["create", "--filename", "-"], JSON.stringify(object));
}

async function writeMesh(lab: Lab, spec: string): Promise<void> {
  const text = `apiVersion: hawser.dev/v1\nkind: Mesh\nmetadata: { name: mesh }\nspec: { ${spec} }\n`;
  await mergePatch(lab, SYSTEM_NAMESPACE, "configmap/hawser", { data: { "mesh.yaml": text } });
}

async function inTable(lab: Lab, address: string): Promise<void> {
  await eventually(`${address} in the table`, { timeoutMs: SEEN_MS }, async () => {
    return (await tableText(lab)).includes(`"${address}"`);
  });
}

async function tableText(lab: Lab): Promise<string> {
  const dump = JSON.parse((await lab.call("nodeHttp", { node: NODE, path: "/config_dump" })).body) as { table: object };
  return JSON.stringify(dump.table);
}

async function leaseHolder(lab: Lab): Promise<string> {
  const lease = await kubeObject<{ spec: { holderIdentity?: string } }>(
    lab,
    SYSTEM_NAMESPACE,
    "lease/hawser-controller",
  );
  return lease.spec.holderIdentity ?? "";
}

async function rootsText(lab: Lab): Promise<string> {
  const { data } = await kubeObject<{ data: Record<string, string> }>(
    lab,
    SYSTEM_NAMESPACE,
    "configmap/hawser-ca-root",
  );
  return data["ca-root.pem"] ?? "";
}

/** The API server's own: some root, in base64. */
async function otherRoot(lab: Lab): Promise<string> {
  const { data } = await kubeObject<{ data: Record<string, string> }>(
    lab,
    STORY_NAMESPACE,
    "configmap/kube-root-ca.crt",
  );
  return Buffer.from(data["ca.crt"] ?? "").toString("base64");
}

/** How often each was told. */
async function refusals(lab: Lab): Promise<readonly number[]> {
  const { items } = await kubeObject<{ items: readonly { reason: string; count?: number }[] }>(
    lab,
    SYSTEM_NAMESPACE,
    "events",
  );
  return items.filter(({ reason }) => reason === "DocumentsRefused").map(({ count = 1 }) => count);
}
