import test from "ava";
import { Commands } from "../../../../agent/netfilter/commands.ts";
import { kubeProxyHazards } from "../../../../agent/netfilter/kube-proxy-mode.ts";
import { FakeNetfilterHost } from "../../../support/fake-netfilter-host.ts";

test("modes of kube-proxy that get in the way are named", async (t) => {
  const answers: Readonly<Record<string, string>> = {
    "ip link show dev kube-ipvs0": "7: kube-ipvs0",
    "nft list tables": "table ip nat\ntable ip6 kube-proxy\n",
  };
  const commands = new Commands(async (argv) => {
    const stdout = answers[argv.join(" ")];
    return { exitCode: stdout === undefined ? 1 : 0, stdout: stdout ?? "", stderr: "" };
  });
  const hazards = await kubeProxyHazards(commands);
  t.deepEqual(
    hazards.map((hazard) => /IPVS|nftables/.exec(hazard)?.[0]),
    ["IPVS", "nftables"],
  );
});

test("kube-proxy's iptables mode, or a host without the programs, is nothing to speak of", async (t) => {
  const host = new FakeNetfilterHost();
  host.missing.add("nft");
  t.deepEqual(await kubeProxyHazards(new Commands(host.run)), []);
});
