/** What can go wrong when the kernel's rules are read or written. */
import { HawserError } from "../../core/errors.ts";

export type NetfilterErrorCode =
  /** Neither iptables back end can be used. */
  | "no-back-end"
  /** iptables-save, ipset or ip failed. */
  | "command-failed"
  /** The kernel's answer over netlink is missing, malformed or too long. */
  | "kernel-unreadable"
  /** Somebody else kept changing the table while we wrote it. */
  | "table-contended"
  /** More pods or Services than a set may hold. */
  | "set-too-large"
  /** A set stayed in use after our rules were gone: somebody else's rule refers to it. */
  | "set-in-use";

export class NetfilterError extends HawserError<NetfilterErrorCode> {}
