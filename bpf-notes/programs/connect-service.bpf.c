/*
 * Replaces a Service's address by an endpoint's when a pod connects, before any packet exists: nothing is left for
 * netfilter to translate. Experiment `connect`.
 */
#include "lab-ranges.h"

struct place {
	__u32 address;
	__u32 port; /* network order, as bpf_sock_addr has it */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct place);
	__type(value, struct place);
} services SEC(".maps");

SEC("cgroup/connect4")
int connect_service(struct bpf_sock_addr *call)
{
	struct place dialled = { .address = call->user_ip4, .port = call->user_port };
	struct place *endpoint = bpf_map_lookup_elem(&services, &dialled);
	if (!endpoint)
		return 1;
	call->user_ip4 = endpoint->address;
	call->user_port = endpoint->port;
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
