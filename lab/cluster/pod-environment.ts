/** What a pod's process is started with (pure): its environment, and its command with `$(NAME)` replaced. */
import type { LabPod } from "../lab-status.ts";

/** The pod's own tmpfs, empty at start. */
const DATA_DIRECTORY = "/run/pod";
const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export function podEnvironment(
  pod: LabPod,
  ips: readonly string[],
  projectRoot: string,
  statsFile: string,
): Readonly<Record<string, string>> {
  const given = pod.spec.containers[0]?.env ?? [];
  return {
    // The project's own node first, as in every npm script.
    PATH: `${projectRoot}/node_modules/.bin:${SYSTEM_PATH}`,
    HOME: DATA_DIRECTORY,
    LANG: "C.UTF-8",
    POD_NAME: pod.metadata.name,
    POD_NAMESPACE: pod.metadata.namespace ?? "default",
    POD_IP: ips[0] ?? "",
    POD_IPS: ips.join(","),
    POD_DATA: DATA_DIRECTORY,
    NODE_NAME: pod.spec.nodeName,
    LAB_STATS_FILE: statsFile,
    ...Object.fromEntries(given.map(({ name, value }) => [name, value])),
  };
}

/** Kubernetes' rule: `$(NAME)` of an unknown name stays as it is, `$$(NAME)` means a literal `$(NAME)`. */
export function podCommand(pod: LabPod, environment: Readonly<Record<string, string>>): readonly string[] {
  const container = pod.spec.containers[0];
  const words = [...(container?.command ?? []), ...(container?.args ?? [])];
  return words.map((word) =>
    word.replaceAll(/\$(\$?)\(([A-Za-z_][A-Za-z0-9_]*)\)/g, (whole, escaped: string, name: string) =>
      escaped === "" ? (environment[name] ?? whole) : `$(${name})`,
    ),
  );
}
