/*
 * Chooses the agent's listener for a first packet, in place of TPROXY. Routes must have brought the packet to local
 * delivery already: this hook only runs where a listener is looked for. Experiment `sk-lookup`.
 */
#include "lab-ranges.h"

/* 0: outbound listener, 1: inbound listener. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} listeners SEC(".maps");

SEC("sk_lookup")
int choose_listener(struct bpf_sk_lookup *wanted)
{
	if (wanted->protocol != PROTOCOL_TCP || wanted->family != AF_INET || !is_pod(wanted->local_ip4))
		return SK_PASS;
	__u32 which = wanted->local_port == HBONE_PORT;
	struct bpf_sock *listener = bpf_map_lookup_elem(&listeners, &which);
	/* No agent: the kernel goes on as ever, finds nobody, and answers with a reset. */
	if (!listener)
		return SK_PASS;
	bpf_sk_assign(wanted, listener, 0);
	bpf_sk_release(listener);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
