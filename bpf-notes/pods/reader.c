/*
 * A pod's program that reads in the ways in which a redirected socket differs from TCP. Experiment `sockmap`.
 *
 *   reader serve              listens on a port per way of reading, answers each connection with one line
 *   reader ask <ipv4> <way>   connects, sends, prints the answer (or `no answer`)
 *
 *   splice    moves the bytes into a pipe, as Go's io.Copy between connections and HAProxy's option splice do
 *   waitall   wants 1000 bytes by MSG_WAITALL, they come in two parts
 *   fionread  asks how many bytes are there
 *   unread    never reads: how much does the sender get rid of
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_PORT 9001
#define MESSAGE 1000
#define PART 100
/* Far longer than a loaded machine needs to move a kilobyte. */
#define PATIENCE_MS 1500

static const char *WAYS[] = {"splice", "waitall", "fionread", "unread"};
#define WAY_COUNT 4

static char bytes[1 << 16];

static int wait_readable(int socket, int timeout_ms)
{
	struct pollfd one = {.fd = socket, .events = POLLIN};
	return poll(&one, 1, timeout_ms);
}

static void by_splice(int socket)
{
	int ends[2], refusals = 0, moved = -1;
	if (pipe(ends) != 0)
		return;
	/* As event loops have it; otherwise splice itself would never return. */
	fcntl(socket, F_SETFL, O_NONBLOCK);
	for (int waited = 0; waited < PATIENCE_MS && moved < 0; waited += 10) {
		if (wait_readable(socket, 10) <= 0)
			continue;
		moved = splice(socket, NULL, ends[1], NULL, MESSAGE, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
		refusals += moved < 0;
		if (moved < 0)
			usleep(10000);
	}
	/* Closing with unread bytes would reset the connection before the answer has arrived. */
	int left = recv(socket, bytes, MESSAGE, MSG_DONTWAIT);
	if (moved >= 0)
		dprintf(socket, "splice moved %d bytes\n", moved);
	else
		dprintf(socket, "readable says poll, EAGAIN says splice %d times; read then gives %d bytes\n", refusals, left);
}

static void by_waitall(int socket)
{
	dprintf(socket, "MSG_WAITALL for %d gave %zd\n", MESSAGE, recv(socket, bytes, MESSAGE, MSG_WAITALL));
}

static void by_fionread(int socket)
{
	int available = -1;
	wait_readable(socket, PATIENCE_MS);
	usleep(100000);
	ioctl(socket, FIONREAD, &available);
	recv(socket, bytes, MESSAGE, MSG_WAITALL);
	dprintf(socket, "FIONREAD says %d of %d\n", available, MESSAGE);
}

static void serve(int listener, int way)
{
	for (;;) {
		int socket = accept(listener, NULL, NULL);
		if (socket < 0)
			continue;
		if (way == 0)
			by_splice(socket);
		else if (way == 1)
			by_waitall(socket);
		else if (way == 2)
			by_fionread(socket);
		else
			usleep(2 * PATIENCE_MS * 1000);
		close(socket);
	}
}

static int listen_on(int port)
{
	int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(listener, 8) != 0)
		return -1;
	return listener;
}

static int connect_to(const char *ip, int port)
{
	int client = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	inet_pton(AF_INET, ip, &address.sin_addr);
	if (connect(client, (struct sockaddr *)&address, sizeof(address)) == 0)
		return client;
	perror("connect");
	return -1;
}

/* Writes until the socket takes no more for a while. */
static void fill(int client)
{
	long long accepted = 0;
	fcntl(client, F_SETFL, O_NONBLOCK);
	for (int waited = 0; waited < PATIENCE_MS;) {
		ssize_t sent = write(client, bytes, sizeof(bytes));
		if (sent > 0)
			accepted += sent;
		else if (errno != EAGAIN)
			break;
		else
			waited += 10, usleep(10000);
	}
	printf("%.1f MB taken from the sender, then %s\n", accepted / 1e6, strerror(errno));
}

static int ask(const char *ip, int way)
{
	int client = connect_to(ip, FIRST_PORT + way);
	if (client < 0)
		return 1;
	/* The whole path is up before the first byte, as with a pooled connection. */
	usleep(200000);
	if (way == 3) {
		fill(client);
		return 0;
	}
	int first = way == 1 ? PART : MESSAGE;
	write(client, bytes, first);
	usleep(200000);
	if (first < MESSAGE)
		write(client, bytes, MESSAGE - first);
	ssize_t length = wait_readable(client, 2 * PATIENCE_MS) > 0 ? read(client, bytes, sizeof(bytes)) : 0;
	if (length <= 0)
		printf("no answer\n");
	else
		printf("%.*s", (int)length, bytes);
	return 0;
}

int main(int count, char **words)
{
	if (count == 2 && strcmp(words[1], "serve") == 0) {
		for (int way = 0; way < WAY_COUNT; way++)
			if (fork() == 0)
				serve(listen_on(FIRST_PORT + way), way);
		while (wait(NULL) > 0)
			;
		return 1;
	}
	for (int way = 0; count == 4 && way < WAY_COUNT; way++)
		if (strcmp(words[3], WAYS[way]) == 0)
			return ask(words[2], way);
	fprintf(stderr, "usage: reader serve | reader ask <ipv4> splice|waitall|fionread|unread\n");
	return 2;
}
