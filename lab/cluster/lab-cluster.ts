/** What the control socket asks of a cluster, wherever its Pods and Services come from. */
import type {
  LabAgentStatus,
  LabControllerStatus,
  LabHttpAnswer,
  LabPod,
  LabPodStatus,
  LabStatus,
} from "../lab-status.ts";
import type { ClusterNetwork } from "./cluster-network.ts";
import type { NamespaceSockets } from "./namespace-socket.ts";
import type { RunningPod } from "./pod.ts";
import type { Sandbox } from "./sandbox.ts";

/** The controller and the agents, whoever starts them. */
export interface MeshControl {
  startAgent(node: string, instance?: string): LabAgentStatus;
  signalAgent(node: string, instance: string | undefined, signal: string): void;
  startController(): void;
  signalController(signal: string): Promise<void> | void;
  controllerStatus(): Promise<LabControllerStatus | undefined>;
  controllerHttp(path: string): Promise<LabHttpAnswer>;
}

export interface ApiServerControl {
  /** Resolves when it is ready. */
  startApiServer(): Promise<void>;
  /** Resolves when it is gone. */
  endApiServer(signal: string): Promise<void>;
  compact(): Promise<void>;
}

export interface LabCluster {
  readonly network: ClusterNetwork;
  readonly sockets: NamespaceSockets;
  /** Throws `no-mesh` in a lab without. */
  readonly mesh: MeshControl;
  /** Throws `no-api-server` in a lab without. */
  readonly apiServer: ApiServerControl;
  /** Resolves when everything is ready. */
  start(): Promise<void>;
  status(): Promise<LabStatus>;
  pod(name: string): RunningPod;
  /** A node, or else a pod. */
  sandbox(target: string): Sandbox;
  addPod(document: LabPod): Promise<LabPodStatus>;
  removePod(name: string, graceSeconds: number | undefined, preStopSeconds: number): Promise<void>;
  setPodReady(name: string, ready: boolean): Promise<void>;
  applyDocuments(file: string, text: string): Promise<void>;
  removeDocuments(file: string): Promise<void>;
}
