/** What every program of the shop is told by its environment, as the Kubernetes downward API would. */

export interface ShopSettings {
  readonly pod: string;
  readonly namespace: string;
  readonly node: string;
  /** Where to write the client's stats each second; undefined = nowhere. */
  readonly statsFile: string | undefined;
  /** Of the connections it makes: 4, 6, or 0 for the first address that the name resolves to. */
  readonly ipFamily: number;
}

export interface ShopTarget {
  readonly host: string;
  readonly port: number;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export function readShopSettings(env: Environment): ShopSettings {
  const { POD_NAME: pod = "unknown", POD_NAMESPACE: namespace = "default", NODE_NAME: node = "unknown" } = env;
  return { pod, namespace, node, statsFile: env["LAB_STATS_FILE"], ipFamily: Number(env["IP_FAMILY"] ?? 0) };
}

/** The service to call: TARGET_HOST and TARGET_PORT. */
export function readTarget(env: Environment, fallback: ShopTarget): ShopTarget {
  return { host: env["TARGET_HOST"] ?? fallback.host, port: readPositiveNumber(env, "TARGET_PORT", fallback.port) };
}

/** A positive number from the environment, or `fallback`. Throws when it is set to anything else. */
export function readPositiveNumber(env: Environment, name: string, fallback: number): number {
  const text = env[name];
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new RangeError(`${name} must be a number above 0, not "${text}"`);
  return value;
}

/** `catalog` and `catalog.shop.svc.cluster.local` as seen from a pod of `namespace` -> `shop/catalog`. */
export function serviceKey(host: string, namespace: string): string {
  const [name = host, ofNamespace = namespace] = host.split(".");
  return `${ofNamespace}/${name}`;
}
