/**
 * Whether an agent's process still lives, by a port that it reserved at its start: the kernel gives it back with the process,
 * however that ended, and process ids say nothing from one pod to another.
 */
import { AGENT_ADDRESS } from "./agent-address.ts";
import { bindSocket, closeSocket, openSocket, setReuseAddress, setTransparent, SocketError } from "./libc.ts";

/** False: nobody holds it. True also when that cannot be found out. */
export function isPortHeld(port: number): boolean {
  let fd: number | undefined;
  try {
    fd = openSocket(false);
    setTransparent(fd, false);
    // Connections that a dead agent has left do not hold it: they share, a reservation and a listener do not.
    setReuseAddress(fd);
    bindSocket(fd, AGENT_ADDRESS[4], port, false);
    return false;
  } catch (error) {
    if (error instanceof SocketError) return true;
    throw error;
  } finally {
    if (fd !== undefined) closeSocket(fd);
  }
}
