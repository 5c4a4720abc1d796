import test from "ava";
import { countShares } from "../../../bpf-notes/count-shares.ts";

const IN_HOOK = `node
	ffffffff81111111 nft_do_chain
	ffffffff81111112 nf_hook_slow
	ffffffff81111113 ip_rcv
	ffffffff81111114 handle_softirqs`;
const IN_USER = "node\n\t    7f0011223344 [unknown]";
const IDLE = "swapper\n\tffffffff81111115 default_idle";
const IDLE_INTERRUPTED = "swapper\n\tffffffff81111116 tcp_v4_rcv\n\tffffffff81111114 handle_softirqs";

test("shares: a sample counts for every part it is in, idle ones for none", (t) => {
  const lines = countShares([IN_HOOK, IN_USER, IDLE, IDLE_INTERRUPTED, ""].join("\n\n"));
  t.is(lines[0], "3 samples");
  const share = (part: string): string | undefined =>
    lines
      .find((line) => line.includes(part))
      ?.trim()
      .split(" ")[0];
  t.is(share("netfilter hooks"), "33.3");
  t.is(share("nft_do_chain"), "33.3");
  t.is(share("TCP receive"), "33.3");
  t.is(share("softirq"), "66.7");
  t.is(share("user space"), "33.3");
});

test("shares: a text without samples has none", (t) => {
  t.is(countShares("")[0], "0 samples");
});
