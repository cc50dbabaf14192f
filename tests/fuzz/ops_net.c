/*
 * ops_net.c - sockets
 */
#include "fuzz.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

static int flags_of(uint8_t b)
{
	static const int flags[] = { 0, 0, MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL, MSG_TRUNC, MSG_OOB, MSG_NOSIGNAL, MSG_MORE, MSG_ERRQUEUE,
				     MSG_PEEK | MSG_DONTWAIT, MSG_WAITALL | MSG_DONTWAIT, MSG_EOR, MSG_CTRUNC, 1 << 28 };

	return flags[b % LENGTH(flags)];
}

/* WAITALL with PEEK on a stream waits for what may be there; out-of-band data of Unix sockets is an option of the kernel */
static int recv_flags(uint8_t b) { return flags_of(b); }

static void op_recv(const struct step *s, struct result *r)
{
	size_t n = size_of(s->b);
	void *p = buffer(s->c, n, true);

	errno = 0;
	if (STRAIGHT(s))
		r->ret = syscall(SYS_recvfrom, fd_of(s->a), p, n, recv_flags(s->d), NULL, NULL);
	else
		r->ret = recv(fd_of(s->a), p, n, recv_flags(s->d));
	r->err = r->ret == -1 ? errno : 0;
	if (good_buffer(s->c))
		took(r, p, r->ret);
}

static void op_send(const struct step *s, struct result *r)
{
	size_t n = write_size(s->b, s->a);
	char *p = buffer(s->c, n, false);

	if (good_buffer(s->c))
		memset(p, s->d, n > BUFFER ? BUFFER : n);
	errno = 0;
	if (STRAIGHT(s))
		r->ret = syscall(SYS_sendto, fd_of(s->a), p, n, flags_of(s->d), NULL, 0);
	else
		r->ret = send(fd_of(s->a), p, n, flags_of(s->d));
	r->err = r->ret == -1 ? errno : 0;
}

static void op_recvfrom(const struct step *s, struct result *r)
{
	struct sockaddr_storage from;
	socklen_t len = s->e & 1 ? sizeof(from) : s->e & 2 ? 3 : s->e & 4 ? (socklen_t)-1 : 0;
	size_t n = size_of(s->b);
	void *p = buffer(s->c, n, true);

	memset(&from, 0, sizeof(from));
	DO(r, s, SYS_recvfrom, recvfrom, fd_of(s->a), p, n, recv_flags(s->d), (struct sockaddr *)&from, s->e == 0xff ? (void *)8 : &len);
	if (good_buffer(s->c))
		took(r, p, r->ret);
	if (r->ret >= 0)
		more(r, "from %d bytes, family %d", (int)len, from.ss_family);
}

static void op_sendto(const struct step *s, struct result *r)
{
	size_t n = write_size(s->b, s->a);
	char *p = buffer(s->c, n, false);
	socklen_t len;
	const struct sockaddr *to = address(s->e, &len);

	if (good_buffer(s->c))
		memset(p, s->e, n > BUFFER ? BUFFER : n);
	DO(r, s, SYS_sendto, sendto, fd_of(s->a), p, n, flags_of(s->d), to, len);
}

/* Descriptors that came along go into slots. */
static void take_rights(struct msghdr *m, struct result *r)
{
	int fd;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
		put_result(r, fd, OTHER);
	}
}

static void op_recvmsg(const struct step *s, struct result *r)
{
	union { char room[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control;
	struct sockaddr_storage from;
	size_t n = size_of(s->b);
	char *p = buffer(s->c, n, true);
	struct iovec iov[2] = { { p, n / 2 }, { p + n / 2, n - n / 2 } };
	struct msghdr m = { .msg_name = s->e & 1 ? &from : NULL, .msg_namelen = s->e & 1 ? sizeof(from) : 0, .msg_iov = iov, .msg_iovlen = 2,
			    .msg_control = s->e & 2 ? &control : NULL, .msg_controllen = s->e & 2 ? sizeof(control) : 0 };

	if (s->e >= 0xf8)
		m.msg_iovlen = s->e == 0xff ? 1025 : s->e == 0xfe ? SIZE_MAX : 0;
	DO(r, s, SYS_recvmsg, recvmsg, fd_of(s->a), s->e == 0xf8 ? (void *)8 : &m, recv_flags(s->d));
	if (good_buffer(s->c))
		took(r, p, r->ret);
	if (r->ret < 0)
		return;
	more(r, "flags %x name %d control %d", (unsigned)m.msg_flags & ~(unsigned)MSG_CMSG_CLOEXEC, (int)m.msg_namelen, (int)m.msg_controllen);
	if (m.msg_control && !(recv_flags(s->d) & MSG_PEEK))
		take_rights(&m, r);
}

static void op_sendmsg(const struct step *s, struct result *r)
{
	union { char room[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control;
	size_t n = write_size(s->b, s->a);
	char *p = buffer(s->c, n, false);
	struct iovec iov[2] = { { p, n / 2 }, { p + n / 2, n - n / 2 } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
	struct cmsghdr *c = &control.align;

	if (good_buffer(s->c))
		memset(p, s->e + 1, n > BUFFER ? BUFFER : n);
	if (s->e & 1)
		m.msg_name = (void *)address(s->f, &m.msg_namelen);
	if (s->e & 2) {
		int fd = fd_of(s->f);

		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		*c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = s->e & 4 ? SCM_RIGHTS : 99 };
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	if (s->e >= 0xf8)
		m.msg_iovlen = s->e == 0xff ? 1025 : s->e == 0xfe ? SIZE_MAX : 0;
	DO(r, s, SYS_sendmsg, sendmsg, fd_of(s->a), s->e == 0xf8 ? (void *)8 : &m, flags_of(s->d));
}

#define MESSAGES 3

static void messages(struct mmsghdr v[MESSAGES], struct iovec iov[MESSAGES], char *p, size_t n)
{
	memset(v, 0, MESSAGES * sizeof(*v));
	for (int i = 0; i < MESSAGES; i++) {
		iov[i] = (struct iovec){ p + i * n, n };
		v[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
}

static unsigned message_count(uint8_t b) { return b < 0xf0 ? b % (MESSAGES + 1) : 2; }

static void op_recvmmsg(const struct step *s, struct result *r)
{
	struct mmsghdr v[MESSAGES];
	struct iovec iov[MESSAGES];
	struct timespec ts, *t = timeout_ts(s->f, &ts);
	size_t n = size_of(s->b) > 5000 ? 5000 : size_of(s->b);
	char *p = buffer(s->c, 3 * n, true);

	messages(v, iov, p, n);
	if (!endless(s->f) && t)
		ts = (struct timespec){ 0, 1 };		/* looked at after each message only: over with the first */
	DO(r, s, SYS_recvmmsg, recvmmsg, fd_of(s->a), s->e == 0xff ? (void *)8 : v, message_count(s->e),
	   recv_flags(s->d) | (s->e & 0x10 ? MSG_WAITFORONE : 0), t);
	for (long i = 0; i < r->ret; i++) {
		more(r, "%u", v[i].msg_len);
		if (good_buffer(s->c))
			r->hash += hash_of(iov[i].iov_base, v[i].msg_len);
	}
}

static void op_sendmmsg(const struct step *s, struct result *r)
{
	struct mmsghdr v[MESSAGES];
	struct iovec iov[MESSAGES];
	size_t n = write_size(s->b, s->a) > 1000 ? 1000 : write_size(s->b, s->a);
	char *p = buffer(s->c, 3 * n, false);

	if (good_buffer(s->c))
		memset(p, s->e, 3 * n);
	messages(v, iov, p, n);
	if (s->e & 0x20)
		v[1].msg_hdr.msg_iov = (void *)8;
	DO(r, s, SYS_sendmmsg, sendmmsg, fd_of(s->a), s->e == 0xff ? (void *)8 : v, message_count(s->e), flags_of(s->d));
	for (long i = 0; i < r->ret; i++)
		more(r, "%u", v[i].msg_len);
}

static void op_accept(const struct step *s, struct result *r)
{
	static const int flags[] = { 0, SOCK_NONBLOCK, SOCK_CLOEXEC, 0, 5 };
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);

	if (s->b & 1)
		DO(r, s, SYS_accept, accept, fd_of(s->a), s->c == 0xff ? (void *)8 : NULL, s->c >= 0xfe ? (void *)8 : NULL);
	else
		DO(r, s, SYS_accept4, accept4, fd_of(s->a), (struct sockaddr *)&from, s->c == 0xff ? (void *)8 : &len, flags[s->d % LENGTH(flags)]);
	put_result(r, r->ret, kind_of(s->a) == TCP_LISTENER ? TCP : SOCKET_NEW);
}

static void op_connect(const struct step *s, struct result *r)
{
	socklen_t len;
	const struct sockaddr *to = address(s->b, &len);

	DO(r, s, SYS_connect, connect, fd_of(s->a), to, len);
}

static void op_socket(const struct step *s, struct result *r)
{
	static const int domains[] = { AF_INET, AF_UNIX, AF_UNIX, AF_INET, AF_INET6, 99, -1 };
	static const int types[] = { SOCK_STREAM, SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM | SOCK_NONBLOCK, SOCK_RAW, 77 };
	int domain = domains[s->a % LENGTH(domains)], type = types[s->b % LENGTH(types)];

	if (type == SOCK_RAW)
		type = 11;
	DO(r, s, SYS_socket, socket, domain, type, s->c == 0xff ? 255 : 0);
	put_result(r, r->ret, domain == AF_INET && type == SOCK_DGRAM ? UDP : SOCKET_NEW);
}

static void op_socketpair(const struct step *s, struct result *r)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM | SOCK_NONBLOCK };
	static const enum kind kinds[] = { SOCKET_NEW, UNIX_DGRAM, UNIX_SEQ, SOCKET_NEW };
	int fds[2] = { -1, -1 };

	DO(r, s, SYS_socketpair, socketpair, s->a == 0xff ? AF_INET : AF_UNIX, types[s->b % 4], 0, s->a == 0xfe ? (void *)8 : fds);
	for (int i = 0; i < 2; i++)
		put_result(r, fds[i], kinds[s->b % 4]);
}

static void op_bind(const struct step *s, struct result *r)
{
	socklen_t len;
	const struct sockaddr *to = address(s->b, &len);

	DO(r, s, SYS_bind, bind, fd_of(s->a), to, len);
}

static void op_listen(const struct step *s, struct result *r)
{
	DO(r, s, SYS_listen, listen, fd_of(s->a), kind_of(s->a) == TCP_LISTENER ? 128 : s->b % 4);
}

static void op_shutdown(const struct step *s, struct result *r)
{
	DO(r, s, SYS_shutdown, shutdown, fd_of(s->a), s->b % 4);
}

static void op_getsockopt(const struct step *s, struct result *r)
{
	static const int names[] = { SO_ERROR, SO_TYPE, SO_ACCEPTCONN, SO_DOMAIN, SO_LINGER, SO_RCVTIMEO, SO_RCVLOWAT, 9999 };
	char value[64] = { 0 };
	socklen_t len = s->c == 0xff ? (socklen_t)-1 : s->c % 33;

	DO(r, s, SYS_getsockopt, getsockopt, fd_of(s->a), s->d == 0xff ? 99 : SOL_SOCKET, names[s->b % LENGTH(names)], value,
	   s->c == 0xfe ? (void *)8 : &len);
	if (r->ret == 0)
		more(r, "%d bytes: %d", (int)len, *(int *)value);
}

/* times are short: who waits with one is waited for */
static void op_setsockopt(const struct step *s, struct result *r)
{
	static const int names[] = { SO_RCVTIMEO, SO_SNDTIMEO, SO_LINGER, SO_RCVLOWAT, SO_REUSEADDR, SO_RCVTIMEO, SO_OOBINLINE, 9999 };
	struct timeval tv = { 0, s->c & 1 ? 2000 : 0 };
	struct linger linger = { s->c & 1, 0 };
	int one = s->c % 5;
	int name = names[s->b % LENGTH(names)];
	bool time = name == SO_RCVTIMEO || name == SO_SNDTIMEO;
	void *value = time ? (void *)&tv : name == SO_LINGER ? (void *)&linger : (void *)&one;

	if (time && s->c == 0xf0)
		tv.tv_usec = -1;
	DO(r, s, SYS_setsockopt, setsockopt, fd_of(s->a), SOL_SOCKET, name, s->c == 0xff ? (void *)8 : value,
	   s->c == 0xfe ? 2 : time ? sizeof(tv) : name == SO_LINGER ? sizeof(linger) : sizeof(one));
	if (r->ret == 0 && time)
		objects[object_of(s->a)].finite[name == SO_SNDTIMEO] = tv.tv_usec != 0;
}

static void op_names(const struct step *s, struct result *r)
{
	struct sockaddr_storage a = { 0 };
	socklen_t len = s->b == 0xff ? (socklen_t)-1 : s->b % 64;

	if (s->c & 1)
		DO(r, s, SYS_getsockname, getsockname, fd_of(s->a), (struct sockaddr *)&a, &len);
	else
		DO(r, s, SYS_getpeername, getpeername, fd_of(s->a), (struct sockaddr *)&a, s->b == 0xfe ? (void *)8 : &len);
	if (r->ret == 0)
		more(r, "%d bytes, family %d", (int)len, a.ss_family);
}

const struct op net_ops[] = {
	{ "recv", op_recv, READS_A, 0 },
	{ "recv", op_recv, READS_A, 0 },
	{ "send", op_send, WRITES_A, 0 },
	{ "recvfrom", op_recvfrom, READS_A, 0 },
	{ "sendto", op_sendto, WRITES_A, 0 },
	{ "recvmsg", op_recvmsg, READS_A, 0 },
	{ "sendmsg", op_sendmsg, WRITES_A, 0 },
	{ "recvmmsg", op_recvmmsg, READS_A, 0 },
	{ "sendmmsg", op_sendmmsg, WRITES_A, 0 },
	{ "accept", op_accept, READS_A, 0 },
	{ "accept", op_accept, READS_A, 0 },
	{ "connect", op_connect, WRITES_A, 0 },
	{ "connect", op_connect, WRITES_A, 0 },
	{ "socket", op_socket, 0, 0 },
	{ "socketpair", op_socketpair, 0, 0 },
	{ "bind", op_bind, 0, 0 },
	{ "listen", op_listen, 0, 0 },
	{ "shutdown", op_shutdown, 0, 0 },
	{ "getsockopt", op_getsockopt, 0, 0 },
	{ "setsockopt", op_setsockopt, 0, 0 },
	{ "names", op_names, 0, 0 },
	{ NULL, NULL, 0, 0 },
};
