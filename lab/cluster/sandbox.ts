/**
 * A sandbox: the network, mount and UTS namespaces of one node or pod, held open by a pause process (as in Kubernetes).
 *
 * Inside, /run (and a pod's /tmp) are private tmpfs, so that nothing a program writes there is seen by another sandbox
 * or by the host. The state directory and the project stay visible when they lie beneath a covered directory.
 * IPv6 duplicate address detection is off: it would delay every address by a second.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { HawserError } from "../../core/errors.ts";
import { runCommand } from "../../core/run-command.ts";
import type { CommandOptions, CommandResult } from "../../core/run-command.ts";
import type { PodMount } from "./pod-plan.ts";
import { enterSandboxCommand } from "../launcher/enter-command.ts";

export interface SandboxSettings {
  readonly hostname: string;
  readonly stateDir: string;
  readonly projectRoot: string;
  /** Directories to cover with a private tmpfs. */
  readonly privateDirectories: readonly string[];
  /** Written before any interface exists, so that every interface starts with them. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** File inside -> file to show there. Left out where the machine has no such file. */
  readonly files: Readonly<Record<string, string>>;
  /** Made after everything else, in this order. */
  readonly mounts?: readonly PodMount[];
  /** Shares the network namespace of this pause process instead of getting its own. */
  readonly networkOf?: number;
}

/** A shell function: covers a directory with a tmpfs, and keeps $STATE and $ROOT visible beneath it. */
const COVER = `
cover() {
  mkdir -p "$STATE/stage"
  mount -n -t tmpfs -o mode=1777 tmpfs "$STATE/stage"
  for keep in "$STATE" "$ROOT"; do
    case "$keep" in
      "$1"/*) mkdir -p "$STATE/stage/\${keep#"$1"/}"; mount -n --bind "$keep" "$STATE/stage/\${keep#"$1"/}" ;;
    esac
  done
  mount -n --move "$STATE/stage" "$1"
}
`;

/**
 * A shell function: mounts $1 at $2, `ro` or `rw`. Where $2 is not there, nothing may be made on the machine itself: its
 * nearest directory becomes a tmpfs of links to what it held, and then has room.
 */
const ATTACH = `
attach() {
  room=$2
  while [ ! -e "$room" ]; do room=\${room%/*}; done
  if [ "$room" != "$2" ] && [ "$(stat -f -c %T "\${room:-/}")" != tmpfs ]; then
    [ -n "$room" ] || { echo "cannot mount at $2: / has no room" >&2; exit 1; }
    mkdir -p "$STATE/stage"
    mount -n -t tmpfs -o mode=755 tmpfs "$STATE/stage"
    mkdir "$STATE/stage/.under"
    mount -n --rbind "$room" "$STATE/stage/.under"
    for one in "$room"/* "$room"/.[!.]*; do [ ! -e "$one" ] || ln -s ".under/\${one##*/}" "$STATE/stage/"; done
    mount -n --move "$STATE/stage" "$room"
  fi
  if [ -d "$1" ]; then mkdir -p "$2"; else mkdir -p "\${2%/*}"; [ -e "$2" ] || : > "$2"; fi
  mount -n --bind "$1" "$2"
  [ "$3" = rw ] || mount -n -o remount,bind,ro "$2"
}
`;

// /sys shows the network namespace's own interfaces only in a sysfs mounted inside; some containers forbid the mount.
const PAUSE = `
set -e
${COVER}${ATTACH}
NAME=$1; STATE=$2; ROOT=$3; SYSCTLS=$4; FILES=$5; COVERED=$6; MOUNTS=$7
hostname "$NAME" 2>/dev/null || true
mount -n -t sysfs sysfs /sys 2>/dev/null || true
for one in $FILES; do [ ! -e "\${one%%=*}" ] || mount -n --bind "\${one#*=}" "\${one%%=*}"; done
for one in $COVERED; do cover "$one"; done
for one in $SYSCTLS; do [ ! -e "/proc/sys/net/\${one%%=*}" ] || echo "\${one#*=}" > "/proc/sys/net/\${one%%=*}"; done
for one in $MOUNTS; do rest=\${one#*:}; attach "\${one%%:*}" "\${rest%:*}" "\${rest##*:}"; done
mkdir -p /run/pod
cd "$ROOT"
echo ready
exec sleep infinity
`;

/** Covers /run of the calling process's own mount namespace, for the locks that ip and iptables keep there. */
export async function coverOwnRun(stateDir: string, projectRoot: string): Promise<void> {
  const script = `set -e\n${COVER}\nSTATE=$1; ROOT=$2; cover /run`;
  const result = await runCommand(["sh", "-c", script, "sh", stateDir, projectRoot]);
  if (result.exitCode !== 0) throw new HawserError("sandbox-failed", `Cannot cover /run: ${result.stderr}`);
}

export class Sandbox {
  readonly name: string;
  readonly pid: number;
  readonly #pause: ChildProcess;

  private constructor(name: string, pause: ChildProcess, pid: number) {
    this.name = name;
    this.#pause = pause;
    this.pid = pid;
  }

  static async start(settings: SandboxSettings): Promise<Sandbox> {
    const pause = spawn("sh", ["-c", startScript(settings), "sh", ...pauseArguments(settings)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let complaint = "";
    pause.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString()));
    const [first] = (await Promise.race([once(pause.stdout, "data"), once(pause, "close")])) as [unknown];
    if (!Buffer.isBuffer(first) || pause.pid === undefined) {
      throw new HawserError("sandbox-failed", `Cannot make the namespaces of ${settings.hostname}: ${complaint}`);
    }
    return new Sandbox(settings.hostname, pause, pause.pid);
  }

  /** Runs a program inside to its end; fails unless it exits with 0. */
  async run(argv: readonly string[], options?: CommandOptions): Promise<string> {
    const result = await this.tryRun(argv, options);
    if (result.exitCode === 0) return result.stdout;
    throw new HawserError("sandbox-command", `In ${this.name}: ${argv.join(" ")}: ${result.stderr.trim()}`);
  }

  tryRun(argv: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return runCommand(enterSandboxCommand(this.pid, argv), options);
  }

  /** `ip -batch` with these lines: one process however many there are. */
  async ip(lines: readonly string[]): Promise<void> {
    await this.run(["ip", "-batch", "-"], { input: `${lines.join("\n")}\n` });
  }

  /** The namespaces go when the last process in them has gone. */
  stop(): void {
    this.#pause.kill("SIGKILL");
  }
}

/** The pause script runs in the new namespaces; `exec` keeps the pid that we know. */
function startScript(settings: SandboxSettings): string {
  const network =
    settings.networkOf === undefined
      ? "exec unshare --net --mount --uts"
      : `exec nsenter --target ${settings.networkOf} --net unshare --mount --uts`;
  return `${network} sh -c '${PAUSE.replaceAll("'", "'\\''")}' sh "$@"`;
}

function pauseArguments(settings: SandboxSettings): readonly string[] {
  const { hostname, stateDir, projectRoot, sysctls, files, privateDirectories } = settings;
  const pairs = (record: Readonly<Record<string, string>>): string =>
    Object.entries(record)
      .map(([key, value]) => `${key}=${value}`)
      .join(" ");
  const mounts =
    settings.mounts?.map(({ source, path, readOnly }) => `${source}:${path}:${readOnly ? "ro" : "rw"}`) ?? [];
  const covered = privateDirectories.join(" ");
  return [hostname, stateDir, projectRoot, pairs(sysctls), pairs(files), covered, mounts.join(" ")];
}
