/** What the balancer is asked for one connection (or for one more try of it). */
import type { EjectionSettings, LoadBalancerAlgorithm } from "../../protocol/table.ts";
import type { ChoiceSettings } from "../../routing/choice-settings.ts";
import type { Candidate } from "../../routing/decide-connection.ts";

export interface PickRequest {
  /**
   * Whose statistics these are, also in events: `service key:port`, or the address and port of the pod that was
   * dialled. One text, one list of candidates (per address family).
   */
  readonly destination: string;
  /** Not empty. Pass the same array while it has not changed: a pick then costs no walk over it. */
  readonly candidates: readonly Candidate[];
  readonly algorithm: LoadBalancerAlgorithm;
  readonly ejection: EjectionSettings;
  /** What a policy says besides. Changes only with the candidates. */
  readonly choice?: ChoiceSettings;
  /** IP address of the client, for source-hash. */
  readonly sourceAddress: string;
  /** For hash: equal values go to the same endpoint. */
  readonly hashValue?: string;
  /** Candidate keys that were tried for this connection already. */
  readonly exclude?: ReadonlySet<string>;
  /** No other than this one, as long as it is not ejected. */
  readonly only?: Candidate;
  /** For one request rather than a connection: another list of candidates, with statistics of its own. */
  readonly ofRequests?: boolean;
}
