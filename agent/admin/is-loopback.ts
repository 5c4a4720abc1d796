/** Whether an address can be reached from this network namespace only. */
import ipaddr from "ipaddr.js";

/** `127.0.0.0/8`, `::1`, or the name `localhost`. */
export function isLoopback(host: string): boolean {
  if (host === "localhost") return true;
  return ipaddr.isValid(host) && ipaddr.process(host).range() === "loopback";
}
