/** All objects of one kind as the API server has them: what the lab's kubelets, kube-proxy and players look into. */
import type { Clock } from "../../core/clock.ts";
import { createPinoLog } from "../../core/pino-log.ts";
import type { KubeClient, KubeObject } from "../../kubernetes/kube-client.ts";
import { Reflector } from "../../kubernetes/reflector.ts";

export interface MirrorSettings<T> {
  readonly client: KubeClient;
  /** Such as `/api/v1/pods`. */
  readonly path: string;
  readonly clock: Clock;
  /** Told after the mirror has it. `undefined`: the object is gone. */
  readonly onChange: (key: string, object: T | undefined) => void;
}

export type Mirror<T extends KubeObject> = Reflector<T, T>;

/** Resolves after the first list. */
export async function startMirror<T extends KubeObject>(settings: MirrorSettings<T>): Promise<Mirror<T>> {
  const mirror = newMirror(settings);
  mirror.start();
  await mirror.synced;
  return mirror;
}

/** For who is called back before the first list is complete, and wants to look into it. */
export function newMirror<T extends KubeObject>(settings: MirrorSettings<T>): Mirror<T> {
  // Standard output is the launcher's.
  const destination = { write: (line: string): void => void process.stderr.write(line) };
  const log = createPinoLog({ level: "warn", base: { component: "lab" }, destination });
  return new Reflector<T, T>({ ...settings, reduce: (object) => object, random: Math.random, log });
}
