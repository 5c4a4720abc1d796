/*
 * The decisions of our mangle PREROUTING chain, taken at the interface instead: finds the agent's socket for a packet,
 * gives it to the packet, and marks the packet so that policy routing delivers it here. Experiment `steer`.
 *
 *   connection of the agent (a socket with these addresses is here) ──> that socket, mark. A SYN to one in TIME_WAIT
 *          too: TCP ends it and looks for a listener, which choose-listener.bpf.c must find (TPROXY does both by itself)
 *   SYN from a pod to a remote mesh pod ──> outbound listener, mark
 *   SYN from a node to a local mesh pod:15008 ──> inbound listener, mark
 *   anything else ──> untouched
 */
#include "lab-ranges.h"
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>

/* Bit `deliver` of agent/netfilter/marks.ts. */
#define DELIVER_MARK 0x1000
#define MAX_PODS 65536
/* 0: outbound listener, 1: inbound listener. */
#define OUTBOUND 0
#define INBOUND 1

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} listeners SEC(".maps");

/* Mesh pods of other nodes (to intercept) and of this one (to accept tunnels for): address -> 0 remote, 1 local. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_PODS);
	__type(key, __u32);
	__type(value, __u32);
} pods SEC(".maps");

static __always_inline void give(struct __sk_buff *packet, void *socket)
{
	if (bpf_sk_assign(packet, socket, 0) == 0)
		packet->mark |= DELIVER_MARK;
}

static __always_inline void give_to_listener(struct __sk_buff *packet, __u32 which)
{
	struct bpf_sock *listener = bpf_map_lookup_elem(&listeners, &which);
	if (!listener)
		return;
	give(packet, listener);
	bpf_sk_release(listener);
}

/* True when a socket with these addresses is here. A listener of the host's own has no business with them. */
static __always_inline int give_to_connection(struct __sk_buff *packet, struct bpf_sock_tuple *tuple)
{
	struct bpf_sock *socket = bpf_skc_lookup_tcp(packet, tuple, sizeof(tuple->ipv4), BPF_F_CURRENT_NETNS, 0);
	if (!socket)
		return 0;
	int is_connection = socket->state != BPF_TCP_LISTEN;
	if (is_connection)
		give(packet, socket);
	bpf_sk_release(socket);
	return is_connection;
}

static __always_inline int steer(struct __sk_buff *packet, __u32 listener)
{
	void *start = (void *)(long)packet->data;
	void *end = (void *)(long)packet->data_end;
	struct iphdr *ip = start + sizeof(struct ethhdr);
	struct tcphdr *tcp = (void *)(ip + 1);
	if (packet->protocol != bpf_htons(ETH_P_IP) || (void *)(tcp + 1) > end)
		return TC_ACT_UNSPEC;
	if (ip->protocol != PROTOCOL_TCP || ip->ihl != 5 || !is_pod(ip->daddr))
		return TC_ACT_UNSPEC;
	__u32 *is_local = bpf_map_lookup_elem(&pods, &ip->daddr);
	if (!is_local || *is_local != listener)
		return TC_ACT_UNSPEC;
	if (listener == INBOUND && tcp->dest != bpf_htons(HBONE_PORT))
		return TC_ACT_UNSPEC;
	struct bpf_sock_tuple tuple = {};
	tuple.ipv4.saddr = ip->saddr;
	tuple.ipv4.daddr = ip->daddr;
	tuple.ipv4.sport = tcp->source;
	tuple.ipv4.dport = tcp->dest;
	if (!give_to_connection(packet, &tuple) && tcp->syn && !tcp->ack)
		give_to_listener(packet, listener);
	return TC_ACT_UNSPEC;
}

/* On the interface that the node's pods are behind. */
SEC("tc")
int steer_pods(struct __sk_buff *packet)
{
	return steer(packet, OUTBOUND);
}

/* On the interface that the other nodes are behind. */
SEC("tc")
int steer_nodes(struct __sk_buff *packet)
{
	return steer(packet, INBOUND);
}

char LICENSE[] SEC("license") = "GPL";
