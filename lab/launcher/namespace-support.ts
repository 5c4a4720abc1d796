/**
 * May this user make the namespaces a lab lives in? Asked before a lab starts, and by tests that must skip loudly.
 *
 * A private user namespace is preferred, also for root: whatever goes wrong inside has no rights on the host. Where
 * user namespaces are forbidden (hardened kernels, some containers), root may still do without.
 */
import { runCommand } from "../../core/run-command.ts";
import type { RunCommand } from "../../core/run-command.ts";

export type NamespaceSupport =
  | { readonly supported: true; readonly userNamespace: boolean }
  | { readonly supported: false; readonly reason: string };

const NAMESPACES = ["--net", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"] as const;
const USER_NAMESPACE = ["--user", "--map-root-user"] as const;

// What fails first in a container that hides parts of /proc or of netfilter.
// An ordinary user's PATH lacks /usr/sbin.
const PROBE =
  "PATH=$PATH:/usr/sbin:/sbin; mount -n -t tmpfs tmpfs /mnt && ip link add probe type bridge && iptables -t nat -S >/dev/null";

export async function namespaceSupport(run: RunCommand = runCommand): Promise<NamespaceSupport> {
  const withUser = await tryProbe(run, true);
  if (withUser === undefined) return { supported: true, userNamespace: true };
  const asRoot = process.getuid?.() === 0 ? await tryProbe(run, false) : withUser;
  if (asRoot === undefined) return { supported: true, userNamespace: false };
  return { supported: false, reason: withUser };
}

/** The command line up to the program that becomes the first process of new namespaces. */
export function unshareCommand(userNamespace: boolean): readonly string[] {
  return ["unshare", ...(userNamespace ? USER_NAMESPACE : []), ...NAMESPACES];
}

async function tryProbe(run: RunCommand, userNamespace: boolean): Promise<string | undefined> {
  try {
    const result = await run([...unshareCommand(userNamespace), "sh", "-c", PROBE]);
    return result.exitCode === 0 ? undefined : result.stderr.trim() || `unshare exited with ${result.exitCode}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
