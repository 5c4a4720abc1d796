/**
 * How a pod of the API server is run: its one container's program, environment, mounts and probes.
 *
 * An image says which programs there are: that of Hawser has `hawser-agent` and `hawser-controller`, as they ship; any
 * other stands for this machine, with the project's directory as its working directory.
 */
import { agentNodeFlags, controllerNodeFlags } from "../../build/node-flags.ts";
import { HawserError } from "../../core/errors.ts";
import type { KubeClient } from "../../kubernetes/kube-client.ts";
import { podCommand, podEnvironment } from "../cluster/pod-environment.ts";
import type { PodMount, PodPlan, PodProbe, PodProgram, ProbeAction } from "../cluster/pod-plan.ts";
import { meshProgram } from "../launcher/mesh-programs.ts";
import type { LabPod } from "../lab-status.ts";
import type { ContainerSpec, EnvVar, HandlerSpec, PodObject, ProbeSpec } from "./kube-objects.ts";
import { podFact } from "./pod-facts.ts";
import type { PodPlace } from "./pod-facts.ts";

export interface PlanSettings {
  readonly client: KubeClient;
  readonly stateDir: string;
  readonly projectRoot: string;
  readonly place: PodPlace;
  readonly mounts: readonly PodMount[];
  /** ClusterIP and port of the `kubernetes` Service: what in-cluster clients dial. */
  readonly apiService: { readonly host: string; readonly port: number };
}

/** Kubernetes' own defaults. */
const DEFAULT_PERIOD_SECONDS = 10;
const DEFAULT_FAILURE_THRESHOLD = 3;
const DEFAULT_GRACE_SECONDS = 30;
const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Rejects while a ConfigMap or Secret that the environment names does not exist. */
export async function apiPodPlan(pod: PodObject, settings: PlanSettings): Promise<PodPlan> {
  const container = onlyContainer(pod);
  const given = await givenEnvironment(pod, container, settings);
  const { readinessProbe, startupProbe, lifecycle } = container;
  const preStop = lifecycle?.preStop === undefined ? undefined : preStopOf(lifecycle.preStop);
  return {
    program: (ips, statsFile) => podProgram(pod, container, given, settings, ips, statsFile),
    mounts: settings.mounts,
    ...(startupProbe === undefined ? {} : { startup: podProbe(startupProbe, container) }),
    ...(readinessProbe === undefined ? {} : { readiness: podProbe(readinessProbe, container) }),
    restarts: (pod.spec.restartPolicy ?? "Always") === "Always",
    ...(preStop === undefined ? {} : { preStop }),
    graceSeconds: pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS,
  };
}

/** The part of a pod that the lab's kubelet goes by. */
export function labPodOf(pod: PodObject, nodeName: string): LabPod {
  const { metadata, spec } = pod;
  const container = onlyContainer(pod);
  return {
    metadata,
    spec: {
      nodeName,
      ...(spec.serviceAccountName === undefined ? {} : { serviceAccountName: spec.serviceAccountName }),
      hostNetwork: spec.hostNetwork === true,
      containers: [{ name: container.name, command: container.command ?? [], ports: container.ports ?? [] }],
    },
  };
}

export function isHawserImage(image: string | undefined): boolean {
  return /(^|\/)hawser([:@].*)?$/.test(image ?? "");
}

function onlyContainer(pod: PodObject): ContainerSpec {
  const [container, ...others] = pod.spec.containers;
  if (container !== undefined && others.length === 0 && (pod.spec.initContainers ?? []).length === 0) return container;
  throw new HawserError("too-many-containers", "The lab runs pods of exactly one container");
}

type Given = readonly ((ips: readonly string[]) => readonly [name: string, value: string])[];

/** In the order of the manifest: `$(NAME)` in a value means what stands before it. */
async function givenEnvironment(pod: PodObject, container: ContainerSpec, settings: PlanSettings): Promise<Given> {
  return Promise.all(
    (container.env ?? []).map(async (variable) => {
      const fieldPath = variable.valueFrom?.fieldRef?.fieldPath;
      if (fieldPath !== undefined) {
        return (ips: readonly string[]) => {
          return [variable.name, podFact(pod, settings.place, ips, fieldPath) ?? ""] as const;
        };
      }
      const value = await fixedValue(pod, variable, settings.client);
      return () => [variable.name, value] as const;
    }),
  );
}

async function fixedValue(pod: PodObject, { name, value, valueFrom }: EnvVar, client: KubeClient): Promise<string> {
  const { configMapKeyRef, secretKeyRef } = valueFrom ?? {};
  const reference = configMapKeyRef ?? secretKeyRef;
  if (reference === undefined) {
    if (valueFrom === undefined) return value ?? "";
    throw new HawserError("unknown-env", `The lab does not know where ${name} comes from`);
  }
  const kind = configMapKeyRef === undefined ? "secrets" : "configmaps";
  const path = `/api/v1/namespaces/${pod.metadata.namespace}/${kind}/${reference.name}`;
  const { data } = await client.get<{ data?: Readonly<Record<string, string>> }>(path);
  const found = data?.[reference.key];
  if (found === undefined && reference.optional !== true) {
    throw new HawserError("no-key", `${kind} ${reference.name} has no key ${reference.key}`);
  }
  return kind === "secrets" ? Buffer.from(found ?? "", "base64").toString() : (found ?? "");
}

function podProgram(
  pod: PodObject,
  container: ContainerSpec,
  given: Given,
  settings: PlanSettings,
  ips: readonly string[],
  statsFile: string,
): PodProgram {
  const ours = isHawserImage(container.image);
  const environment: Record<string, string> = {
    ...(ours ? imageEnvironment() : machineEnvironment(pod, settings, ips, statsFile)),
    HOSTNAME: pod.metadata.name,
    KUBERNETES_SERVICE_HOST: settings.apiService.host,
    KUBERNETES_SERVICE_PORT: `${settings.apiService.port}`,
  };
  for (const one of given) {
    const [name, value] = one(ips);
    environment[name] = expand([value], environment)[0] ?? "";
  }
  const argv = expand([...(container.command ?? []), ...(container.args ?? [])], environment);
  return { argv: ours ? bundledProgram(argv, settings.stateDir) : argv, environment };
}

/** Nothing of the machine but where its programs are. */
function imageEnvironment(): Record<string, string> {
  return { PATH: SYSTEM_PATH, HOME: "/run" };
}

function machineEnvironment(
  pod: PodObject,
  { place, projectRoot }: PlanSettings,
  ips: readonly string[],
  statsFile: string,
): Record<string, string> {
  return { ...podEnvironment({ ...labPodOf(pod, place.nodeName) }, ips, projectRoot, statsFile) };
}

function expand(words: readonly string[], environment: Readonly<Record<string, string>>): readonly string[] {
  const carrier = { metadata: { name: "" }, spec: { nodeName: "", containers: [{ command: words }] } };
  return podCommand(carrier, environment);
}

function bundledProgram([name, ...args]: readonly string[], stateDir: string): readonly string[] {
  switch (name) {
    case "hawser-agent":
      return [process.execPath, ...agentNodeFlags, meshProgram(stateDir, "agent"), ...args];
    case "hawser-controller":
      return [process.execPath, ...controllerNodeFlags, meshProgram(stateDir, "controller"), ...args];
    default:
      throw new HawserError("no-program", `Hawser's image has no program ${name}`);
  }
}

function preStopOf(handler: HandlerSpec): NonNullable<PodPlan["preStop"]> {
  if (handler.exec !== undefined) return { argv: handler.exec.command };
  if (handler.sleep !== undefined) return { seconds: handler.sleep.seconds };
  throw new HawserError("unknown-hook", "The lab knows preStop hooks of exec and sleep");
}

function podProbe(probe: ProbeSpec, container: ContainerSpec): PodProbe {
  return {
    action: probeAction(probe, container),
    periodSeconds: probe.periodSeconds ?? DEFAULT_PERIOD_SECONDS,
    failureThreshold: probe.failureThreshold ?? DEFAULT_FAILURE_THRESHOLD,
  };
}

function probeAction({ exec, httpGet, tcpSocket }: ProbeSpec, container: ContainerSpec): ProbeAction {
  if (exec !== undefined) return { argv: exec.command };
  const target = httpGet ?? tcpSocket;
  if (target === undefined)
    throw new HawserError("unknown-probe", "The lab knows probes of exec, httpGet and tcpSocket");
  return {
    port: portNumber(target.port, container),
    ...(target.host === undefined ? {} : { host: target.host }),
    ...(httpGet === undefined ? {} : { path: httpGet.path ?? "/" }),
  };
}

function portNumber(port: number | string, container: ContainerSpec): number {
  if (typeof port === "number") return port;
  const found = container.ports?.find((one) => one.name === port)?.containerPort;
  if (found === undefined) throw new HawserError("no-port", `Container ${container.name} has no port named ${port}`);
  return found;
}
