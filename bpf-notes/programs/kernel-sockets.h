/*
 * The few fields of the kernel's sockets that accelerate.bpf.c reads, found by BTF wherever this kernel keeps them
 * (CO-RE): only names and types count here, not places.
 */
#pragma once
#include <linux/types.h>

#define FROM_BTF __attribute__((preserve_access_index))

typedef struct {
	int counter;
} FROM_BTF atomic_t;

struct sk_buff_head {
	__u32 qlen;
} FROM_BTF;

struct sock_backlog {
	atomic_t rmem_alloc;
} FROM_BTF;

struct sock {
	struct sk_buff_head sk_receive_queue;
	struct sock_backlog sk_backlog;
} FROM_BTF;

struct tcp_sock {
	__u32 snd_una;
	__u32 write_seq;
} FROM_BTF;

/* A pointer that may be stale: a read through it never faults, and may give anything. */
extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __attribute__((section(".ksyms")));
