/** Makes a server accept on a descriptor that listens already, and outlive failures of accept(2). */
import type { Server } from "node:net";

/** Takes the descriptor over. `onError`: an accept failed, e.g. for want of descriptors; the server goes on. */
export async function listenOn(server: Server, fd: number, onError: (error: Error) => void): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ fd }, () => {
      server.off("error", reject);
      // Without a listener the first failure would end the whole worker.
      server.on("error", onError);
      resolve();
    });
  });
}
