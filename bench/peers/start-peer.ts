/**
 * Starts one peer's pair of processes in the nodes of the lab without the mesh, and waits until a call goes all the way
 * through both. They run, idle, until the lab ends.
 */
import type { ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { HawserError } from "../../core/errors.ts";
import { runCommand } from "../../core/run-command.ts";
import type { Lab } from "../../lab/lab-client.ts";
import { descendantPids } from "../measure/descendant-pids.ts";
import { ProcessGroup } from "../measure/process-group.ts";
import {
  CLIENT_NODE,
  CLIENT_POD,
  type Endpoint,
  ROUTED_PATH,
  SERVER_NODE,
  SERVICES,
  type ServiceName,
} from "../world/services.ts";
import type { PeerCertificates } from "./peer-certificates.ts";
import type { Peer } from "./peers.ts";
import { renderTemplate, type TemplateValues } from "./render-template.ts";

export interface RunningPeer {
  readonly client: ProcessGroup;
  readonly server: ProcessGroup;
  readonly entryOf: (service: ServiceName) => Endpoint;
}

export interface PeerPlace {
  readonly lab: Lab;
  readonly certificates: PeerCertificates;
  /** The callers' node as its pods see it. */
  readonly gateway: string;
  /** The called pods' node as the other node sees it. */
  readonly serverAddress: string;
  /** Of the pods behind the services. */
  readonly podAddresses: ReadonlyMap<string, string>;
}

/** The servers' ports follow the callers' ones. */
const SERVER_PORTS = 50;
/** For each idle connection a proxy holds two. Where the system allows fewer, as many as it allows. */
const FILE_LIMIT_SCRIPT = 'ulimit -n 60000 2>/dev/null || ulimit -n "$(ulimit -H -n)"; exec "$@"';
const READY_TIMEOUT_MS = 15_000;
const READY_POLL_MS = 100;

export async function startPeer(peer: Peer, place: PeerPlace): Promise<RunningPeer> {
  const directory = path.join(place.lab.stateDir, "peers", peer.name);
  mkdirSync(directory, { recursive: true });
  const entryOf = (service: ServiceName): Endpoint => ({ host: place.gateway, port: peer.basePort + indexOf(service) });
  const ports = SERVICES.map(({ name, pod, port }) => ({
    service: name,
    entryPort: peer.basePort + indexOf(name),
    exitPort: peer.basePort + SERVER_PORTS + indexOf(name),
    podAddress: place.podAddresses.get(pod) ?? "127.0.0.1",
    podPort: port,
  }));
  const values = { ...(await writeCertificates(directory, place)), directory, ...httpValues(ports) };
  const services = ports.filter(({ service }) => service !== "http");
  const server = await startSide(place.lab, SERVER_NODE, peer, peer.serverTemplate, values, services);
  const client = await startSide(place.lab, CLIENT_NODE, peer, peer.clientTemplate, values, services);
  await untilAnswering(place.lab, peer, entryOf("calls"), "/", [client, server]);
  await untilAnswering(place.lab, peer, entryOf("http"), ROUTED_PATH, [client, server]);
  return { client: processesOf(client), server: processesOf(server), entryOf };
}

interface ServicePorts {
  readonly service: ServiceName;
  readonly entryPort: number;
  readonly exitPort: number;
  readonly podAddress: string;
  readonly podPort: number;
}

/** HTTP routing has sections of its own. Where its far side only passes bytes on, it is the exit of the calls. */
function httpValues(ports: readonly ServicePorts[]): TemplateValues {
  const portsOf = (name: ServiceName): ServicePorts => ports[indexOf(name)] as ServicePorts;
  const { entryPort, exitPort, podAddress, podPort } = portsOf("http");
  return {
    httpEntryPort: entryPort,
    httpExitPort: exitPort,
    httpPodAddress: podAddress,
    httpPodPort: podPort,
    callsExitPort: portsOf("calls").exitPort,
  };
}

function indexOf(service: ServiceName): number {
  return SERVICES.findIndex(({ name }) => name === service);
}

async function writeCertificates(directory: string, place: PeerPlace): Promise<Readonly<Record<string, string>>> {
  const { caPem, clientPem, serverPem } = place.certificates;
  const write = (name: string, text: string): string => {
    const file = path.join(directory, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  return {
    ca: write("ca.pem", caPem),
    clientPem: write("client.pem", clientPem),
    serverPem: write("server.pem", serverPem),
    gateway: place.gateway,
    serverAddress: place.serverAddress,
    loadModule: await streamModule(),
  };
}

interface Side {
  readonly child: ChildProcess;
  readonly words: () => string;
}

async function startSide(
  lab: Lab,
  node: string,
  peer: Peer,
  template: string,
  values: TemplateValues,
  services: readonly TemplateValues[],
): Promise<Side> {
  const text = readFileSync(path.join(import.meta.dirname, template), "utf8");
  const file = path.join(lab.stateDir, "peers", peer.name, template);
  writeFileSync(file, renderTemplate(text, values, services));
  const argv = ["sh", "-c", FILE_LIMIT_SCRIPT, "sh", ...peer.argv(file)];
  const child = await lab.spawn(node, argv, { stdio: ["ignore", "pipe", "pipe"] });
  let words = "";
  const listen = (chunk: Buffer): void => void (words = `${words}${chunk.toString()}`.slice(-2_000));
  child.stdout?.on("data", listen);
  child.stderr?.on("data", listen);
  child.on("error", () => {});
  return { child, words: () => words };
}

async function untilAnswering(
  lab: Lab,
  peer: Peer,
  { host, port }: Endpoint,
  urlPath: string,
  sides: readonly Side[],
): Promise<void> {
  const deadlineMs = performance.now() + READY_TIMEOUT_MS;
  for (;;) {
    const answer = await lab.exec(CLIENT_POD, ["curl", "-s", "--max-time", "2", `http://${host}:${port}${urlPath}`]);
    if (answer.stdout === "hello\n") return;
    const ended = sides.some(({ child }) => child.exitCode !== null);
    if (ended || performance.now() > deadlineMs) {
      const words = sides.map((side) => side.words().trim()).join("\n");
      throw new HawserError("peer-failed", `${peer.title} does not pass calls on. It said:\n${words}`);
    }
    await delay(READY_POLL_MS);
  }
}

/** What we spawned only waits; the program and its workers are below it. */
function processesOf({ child }: Side): ProcessGroup {
  return new ProcessGroup(() => (child.pid === undefined ? [] : descendantPids(child.pid)));
}

/** Debian builds nginx's stream module as a file of its own; elsewhere it is part of nginx. */
async function streamModule(): Promise<string> {
  const { stderr } = await runCommand(["nginx", "-V"]).catch(() => ({ stderr: "" }));
  const modules = /--modules-path=(\S+)/.exec(stderr)?.[1];
  if (!stderr.includes("--with-stream=dynamic") || modules === undefined) return "";
  return `load_module ${path.join(modules, "ngx_stream_module.so")};`;
}
