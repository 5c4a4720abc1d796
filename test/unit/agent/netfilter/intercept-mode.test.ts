import test from "ava";
import type { CommandResult } from "../../../../core/run-command.ts";
import { InterceptChooser, type InterceptSetting } from "../../../../agent/netfilter/intercept-mode.ts";
import { FULL_CHECK_PERIOD_MS } from "../../../../agent/netfilter/limits.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const POD = "10.244.1.10";

/** A host on which the pods' addresses lead to a device, and some devices are bridges. */
class Host {
  readonly clock = new FakeClock();
  readonly sysctls = new Map<string, string>();
  readonly devices = new Map<string, string>();
  readonly bridges = new Set<string>();
  readonly commands: string[] = [];

  chooser(setting: InterceptSetting = "auto"): InterceptChooser {
    return new InterceptChooser({
      setting,
      clock: this.clock,
      run: async (argv) => this.#run(argv),
      readSysctl: async (name) => {
        const value = this.sysctls.get(name);
        if (value === undefined) throw new Error("ENOENT");
        return `${value}\n`;
      },
    });
  }

  #run(argv: readonly string[]): CommandResult {
    this.commands.push(argv.join(" "));
    const subject = argv.at(-1) ?? "";
    const device = this.devices.get(subject);
    const answer = argv.includes("route")
      ? device && { dst: subject, dev: device }
      : { ifname: subject, linkinfo: { info_kind: this.bridges.has(subject) ? "bridge" : "veth" } };
    return answer === undefined
      ? { exitCode: 2, stdout: "", stderr: "RTNETLINK answers: Network is unreachable" }
      : { exitCode: 0, stdout: JSON.stringify([answer]), stderr: "" };
  }
}

function bridgedHost(sysctl = "bridge/bridge-nf-call-iptables"): Host {
  const host = new Host();
  host.sysctls.set(sysctl, "1");
  host.devices.set(POD, "cni0").set("fd00::10", "cni0");
  host.bridges.add("cni0");
  return host;
}

test("pods on a bridge with br_netfilter are redirected, and the operator is told why", async (t) => {
  const { mode, reason } = await bridgedHost().chooser().choose([POD]);
  t.is(mode, "redirect");
  t.is(reason, "pods are on the bridge cni0 and net.bridge.bridge-nf-call-iptables is 1");
});

test("IPv6 alone suffices", async (t) => {
  const host = bridgedHost("bridge/bridge-nf-call-ip6tables");
  t.is((await host.chooser().choose(["fd00::10"])).mode, "redirect");
});

test("without br_netfilter, or when it is off, TPROXY is used, and no program is started", async (t) => {
  const host = bridgedHost();
  host.sysctls.clear();
  t.is((await host.chooser().choose([POD])).mode, "tproxy");
  host.sysctls.set("bridge/bridge-nf-call-iptables", "0");
  t.is((await host.chooser().choose([POD])).mode, "tproxy");
  t.deepEqual(host.commands, []);
});

test("pods that the host routes to are left to TPROXY, whatever the sysctl says", async (t) => {
  const host = bridgedHost();
  host.devices.set(POD, "cali1234");
  t.is((await host.chooser().choose([POD])).mode, "tproxy");
});

test("a host that cannot be asked is left to TPROXY", async (t) => {
  const host = bridgedHost();
  host.devices.clear();
  t.is((await host.chooser().choose([POD])).mode, "tproxy");
});

test("a bridge that comes with the first pod, and a sysctl that is set later, are noticed", async (t) => {
  const host = bridgedHost();
  host.sysctls.set("bridge/bridge-nf-call-iptables", "0");
  const chooser = host.chooser();
  t.is((await chooser.choose([])).mode, "tproxy");
  t.is((await chooser.choose([POD])).mode, "tproxy");
  host.sysctls.set("bridge/bridge-nf-call-iptables", "1");
  t.is((await chooser.choose([POD])).mode, "redirect");
});

test("it stays with redirection", async (t) => {
  const host = bridgedHost();
  const chooser = host.chooser();
  const first = await chooser.choose([POD]);
  host.sysctls.clear();
  t.is(await chooser.choose([POD]), first);
});

test("the same pods are not looked up again for a while", async (t) => {
  const host = bridgedHost();
  host.devices.set(POD, "cali1234").set("10.244.1.11", "cali5678");
  const chooser = host.chooser();
  await chooser.choose([POD]);
  const first = host.commands.length;
  await chooser.choose([POD]);
  t.is(host.commands.length, first);
  await chooser.choose([POD, "10.244.1.11"]);
  t.true(host.commands.length > first);
  host.devices.set(POD, "cni0");
  host.clock.advance(FULL_CHECK_PERIOD_MS);
  t.is((await chooser.choose([POD])).mode, "redirect");
});

test("what was asked for is done without asking the host", async (t) => {
  const host = bridgedHost();
  t.deepEqual(await host.chooser("tproxy").choose([POD]), { mode: "tproxy", reason: "it was asked for" });
  t.is(host.chooser("redirect").choice.mode, "redirect");
  t.deepEqual(host.commands, []);
});
