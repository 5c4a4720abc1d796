/**
 * How many copies of requests are under way, for each backend that they go to: one that hangs must neither hold the memory
 * of the agent nor keep others from being mirrored to.
 */
import type { RouteTarget } from "../../../protocol/route-table.ts";
import { httpLimits } from "../limits.ts";

export class Mirrors {
  readonly #underWay = new Map<string, number>();

  /** False: too many are under way. */
  begin(target: RouteTarget): boolean {
    const key = keyOf(target);
    const count = this.#underWay.get(key) ?? 0;
    if (count >= httpLimits.mirrorsPerBackend) return false;
    this.#underWay.set(key, count + 1);
    return true;
  }

  end(target: RouteTarget): void {
    const key = keyOf(target);
    const count = this.#underWay.get(key) ?? 0;
    if (count > 1) this.#underWay.set(key, count - 1);
    else this.#underWay.delete(key);
  }
}

function keyOf({ service, port }: RouteTarget): string {
  return `${service}:${port}`;
}
