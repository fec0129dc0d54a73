/* The yardstick: asks the kernel for listening TCP and unconnected UDP sockets of both families, and reads the links of
 * all open files of all processes, as whoever wants to know their owners must; does nothing else with them. With the
 * argument "list" it leaves the owners. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLOSED = 7, LISTENING = 10 };

/* How many sockets of this kind there are, or -1. */
static long list(int netlink, int family, int protocol, int state)
{
	static char buffer[65536] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct { struct nlmsghdr header; struct inet_diag_req_v2 request; } ask = {
		.header = { .nlmsg_len = sizeof ask, .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.request = { .sdiag_family = family, .sdiag_protocol = protocol, .idiag_states = 1 << state },
	};
	long found = 0;

	if (send(netlink, &ask, sizeof ask, 0) < 0)
		return -1;
	for (;;) {
		ssize_t got = recv(netlink, buffer, sizeof buffer, 0);
		if (got <= 0)
			return -1;
		struct nlmsghdr *message = (struct nlmsghdr *)buffer;
		for (unsigned left = got; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
			if (message->nlmsg_type == NLMSG_DONE)
				return found;
			if (message->nlmsg_type == NLMSG_ERROR)
				return -1;
			found++;
		}
	}
}

/* How many of the open files of all processes are sockets. */
static long owners(void)
{
	char path[300], link[64];
	long found = 0;
	DIR *proc = opendir("/proc");
	struct dirent *entry, *file;

	if (!proc)
		return -1;
	while ((entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof path, "/proc/%s/fd", entry->d_name);
		DIR *files = opendir(path);
		if (!files)
			continue;
		while ((file = readdir(files))) {
			ssize_t length = readlinkat(dirfd(files), file->d_name, link, sizeof link);
			found += length > 8 && memcmp(link, "socket:[", 8) == 0;
		}
		closedir(files);
	}
	closedir(proc);
	return found;
}

int main(int argc, char **argv)
{
	int netlink = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int only_list = argc > 1 && strcmp(argv[1], "list") == 0;
	long tcp = list(netlink, AF_INET, IPPROTO_TCP, LISTENING), tcp6 = list(netlink, AF_INET6, IPPROTO_TCP, LISTENING);
	long udp = list(netlink, AF_INET, IPPROTO_UDP, CLOSED), udp6 = list(netlink, AF_INET6, IPPROTO_UDP, CLOSED);

	if (tcp < 0 || tcp6 < 0 || udp < 0 || udp6 < 0) {
		perror("sock_diag");
		return 1;
	}
	printf("%ld TCP, %ld UDP, %ld open\n", tcp + tcp6, udp + udp6, only_list ? 0 : owners());
	return 0;
}
