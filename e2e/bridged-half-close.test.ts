/** How connections end, where pods are on a bridge with br_netfilter and connections are redirected. */
await import("./half-close.test.ts");
