/*
 * Sockmap between a pod's socket and the agent's on the same node: what one writes is put straight into the other's
 * receive queue, without TCP, IP or veth. Experiment `sockmap`.
 *
 *   socket established ──> find_pair: known by {node, which end, addresses, ports}
 *   sendmsg ──> redirect:  everything sent so far was received, and read ──> redirect from now on
 *                          peer holds MAX_UNREAD ─────────────────────────> by TCP again, until the same is true anew
 *
 * The two conditions keep the order of bytes (the kernel reads redirected data before TCP's) and give backpressure.
 */
#include "lab-ranges.h"
#include "kernel-sockets.h"
#include <bpf/bpf_core_read.h>

/* What may lie redirected and unread: about what TCP itself lets pile up in a receive queue. */
#define MAX_UNREAD (1 << 20)
#define MAX_SOCKETS 16384

struct place {
	__u32 node;
	__u32 is_agent;
	/* The only address that a pod may speak from; unused for agents. */
	__u32 address;
};

struct end {
	__u32 node;
	__u32 is_agent;
	__u32 local_address;
	__u32 remote_address;
	__u32 local_port;
	__u32 remote_port;
};

struct path {
	struct end peer;
	__u32 redirecting;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u64); /* network namespace cookie */
	__type(value, struct place);
} places SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, MAX_SOCKETS);
	__type(key, struct end);
	__type(value, __u64);
} sockets SEC(".maps");

/* The agents' sockets when only their pods' writes are redirected: no program runs for what they write themselves. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, MAX_SOCKETS);
	__type(key, struct end);
	__type(value, __u64);
} receivers SEC(".maps");

/* 0: is it one way only, from pods to agents? */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} settings SEC(".maps");

/* The same sockets as addresses to look at: a sk_msg program may not look one up in a sockhash. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_SOCKETS);
	__type(key, struct end);
	__type(value, __u64);
} addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct path);
} paths SEC(".maps");

/* 0: inserted, 1: sent redirected, 2: sent by TCP. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

static __always_inline void count(__u32 what)
{
	__u64 *counter = bpf_map_lookup_elem(&counts, &what);
	if (counter)
		*counter += 1;
}

static __always_inline int is_one_way(void)
{
	__u32 first = 0;
	__u32 *value = bpf_map_lookup_elem(&settings, &first);
	return value && *value;
}

/* A pod speaks from its own address; the agent's sockets speak as a pod or a Service, to a pod. */
static __always_inline int may_pair(const struct place *place, const struct end *own)
{
	if (own->local_port == HBONE_PORT || own->remote_port == HBONE_PORT)
		return 0;
	if (!place->is_agent)
		return own->local_address == place->address;
	return is_pod(own->remote_address) && (is_pod(own->local_address) || is_service(own->local_address));
}

SEC("sockops")
int find_pair(struct bpf_sock_ops *event)
{
	if (event->op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB && event->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		return 1;
	__u64 cookie = bpf_get_netns_cookie(event);
	struct place *place = bpf_map_lookup_elem(&places, &cookie);
	struct bpf_sock *socket = event->sk;
	if (!place || !socket)
		return 1;
	struct end own = {
		.node = place->node,
		.is_agent = place->is_agent,
		.local_address = event->local_ip4,
		.remote_address = event->remote_ip4,
		.local_port = event->local_port,
		.remote_port = bpf_ntohl(event->remote_port),
	};
	if (!may_pair(place, &own))
		return 1;
	struct path path = {
		.peer = {
			.node = own.node,
			.is_agent = !own.is_agent,
			.local_address = own.remote_address,
			.remote_address = own.local_address,
			.local_port = own.remote_port,
			.remote_port = own.local_port,
		},
	};
	if (!bpf_sk_storage_get(&paths, socket, &path, BPF_SK_STORAGE_GET_F_CREATE))
		return 1;
	__u64 address = (__u64)socket;
	bpf_map_update_elem(&addresses, &own, &address, BPF_ANY);
	if (own.is_agent && is_one_way())
		bpf_sock_hash_update(event, &receivers, &own, BPF_ANY);
	else
		bpf_sock_hash_update(event, &sockets, &own, BPF_ANY);
	count(0);
	return 1;
}

static __always_inline int may_redirect(struct path *path, struct bpf_sock *own, const struct sock *peer)
{
	if (peer->sk_backlog.rmem_alloc.counter >= MAX_UNREAD)
		return 0;
	if (path->redirecting)
		return 1;
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(own);
	return tcp && tcp->write_seq == tcp->snd_una && peer->sk_receive_queue.qlen == 0;
}

SEC("sk_msg")
int redirect(struct sk_msg_md *message)
{
	struct bpf_sock *own = message->sk;
	struct path *path = own ? bpf_sk_storage_get(&paths, own, 0, 0) : 0;
	if (!path)
		return SK_PASS;
	__u64 *address = bpf_map_lookup_elem(&addresses, &path->peer);
	if (!address)
		return SK_PASS;
	const struct sock *peer = bpf_rdonly_cast((void *)*address, bpf_core_type_id_kernel(struct sock));
	path->redirecting = may_redirect(path, own, peer);
	count(path->redirecting ? 1 : 2);
	/* Without its peer in the map the helper chooses SK_DROP; SK_PASS then means TCP. */
	if (path->redirecting && is_one_way())
		bpf_msg_redirect_hash(message, &receivers, &path->peer, BPF_F_INGRESS);
	else if (path->redirecting)
		bpf_msg_redirect_hash(message, &sockets, &path->peer, BPF_F_INGRESS);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
