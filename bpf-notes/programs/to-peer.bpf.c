/*
 * Hands a packet for a pod of the same node straight to the other end of that pod's veth, past bridge, routing,
 * conntrack and netfilter of the node: calls inside a node, which the product leaves to the kernel. Experiment `peer`.
 */
#include "lab-ranges.h"
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>

#define PACKET_HOST 0

/* Pod address -> the node's end of its veth. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u32);
} interfaces SEC(".maps");

SEC("tc")
int to_peer(struct __sk_buff *packet)
{
	struct iphdr *ip = (void *)(long)packet->data + sizeof(struct ethhdr);
	if (packet->protocol != bpf_htons(ETH_P_IP) || (void *)(ip + 1) > (void *)(long)packet->data_end)
		return TC_ACT_UNSPEC;
	__u32 *interface = bpf_map_lookup_elem(&interfaces, &ip->daddr);
	if (!interface)
		return TC_ACT_UNSPEC;
	/* It was sent to the gateway's hardware address, which is nobody's at the veth. */
	bpf_skb_change_type(packet, PACKET_HOST);
	return bpf_redirect_peer(*interface, 0);
}

char LICENSE[] SEC("license") = "GPL";
