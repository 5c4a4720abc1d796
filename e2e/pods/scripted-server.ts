/**
 * Program of a pod: plays a script on every connection of a port, and tells on 127.0.0.1:<control port> what happened:
 * `GET /<port>` gives the `ScriptTranscript`s of that port's connections, oldest first.
 * Usage: `node scripted-server.ts <control port> '{"<port>": ["<step>", ...], ...}'`.
 */
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { Script } from "./run-script.ts";

const scripts = JSON.parse(process.argv[3] ?? "{}") as Record<string, readonly string[]>;
const played = new Map<string, Script[]>();

for (const [port, steps] of Object.entries(scripts)) {
  const list: Script[] = [];
  played.set(port, list);
  createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const script = new Script(socket, steps);
    list.push(script);
    void script.run();
  }).listen(Number(port), "::");
}

createHttpServer((request, response) => {
  const list = played.get(request.url?.slice(1) ?? "") ?? [];
  response.end(JSON.stringify(list.map((script) => script.transcript)));
}).listen(Number(process.argv[2]), "127.0.0.1");
