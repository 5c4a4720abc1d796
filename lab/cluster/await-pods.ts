/** Waits until pods are ready; what keeps one from it is told with the last words of its log, which is gone with the lab. */
import type { Clock } from "../../core/clock.ts";
import { HawserError } from "../../core/errors.ts";
import { readTail } from "../launcher/read-tail.ts";
import type { RunningPod } from "./pod.ts";

const POLL_MS = 20;

/** Rejects with `lab-failed` when one of them fails, or the time is over. */
export async function awaitPods(pods: readonly RunningPod[], timeoutMs: number, clock: Clock): Promise<void> {
  const deadlineMs = clock.monotonicMs() + timeoutMs;
  for (;;) {
    const failed = pods.find((pod) => pod.status.state === "failed");
    if (failed !== undefined) throw notReady(`Pod ${failed.uid} ${failed.status.reason ?? "failed"}`, [failed]);
    const waiting = pods.filter((pod) => pod.status.state === "running");
    if (waiting.length === 0) return;
    const names = waiting.map((pod) => pod.uid).join(", ");
    if (clock.monotonicMs() > deadlineMs) throw notReady(`Pods never became ready: ${names}`, waiting);
    await new Promise<void>((resolve) => void clock.after(POLL_MS, resolve));
  }
}

function notReady(message: string, pods: readonly RunningPod[]): HawserError {
  const logs = pods.map((pod) => `${pod.uid}:\n${readTail(pod.parts.logFile)}`);
  return new HawserError("lab-failed", [message, ...logs].join("\n"));
}
