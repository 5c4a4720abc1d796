/** Entry point of the thread that makes certificate requests: an identity comes, its request goes, in turn. */
import { parentPort } from "node:worker_threads";
import { describeError, HawserError } from "../../core/errors.ts";
import { createCertificateRequest } from "./certificate-request.ts";
import type { RequestAnswer } from "./request-thread.ts";

const port = parentPort;
if (port === null) throw new HawserError("not-a-worker", "This program runs only as a thread of the agent");

let last: Promise<void> = Promise.resolve();
port.on("message", (identity: string) => {
  last = last.then(async () => port.postMessage(await answer(identity)));
});

async function answer(identity: string): Promise<RequestAnswer> {
  try {
    return { request: await createCertificateRequest(identity) };
  } catch (error) {
    return { error: describeError(error) };
  }
}
