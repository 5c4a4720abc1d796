/** Why a tunnel could not be had, or was lost. */
import { HawserError } from "../../core/errors.ts";

export type TunnelErrorCode = "tcp-connect-failed" | "tls-handshake-failed" | "tunnel-closed";

export class TunnelError extends HawserError<TunnelErrorCode> {}
