/** Who is encrypted, who is refused and who is left alone, where pods are on a bridge with br_netfilter and connections are redirected. */
import "./encryption-modes.test.ts";
