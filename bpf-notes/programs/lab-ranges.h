/*
 * The addresses of bpf-notes/cluster.yaml as the programs see them, in network byte order; a product would keep them in
 * maps filled from the table. Every program here is IPv4 only: what is measured does not differ by family.
 */
#pragma once
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define HBONE_PORT 15008

/* linux/socket.h and netinet/in.h belong to user space. */
#define AF_INET 2
#define AF_INET6 10
#define PROTOCOL_TCP 6

/* 10.244.0.0/16: a pod, or the gateway address .1 of a node's pod network. */
static __always_inline int is_pod_range(__u32 address)
{
	return (address & bpf_htonl(0xffff0000)) == bpf_htonl(0x0af40000);
}

static __always_inline int is_pod(__u32 address)
{
	return is_pod_range(address) && (address & bpf_htonl(0xff)) != bpf_htonl(1);
}

/* 10.96.0.0/16: a Service. */
static __always_inline int is_service(__u32 address)
{
	return (address & bpf_htonl(0xffff0000)) == bpf_htonl(0x0a600000);
}
