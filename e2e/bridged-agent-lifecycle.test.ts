/** What clients notice of the lives of agents, where pods are on a bridge with br_netfilter and connections are redirected. */
await import("./agent-lifecycle.test.ts");
