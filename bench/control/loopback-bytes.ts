/**
 * Bytes that went over this network namespace's loopback device, with every header: in a namespace of one's own, all that
 * the controller and the agents said to each other.
 */
import { readFileSync } from "node:fs";
import { HawserError } from "../../core/errors.ts";

export function loopbackBytes(): number {
  // proc_pid_net(5): after the name, the first column is bytes received. What lo sends it receives.
  const found = /^\s*lo:\s*(\d+)/m.exec(readFileSync("/proc/self/net/dev", "utf8"))?.[1];
  if (found === undefined)
    throw new HawserError("no-loopback", "There is no loopback device, is it a namespace of its own");
  return Number(found);
}
