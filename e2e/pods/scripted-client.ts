/**
 * Program run in a pod: plays a script on one connection and prints its `ScriptTranscript` as JSON.
 * Usage: `node scripted-client.ts <host> <port> '<step>' ...`.
 */
import { once } from "node:events";
import { createConnection } from "node:net";
import { Script, type ScriptTranscript } from "./run-script.ts";

const [host = "", port = "", ...steps] = process.argv.slice(2);
const socket = createConnection({ host, port: Number(port), family: 4, allowHalfOpen: true, noDelay: true });
// A reset that is quicker than this process is told as a connection that failed.
const failure = await once(socket, "connect").then(
  () => undefined,
  (error: NodeJS.ErrnoException) => error.code ?? error.message,
);
const transcript: Partial<ScriptTranscript> =
  failure === undefined ? await new Script(socket, steps).run() : { ending: failure };
process.stdout.write(`${JSON.stringify(transcript)}\n`, () => process.exit(0));
