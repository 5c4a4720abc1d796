import test from "ava";
import { findBridgeNetfilter } from "../../../../agent/netfilter/bridge-netfilter.ts";

const BRIDGE = JSON.stringify([{ ifname: "cni0", addr_info: [{ local: "10.244.1.1" }] }]);

function find(fields: { sysctl?: string; links?: string; exitCode?: number }): Promise<string | undefined> {
  const { sysctl, links = BRIDGE, exitCode = 0 } = fields;
  return findBridgeNetfilter({
    run: async () => ({ exitCode, stdout: links, stderr: "" }),
    isPodAddress: (address) => address.startsWith("10.244.1."),
    readSysctl: async () => {
      if (sysctl === undefined) throw new Error("ENOENT");
      return sysctl;
    },
  });
}

test("findBridgeNetfilter names the bridge and what to do", async (t) => {
  t.regex((await find({ sysctl: "1\n" })) ?? "", /bridge cni0 .* set it to 0/);
});

test("findBridgeNetfilter is content without br_netfilter, or when it is off", async (t) => {
  t.is(await find({}), undefined);
  t.is(await find({ sysctl: "0\n" }), undefined);
});

test("findBridgeNetfilter is content when no bridge has a pod's address", async (t) => {
  const links = JSON.stringify([{ ifname: "docker0", addr_info: [{ local: "172.17.0.1" }] }, {}]);
  t.is(await find({ sysctl: "1\n", links }), undefined);
});

test("findBridgeNetfilter takes a host that cannot be asked to be well", async (t) => {
  t.is(await find({ sysctl: "1\n", exitCode: 1 }), undefined);
  t.is(await find({ sysctl: "1\n", links: "no json" }), undefined);
});
