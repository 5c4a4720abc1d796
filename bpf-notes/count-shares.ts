/** Counts samples of `perf script` by what is on their stacks (pure). A sample may count for several parts: they nest. */

interface Part {
  readonly name: string;
  readonly functions: RegExp;
}

/** From the whole to its parts; indented by what they are part of. */
const PARTS: readonly Part[] = [
  { name: "netfilter hooks, all", functions: /^nf_hook_slow(_list)?$/ },
  { name: "  our and kube-proxy's rules (nft_do_chain)", functions: /^nft_do_chain/ },
  {
    name: "    connection marks, sockets, TPROXY, sets",
    functions: /^(connmark_|socket_mt|tproxy_tg|set_match|ip_set_test)/,
  },
  {
    name: "      looking for the socket (-m socket, TPROXY)",
    functions: /^(socket_mt|tproxy_tg|nf_sk_lookup_slow|nf_tproxy)/,
  },
  { name: "  conntrack", functions: /^(nf_conntrack_in|ipv4_confirm|nf_confirm|nf_ct_|__nf_conntrack)/ },
  { name: "  nat", functions: /^(nf_nat_|nft_nat_do_chain)/ },
  {
    name: "IP receive (hooks, routing, TCP; not veth)",
    functions: /^(ip_rcv|ip_list_rcv|ip_sublist_rcv|ip_local_deliver|ip_protocol_deliver_rcu)/,
  },
  { name: "  TCP receive", functions: /^tcp_v4_rcv$/ },
  { name: "IP send (hooks, veth, all of the receiver's)", functions: /^__ip_queue_xmit$/ },
  { name: "softirq (whoever was interrupted)", functions: /^(handle_softirqs|__do_softirq)$/ },
];

const USER_SPACE = "user space (no kernel frame)";

/** Lines `share  part`. `text`: blocks of a command name, then one frame per line, innermost first. */
export function countShares(text: string): readonly string[] {
  const counts = new Map<string, number>();
  const add = (name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1);
  let busy = 0;
  for (const block of text.split(/\n\s*\n/)) {
    const [command, ...frames] = block.trim().split("\n");
    if (command === undefined || command === "" || command.startsWith("swapper")) {
      // Softirqs may run while a processor is otherwise idle; the idle loop itself is no work.
      if (!frames.some((frame) => /softirqs?\b/.test(frame))) continue;
    }
    busy += 1;
    const names = frames.map((frame) => frame.trim().split(/\s+/)[1] ?? "");
    for (const part of PARTS) if (names.some((name) => part.functions.test(name))) add(part.name);
    if (!frames.some((frame) => /^\s*ffffffff/.test(frame))) add(USER_SPACE);
  }
  const share = (name: string): string =>
    `${((100 * (counts.get(name) ?? 0)) / busy).toFixed(1).padStart(5)} %  ${name}`;
  return [`${busy} samples`, ...[...PARTS.map(({ name }) => name), USER_SPACE].map(share)];
}
