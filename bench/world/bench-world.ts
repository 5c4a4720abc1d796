/**
 * Everything that is measured, running: a lab with the mesh, a lab without, and the peers in the nodes of the latter.
 * All variants are there, idle, during the whole run; nothing is restarted between slices.
 */
import path from "node:path";
import { HawserError } from "../../core/errors.ts";
import { type Lab, startLab } from "../../lab/lab-client.ts";
import { ProcessGroup } from "../measure/process-group.ts";
import { createPeerCertificates } from "../peers/peer-certificates.ts";
import { type Peer, PEERS } from "../peers/peers.ts";
import { startPeer } from "../peers/start-peer.ts";
import type { VariantName } from "../variants.ts";
import {
  CLIENT_NODE,
  CLIENT_POD,
  FAR_POD,
  NEAR_POD,
  ROUTED_SERVICE,
  SECOND_CLIENT_POD,
  SERVER_NODE,
  SERVICES,
} from "./services.ts";
import { tuneKernel } from "./tune-kernel.ts";
import type { Variant } from "./variant.ts";

export interface BenchWorldOptions {
  readonly names: readonly VariantName[];
  /** Data workers of each agent. */
  readonly workers: number;
  readonly signal: AbortSignal;
  readonly onProgress: (detail: string) => void;
}

const CLUSTER = path.join(import.meta.dirname, "cluster.yaml");
const SANDBOXES = [CLIENT_NODE, SERVER_NODE, CLIENT_POD, SECOND_CLIENT_POD, FAR_POD, NEAR_POD];

export class BenchWorld implements AsyncDisposable {
  readonly #labs: Lab[] = [];
  readonly #options: BenchWorldOptions;
  #variants: readonly Variant[] = [];

  constructor(options: BenchWorldOptions) {
    this.#options = options;
  }

  /** In the order of their names in the options. */
  get variants(): readonly Variant[] {
    return this.#variants;
  }

  async start(): Promise<void> {
    const { names } = this.#options;
    const variants: Variant[] = [];
    if (names.includes("hawser")) variants.push(await hawserVariant(await this.#startLab(true)));
    if (names.some((name) => name !== "hawser")) {
      const lab = await this.#startLab(false);
      if (names.includes("direct")) variants.push(await directVariant(lab));
      variants.push(...(await this.#startPeers(lab)));
    }
    this.#variants = variants.toSorted((a, b) => names.indexOf(a.name) - names.indexOf(b.name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#labs.map((lab) => lab.stop()));
  }

  async #startLab(mesh: boolean): Promise<Lab> {
    const { workers, signal, onProgress } = this.#options;
    signal.throwIfAborted();
    const which = mesh ? "lab with the mesh" : "lab without";
    const lab = await startLab({
      file: CLUSTER,
      mesh,
      workers,
      signal,
      onProgress: (detail) => onProgress(`${which}: ${detail}`),
    });
    this.#labs.push(lab);
    await Promise.all(SANDBOXES.map((target) => tuneKernel(lab, target)));
    return lab;
  }

  async #startPeers(lab: Lab): Promise<readonly Variant[]> {
    const { names, signal, onProgress } = this.#options;
    const peers = PEERS.filter((peer) => names.includes(peer.name));
    const place = {
      lab,
      certificates: await createPeerCertificates(CLIENT_NODE, SERVER_NODE),
      gateway: await gatewayOf(lab),
      serverAddress: await nodeAddress(lab, SERVER_NODE),
      podAddresses: await podAddresses(lab),
    };
    const variants: Variant[] = [];
    for (const peer of peers) {
      signal.throwIfAborted();
      onProgress(`starting ${peer.name}`);
      variants.push(peerVariant(peer, lab, place.podAddresses, await startPeer(peer, place)));
    }
    return variants;
  }
}

async function directVariant(lab: Lab): Promise<Variant> {
  return { name: "direct", title: "No proxy, no encryption", ...(await podEndpoints(lab)), lab, proxies: undefined };
}

async function hawserVariant(lab: Lab): Promise<Variant> {
  const { agents } = await lab.status();
  const agentOf = (node: string): ProcessGroup => {
    const agent = agents.find((one) => one.node === node);
    if (agent === undefined) throw new HawserError("no-agent", `There is no agent on ${node}`);
    return new ProcessGroup(() => [lab.hostPid(agent.pid)]);
  };
  const proxies = { client: agentOf(CLIENT_NODE), server: agentOf(SERVER_NODE) };
  const { endpointOf, near } = await podEndpoints(lab);
  return {
    name: "hawser",
    title: "Hawser, strict",
    lab,
    endpointOf: (service) => (service === "http" ? ROUTED_SERVICE : endpointOf(service)),
    near,
    proxies,
  };
}

function peerVariant(
  peer: Peer,
  lab: Lab,
  pods: ReadonlyMap<string, string>,
  running: Awaited<ReturnType<typeof startPeer>>,
): Variant {
  const { client, server } = running;
  const hasPod = (name: string): boolean => SERVICES.some((service) => service.name === name && pods.has(service.pod));
  return {
    name: peer.name,
    title: peer.title,
    lab,
    endpointOf: (service) => (hasPod(service) ? running.entryOf(service) : undefined),
    near: undefined,
    proxies: { client, server },
  };
}

async function podEndpoints(lab: Lab): Promise<Pick<Variant, "endpointOf" | "near">> {
  const pods = await podAddresses(lab);
  const endpoint = (pod: string, port: number) => {
    const host = pods.get(pod);
    return host === undefined ? undefined : { host, port };
  };
  return {
    endpointOf: (name) => {
      const service = SERVICES.find((one) => one.name === name);
      return service === undefined ? undefined : endpoint(service.pod, service.port);
    },
    near: endpoint(NEAR_POD, 8_080),
  };
}

/** IPv4 addresses of the pods that run; one whose program is not installed has none. */
async function podAddresses(lab: Lab): Promise<ReadonlyMap<string, string>> {
  const { pods } = await lab.status();
  const ready = pods.filter(({ state }) => state === "ready");
  return new Map(ready.map(({ uid, ips }) => [uid, ips.find((ip) => !ip.includes(":")) ?? ""]));
}

async function nodeAddress(lab: Lab, name: string): Promise<string> {
  const node = (await lab.status()).nodes.find((one) => one.name === name);
  const address = node?.addresses.find((one) => !one.includes(":"));
  if (address === undefined) throw new HawserError("no-node", `Node ${name} has no IPv4 address`);
  return address;
}

/** The callers' default gateway: the bridge of their node. */
async function gatewayOf(lab: Lab): Promise<string> {
  const { stdout } = await lab.exec(CLIENT_POD, ["ip", "-4", "route", "show", "default"]);
  const gateway = /via (\S+)/.exec(stdout)?.[1];
  if (gateway === undefined) throw new HawserError("no-gateway", `${CLIENT_POD} has no default route: ${stdout}`);
  return gateway;
}
