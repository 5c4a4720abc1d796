/*
 * offloads <interface> on|off: transmit checksums and segmentation of an interface of this network namespace, by the
 * old ethtool ioctl; GRO the other way round. What `ethtool -K` does, on machines that lack it.
 */
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static int set(int socket, const char *interface, unsigned command, unsigned on)
{
	struct ethtool_value value = {.cmd = command, .data = on};
	struct ifreq request = {.ifr_data = (void *)&value};
	strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
	return ioctl(socket, SIOCETHTOOL, &request);
}

int main(int count, char **words)
{
	int on = count == 3 && strcmp(words[2], "on") == 0;
	int any = socket(AF_INET, SOCK_DGRAM, 0);
	/* Checksums first when on, last when off: segmentation without them is refused. */
	if (count != 3 || (on && set(any, words[1], ETHTOOL_STXCSUM, 1) != 0) ||
	    set(any, words[1], ETHTOOL_STSO, on) != 0 || set(any, words[1], ETHTOOL_SGSO, on) != 0 ||
	    (!on && set(any, words[1], ETHTOOL_STXCSUM, 0) != 0) || set(any, words[1], ETHTOOL_SGRO, !on) != 0) {
		perror("offloads <interface> on|off");
		return 1;
	}
	return 0;
}
