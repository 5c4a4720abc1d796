/**
 * Program run in a pod: plays a script on one connection and prints its `ScriptTranscript` as JSON.
 * Usage: `node scripted-client.ts <host> <port> '<step>' ...`.
 */
import { once } from "node:events";
import { createConnection } from "node:net";
import { Script } from "./run-script.ts";

const [host = "", port = "", ...steps] = process.argv.slice(2);
const socket = createConnection({ host, port: Number(port), family: 4, allowHalfOpen: true, noDelay: true });
await once(socket, "connect");
const transcript = await new Script(socket, steps).run();
process.stdout.write(`${JSON.stringify(transcript)}\n`, () => process.exit(0));
