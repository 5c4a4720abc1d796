/** Stories on a lab with a real API server. Without one every story is skipped, and says why. */
import { describeError } from "../../core/errors.ts";
import { ASSETS_VARIABLE, kubernetesAssets } from "../../lab/kubernetes/kubernetes-assets.ts";
import type { KubernetesAssets } from "../../lab/kubernetes/kubernetes-assets.ts";
import type { StartLabOptions } from "../../lab/lab-client.ts";
import { labStories, skipStories } from "./lab-stories.ts";
import type { TellStory } from "./lab-stories.ts";

/** `mesh: false` starts the cluster without what is in daemonset/. */
export async function kubernetesStories(
  documents: readonly object[],
  options: StartLabOptions = {},
): Promise<TellStory> {
  const assets = assetsOrReason();
  if (typeof assets === "string") return skipStories(assets);
  return labStories(documents, { ...options, kubernetes: assets });
}

function assetsOrReason(): KubernetesAssets | string {
  try {
    return kubernetesAssets(process.env[ASSETS_VARIABLE]);
  } catch (error) {
    return describeError(error);
  }
}
