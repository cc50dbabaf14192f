/*
 * echo_poll.c - an echo server that keeps nothing at all for a connection but its socket: what sockets alone cost in memory
 *
 *	echo_poll PORT		0: any free port; the one in use is printed
 *
 * While nothing is ready the kernel has no more of it than the descriptors and a table of them; one buffer serves all.
 */
#define _GNU_SOURCE
#include "listen.h"
#include <poll.h>
#include <unistd.h>

#define MOST	20001

static struct pollfd fds[MOST];

static void serve(struct pollfd *p)
{
	static char buf[4096];
	ssize_t n = recv(p->fd, buf, sizeof(buf), 0);

	if (n > 0 && send(p->fd, buf, n, MSG_NOSIGNAL) == n)
		return;
	close(p->fd);
	p->fd = -1;
}

int main(int argc, char **argv)
{
	int n = 1, fd;

	fds[0] = (struct pollfd){ .fd = listen_on(argc > 1 ? atoi(argv[1]) : 0, SOCK_NONBLOCK), .events = POLLIN };
	for (;;) {
		poll(fds, n, -1);
		for (int i = 1; i < n; i++)
			if (fds[i].revents)
				serve(&fds[i]);
		while (n < MOST && (fd = accept4(fds[0].fd, NULL, NULL, SOCK_CLOEXEC)) != -1) {
			send_at_once(fd);
			fds[n++] = (struct pollfd){ .fd = fd, .events = POLLIN };
		}
	}
}
