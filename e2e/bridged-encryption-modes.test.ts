/** Who is encrypted, refused or left alone, where pods are on a bridge with br_netfilter and connections are redirected. */
await import("./encryption-modes.test.ts");
