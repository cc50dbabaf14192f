/* close.c - closing, or putting another file over, a descriptor on which a thread waits: the call goes on with the file it began with */
#include "t.h"
#include <arpa/inet.h>
#include <linux/close_range.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>

struct call {
	int fd, place, err;
	long ret;
	char buf[8];
	short events;
};

static void *do_read(void *arg)
{
	struct call *c = arg;

	t_here(&c->place);
	c->ret = read(c->fd, c->buf, 3);
	c->err = errno;
	return NULL;
}

static void *do_write(void *arg)
{
	static char much[200000];
	struct call *c = arg;

	t_here(&c->place);
	c->ret = write(c->fd, much, sizeof(much));
	c->err = errno;
	return NULL;
}

static void *do_recv(void *arg)
{
	struct call *c = arg;

	t_here(&c->place);
	c->ret = recv(c->fd, c->buf, 3, 0);
	c->err = errno;
	return NULL;
}

static void *do_accept(void *arg)
{
	struct call *c = arg;

	t_here(&c->place);
	int s = accept(c->fd, NULL, NULL);
	c->err = errno;
	c->ret = s == -1 ? -1 : 0;
	if (s != -1) {
		send(s, "hi", 2, 0);
		close(s);
	}
	return NULL;
}

static void *do_poll(void *arg)
{
	struct call *c = arg;
	struct pollfd pf = { c->fd, POLLIN, 0 };

	t_here(&c->place);
	c->ret = poll(&pf, 1, 300);
	c->err = errno;
	c->events = pf.revents;
	return NULL;
}

static void *do_epoll_wait(void *arg)
{
	struct call *c = arg;
	struct epoll_event ev;

	t_here(&c->place);
	c->ret = epoll_wait(c->fd, &ev, 1, 300);
	c->err = errno;
	return NULL;
}

static pthread_t park(void *(*fn)(void *), struct call *c, int fd)
{
	*c = (struct call){ .fd = fd };
	pthread_t t = start(fn, c);
	wait_parked(&c->place);
	return t;
}

static void told(const char *what, struct call *c)
{
	if (c->ret == -1)
		say("%s: -1 %s", what, t_errname(c->err));
	else
		say("%s: %ld %.3s", what, c->ret, c->buf);
}

/* --- one waits, the other takes its descriptor away: each way to do so --- */

static int spare;

static int by_close(int fd)
{
	return close(fd);
}

static int by_dup2(int fd)
{
	return dup2(spare, fd) == fd ? 0 : -1;
}

static int by_dup3(int fd)
{
	return dup3(spare, fd, O_CLOEXEC) == fd ? 0 : -1;
}

static int by_close_range(int fd)
{
	return close_range(fd, fd, 0);
}

static const struct way {
	const char *name;
	int (*take)(int fd);
} ways[] = { { "close", by_close }, { "dup2", by_dup2 }, { "dup3", by_dup3 }, { "close_range", by_close_range } };

static void pipes(const struct way *w)
{
	struct call a, b;
	int p[2], q[2];

	say("-- %s", w->name);
	must_pipe(p);
	pthread_t t = park(do_read, &a, p[0]);
	R("taken away", w->take(p[0]));
	MUST(write(p[1], "old", 3));
	join(t);
	told("read", &a);
	R("write, the last reader is gone", write(p[1], "x", 1));
	if (w->take == by_close || w->take == by_close_range) {
		R("read by number", read(p[0], a.buf, 1));
		R("close by number", close(p[0]));
	} else {
		close(p[0]);
	}
	close(p[1]);

	must_pipe(p);
	t = park(do_write, &b, p[1]);
	R("taken away", w->take(p[1]));
	char buf[30000];
	long n, total = 0;
	while ((n = read(p[0], buf, sizeof(buf))) > 0)
		total += n;
	join(t);
	told("write", &b);
	say("read %ld, end %ld", total, n);
	if (w->take == by_dup2 || w->take == by_dup3)
		close(p[1]);
	close(p[0]);

	/* the number is somebody else's before the first reader woke */
	must_pipe(p);
	t = park(do_read, &a, p[0]);
	must_pipe(q);
	MUST(dup2(q[0], p[0]));
	pthread_t u = park(do_read, &b, p[0]);
	MUST(write(q[1], "new", 3));
	join(u);
	told("the second reader", &b);
	MUST(write(p[1], "old", 3));
	join(t);
	told("the first reader", &a);
	close2(p);
	close2(q);
}

static void sockets(const struct way *w)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	struct call a;
	int c[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, c));
	pthread_t t = park(do_recv, &a, c[0]);
	R("taken away", w->take(c[0]));
	MUST(send(c[1], "old", 3, 0));
	join(t);
	told("recv", &a);
	R("send, the peer is gone", send(c[1], "x", 1, MSG_NOSIGNAL));
	if (w->take == by_dup2 || w->take == by_dup3)
		close(c[0]);
	close(c[1]);

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, c));
	t = park(do_recv, &a, c[0]);
	R("taken away", w->take(c[0]));
	close(c[1]);
	join(t);
	told("recv, the peer closes", &a);
	if (w->take == by_dup2 || w->take == by_dup3)
		close(c[0]);

	int l = MUST(socket(AF_INET, SOCK_STREAM, 0)), s = MUST(socket(AF_INET, SOCK_STREAM, 0));
	MUST(bind(l, (struct sockaddr *)&addr, len));
	MUST(listen(l, 1));
	MUST(getsockname(l, (struct sockaddr *)&addr, &len));
	t = park(do_accept, &a, l);
	R("taken away", w->take(l));
	R("connect", connect(s, (struct sockaddr *)&addr, len));
	R("recv", recv(s, a.buf, 3, MSG_WAITALL));
	join(t);
	told("accept", &a);
	close(s);
	s = MUST(socket(AF_INET, SOCK_STREAM, 0));
	R("connect, the listener is gone", connect(s, (struct sockaddr *)&addr, len));
	close(s);
	if (w->take == by_dup2 || w->take == by_dup3)
		close(l);
}

/* --- waiting for many --- */

static void polls(void)
{
	struct call a;
	int p[2], q[2], spare_ep;
	struct epoll_event ev = { .events = EPOLLIN };

	say("-- poll");
	must_pipe(p);
	pthread_t t = park(do_poll, &a, p[0]);
	close(p[0]);
	join(t);
	say("poll, closed, nothing more: %ld events %x", a.ret, a.events);
	close(p[1]);
	must_pipe(p);
	t = park(do_poll, &a, p[0]);
	close(p[0]);
	MUST(close(p[1]));
	join(t);
	say("poll, closed, the file wakes: %ld events %x", a.ret, a.events);
	must_pipe(p);
	must_pipe(q);
	t = park(do_poll, &a, p[0]);
	MUST(dup2(q[0], p[0]));
	MUST(write(q[1], "x", 1));
	MUST(close(p[1]));
	join(t);
	say("poll, another file there, the old one wakes: %ld events %x", a.ret, a.events);
	close(p[0]);
	close2(q);

	must_pipe(p);
	int ep = MUST(epoll_create1(0));
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
	t = park(do_epoll_wait, &a, ep);
	close(p[0]);
	close(p[1]);
	join(t);
	told("epoll_wait, its only file closed", &a);
	must_pipe(p);
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
	t = park(do_epoll_wait, &a, ep);
	close(ep);
	MUST(write(p[1], "x", 1));
	join(t);
	told("epoll_wait, closed itself", &a);
	spare_ep = MUST(epoll_create1(0));
	YES("its number is free again", spare_ep == ep);
	close(spare_ep);
	close2(p);
}

static void many_readers(void)
{
	struct call c[10];
	pthread_t t[10];
	int p[2];

	say("-- ten readers");
	must_pipe(p);
	for (int i = 0; i < 10; i++)
		t[i] = park(do_read, &c[i], p[0]);
	close(p[0]);
	MUST(write(p[1], "abcdef", 6));
	msleep(20);
	int got = 0;
	close(p[1]);
	for (int i = 0; i < 10; i++) {
		join(t[i]);
		got += c[i].ret;
	}
	say("they read %d bytes", got);
}

/* --- whole ranges: what the program does not know about must survive --- */

static void ranges(void)
{
	struct call a;
	int p[2], n = 0;

	say("-- ranges");
	R("close_range 10 to 5", close_range(10, 5, 0));
	R("close_range bad flags", close_range(10, 15, 1 << 20));
	must_pipe(p);
	int hi = MUST(fcntl(p[0], F_DUPFD, 300));
	R("F_DUPFD 300", hi);
	say("close-on-exec %d", fcntl(hi, F_GETFD));
	R("close_range CLOEXEC", close_range(290, 310, CLOSE_RANGE_CLOEXEC));
	say("close-on-exec %d", fcntl(hi, F_GETFD));
	for (int fd = 3; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	say("descriptors open: %d", n);
	pthread_t t = park(do_read, &a, p[0]);
	R("close_range 3 to the end", close_range(3, ~0u, 0));
	must_pipe(p);
	say("new pipe: %d %d", p[0], p[1]);
	join(t);
	told("the reader, the writing end closed", &a);
	t = park(do_read, &a, p[0]);
	n = 0;
	for (int fd = p[1] + 1; fd < 1024; fd++)
		n += close(fd) == 0;
	say("closed one by one: %d", n);
	n = 0;
	for (int fd = p[1] + 1; fd < 1024; fd++)
		n += dup2(p[1], fd) == fd;
	say("filled up: %d", n);
	R("no descriptor left", dup(1));
	msleep(5);
	MUST(write(p[1], "end", 3));
	join(t);
	told("the reader", &a);
	closefrom(p[1] + 1);
	R("one is left again", dup(1));
	msleep(5);
}

int main(void)
{
	t_begin();
	signal(SIGPIPE, SIG_IGN);
	spare = MUST(open("/dev/null", O_RDWR));
	for (unsigned i = 0; i < T_LENGTH(ways); i++) {
		pipes(&ways[i]);
		sockets(&ways[i]);
	}
	polls();
	many_readers();
	ranges();
	return 0;
}
