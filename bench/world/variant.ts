/** One way for traffic to go, while it is measured: where to call, and whose CPU time and memory to count. */
import type { Lab } from "../../lab/lab-client.ts";
import type { ProcessGroup } from "../measure/process-group.ts";
import type { VariantName } from "../variants.ts";
import type { Endpoint, ServiceName } from "./services.ts";

export interface Variant {
  readonly name: VariantName;
  readonly title: string;
  readonly lab: Lab;
  /** Undefined: the pod behind it does not run here. */
  readonly endpointOf: (service: ServiceName) => Endpoint | undefined;
  /** The pod on the callers' own node, where no proxy is in between. */
  readonly near: Endpoint | undefined;
  /** On the callers' node, and on the called pods' node. Direct calls have none. */
  readonly proxies: { readonly client: ProcessGroup; readonly server: ProcessGroup } | undefined;
}
