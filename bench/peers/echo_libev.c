/*
 * echo_libev.c - the echo server as callbacks on libev, which grove's own hub uses too: a watcher per connection
 *
 *	echo_libev PORT		0: any free port; the one in use is printed
 *
 * Needs: libev-dev
 * Build: -lev -Wno-strict-aliasing
 * What is received is sent at once; only when the socket is full does the watcher wait to write instead.
 */
#define _GNU_SOURCE
#include "../listen.h"
#include <errno.h>
#include <ev.h>
#include <sys/types.h>
#include <unistd.h>

struct conn {
	ev_io io;
	size_t from, to;		/* buf[from..to) was received and is not sent yet */
	char buf[4096];
};

static void conn_end(struct ev_loop *loop, struct conn *c)
{
	ev_io_stop(loop, &c->io);
	close(c->io.fd);
	free(c);
}

static void wait_for(struct ev_loop *loop, struct conn *c, int events)
{
	if (c->io.events & events)
		return;
	ev_io_stop(loop, &c->io);
	ev_io_set(&c->io, c->io.fd, events);
	ev_io_start(loop, &c->io);
}

static void conn_flush(struct ev_loop *loop, struct conn *c)
{
	while (c->from < c->to) {
		ssize_t n = send(c->io.fd, c->buf + c->from, c->to - c->from, MSG_NOSIGNAL);

		if (n == -1 && errno == EAGAIN) {
			wait_for(loop, c, EV_WRITE);
			return;
		}
		if (n == -1) {
			conn_end(loop, c);
			return;
		}
		c->from += n;
	}
	c->from = c->to = 0;
	wait_for(loop, c, EV_READ);
}

static void conn_ready(struct ev_loop *loop, ev_io *io, int events)
{
	struct conn *c = (struct conn *)io;

	if (events & EV_READ) {
		ssize_t n = recv(io->fd, c->buf, sizeof(c->buf), 0);

		if (n == -1 && errno == EAGAIN)
			return;
		if (n <= 0) {
			conn_end(loop, c);
			return;
		}
		c->to = n;
	}
	conn_flush(loop, c);
}

static void accept_all(struct ev_loop *loop, ev_io *io, int events)
{
	int fd;

	(void)events;
	while ((fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) != -1) {
		struct conn *c = malloc(sizeof(*c));

		if (!c) {
			close(fd);
			continue;
		}
		send_at_once(fd);
		c->from = c->to = 0;
		ev_io_init(&c->io, conn_ready, fd, EV_READ);
		ev_io_start(loop, &c->io);
	}
}

int main(int argc, char **argv)
{
	struct ev_loop *loop = ev_default_loop(EVBACKEND_EPOLL);
	ev_io listener;

	if (!loop) {
		fprintf(stderr, "echo_libev: no loop\n");
		return 1;
	}
	ev_io_init(&listener, accept_all, listen_on(argc > 1 ? atoi(argv[1]) : 0, SOCK_NONBLOCK), EV_READ);
	ev_io_start(loop, &listener);
	ev_run(loop, 0);
	return 0;
}
