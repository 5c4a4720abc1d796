import test from "ava";
import { chooseBackend } from "../../../../agent/netfilter/back-end.ts";
import { Commands } from "../../../../agent/netfilter/commands.ts";
import { FakeNetfilterHost } from "../../../support/fake-netfilter-host.ts";

/** `rules` foreign rules in the filter table of a back end. */
function hostWith(rules: { readonly nft?: number; readonly legacy?: number }): FakeNetfilterHost {
  const host = new FakeNetfilterHost();
  for (const [name, count] of Object.entries(rules)) {
    const chain = Array.from({ length: count }, (_, index) => `-s 10.0.0.${index}/32 -j DROP`);
    host.tables(`iptables-${name}`).set("filter", new Map([["INPUT", chain]]));
  }
  return host;
}

test("the back end that holds more of the host's rules is chosen, nft when there is no difference", async (t) => {
  const choose = (host: FakeNetfilterHost) => chooseBackend(new Commands(host.run), "auto");
  t.like(await choose(hostWith({ nft: 3, legacy: 2 })), { backend: "nft", families: [4, 6] });
  const legacy = await choose(hostWith({ nft: 1, legacy: 2 }));
  t.is(legacy.backend, "legacy");
  t.regex(legacy.reason, /nft 1, legacy 2/);
  t.is((await choose(hostWith({}))).backend, "nft");
});

test("the kubelet's hint counts more than the number of rules", async (t) => {
  const host = hostWith({ nft: 1, legacy: 50 });
  host.tables("iptables-nft").set("mangle", new Map([["KUBE-KUBELET-CANARY", []]]));
  const choice = await chooseBackend(new Commands(host.run), "auto");
  t.is(choice.backend, "nft");
  t.regex(choice.reason, /KUBE-KUBELET-CANARY/);
});

test("rules of our own, from an earlier life, do not count", async (t) => {
  const host = hostWith({ nft: 1 });
  const ours = new Map([
    ["PREROUTING", ["-p tcp -j HAWSER-PREROUTING"]],
    ["HAWSER-PREROUTING", ["-j RETURN", "-j RETURN", "-j RETURN"]],
  ]);
  host.tables("iptables-legacy").set("mangle", ours);
  t.is((await chooseBackend(new Commands(host.run), "auto")).backend, "nft");
});

test("what was asked for is used, and what does not work is not", async (t) => {
  const host = hostWith({ nft: 9 });
  t.is((await chooseBackend(new Commands(host.run), "legacy")).backend, "legacy");
  host.missing.add("iptables-nft-save");
  t.is((await chooseBackend(new Commands(host.run), "auto")).backend, "legacy");
  await t.throwsAsync(chooseBackend(new Commands(host.run), "nft"), {
    code: "no-back-end",
    message: /Cannot start iptables-nft-save/,
  });
});
