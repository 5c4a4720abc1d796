/** Addresses of a pod of the stories' lab; none when there is no such pod. */
import type { Lab } from "../../lab/lab-client.ts";

export async function addressesOf(lab: Lab, name: string): Promise<readonly string[]> {
  const { pods } = await lab.status();
  return pods.find((one) => one.name === name)?.ips ?? [];
}
