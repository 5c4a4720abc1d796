/** An object of the API server, or the knowledge that there is none. */
import { isKubeStatus, type KubeClient } from "./kube-client.ts";

/** Undefined: there is no such object. Rejects with KubeError. */
export async function readIfThere<T>(client: Pick<KubeClient, "get">, path: string): Promise<T | undefined> {
  try {
    return await client.get<T>(path);
  } catch (error) {
    if (isKubeStatus(error, 404)) return undefined;
    throw error;
  }
}
