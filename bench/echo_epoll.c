/*
 * echo_epoll.c - the echo server an expert writes by hand: one thread, one edge-triggered epoll loop; what grove is measured against
 *
 *	echo_epoll PORT		0: any free port; the one in use is printed
 *
 * In the steady state a request costs one receive and one send: a receive that comes up short has emptied the socket (epoll(7)),
 * so none is made to be told EAGAIN.
 */
#define _GNU_SOURCE
#include "listen.h"
#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <unistd.h>

struct conn {
	int fd;
	size_t from, to;		/* buf[from..to) was received and is not sent yet */
	char buf[4096];
};

static void conn_end(struct conn *c)
{
	close(c->fd);
	free(c);
}

/* True when everything is sent; false when the socket is full: an edge will tell.  -1: the peer is gone. */
static int conn_flush(struct conn *c)
{
	while (c->from < c->to) {
		ssize_t n = send(c->fd, c->buf + c->from, c->to - c->from, MSG_NOSIGNAL);

		if (n == -1)
			return errno == EAGAIN ? 0 : -1;
		c->from += n;
	}
	c->from = c->to = 0;
	return 1;
}

/* @ending: the peer has shut down, which is told once, so read on to the end of file */
static void conn_ready(struct conn *c, bool ending)
{
	for (;;) {
		int flushed = conn_flush(c);
		ssize_t n;

		if (flushed == 0)
			return;
		n = flushed == -1 ? 0 : recv(c->fd, c->buf, sizeof(c->buf), 0);
		if (n == -1 && errno == EAGAIN)
			return;
		if (n <= 0) {
			conn_end(c);
			return;
		}
		c->to = n;
		if (n < (ssize_t)sizeof(c->buf) && !ending) {
			if (conn_flush(c) == -1)
				conn_end(c);
			return;
		}
	}
}

static void accept_all(int listener, int epoll)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) != -1) {
		struct conn *c = malloc(sizeof(*c));
		struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c };

		if (!c) {
			close(fd);
			continue;
		}
		c->fd = fd;
		c->from = c->to = 0;
		send_at_once(fd);
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) == -1)
			conn_end(c);
	}
}

int main(int argc, char **argv)
{
	int listener = listen_on(argc > 1 ? atoi(argv[1]) : 0, SOCK_NONBLOCK), epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL }, got[256];

	if (epoll == -1 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &ev) == -1) {
		perror("echo_epoll: epoll");
		return 1;
	}
	for (;;) {
		int n = epoll_wait(epoll, got, 256, -1);

		for (int i = 0; i < n; i++) {
			if (got[i].data.ptr)
				conn_ready(got[i].data.ptr, got[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
			else
				accept_all(listener, epoll);
		}
	}
}
