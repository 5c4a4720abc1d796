/** Clients and servers that people run, on both sides of a route: undici, ws, nginx, curl, wrk, and servers of older habits. */
import type { Lab } from "../lab/lab-client.ts";
import type { LabPod } from "../lab/lab-status.ts";
import type { UndiciOutcome } from "./pods/undici-requests.ts";
import type { WebSocketOutcome } from "./pods/websocket-client.ts";
import { clientPod, httpRoute, mesh, type NodeNumber, pod, service } from "./support/cluster-documents.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import { runProgram } from "./support/run-program.ts";

const PORT = 7_000;
const NGINX_PORT = 8_080;
/** Of odd-origin.ts. */
const BODY_BYTES = 3 * 1024 * 1024;
const REQUESTS = 400;
const H2_ECHO = `ws://websocket-h2:${PORT + 1}/echo`;
const ALL_ECHOED: WebSocketOutcome = { echoed: 16, sent: 16, pongs: 1, serverClose: "4001 enough" };

const story = await labStories([
  mesh({ encryption: "strict" }),
  clientPod("client", 1),
  pod({ name: "echo", node: 2, command: ["node", "e2e/pods/http-server.ts", `${PORT}`], port: PORT }),
  pod({ name: "nginx", node: 2, command: ["sh", "e2e/pods/nginx.sh"], port: NGINX_PORT }),
  oddOrigin("http10", 3),
  oddOrigin("trailers", 3),
  oddOrigin("websocket", 2),
  service({
    ...{ name: "websocket-h2", number: 139, selector: { app: "websocket" } },
    ...{ ports: [PORT + 1], appProtocol: "kubernetes.io/h2c" },
  }),
  httpRoute("websocket-h2", { rules: [{ backendRefs: [{ name: "websocket-h2", port: PORT + 1 }] }] }),
  ...[
    ["echo", PORT],
    ["nginx", NGINX_PORT],
    ["http10", PORT],
    ["trailers", PORT],
    ["websocket", PORT],
  ].flatMap(([name, port], index) => routed(String(name), Number(port), index + 131)),
]);

story(
  "undici's pool with eight requests ahead on each connection gets every answer for its own request",
  async (t, lab) => {
    await inForce(lab, "echo", PORT);
    const args = [`http://echo:${PORT}`, `${REQUESTS}`, "4", "8"];
    const { right, wrong } = await runProgram<UndiciOutcome>(lab, "client", "undici-requests.ts", args);
    t.deepEqual(wrong, []);
    t.is(right, REQUESTS);
  },
);

story("WebSocket frames of all sizes come back, alone and all at once, and the end has its code", async (t, lab) => {
  await inForce(lab, "websocket", PORT);
  const outcome = await runProgram<WebSocketOutcome>(lab, "client", "websocket-client.ts", [
    `ws://websocket:${PORT}/echo`,
  ]);
  t.deepEqual(outcome, ALL_ECHOED);
  // Over HTTP/2, to the same server and to one that has them in HTTP/2; and to that one over HTTP/1.1.
  for (const args of [[`ws://websocket:${PORT}/echo`, "h2"], [H2_ECHO, "h2"], [H2_ECHO]]) {
    const other = await runProgram<WebSocketOutcome>(lab, "client", "websocket-client.ts", args);
    t.deepEqual(other, ALL_ECHOED, args.join(" "));
  }
});

story(
  "nginx: parts, conditions and HEAD are what they are without us",
  async (t, lab) => {
    await inForce(lab, "nginx", NGINX_PORT);
    const url = `http://nginx:${NGINX_PORT}/index.html`;
    t.is(await curl(lab, ["-r", "0-4", url]), "hello");
    t.is(await curl(lab, ["-o", "/dev/null", "-w", "%{http_code}", "-r", "99-", url]), "416");
    const head = await curl(lab, ["-I", url]);
    t.regex(head, /^HTTP\/1\.1 200 OK\r\n.*content-length: 17\r\n/is);
    const etag = /etag: (.*)\r\n/i.exec(head)?.[1] ?? "";
    t.is(await curl(lab, ["-o", "/dev/null", "-w", "%{http_code}", "-H", `If-None-Match: ${etag}`, url]), "304");
    t.is(await curl(lab, ["-w", "%{http_code}", "-o", "/dev/null", `http://nginx:${NGINX_PORT}/nothing`]), "404");
  },
  ["nginx", "curl"],
);

story(
  "curl as HTTP/1.0, with an upload of unknown length, and two requests over one connection",
  async (t, lab) => {
    const url = `http://echo:${PORT}/curl`;
    t.regex(await curl(lab, ["--http1.0", "-i", url]), /^HTTP\/1\.1 200 OK\r\n.*"url":"\/curl"/s);
    const upload = ["sh", "-c", `head -c 300000 /dev/zero | curl -sS -m 10 -X POST -T - ${url}`];
    const { stdout } = await lab.exec("client", upload);
    t.regex(stdout, /"method":"POST".*"transfer-encoding":"chunked"/);
    const twice = await curl(lab, [
      "-o",
      "/dev/null",
      "-w",
      "%{num_connects} ",
      url,
      "--next",
      "-sS",
      "-o",
      "/dev/null",
      "-w",
      "%{num_connects}",
      url,
    ]);
    t.is(twice, "1 0");
  },
  ["curl"],
);

story(
  "a server of HTTP/1.0: what ends with its connection comes whole, and the client's connection stays",
  async (t, lab) => {
    await inForce(lab, "http10", PORT);
    const url = `http://http10:${PORT}/`;
    const facts = "%{http_version} %{size_download} %{num_connects} ";
    const twice = await curl(lab, [
      "-o",
      "/dev/null",
      "-w",
      facts,
      url,
      "--next",
      "-sS",
      "-o",
      "/dev/null",
      "-w",
      facts,
      url,
    ]);
    t.is(twice, `1.1 ${BODY_BYTES} 1 1.1 ${BODY_BYTES} 0 `);
  },
  ["curl"],
);

story(
  "a server that sends nothing but chunks: the body comes whole, and the checksum behind it",
  async (t, lab) => {
    await inForce(lab, "trailers", PORT);
    const url = `http://trailers:${PORT}/`;
    const script = `curl -sS -m 10 -D head -o body -H 'TE: trailers' -H 'Connection: TE' ${url}; sha256sum < body; cat head`;
    const { stdout } = await lab.exec("client", ["sh", "-c", `cd "$(mktemp -d)"; ${script}`]);
    const sum = /^([0-9a-f]{64})/.exec(stdout)?.[1];
    t.regex(stdout, /transfer-encoding: chunked\r\n/i);
    // curl writes trailers behind the head.
    t.regex(stdout, new RegExp(`x-checksum: ${sum}\\r\\n`, "i"));
  },
  ["curl"],
);

story(
  "wrk over 64 connections meets no error, and a connection that is not kept is as good as one that is",
  async (t, lab) => {
    for (const header of [[], ["-H", "Connection: close"]]) {
      const argv = ["wrk", "-t1", "-c64", "-d2s", ...header, `http://nginx:${NGINX_PORT}/`];
      const { stdout } = await lab.exec("client", argv);
      t.regex(stdout, /\d+ requests in/);
      t.notRegex(stdout, /Non-2xx|Socket errors: connect [1-9]|read [1-9]|write [1-9]/, stdout);
    }
  },
  ["wrk", "nginx"],
);

function oddOrigin(kind: "http10" | "trailers" | "websocket", node: NodeNumber): LabPod {
  return pod({ name: kind, node, command: ["node", "e2e/pods/odd-origin.ts", kind, `${PORT}`], port: PORT });
}

/** With a route that takes everything, so that its requests are read. */
function routed(name: string, port: number, number: number): readonly object[] {
  const rules = [{ backendRefs: [{ name, port }] }];
  return [service({ name, number, selector: { app: name }, ports: [port] }), httpRoute(name, { rules })];
}

/** Requests are read, not carried as bytes: the agent counts them. */
async function inForce(lab: Lab, name: string, port: number): Promise<void> {
  const counted = new RegExp(`^hawser_http_requests_total\\{[^}]*destination_service="story/${name}"`, "m");
  await eventually(`requests to ${name} are read`, { timeoutMs: 10_000 }, async () => {
    await lab.exec("client", ["curl", "-sS", "-m", "2", "-o", "/dev/null", `http://${name}:${port}/`]);
    return counted.test((await lab.call("nodeHttp", { node: "node-1", path: "/metrics" })).body);
  });
}

async function curl(lab: Lab, args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await lab.exec("client", ["curl", "-sS", "-m", "10", ...args]);
  if (exitCode !== 0) throw new Error(`curl ${args.join(" ")}: ${stderr}`);
  return stdout;
}
