/*
 * Loads one object file and holds what it attached, driven by lines on standard input, each answered by `ok [value]` or
 * `error <why>`. Whatever ends this process (end of input, a signal, its parent's death) detaches everything: all
 * attachments are links held by descriptors, nothing is pinned.
 *
 *   load <object file>
 *   put <map> <hex key> <hex value>             get <map> <hex key>         one element, bytes as in memory
 *   cookie <pid>                                the network namespace's cookie, in hex
 *   listener <map> <index> <pid> <port>         puts that process's listening socket into a sockmap
 *   cgroup <program> <directory>
 *   netns <program> <pid>                       sk_lookup, for the network namespace of that process
 *   tcx <program> <pid> <interface>             ingress of an interface in that process's network namespace
 *   xdp <program> <pid> <interface>             the same, native XDP
 *   messages <program> <map>                    sk_msg, for the sockets of a sockhash
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "listening-socket.h"

#define MAX_WORDS 5
#define MAX_BYTES 256
/* linux/bpf.h since 6.6; Debian 12's headers are older than the kernels this is for. */
#define TCX_INGRESS ((enum bpf_attach_type)46)

static struct bpf_object *object;
static char log_text[512];

static int quiet(enum libbpf_print_level level, const char *format, va_list arguments)
{
	if (level == LIBBPF_WARN)
		vfprintf(stderr, format, arguments);
	return 0;
}

static int fail(const char *what)
{
	snprintf(log_text, sizeof(log_text), "%s: %s", what, strerror(errno));
	return -1;
}

/* Bytes of a hex text, -1 if it is none. */
static int parse_hex(const char *text, unsigned char *bytes)
{
	int count = 0;
	for (; text[0] && text[1] && count < MAX_BYTES; text += 2)
		if (sscanf(text, "%2hhx", &bytes[count++]) != 1)
			return -1;
	return count;
}

static struct bpf_program *program_named(const char *name)
{
	return bpf_object__find_program_by_name(object, name);
}

static int map_named(const char *name)
{
	return bpf_object__find_map_fd_by_name(object, name);
}

static int enter_network_of(const char *pid)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
	int namespace = open(path, O_RDONLY | O_CLOEXEC);
	if (namespace < 0)
		return fail(path);
	if (setns(namespace, CLONE_NEWNET) != 0)
		return fail("setns");
	return namespace;
}

static int load(char **words)
{
	object = bpf_object__open_file(words[1], NULL);
	if (!object || bpf_object__load(object) != 0)
		return fail(words[1]);
	return 0;
}

static int put(char **words)
{
	unsigned char key[MAX_BYTES], value[MAX_BYTES];
	if (parse_hex(words[2], key) < 0 || parse_hex(words[3], value) < 0)
		return fail("hex");
	return bpf_map_update_elem(map_named(words[1]), key, value, BPF_ANY) == 0 ? 0 : fail("put");
}

static int get(char **words, char *answer)
{
	unsigned char key[MAX_BYTES], value[MAX_BYTES * 8] = {0};
	struct bpf_map *map = bpf_object__find_map_by_name(object, words[1]);
	if (!map || parse_hex(words[2], key) < 0)
		return fail("get");
	if (bpf_map_lookup_elem(bpf_map__fd(map), key, value) != 0)
		return fail("get");
	/* Per-CPU values follow one another. */
	int copies = bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY ? libbpf_num_possible_cpus() : 1;
	for (unsigned index = 0; index < copies * bpf_map__value_size(map) && index < MAX_BYTES; index++)
		answer += sprintf(answer, "%02x", value[index]);
	return 0;
}

static int cookie(char **words, char *answer)
{
	unsigned long long value;
	socklen_t size = sizeof(value);
	int namespace = enter_network_of(words[1]);
	if (namespace < 0)
		return -1;
	close(namespace);
	int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int result = getsockopt(probe, SOL_SOCKET, SO_NETNS_COOKIE, &value, &size);
	close(probe);
	if (result != 0)
		return fail("SO_NETNS_COOKIE");
	for (unsigned index = 0; index < sizeof(value); index++)
		answer += sprintf(answer, "%02x", ((unsigned char *)&value)[index]);
	return 0;
}

static int listener(char **words)
{
	unsigned index = atoi(words[2]);
	int socket = listening_socket(atoi(words[3]), atoi(words[4]));
	if (socket < 0)
		return fail("no such listening socket");
	unsigned long long value = socket;
	int result = bpf_map_update_elem(map_named(words[1]), &index, &value, BPF_ANY);
	close(socket);
	return result == 0 ? 0 : fail("listener");
}

static int attach_cgroup(char **words)
{
	int directory = open(words[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return fail(words[2]);
	return bpf_program__attach_cgroup(program_named(words[1]), directory) ? 0 : fail("cgroup");
}

static int attach_netns(char **words)
{
	int namespace = enter_network_of(words[2]);
	if (namespace < 0)
		return -1;
	return bpf_program__attach_netns(program_named(words[1]), namespace) ? 0 : fail("netns");
}

static int attach_interface(char **words, enum bpf_attach_type type)
{
	int namespace = enter_network_of(words[2]);
	if (namespace < 0)
		return -1;
	close(namespace);
	unsigned interface = if_nametoindex(words[3]);
	if (interface == 0)
		return fail(words[3]);
	int program = bpf_program__fd(program_named(words[1]));
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = type == BPF_XDP ? XDP_FLAGS_DRV_MODE : 0);
	return bpf_link_create(program, interface, type, &options) >= 0 ? 0 : fail(words[0]);
}

static int attach_messages(char **words)
{
	int program = bpf_program__fd(program_named(words[1]));
	return bpf_prog_attach(program, map_named(words[2]), BPF_SK_MSG_VERDICT, 0) == 0 ? 0 : fail("messages");
}

static int obey(char **words, int count, char *answer)
{
	const char *verb = words[0];
	if (count == 2 && strcmp(verb, "load") == 0)
		return load(words);
	if (count == 2 && strcmp(verb, "cookie") == 0)
		return cookie(words, answer);
	if (count == 4 && strcmp(verb, "put") == 0)
		return put(words);
	if (count == 3 && strcmp(verb, "get") == 0)
		return get(words, answer);
	if (count == 5 && strcmp(verb, "listener") == 0)
		return listener(words);
	if (count == 3 && strcmp(verb, "cgroup") == 0)
		return attach_cgroup(words);
	if (count == 3 && strcmp(verb, "netns") == 0)
		return attach_netns(words);
	if (count == 4 && strcmp(verb, "tcx") == 0)
		return attach_interface(words, TCX_INGRESS);
	if (count == 4 && strcmp(verb, "xdp") == 0)
		return attach_interface(words, BPF_XDP);
	if (count == 3 && strcmp(verb, "messages") == 0)
		return attach_messages(words);
	errno = EINVAL;
	return fail(verb);
}

int main(void)
{
	char line[1024];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(quiet);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		char *words[MAX_WORDS] = {0}, answer[MAX_BYTES * 2 + 1] = "";
		int count = 0;
		for (char *word = strtok(line, " \n"); word && count < MAX_WORDS; word = strtok(NULL, " \n"))
			words[count++] = word;
		if (count == 0)
			continue;
		if (obey(words, count, answer) == 0)
			printf("ok %s\n", answer);
		else
			printf("error %s\n", log_text);
	}
	return 0;
}
