/* A listening TCP socket of another process, taken from it as a descriptor of our own (pidfd_getfd, Linux 5.6). */
#pragma once
#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int listens_on(int descriptor, int port)
{
	int listening = 0;
	struct sockaddr_in address = {0};
	socklen_t option_size = sizeof(listening), address_size = sizeof(address);
	if (getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listening, &option_size) != 0 || !listening)
		return 0;
	if (getsockname(descriptor, (struct sockaddr *)&address, &address_size) != 0)
		return 0;
	return address.sin_family == AF_INET && ntohs(address.sin_port) == port;
}

/* The caller closes it. -1: the process has none on that IPv4 port. */
static int listening_socket(int pid, int port)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	DIR *directory = opendir(path);
	int process = syscall(SYS_pidfd_open, pid, 0);
	int found = -1;
	for (struct dirent *entry; directory && found < 0 && (entry = readdir(directory));) {
		int copy = syscall(SYS_pidfd_getfd, process, atoi(entry->d_name), 0);
		if (copy >= 0 && listens_on(copy, port))
			found = copy;
		else if (copy >= 0)
			close(copy);
	}
	if (directory)
		closedir(directory);
	if (process >= 0)
		close(process);
	return found;
}
