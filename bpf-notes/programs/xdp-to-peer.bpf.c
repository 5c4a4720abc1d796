/*
 * The same as to-peer.bpf.c one step earlier: the frame is redirected before it is a packet (no skb), into the other pod's veth.
 * Experiment `peer`. The pods must give up TCP segmentation and checksum offload for it: an XDP frame carries neither.
 */
#include "lab-ranges.h"
#include <linux/if_ether.h>
#include <linux/ip.h>

struct target {
	__u32 interface;
	__u8 hardware_address[ETH_ALEN];
	__u8 unused[2];
};

/* Pod address -> the node's end of its veth, and the pod's own hardware address. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct target);
} targets SEC(".maps");

SEC("xdp")
int xdp_to_peer(struct xdp_md *frame)
{
	struct ethhdr *ethernet = (void *)(long)frame->data;
	struct iphdr *ip = (void *)(ethernet + 1);
	if ((void *)(ip + 1) > (void *)(long)frame->data_end || ethernet->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	struct target *target = bpf_map_lookup_elem(&targets, &ip->daddr);
	if (!target)
		return XDP_PASS;
	__builtin_memcpy(ethernet->h_dest, target->hardware_address, ETH_ALEN);
	return bpf_redirect(target->interface, 0);
}

char LICENSE[] SEC("license") = "GPL";
