/**
 * Keeps a client program alive until SIGTERM. A handler is needed: the first process of a pid namespace ignores every
 * signal that it does not handle (pid_namespaces(7)).
 */
export function keepRunningUntilTerminated(): void {
  const alive = setInterval(() => {}, 60_000);
  process.once("SIGTERM", () => {
    clearInterval(alive);
    process.exit(0);
  });
}
