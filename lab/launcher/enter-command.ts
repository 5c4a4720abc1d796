/**
 * The command line that runs a program inside a pod or node of a lab, from the host.
 *
 * Two steps: into the lab (its user, mount, network and pid namespaces), where `/proc` shows the lab's own pids, then
 * into the namespaces that the target's pause process holds. nsenter must fork to enter a pid namespace and passes no
 * signal on, so the inner program asks the kernel for SIGKILL when the outer nsenter dies: killing what the caller
 * sees kills what runs inside.
 */
import path from "node:path";

export interface LabEntrance {
  /** The lab's first process as the host sees it. */
  readonly initPid: number;
  readonly userNamespace: boolean;
}

export function enterCommand(entrance: LabEntrance, pausePid: number, argv: readonly string[]): readonly string[] {
  return enterLabCommand(entrance, enterSandboxCommand(pausePid, ["env", ...EXEC_ENVIRONMENT, ...argv]));
}

/** The first step alone: into the fabric, where the API server is. */
export function enterLabCommand(entrance: LabEntrance, argv: readonly string[]): readonly string[] {
  const user = entrance.userNamespace ? ["--user", "--preserve-credentials"] : [];
  const outer = ["nsenter", "--target", `${entrance.initPid}`, ...user, "--mount", "--net", "--pid"];
  return [...outer, "--wd", "--", "setpriv", "--pdeathsig", "KILL", ...argv];
}

/** As for a pod's own process, whatever the caller's shell has: an ordinary user's PATH lacks /usr/sbin. */
const EXEC_ENVIRONMENT = [
  `PATH=${path.resolve(import.meta.dirname, "../../node_modules/.bin")}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
  "HOME=/run/pod",
  "POD_DATA=/run/pod",
];

/** The same from inside the lab. The program keeps the pid of the process that runs this command. */
export function enterSandboxCommand(pausePid: number, argv: readonly string[]): readonly string[] {
  return ["nsenter", "--target", `${pausePid}`, "--net", "--mount", "--uts", "--wd", "--", ...argv];
}
