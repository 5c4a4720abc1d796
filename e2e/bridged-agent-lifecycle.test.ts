/** What clients notice when an agent dies, is replaced, is disturbed, or starts alone, where pods are on a bridge with br_netfilter and connections are redirected. */
import "./agent-lifecycle.test.ts";
