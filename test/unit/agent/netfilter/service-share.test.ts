import fc from "fast-check";
import test from "ava";
import { serviceShare } from "../../../../agent/netfilter/service-share.ts";
import type { Locality } from "../../../../protocol/table.ts";
import { serviceCandidates } from "../../../../routing/service-candidates.ts";
import { TableState } from "../../../../routing/table-state.ts";
import { tableContents } from "../../routing/table-arbitrary.ts";

test("kernel and agent agree on every Service of every table", (t) => {
  const localities = fc.constantFrom<Locality>("prefer-local", "spread");
  fc.assert(
    fc.property(tableContents, localities, (contents, locality) => {
      const mesh = { ...contents.mesh, locality };
      const table = new TableState({ epoch: "e", sequence: 1, ...contents, mesh });
      for (const service of table.services()) {
        for (const port of service.ports) {
          for (const family of [4, 6] as const) {
            const share = serviceShare(table, "n1", service, port, family);
            const candidates = serviceCandidates(table, "n1", service, port, family);
            const refusal = candidates.refusal?.code;
            const remote = candidates.refusal === undefined && candidates.candidates[0]?.transport !== "local";
            if (share.kind === "none") t.is(refusal, "no-endpoints");
            // What the agent gets, it can serve, or it knows the reason why not.
            if (share.kind === "agent") t.true(remote || refusal === "no-agent");
            if (share.kind === "direct") {
              t.is(refusal, undefined);
              t.is(share.agentShare > 0, remote && locality === "spread");
              t.true(share.agentShare < 1);
              t.true(share.targets.length > 0 && share.targets.every((target) => target.weight > 0));
              for (const { address } of share.targets) t.is(table.workloadByAddress(address)?.node, "n1");
            }
          }
        }
      }
    }),
  );
  t.pass();
});
