/*
 * listen.h - how the servers of the benches begin: a socket on loopback that listens, and its port on standard output
 */
#ifndef BENCH_LISTEN_H
#define BENCH_LISTEN_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* @port 0: any free one.  @flags: SOCK_NONBLOCK or 0. */
static inline int listen_on(int port, int flags)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), on = 1;
	struct sockaddr_in at = {};
	socklen_t len = sizeof(at);

	at.sin_family = AF_INET;
	at.sin_port = htons(port);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
	    bind(fd, (struct sockaddr *)&at, len) == -1 || listen(fd, 4096) == -1 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) == -1) {
		perror("listen");
		exit(1);
	}
	printf("port %d\n", ntohs(at.sin_port));
	fflush(stdout);
	return fd;
}

/* An answer is not to wait for the one before it to be acknowledged (Nagle). */
static inline void send_at_once(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

#endif
