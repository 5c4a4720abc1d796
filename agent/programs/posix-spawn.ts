/**
 * Starts a program without fork(): posix_spawnp(3) of glibc is clone(CLONE_VM | CLONE_VFORK), which copies no page tables.
 *
 * Node's spawn() is a fork(): the main thread stands still while the page tables of the whole process are copied, and
 * then every page that any thread writes to is a fault, in the data workers too.
 *
 * The child starts with our environment, default signal handlers, nothing blocked, and no descriptor but 0, 1 and 2: all of
 * ours are close-on-exec.
 */
import koffi from "koffi";
import { closeSocket, SocketError } from "../sockets/libc.ts";

/** Our ends of its standard streams; the caller closes them, and calls `reap` until it answers. */
export interface StartedProgram {
  readonly pid: number;
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
}

// Values of the generic Linux ABI and of glibc's spawn.h, the same on x86-64 and arm64.
const O_CLOEXEC = 0o2000000;
const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
const WNOHANG = 1;

/** Larger than posix_spawn_file_actions_t (80 bytes), posix_spawnattr_t (336) and sigset_t (128) of glibc. */
const OPAQUE_BYTES = 512;

const ALL_SIGNALS = Buffer.alloc(OPAQUE_BYTES, 0xff);

/** What Node's spawn() is made to say in core/run-command.ts. */
const KILLED = 129;

const libc = koffi.load("libc.so.6");
const cPipe2 = libc.func("int pipe2(_Out_ int*, int)");
const cWaitpid = libc.func("int waitpid(int, _Out_ int*, int)");
const cSpawn = libc.func("int posix_spawnp(_Out_ int*, const char*, void*, void*, const char**, void*)");
const cActionsInit = libc.func("int posix_spawn_file_actions_init(void*)");
const cActionsDestroy = libc.func("int posix_spawn_file_actions_destroy(void*)");
const cActionsDup2 = libc.func("int posix_spawn_file_actions_adddup2(void*, int, int)");
const cAttributesInit = libc.func("int posix_spawnattr_init(void*)");
const cSetFlags = libc.func("int posix_spawnattr_setflags(void*, short)");
const cSetDefaultSignals = libc.func("int posix_spawnattr_setsigdefault(void*, const void*)");
/**
 * Where the pointer to the environment is: it moves when a variable is set. Asked of the whole process: the linker may have
 * moved it from libc into the executable (a copy relocation), and libc's own is then never filled.
 */
const environ = koffi.load(null).symbol("environ") as unknown;

interface Pipe {
  readonly read: number;
  readonly write: number;
}

/** Throws SocketError when the program cannot be executed (`ENOENT`, `EACCES`) or there are no descriptors left. */
export function startProgram(argv: readonly string[]): StartedProgram {
  const pipes: Pipe[] = [];
  try {
    const [stdin, stdout, stderr] = [openPipe(pipes), openPipe(pipes), openPipe(pipes)];
    const pid = spawn(argv, [stdin.read, stdout.write, stderr.write]);
    [stdin.read, stdout.write, stderr.write].forEach(closeSocket);
    return { pid, stdin: stdin.write, stdout: stdout.read, stderr: stderr.read };
  } catch (error) {
    pipes.flatMap(({ read, write }) => [read, write]).forEach(closeSocket);
    throw error;
  }
}

/** How the program ended, and its zombie with it; undefined while it runs. The exit code, 129 for any signal. */
export function reap(pid: number): number | undefined {
  const status = [0];
  const result = cWaitpid(pid, status, WNOHANG) as number;
  if (result === 0) return undefined;
  if (result < 0) throw new SocketError(`wait for process ${pid}`, koffi.errno());
  const word = status[0] ?? 0;
  // WIFEXITED, WEXITSTATUS (bits/waitstatus.h).
  return (word & 0x7f) === 0 ? (word >> 8) & 0xff : KILLED;
}

function openPipe(pipes: Pipe[]): Pipe {
  const ends: [number, number] = [-1, -1];
  if (cPipe2(ends, O_CLOEXEC) !== 0) throw new SocketError("open a pipe", koffi.errno());
  const pipe = { read: ends[0], write: ends[1] };
  pipes.push(pipe);
  return pipe;
}

/** `streams` become 0, 1 and 2 of the child. They never are these already: Node opens what is closed of them at its start. */
function spawn(argv: readonly string[], streams: readonly number[]): number {
  const [actions, attributes] = [Buffer.alloc(OPAQUE_BYTES), Buffer.alloc(OPAQUE_BYTES)];
  const action = `start ${argv[0]}`;
  succeed(action, cActionsInit(actions));
  try {
    streams.forEach((fd, target) => succeed(action, cActionsDup2(actions, fd, target)));
    succeed(action, cAttributesInit(attributes));
    succeed(action, cSetDefaultSignals(attributes, ALL_SIGNALS));
    // Flags bring signals to their defaults, and unblock them: the mask of fresh attributes is empty.
    succeed(action, cSetFlags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK));
    const pid = [0];
    const environment = koffi.decode(environ, "void*") as unknown;
    succeed(action, cSpawn(pid, argv[0], actions, attributes, [...argv, null], environment));
    return pid[0] ?? 0;
  } finally {
    cActionsDestroy(actions);
  }
}

/** These functions return an error number rather than setting errno. */
function succeed(action: string, errno: unknown): void {
  if (errno !== 0) throw new SocketError(action, Number(errno));
}
