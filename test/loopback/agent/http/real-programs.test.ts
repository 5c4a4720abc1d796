/** Programs that are not ours as clients and servers: curl, nginx; and many requests, after which nothing is left. */
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { Agent, request as httpRequest } from "node:http";
import { connect } from "node:net";
import path from "node:path";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { eventually } from "../../../support/eventually.ts";
import { answering, httpOrigin, rawOrigin } from "../../../support/http-origin.ts";
import { HttpWorld } from "../../../support/http-world.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";

const run = promisify(execFile);
const MEGABYTE = 1024 * 1024;

test("curl: a large upload with 100-continue, keep-alive, HEAD, HTTP/1.0, compressed downloads", async (t) => {
  const directory = await temporaryDirectory(t);
  const origin = await httpOrigin(t, (request, response) => {
    const hash = createHash("sha256");
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      hash.update(chunk);
    });
    request.on("end", () => response.end(`${request.method} ${bytes} ${hash.digest("hex")}\n`));
  });
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const file = path.join(directory, "upload");
  const content = Buffer.alloc(20 * MEGABYTE, "hawser");
  await writeFile(file, content);
  const digest = createHash("sha256").update(content).digest("hex");
  const curl = async (...args: string[]): Promise<string> => (await run("curl", ["-sS", ...args])).stdout;

  const upload = await run("curl", ["-sSv", "-T", file, `${world.url}/up`]);
  t.is(upload.stdout, `PUT ${content.length} ${digest}\n`);
  t.true(upload.stderr.includes("< HTTP/1.1 100 Continue"));
  t.is(
    await curl("-H", "Transfer-Encoding: chunked", "--data-binary", `@${file}`, world.url),
    `POST ${content.length} ${digest}\n`,
  );
  t.is((await curl(world.url, world.url, world.url)).split("\n").length, 4);
  t.regex(await curl("-I", world.url), /^HTTP\/1\.1 200 OK\r\n/);
  t.is(await curl("-0", world.url), `GET 0 ${createHash("sha256").digest("hex")}\n`);
  await world.settle();
});

test("nginx: files of all sizes, ranges, conditions, errors", async (t) => {
  const directory = await temporaryDirectory(t);
  const nginx = await startNginx(t, directory);
  const world = await HttpWorld.create(t, { origins: [nginx.port] });
  for (const bytes of [0, 1, 65_536, 3 * MEGABYTE]) {
    await writeFile(path.join(directory, "www", `file-${bytes}`), Buffer.alloc(bytes, "x"));
    const response = await fetch(`${world.url}/file-${bytes}`);
    t.is(response.status, 200);
    t.regex(response.headers.get("server") ?? "", /^nginx/);
    t.is((await response.arrayBuffer()).byteLength, bytes);
    const etag = response.headers.get("etag") ?? "";
    t.is((await fetch(`${world.url}/file-${bytes}`, { headers: { "if-none-match": etag } })).status, 304);
  }
  const range = await fetch(`${world.url}/file-65536`, { headers: { range: "bytes=10-19" } });
  t.is(range.status, 206);
  t.is(await range.text(), "xxxxxxxxxx");
  t.is((await fetch(`${world.url}/none`)).status, 404);
  t.is((await fetch(`${world.url}/file-1`, { method: "POST", body: "x".repeat(100_000) })).status, 405);
  t.is((await fetch(`${world.url}/file-1`, { method: "HEAD" })).headers.get("content-length"), "1");
});

test("10,000 requests one after the other leave nothing behind", async (t) => {
  const origin = await rawOrigin(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const count = 10_000;
  const client = await world.connect();
  let answered = 0;
  await new Promise<void>((resolve) => {
    client.on("data", (chunk: Buffer) => {
      if (!chunk.toString("latin1").endsWith("ok")) return;
      answered += 1;
      if (answered === count) resolve();
      else client.write("GET /items HTTP/1.1\r\nHost: catalog\r\nAccept: */*\r\n\r\n");
    });
    client.write("GET /items HTTP/1.1\r\nHost: catalog\r\nAccept: */*\r\n\r\n");
  });
  t.is(world.dials, 1);
  t.is(world.sockets.size, 2);
  client.end();
  await world.settle();
  t.deepEqual(world.requests(), { "2xx answered": count });
});

test("200 clients at once, of all kinds, leave nothing behind", async (t) => {
  const origin = await httpOrigin(t);
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const agent = new Agent({ keepAlive: true, maxSockets: 200 });
  const before = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const requests = Array.from({ length: 2_000 }, (_, index) => ask(world.url, agent, index));
  const statuses = new Set(await Promise.all(requests));
  t.deepEqual(statuses, new Set([0, 200]));
  t.true(world.dials <= 200 + 2_000 / 10, `${world.dials} dials`);
  agent.destroy();
  await world.settle();
  t.is(world.plane.upstreams.size, 0);
  await eventually("timers end", () => {
    return process.getActiveResourcesInfo().filter((name) => name === "Timeout").length <= before;
  });
});

/** Every tenth leaves before it has its answer: 0. */
async function ask(url: string, agent: Agent, index: number): Promise<number> {
  return await new Promise((resolve) => {
    const request = httpRequest(`${url}/${index}`, { agent, method: index % 2 === 0 ? "POST" : "GET" }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
      response.on("error", () => resolve(0));
    });
    request.on("error", () => resolve(0));
    if (index % 2 === 0) request.write("x".repeat(index));
    request.end();
    if (index % 10 === 0) request.destroy();
  });
}

async function startNginx(t: ExecutionContext, directory: string): Promise<{ port: number }> {
  const port = 20_000 + (process.pid % 10_000);
  await mkdir(path.join(directory, "www"));
  const config = path.join(directory, "nginx.conf");
  await writeFile(
    config,
    `daemon off; master_process off; pid ${directory}/pid; error_log ${directory}/error.log;
     events {} http { access_log off; client_body_temp_path ${directory}/body; proxy_temp_path ${directory}/proxy;
     fastcgi_temp_path ${directory}/fastcgi; uwsgi_temp_path ${directory}/uwsgi; scgi_temp_path ${directory}/scgi;
     server { listen 127.0.0.1:${port}; root ${directory}/www; } }`,
  );
  const child = spawn("nginx", ["-c", config, "-e", path.join(directory, "error.log")], { stdio: "ignore" });
  t.teardown(async () => {
    const exited = once(child, "exit");
    child.kill();
    await exited;
  });
  await eventually(`nginx listens: ${await readFile(path.join(directory, "error.log"), "utf8").catch(() => "")}`, () =>
    canConnect(port),
  );
  return { port };
}

async function canConnect(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
