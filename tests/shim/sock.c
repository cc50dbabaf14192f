/* sock.c - sockets of every kind on one host: what each call returns when there is data, none, too much, or nobody any more */
#include "t.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static int parked;

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int listener(int backlog, struct sockaddr_in *ret_addr)
{
	int s = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	socklen_t len = sizeof(*ret_addr);

	*ret_addr = loopback(0);
	MUST(bind(s, (struct sockaddr *)ret_addr, len));
	MUST(listen(s, backlog));
	MUST(getsockname(s, (struct sockaddr *)ret_addr, &len));
	return s;
}

/* two ends of a TCP connection */
static void tcp_pair(int c[2])
{
	struct sockaddr_in a;
	int l = listener(1, &a);

	c[0] = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(connect(c[0], (struct sockaddr *)&a, sizeof(a)));
	c[1] = MUST(accept4(l, NULL, NULL, SOCK_CLOEXEC));
	close(l);
}

static void unix_pair(int c[2], int type)
{
	MUST(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, c));
}

static void timeout_of(int fd, int which, int ms)
{
	struct timeval t = { ms / 1000, ms % 1000 * 1000 };

	MUST(setsockopt(fd, SOL_SOCKET, which, &t, sizeof(t)));
}

struct call {
	int fd, flags;
	size_t len;
	const char *what;
};

static void *do_recv(void *arg)
{
	struct call *c = arg;
	char *buf = calloc(1, c->len + 1);

	t_here(&parked);
	long n = R(c->what, recv(c->fd, buf, c->len, c->flags));
	if (n > 0)
		say("%s", buf);
	free(buf);
	return NULL;
}

static pthread_t park_recv(struct call *c)
{
	parked = 0;
	pthread_t t = start(do_recv, c);
	wait_parked(&parked);
	return t;
}

/* --- streams --- */

static void stream(const char *name, void (*make)(int c[2]))
{
	char buf[64];
	int c[2];

	say("-- %s", name);
	make(c);
	R("send", send(c[0], "hello", 5, 0));
	R("MSG_PEEK 3", recv(c[1], buf, 3, MSG_PEEK));
	R("recv 64", recv(c[1], buf, 64, 0));
	R("MSG_DONTWAIT", recv(c[1], buf, 64, MSG_DONTWAIT));
	R("read 0", read(c[1], buf, 0));
	R("recv 0 MSG_DONTWAIT", recv(c[1], buf, 0, MSG_DONTWAIT));
	R("send 0", send(c[0], buf, 0, 0));
	R("write", write(c[0], "abc", 3));
	struct iovec v[] = { { buf, 1 }, { buf + 1, 1 } };
	R("readv", readv(c[1], v, 2));
	R("recvfrom", recvfrom(c[1], buf, 64, 0, NULL, NULL));
	R("sendto, no address", sendto(c[0], "xy", 2, 0, NULL, 0));
	R("read", read(c[1], buf, 64));
	R("pread", pread(c[1], buf, 64, 0));
	R("pwrite", pwrite(c[1], buf, 64, 0));
	R("preadv2 at -1 nowait", preadv2(c[1], v, 2, -1, RWF_NOWAIT));

	struct call plain = { c[1], 0, 10, "parked recv" }, all = { c[1], MSG_WAITALL, 6, "MSG_WAITALL 6" };
	pthread_t t = park_recv(&plain);
	MUST(send(c[0], "abcd", 4, 0));
	join(t);
	t = park_recv(&all);
	static const char *const parts[] = { "ab", "cd", "ef" };
	for (unsigned i = 0; i < T_LENGTH(parts); i++) {
		send(c[0], parts[i], 2, 0);
		msleep(5);
	}
	join(t);
	t = park_recv(&all);
	send(c[0], "xyz", 3, 0);
	msleep(5);
	MUST(shutdown(c[0], SHUT_WR));
	join(t);
	R("after the end", recv(c[1], buf, 64, 0));
	R("the other way", send(c[1], "back", 4, 0));
	R("recv there", recv(c[0], buf, 64, 0));
	R("send after SHUT_WR", send(c[0], "x", 1, MSG_NOSIGNAL));
	R("write after SHUT_WR", write(c[0], "x", 1));
	close2(c);

	make(c);
	struct call whole = { c[1], 0, 10, "recv woken by shutdown" };
	t = park_recv(&whole);
	MUST(shutdown(c[1], SHUT_RD));
	join(t);
	close2(c);
	make(c);
	whole = (struct call){ c[1], 0, 10, "recv woken by close of the peer" };
	t = park_recv(&whole);
	close(c[0]);
	join(t);
	R("shutdown bad how", shutdown(c[1], 7));
	close(c[1]);
}

static void make_unix(int c[2])
{
	unix_pair(c, SOCK_STREAM);
}

/* --- datagrams --- */

static void datagrams(void)
{
	char buf[64] = "";
	int c[2];

	say("-- datagrams");
	unix_pair(c, SOCK_DGRAM);
	R("send 5", send(c[0], "hello", 5, 0));
	R("recv 2", recv(c[1], buf, 2, 0));
	R("rest is gone", recv(c[1], buf, 64, MSG_DONTWAIT));
	R("send 5", send(c[0], "hello", 5, 0));
	R("MSG_PEEK|MSG_TRUNC 2", recv(c[1], buf, 2, MSG_PEEK | MSG_TRUNC));
	struct iovec v = { buf, 3 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	R("recvmsg 3", recvmsg(c[1], &m, 0));
	YES("MSG_TRUNC set", m.msg_flags & MSG_TRUNC);
	R("send 0", send(c[0], "", 0, 0));
	R("recv 0", recv(c[1], buf, 64, 0));
	R("send 3", send(c[0], "abc", 3, 0));
	R("read 64", read(c[1], buf, 64));
	struct call parkedone = { c[1], MSG_WAITALL, 10, "parked recv, MSG_WAITALL" };
	pthread_t t = park_recv(&parkedone);
	MUST(send(c[0], "abcd", 4, 0));
	join(t);
	close(c[0]);
	R("send to nobody", send(c[1], "x", 1, MSG_NOSIGNAL));
	R("recv from nobody", recv(c[1], buf, 1, MSG_DONTWAIT));
	close(c[1]);

	unix_pair(c, SOCK_SEQPACKET);
	R("seqpacket send", send(c[0], "hello", 5, MSG_EOR));
	R("seqpacket send", send(c[0], "you", 3, MSG_EOR));
	R("seqpacket recv", recv(c[1], buf, 64, 0));
	R("seqpacket recv 1", recv(c[1], buf, 1, MSG_TRUNC));
	close(c[0]);
	R("seqpacket eof", recv(c[1], buf, 64, 0));
	close(c[1]);
}

static void udp(void)
{
	int a = MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)), b = MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	struct sockaddr_in to = loopback(0), from;
	socklen_t len = sizeof(to);
	char buf[64];

	say("-- udp");
	MUST(bind(a, (struct sockaddr *)&to, len));
	MUST(getsockname(a, (struct sockaddr *)&to, &len));
	R("sendto", sendto(b, "ping", 4, 0, (struct sockaddr *)&to, len));
	len = sizeof(from);
	R("recvfrom", recvfrom(a, buf, 64, 0, (struct sockaddr *)&from, &len));
	say("address length %u, family %d, loopback %d", len, from.sin_family, from.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	R("sendto back", sendto(a, "pong", 4, 0, (struct sockaddr *)&from, len));
	R("recv", recv(b, buf, 64, 0));
	timeout_of(b, SO_RCVTIMEO, 20);
	R("recv timeout", recv(b, buf, 64, 0));
	R("send, not connected", send(b, "x", 1, 0));
	R("connect", connect(b, (struct sockaddr *)&to, sizeof(to)));
	R("send 0", send(b, "", 0, 0));
	R("recv 0", recv(a, buf, 64, 0));
	R("send too much", send(b, buf, 70000, 0));
	R("accept on udp", accept(a, NULL, NULL));
	R("listen on udp", listen(a, 1));
	close(a);
	OK("send to a closed port", send(b, "x", 1, 0));
	R("recv: refused", recv(b, buf, 64, 0));
	close(b);
}

/* --- messages --- */

static void rights(void)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl = { .buf = "" };
	char text[8];
	struct iovec v = { text, 4 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl.buf, .msg_controllen = sizeof(ctl.buf) };
	int c[2], p[2];

	say("-- rights");
	unix_pair(c, SOCK_STREAM);
	must_pipe(p);
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	*h = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(h), &p[0], sizeof(int));
	memcpy(text, "pipe", 4);
	R("sendmsg", sendmsg(c[0], &m, 0));
	close(p[0]);
	memset(&ctl, 0, sizeof(ctl));
	m.msg_controllen = sizeof(ctl.buf);
	R("recvmsg", recvmsg(c[1], &m, MSG_CMSG_CLOEXEC));
	h = CMSG_FIRSTHDR(&m);
	YES("rights came", h && h->cmsg_type == SCM_RIGHTS);
	int got = -1;
	memcpy(&got, CMSG_DATA(h), sizeof(int));
	say("close-on-exec %d", fcntl(got, F_GETFD));
	R("write to the pipe", write(p[1], "through", 7));
	R("read from the received end", read(got, text, 7));
	close(p[1]);
	R("end of file there", read(got, text, 7));
	close(got);
	m.msg_control = NULL;
	m.msg_controllen = 0;
	R("recvmsg MSG_DONTWAIT", recvmsg(c[1], &m, MSG_DONTWAIT));
	R("recvmsg bad header", recvmsg(c[1], (struct msghdr *)T_BAD, MSG_DONTWAIT));
	R("sendmsg bad header", sendmsg(c[1], (struct msghdr *)T_BAD, 0));
	v.iov_base = T_BAD;
	R("sendmsg bad vector", sendmsg(c[1], &m, 0));
	m.msg_iovlen = 2000;
	R("sendmsg 2000 vectors", sendmsg(c[1], &m, 0));
	close2(c);
}

static void *send_one_later(void *fd)
{
	msleep(100);
	send(*(int *)fd, "third", 5, 0);
	return NULL;
}

static void many_messages(void)
{
	char text[5][8];
	struct iovec v[5];
	struct mmsghdr m[5];
	struct timespec ts = { 0, 30000000 };
	int c[2];

	say("-- mmsg");
	unix_pair(c, SOCK_DGRAM);
	for (int i = 0; i < 5; i++) {
		v[i] = (struct iovec){ text[i], 5 };
		m[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &v[i], .msg_iovlen = 1 } };
		memset(text[i], 'a' + i, 8);
	}
	R("sendmmsg 2", sendmmsg(c[0], m, 2, 0));
	say("lengths %u %u", m[0].msg_len, m[1].msg_len);
	R("recvmmsg MSG_WAITFORONE", recvmmsg(c[1], m, 5, MSG_WAITFORONE, NULL));
	R("recvmmsg MSG_DONTWAIT", recvmmsg(c[1], m, 5, MSG_DONTWAIT, NULL));
	R("sendmmsg 2", sendmmsg(c[0], m, 2, 0));
	R("recvmmsg 2", recvmmsg(c[1], m, 2, 0, NULL));
	R("sendmmsg 2", sendmmsg(c[0], m, 2, 0));
	pthread_t t = start(send_one_later, &c[0]);
	R("recvmmsg 5, time is over when the third comes", recvmmsg(c[1], m, 5, 0, &ts));
	join(t);
	ts.tv_nsec = 0;
	R("sendmmsg 3", sendmmsg(c[0], m, 3, 0));
	R("recvmmsg 5, there is no time", recvmmsg(c[1], m, 5, 0, &ts));
	say("time left %ld ns", (long)ts.tv_nsec);
	R("the others", recvmmsg(c[1], m, 5, MSG_DONTWAIT, NULL));
	ts.tv_nsec = 30000000;
	shutdown(c[1], SHUT_RD);
	R("recvmmsg 3 of one that was shut down, no time", recvmmsg(c[1], m, 3, 0, &(struct timespec){ 0, 0 }));
	ts.tv_nsec = -1;
	R("recvmmsg bad timeout", recvmmsg(c[1], m, 5, 0, &ts));
	R("sendmmsg 0", sendmmsg(c[0], m, 0, 0));
	m[1].msg_hdr.msg_iov = T_BAD;
	R("sendmmsg, second bad", sendmmsg(c[0], m, 3, 0));
	R("recvmmsg bad array", recvmmsg(c[1], (struct mmsghdr *)T_BAD, 1, 0, NULL));
	close2(c);
}

/* --- time limits --- */

static void timeouts(void)
{
	static char buf[4 << 20];
	struct sockaddr_in a;
	struct timeval tv;
	socklen_t len = sizeof(tv);
	int c[2];

	say("-- timeouts");
	unix_pair(c, SOCK_STREAM);
	timeout_of(c[1], SO_RCVTIMEO, 30);
	MUST(getsockopt(c[1], SOL_SOCKET, SO_RCVTIMEO, &tv, &len));
	YES("SO_RCVTIMEO shows", tv.tv_usec >= 30000 && tv.tv_usec < 50000);
	long long before = now_ns();
	R("recv timeout", recv(c[1], buf, 1, 0));
	YES("it took its time", now_ns() - before >= 29000000);
	R("read timeout", read(c[1], buf, 1));
	send(c[0], "ab", 2, 0);
	R("MSG_WAITALL 4 timeout", recv(c[1], buf, 4, MSG_WAITALL));
	R("MSG_WAITALL 4 timeout, nothing", recv(c[1], buf, 4, MSG_WAITALL));
	timeout_of(c[1], SO_RCVTIMEO, 0);
	struct call again = { c[1], 0, 4, "no timeout any more" };
	pthread_t t = park_recv(&again);
	msleep(50);
	send(c[0], "cd", 2, 0);
	join(t);
	timeout_of(c[0], SO_SNDTIMEO, 30);
	long n = send(c[0], buf, sizeof(buf), 0);
	YES("send 4 MB timeout: part was sent", n > 0 && n < (long)sizeof(buf));
	R("send timeout", send(c[0], buf, sizeof(buf), 0));
	R("write timeout", write(c[0], buf, 100000));
	tv = (struct timeval){ 0, 2000000 };
	R("bad timeout", setsockopt(c[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
	R("bad length", setsockopt(c[0], SOL_SOCKET, SO_SNDTIMEO, &tv, 1));
	close2(c);

	int l = listener(1, &a);
	timeout_of(l, SO_RCVTIMEO, 30);
	R("accept timeout", accept(l, NULL, NULL));
	close(l);

	tcp_pair(c);
	timeout_of(c[1], SO_RCVTIMEO, 30);
	R("tcp recv timeout", recv(c[1], buf, 1, 0));
	timeout_of(c[0], SO_SNDTIMEO, 30);
	long total = 0;
	for (int i = 0; i < 100; i++) {
		errno = 0;
		n = send(c[0], buf, sizeof(buf), 0);
		if (n < 0)
			break;
		total += n;
	}
	say("tcp send timeout: %ld %s, some was sent: %d", n, t_errname(errno), total > 0);
	close2(c);
}

static void nonblocking(void)
{
	static char buf[4 << 20];
	int c[2], on = 1, off = 0;
	struct sockaddr_in a;

	say("-- nonblocking");
	unix_pair(c, SOCK_STREAM | SOCK_NONBLOCK);
	R("recv", recv(c[0], buf, 1, 0));
	R("recv MSG_WAITALL", recv(c[0], buf, 10, MSG_WAITALL));
	long n = send(c[0], buf, sizeof(buf), 0);
	YES("send 4 MB: part", n > 0 && n < (long)sizeof(buf));
	R("send again", send(c[0], buf, sizeof(buf), 0));
	R("FIONBIO off", ioctl(c[1], FIONBIO, &off));
	YES("it shows", !(fcntl(c[1], F_GETFL) & O_NONBLOCK));
	for (long left = n; left > 0;)
		left -= MUST(read(c[1], buf, sizeof(buf)));
	struct call wait = { c[1], 0, 4, "blocking now: recv" };
	pthread_t t = park_recv(&wait);
	send(c[0], "ok", 2, 0);
	join(t);
	R("FIONBIO on", ioctl(c[1], FIONBIO, &on));
	R("recv", recv(c[1], buf, 1, 0));
	MUST(fcntl(c[1], F_SETFL, 0));
	t = park_recv(&wait);
	send(c[0], "ok", 2, 0);
	join(t);
	MUST(fcntl(c[1], F_SETFL, O_NONBLOCK));
	R("recv", recv(c[1], buf, 1, 0));
	close2(c);

	unix_pair(c, SOCK_STREAM | SOCK_NONBLOCK);
	for (int i = 0; i < 6; i++) {
		MUST(write(c[0], "xy", 2));
		R("what came after a short read", i % 2 ? read(c[1], buf, 16) : recv(c[1], buf, 16, 0));
	}
	R("and then nothing", read(c[1], buf, 16));
	MUST(fcntl(c[1], F_SETFL, 0));
	MUST(write(c[0], "xy", 2));
	R("blocking, a short read", read(c[1], buf, 16));
	MUST(fcntl(c[1], F_SETFL, O_NONBLOCK));
	R("O_NONBLOCK again: nothing", read(c[1], buf, 16));
	MUST(write(c[0], "xy", 2));
	R("O_NONBLOCK again: something", read(c[1], buf, 16));
	MUST(write(c[0], "xy", 2));
	R("and again", recv(c[1], buf, 16, 0));
	close2(c);

	int l = listener(5, &a);
	MUST(fcntl(l, F_SETFL, O_NONBLOCK));
	R("accept", accept(l, NULL, NULL));
	int s = MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)), err = -1;
	socklen_t len = sizeof(err);
	R("connect", connect(s, (struct sockaddr *)&a, sizeof(a)));
	struct pollfd pf = { s, POLLOUT, 0 };
	R("poll", poll(&pf, 1, 5000));
	R("SO_ERROR", getsockopt(s, SOL_SOCKET, SO_ERROR, &err, &len));
	say("it is %d", err);
	R("connect again", connect(s, (struct sockaddr *)&a, sizeof(a)));
	R("connect a third time", connect(s, (struct sockaddr *)&a, sizeof(a)));
	pf = (struct pollfd){ l, POLLIN, 0 };
	R("poll", poll(&pf, 1, 5000));
	int got = OK("accept4", accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
	say("flags: nonblock %d, cloexec %d", !!(fcntl(got, F_GETFL) & O_NONBLOCK), fcntl(got, F_GETFD));
	R("recv there", recv(got, buf, 1, 0));
	close(got);
	close(s);
	s = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(connect(s, (struct sockaddr *)&a, sizeof(a)));
	MUST(poll(&pf, 1, 5000));
	got = OK("accept", accept(l, NULL, NULL));
	say("flags: nonblock %d, cloexec %d", !!(fcntl(got, F_GETFL) & O_NONBLOCK), fcntl(got, F_GETFD));
	R("accept4 bad flags", accept4(l, NULL, NULL, 1));
	close(got);
	close(s);
	close(l);
}

/* --- accept and connect --- */

static int accepting[20];

static void *accept_one(void *arg)
{
	int l = (intptr_t)arg & 0xffff, i = (intptr_t)arg >> 16, e;

	t_here(&accepting[i]);
	int s = accept(l, NULL, NULL);
	e = errno;
	if (s == -1)
		return (void *)(intptr_t)-e;
	char c = 'a' + i;
	send(s, &c, 1, 0);
	close(s);
	return NULL;
}

static void twenty_on_one(void)
{
	struct sockaddr_in a;
	int l = listener(50, &a), s[20], got = 0, seen[20] = { 0 };
	pthread_t t[20];
	char c;

	say("-- accept");
	for (intptr_t i = 0; i < 20; i++)
		t[i] = start(accept_one, (void *)(l | i << 16));
	for (int i = 0; i < 20; i++)
		wait_parked(&accepting[i]);
	for (int i = 0; i < 20; i++) {
		s[i] = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
		MUST(connect(s[i], (struct sockaddr *)&a, sizeof(a)));
	}
	for (int i = 0; i < 20; i++) {
		if (recv(s[i], &c, 1, 0) == 1)
			seen[c - 'a']++;
		close(s[i]);
	}
	for (int i = 0; i < 20; i++) {
		join(t[i]);
		got += seen[i] == 1;
	}
	say("20 connections, %d threads answered one each", got);
	memset(accepting, 0, sizeof(accepting));
	for (intptr_t i = 0; i < 20; i++)
		t[i] = start(accept_one, (void *)(l | i << 16));
	for (int i = 0; i < 20; i++)
		wait_parked(&accepting[i]);
	R("shutdown of the listener", shutdown(l, SHUT_RDWR));
	got = 0;
	for (int i = 0; i < 20; i++)
		got += (intptr_t)join(t[i]) == -EINVAL;
	say("threads woken with EINVAL: %d", got);
	close(l);
}

static void connects(void)
{
	struct sockaddr_in a, b;
	socklen_t len = sizeof(b);
	char buf[8];
	int l = listener(1, &a);

	say("-- connect");
	close(l);
	int s = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	R("connect refused", connect(s, (struct sockaddr *)&a, sizeof(a)));
	R("recv, not connected", recv(s, buf, 1, 0));
	R("send, not connected", send(s, buf, 1, MSG_NOSIGNAL));
	R("accept, not listening", accept(s, NULL, NULL));
	R("shutdown, not connected", shutdown(s, SHUT_RDWR));
	R("connect bad address", connect(s, T_BAD, sizeof(a)));
	R("connect short address", connect(s, (struct sockaddr *)&a, 1));
	a.sin_family = 200;
	R("connect bad family", connect(s, (struct sockaddr *)&a, sizeof(a)));
	close(s);
	l = listener(5, &a);
	s = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	R("connect", connect(s, (struct sockaddr *)&a, sizeof(a)));
	R("connect again", connect(s, (struct sockaddr *)&a, sizeof(a)));
	R("accept bad address", accept(l, T_BAD, &len));
	close(s);
	s = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(connect(s, (struct sockaddr *)&a, sizeof(a)));
	int t = OK("accept with address", accept(l, (struct sockaddr *)&b, &len));
	say("length %u, loopback %d", len, b.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	struct linger now = { 1, 0 };
	struct call reset = { t, 0, 5, "recv of a reset connection" };
	pthread_t th = park_recv(&reset);
	MUST(setsockopt(s, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	close(s);
	join(th);
	R("recv once more", recv(t, buf, 1, 0));
	R("send now", send(t, buf, 1, MSG_NOSIGNAL));
	close(t);
	close(l);
}

struct conn {
	struct sockaddr_un a;
	socklen_t len;
	const char *what;
};

static void *connect_unix(void *arg)
{
	struct conn *c = arg;
	int s = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	t_here(&parked);
	R(c->what, connect(s, (struct sockaddr *)&c->a, c->len));
	close(s);
	return NULL;
}

static void unix_connects(void)
{
	struct conn c = { .a = { .sun_family = AF_UNIX }, .len = sizeof(c.a), .what = "connect waits for room" };
	int l = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), s[3];

	say("-- unix connect");
	MUST(bind(l, (struct sockaddr *)&c.a, sizeof(sa_family_t)));
	MUST(getsockname(l, (struct sockaddr *)&c.a, &c.len));
	s[0] = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	R("connect before listen", connect(s[0], (struct sockaddr *)&c.a, c.len));
	MUST(listen(l, 0));
	R("connect", connect(s[0], (struct sockaddr *)&c.a, c.len));
	s[1] = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	R("connect, no room, nonblocking", connect(s[1], (struct sockaddr *)&c.a, c.len));
	s[2] = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	timeout_of(s[2], SO_SNDTIMEO, 30);
	R("connect, no room, SO_SNDTIMEO", connect(s[2], (struct sockaddr *)&c.a, c.len));
	parked = 0;
	pthread_t t = start(connect_unix, &c);
	wait_parked(&parked);
	int a = MUST(accept(l, NULL, NULL));
	close(a);
	join(t);
	a = OK("accept", accept(l, NULL, NULL));
	close(a);
	R("connect", connect(s[1], (struct sockaddr *)&c.a, c.len));
	parked = 0;
	c.what = "connect, then the listener goes";
	t = start(connect_unix, &c);
	wait_parked(&parked);
	close(l);
	join(t);
	struct sockaddr_un none = { AF_UNIX, "/nonexistent/socket" };
	R("connect to no file", connect(s[2], (struct sockaddr *)&none, sizeof(none)));
	for (int i = 0; i < 3; i++)
		close(s[i]);
}

/* --- volume, and bad arguments --- */

#define MUCH (5 << 20)

static void *send_much(void *arg)
{
	unsigned char *buf = malloc(MUCH);

	for (int i = 0; i < MUCH; i++)
		buf[i] = i * 7 + i / 999;
	R("send 5 MB", send(*(int *)arg, buf, MUCH, 0));
	struct iovec v[3] = { { buf, 1000000 }, { buf + 1000000, 0 }, { buf + 1000000, MUCH - 1000000 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 3 };
	R("sendmsg 5 MB", sendmsg(*(int *)arg, &m, 0));
	R("writev 5 MB", writev(*(int *)arg, v, 3));
	close(*(int *)arg);
	free(buf);
	return NULL;
}

static void volume(const char *name, void (*make)(int c[2]))
{
	unsigned char buf[30000];
	long total = 0, wrong = 0, n;
	int c[2];

	make(c);
	pthread_t t = start(send_much, &c[0]);
	for (int i = 0; (n = recv(c[1], buf, 1 + i * 7919 % sizeof(buf), 0)) > 0; i++) {
		for (long k = 0; k < n; k++, total++)
			wrong += buf[k] != (unsigned char)(total % MUCH * 7 + total % MUCH / 999);
		if (i % 50 == 0)
			msleep(1);
	}
	join(t);
	say("%s: received %ld, wrong %ld, end %ld", name, total, wrong, n);
	close(c[1]);
}

static void bad_arguments(void)
{
	char buf[8];
	int c[2], p[2];
	socklen_t len = 3;

	say("-- bad arguments");
	must_pipe(p);
	R("recv on a pipe", recv(p[0], buf, 1, 0));
	R("send on a pipe", send(p[1], buf, 1, 0));
	R("accept on a pipe", accept(p[0], NULL, NULL));
	R("connect on a pipe", connect(p[0], (struct sockaddr *)buf, 8));
	R("shutdown on a pipe", shutdown(p[0], SHUT_RD));
	R("getsockopt on a pipe", getsockopt(p[0], SOL_SOCKET, SO_TYPE, buf, &len));
	close2(p);
	R("recv on -1", recv(-1, buf, 1, 0));
	R("send on -1", send(-1, buf, 1, 0));
	R("recvmsg on -1", recvmsg(-1, T_BAD, 0));
	R("accept on -1", accept(-1, NULL, NULL));
	R("connect on -1", connect(-1, NULL, 0));
	unix_pair(c, SOCK_STREAM);
	send(c[0], "abcd", 4, 0);
	R("recv to a bad pointer", recv(c[1], T_BAD, 4, 0));
	R("recvfrom bad address length", recvfrom(c[1], buf, 1, MSG_PEEK, (struct sockaddr *)buf, T_BAD));
	R("recv the rest", recv(c[1], buf, 4, MSG_DONTWAIT));
	R("send from a bad pointer", send(c[0], T_BAD, 4, 0));
	R("setsockopt bad pointer", setsockopt(c[0], SOL_SOCKET, SO_RCVTIMEO, T_BAD, sizeof(struct timeval)));
	R("setsockopt unknown", setsockopt(c[0], SOL_SOCKET, 9999, &len, sizeof(len)));
	R("accept on a pair", accept(c[0], NULL, NULL));
	R("MSG_OOB on unix", recv(c[1], buf, 1, MSG_OOB | MSG_DONTWAIT));
	close2(c);
	R("recv closed", recv(c[0], buf, 1, 0));
	R("socket bad family", socket(999, SOCK_STREAM, 0));
	R("socket bad type", socket(AF_INET, 77, 0));
	R("socketpair inet", socketpair(AF_INET, SOCK_STREAM, 0, c));
}

/* Their end is told to who would wait only. */
static void *ends(void *arg)
{
	shutdown(*(int *)arg, SHUT_RDWR);
	return NULL;
}

static void datagrams_that_end(void)
{
	for (int unix_ = 0; unix_ < 2; unix_++) {
		int p[2];
		char buf[10];
		struct iovec iov = { buf, sizeof(buf) };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
		struct mmsghdr mm[2] = { { .msg_hdr = m }, { .msg_hdr = m } };
		pthread_t t;

		say("-- %s, shut down", unix_ ? "unix datagrams" : "udp");
		if (unix_) {
			MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
		} else {
			struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
			socklen_t len = sizeof(to);

			p[0] = MUST(socket(AF_INET, SOCK_DGRAM, 0));
			p[1] = MUST(socket(AF_INET, SOCK_DGRAM, 0));
			MUST(bind(p[0], (struct sockaddr *)&to, sizeof(to)));
			MUST(getsockname(p[0], (struct sockaddr *)&to, &len));
			MUST(connect(p[0], (struct sockaddr *)&to, len));
		}
		t = start(ends, &p[0]);
		R("recv, waiting", recv(p[0], buf, sizeof(buf), 0));
		join(t);
		R("read", read(p[0], buf, sizeof(buf)));
		R("readv", readv(p[0], &iov, 1));
		R("recvmsg", recvmsg(p[0], &m, 0));
		R("recvmmsg", recvmmsg(p[0], mm, 2, 0, NULL));
		R("MSG_DONTWAIT", recv(p[0], buf, sizeof(buf), MSG_DONTWAIT));
		MUST(fcntl(p[0], F_SETFL, O_NONBLOCK));
		R("O_NONBLOCK", read(p[0], buf, sizeof(buf)));
		close2(p);
	}
}

int main(void)
{
	t_begin();
	signal(SIGPIPE, SIG_IGN);
	stream("unix", make_unix);
	stream("tcp", tcp_pair);
	datagrams();
	udp();
	rights();
	many_messages();
	timeouts();
	nonblocking();
	twenty_on_one();
	connects();
	unix_connects();
	volume("unix", make_unix);
	volume("tcp", tcp_pair);
	bad_arguments();
	datagrams_that_end();
	return 0;
}
