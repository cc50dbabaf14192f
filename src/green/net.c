/*
 * net.c - sockets: receive, send, accept, connect
 *
 * Receiving on a stream that came up short the last time parks before it tries: the socket is drained, and a request then costs one
 * receive instead of two.  What arrived meanwhile is reported at the hub's next look: by level, or by an edge that has not been told of yet
 * (gr_fd_level).
 */
#include "green.h"
#include "try.h"
#include "../offload.h"
#include "../sched.h"
#include "../signal.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/un.h>

static bool begin(struct gr_try *t, int fd, int dir, int flags)
{
	return !(flags & MSG_DONTWAIT) && gr_try_begin(t, fd, dir) && gr_is_socket(t->f);
}

/* --- receiving -------------------------------------------------------------------------------------------------------------- */

/* Whether a receive of these waits depends on the kind of socket: UDP takes no notice of MSG_OOB, Unix sockets none of MSG_ERRQUEUE.
 * So what a try does not find is the kernel's to wait for. */
#define ODD	(MSG_ERRQUEUE | MSG_OOB)

/* Before each receive, whether it may wait or not. */
static inline void note_urgent(int fd, int flags)
{
	if (GR_UNLIKELY(flags & MSG_OOB))
		gr_fd_urgent(fd);
}

static long recv_odd(struct gr_fd *f, long nr, int fd, long a, long b, long c, long d, long e)
{
	long r = gr_fd_blocking(f) ? gr_offload(nr, fd, a, b, c, d, e) : -EAGAIN;

	return r == -GR_ERESTART && f->timeo[GR_READ] != GR_NEVER ? -EINTR : r;
}

/* A non-blocking descriptor is always tried: nobody would tell it that there is something by now. */
static bool known_drained(struct gr_try *t, int flags)
{
	return t->f->drained && flags == 0 && gr_fd_blocking(t->f);
}

static void note_drained(struct gr_try *t, long r, const void *buf, size_t asked, int flags)
{
	struct gr_fd *f = t->f;

	if (!f || f->kind != GR_KIND_STREAM)
		return;
	f->drained = flags == 0 && r > 0 && (size_t)r < asked;
	if (f->drained && f->edges && GR_UNLIKELY(!gr_fd_trusts(f, buf, asked)))
		gr_fd_level(f);
}

/* MSG_WAITALL on a stream: until it is full, or the end, an error or a signal comes with something already there. */
static long recv_all(struct gr_try *t, char *buf, size_t n, int flags, struct sockaddr *from, socklen_t *fromlen)
{
	size_t got = 0;
	long r;

	do {
		r = raw(SYS_recvfrom, t->w.fd, buf + got, n - got, flags | MSG_DONTWAIT, from, fromlen);
		if (r > 0)
			got += (size_t)r;
	} while (r != 0 && got < n && (r > 0 || (r == -EAGAIN && (r = gr_try_wait(t)) == 0)));
	gr_try_end(t);
	return got ? (long)got : r;
}

long green_recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *from, socklen_t *fromlen)
{
	struct gr_try t;
	long r = -EAGAIN;

	note_urgent(fd, flags);
	if (!begin(&t, fd, GR_READ, flags))
		return raw(SYS_recvfrom, fd, buf, n, flags, from, fromlen);
	if ((flags & MSG_WAITALL) && t.f->kind == GR_KIND_STREAM && n > 0) {
		if (!gr_fd_blocking(t.f))
			return raw(SYS_recvfrom, fd, buf, n, flags, from, fromlen);
		if (flags & MSG_PEEK)
			return gr_offload(SYS_recvfrom, fd, (long)buf, (long)n, flags, (long)from, (long)fromlen);
		return recv_all(&t, buf, n, flags, from, fromlen);
	}
	if (!known_drained(&t, flags))
		r = raw(SYS_recvfrom, fd, buf, n, flags | MSG_DONTWAIT, from, fromlen);
	if (r == -EAGAIN && ((flags & ODD) || n == 0))		/* for nothing at all TCP waits until anything happens, a signal too */
		return recv_odd(t.f, SYS_recvfrom, fd, (long)buf, (long)n, flags, (long)from, (long)fromlen);
	while (r == -EAGAIN && (r = gr_try_wait(&t)) == 0) {
		r = raw(SYS_recvfrom, t.w.fd, buf, n, flags | MSG_DONTWAIT, from, fromlen);
		if (r == -EAGAIN && gr_try_ended(&t))
			r = raw(SYS_recvfrom, t.w.fd, buf, n, flags, from, fromlen);
	}
	note_drained(&t, r, buf, n, flags);
	gr_try_end(&t);
	return r;
}

static bool of_nothing(const struct msghdr *msg)
{
	struct msghdr m;
	struct gr_iov iov;
	bool nothing;

	if (gr_user_read(&m, msg, sizeof(m)) < 0 || gr_iov_copy(&iov, m.msg_iov, (int)m.msg_iovlen) < 0)
		return false;
	nothing = gr_iov_bytes(&iov) == 0;
	gr_iov_free(&iov);
	return nothing;
}

long green_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct gr_try t;
	long r;

	note_urgent(fd, flags);
	if (!begin(&t, fd, GR_READ, flags))
		return raw(SYS_recvmsg, fd, msg, flags);
	if ((flags & MSG_WAITALL) && t.f->kind == GR_KIND_STREAM && gr_fd_blocking(t.f))
		return gr_offload(SYS_recvmsg, fd, (long)msg, flags, 0, 0, 0);
	r = raw(SYS_recvmsg, fd, msg, flags | MSG_DONTWAIT);
	if (r == -EAGAIN && ((flags & ODD) || of_nothing(msg)))
		return recv_odd(t.f, SYS_recvmsg, fd, (long)msg, flags, 0, 0, 0);
	while (r == -EAGAIN && (r = gr_try_wait(&t)) == 0) {
		r = raw(SYS_recvmsg, t.w.fd, msg, flags | MSG_DONTWAIT);
		if (r == -EAGAIN && gr_try_ended(&t))
			r = raw(SYS_recvmsg, t.w.fd, msg, flags);
	}
	t.f->drained = false;
	gr_try_end(&t);
	return r;
}

/* What is left of a recvmmsg's time; the kernel looks at it only after each message, so it does not end a wait. */
static bool time_over(struct timespec *timeout, gr_time end)
{
	gr_time left = end - gr_now();
	struct timespec ts;

	if (!timeout)
		return false;
	gr_to_timespec(left > 0 ? left : 0, &ts);
	gr_user_write(timeout, &ts, sizeof(ts));
	return left <= 0;
}

long green_recvmmsg(int fd, struct mmsghdr *vec, unsigned n, int flags, struct timespec *timeout)
{
	struct timespec ts = { 0, 0 };
	struct gr_try t;
	unsigned got = 0, at_once;
	gr_time end;
	long r;

	if (timeout && gr_user_read(&ts, timeout, sizeof(ts)) < 0)
		return -EFAULT;
	note_urgent(fd, flags);
	if (n == 0 || !begin(&t, fd, GR_READ, flags) || !gr_timespec_ok(&ts) || !gr_fd_blocking(t.f))
		return raw(SYS_recvmmsg, fd, vec, n, flags, timeout);
	end = gr_now() + gr_from_timespec(&ts);
	if (flags & ODD)
		return recv_odd(t.f, SYS_recvmmsg, fd, (long)vec, n, flags, (long)timeout, 0);
	do {
		at_once = timeout ? 1 : n - got;		/* the time is looked at after each */
		r = raw(SYS_recvmmsg, t.w.fd, vec + got, at_once, flags | MSG_DONTWAIT, 0);
		if (r == -EAGAIN && gr_try_ended(&t))
			r = raw(SYS_recvmmsg, t.w.fd, vec + got, at_once, flags, 0);
		if (r > 0)
			got += (unsigned)r;
		if (r > 0 && (got == n || (flags & MSG_WAITFORONE) || time_over(timeout, end)))
			break;
	} while (r > 0 || (r == -EAGAIN && (r = gr_try_wait(&t)) == 0));
	gr_try_end(&t);
	return got ? (long)got : r;
}

/* --- sending ---------------------------------------------------------------------------------------------------------------- */

/* A blocking send on a stream is over when all is sent; an error after some of it is told by the next call. */
long green_sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *to, socklen_t tolen)
{
	struct gr_try t;
	size_t sent = 0;
	long r;

	if (!begin(&t, fd, GR_WRITE, flags))
		return raw(SYS_sendto, fd, buf, n, flags, to, tolen);
	for (;;) {
		r = raw(SYS_sendto, t.w.fd, (const char *)buf + sent, n - sent, flags | MSG_DONTWAIT | (sent ? MSG_NOSIGNAL : 0), to, tolen);
		if (r >= 0) {
			sent += (size_t)r;
			if (sent >= n || t.f->kind != GR_KIND_STREAM || r == 0) {
				gr_try_wrote(&t);
				break;
			}
			if (gr_fd_edge_passed(t.f))
				continue;
		} else if (r != -EAGAIN) {
			break;
		}
		r = gr_try_wait(&t);
		if (r != 0)
			break;
	}
	gr_try_end(&t);
	return sent ? (long)sent : r;
}

/* The first try carries the ancillary data; the rest of a long message follows without it. */
static long send_rest(struct gr_try *t, const struct msghdr *msg, long sent, int flags)
{
	struct msghdr m = { 0 };
	struct gr_iov iov;
	long r;

	if (gr_user_read(&m, msg, sizeof(m)) < 0 || gr_iov_copy(&iov, m.msg_iov, (int)m.msg_iovlen) < 0)
		return sent;
	gr_iov_skip(&iov, (size_t)sent);
	m.msg_control = NULL;
	m.msg_controllen = 0;
	r = sent;
	while (iov.n && gr_iov_bytes(&iov)) {
		r = r > 0 && gr_fd_edge_passed(t->f) ? 0 : gr_try_wait(t);
		if (r < 0)
			break;
		m.msg_iov = iov.v;
		m.msg_iovlen = (size_t)iov.n;
		r = raw(SYS_sendmsg, t->w.fd, &m, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
		if (r < 0 && r != -EAGAIN)
			break;
		if (r > 0) {
			sent += r;
			gr_iov_skip(&iov, (size_t)r);
		}
	}
	if (!iov.n || !gr_iov_bytes(&iov))
		gr_try_wrote(t);
	gr_iov_free(&iov);
	return sent;
}

/* Descriptors in ancillary data: whoever receives them has these files, too. */
static void note_rights(const char *data, size_t n)
{
	int fd;

	for (size_t i = 0; i + sizeof(fd) <= n && gr_user_read(&fd, data + i, sizeof(fd)) == 0; i += sizeof(fd))
		gr_fd_passed_on(fd);
}

/* Before the message is sent, as its receiver may be quick. */
static void note_ancillary(const struct msghdr *msg)
{
	struct msghdr m;
	struct cmsghdr c;
	const char *at;
	size_t left;

	if (gr_user_read(&m, msg, sizeof(m)) < 0)
		return;
	at = m.msg_control;
	left = m.msg_controllen;
	while (GR_UNLIKELY(left >= sizeof(c)) && gr_user_read(&c, at, sizeof(c)) == 0 && c.cmsg_len >= sizeof(c) && c.cmsg_len <= left) {
		if (c.cmsg_level == SOL_SOCKET && c.cmsg_type == SCM_RIGHTS)
			note_rights(at + CMSG_LEN(0), c.cmsg_len - CMSG_LEN(0));
		if (CMSG_ALIGN(c.cmsg_len) >= left)
			break;
		at += CMSG_ALIGN(c.cmsg_len);
		left -= CMSG_ALIGN(c.cmsg_len);
	}
}

long green_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct gr_try t;
	long r;

	note_ancillary(msg);
	if (!begin(&t, fd, GR_WRITE, flags))
		return raw(SYS_sendmsg, fd, msg, flags);
	do
		r = raw(SYS_sendmsg, t.w.fd, msg, flags | MSG_DONTWAIT);
	while (r == -EAGAIN && (r = gr_try_wait(&t)) == 0);
	if (r > 0 && t.f->kind == GR_KIND_STREAM)
		r = send_rest(&t, msg, r, flags);
	else if (r > 0)
		gr_try_wrote(&t);
	gr_try_end(&t);
	return r;
}

long green_sendmmsg(int fd, struct mmsghdr *vec, unsigned n, int flags)
{
	struct gr_try t;
	unsigned done = 0;
	unsigned len;
	long r = 0;

	if (n > 1024)		/* UIO_MAXIOV */
		n = 1024;
	if (!begin(&t, fd, GR_WRITE, flags)) {
		for (unsigned i = 0; i < n; i++)
			note_ancillary(&vec[i].msg_hdr);
		return raw(SYS_sendmmsg, fd, vec, n, flags);
	}
	while (done < n) {
		r = green_sendmsg(fd, &vec[done].msg_hdr, flags);
		len = (unsigned)r;
		if (r < 0)
			break;
		r = gr_user_write(&vec[done].msg_len, &len, sizeof(len));
		if (r < 0)
			break;
		done++;
	}
	return done ? (long)done : r;
}

/* --- connections -------------------------------------------------------------------------------------------------------------- */

static long accepted(struct gr_fd *listener, long fd, int flags)
{
	struct gr_fd *f;

	/* timeouts are inherited from the listener: let the table look for itself */
	if (fd < 0 || listener->timeo[GR_READ] != GR_NEVER || listener->timeo[GR_WRITE] != GR_NEVER)
		return fd;
	gr_fd_born((int)fd, listener->kind, (flags & SOCK_NONBLOCK) != 0);
	f = gr_fd_peek((int)fd);
	if (f)
		f->edges = f->tcp = listener->tcp && (gr_fd_only_ours(listener) || gr_fd_is_plain_tcp((int)fd));
	return fd;
}

/*
 * The kernel takes a number and a file before it waits.  So does this, and gives them back, since a socket is no directory.
 * 0, -EMFILE or -ENFILE
 */
static long room_for_file(int socket)
{
	long r = raw(SYS_openat, socket, "x", O_RDONLY | O_CLOEXEC);

	return r == -EMFILE || r == -ENFILE ? r : 0;
}

/*
 * accept() has no way to try: look first.  No other greenlet can come between the look and the call, but another process can, if it
 * has the listener too: then an offload thread does the waiting.
 */
long green_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct gr_try t;
	long r = -EAGAIN;

	if (!begin(&t, fd, GR_READ, 0) || !gr_fd_blocking(t.f))
		return raw(SYS_accept4, fd, addr, len, flags);
	if (!t.f->listening || (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)))		/* EINVAL, at once */
		return raw(SYS_accept4, fd, addr, len, flags);
	while (r == -EAGAIN) {
		if (!gr_ready_now(t.w.fd, GR_READ)) {
			r = t.waited ? 0 : room_for_file(t.w.fd);
			if (r == 0)
				r = gr_try_wait(&t);
			if (r < 0)
				break;
			r = -EAGAIN;
			continue;
		}
		if (!gr_fd_only_ours(t.f))
			r = gr_offload(SYS_accept4, t.w.fd, (long)addr, (long)len, flags, 0, 0);
		else
			r = raw(SYS_accept4, t.w.fd, addr, len, flags);
	}
	r = accepted(t.f, r, flags);
	gr_try_end(&t);
	return r;
}

long green_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	return green_accept4(fd, addr, len, 0);
}

/*
 * connect() has no way to try either.  The socket is not connected, so nobody can be blocked in a transfer on it, and O_NONBLOCK is set
 * for the length of this one system call: no other greenlet runs meanwhile, nothing is forked meanwhile.
 */
static long try_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	long flags = raw(SYS_fcntl, fd, F_GETFL), r;

	if (flags < 0)
		return flags;
	raw(SYS_fcntl, fd, F_SETFL, flags | O_NONBLOCK);
	r = raw(SYS_connect, fd, addr, len);
	raw(SYS_fcntl, fd, F_SETFL, flags);
	return r;
}

long green_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct gr_try t;
	long r;

	if (!begin(&t, fd, GR_WRITE, 0) || !gr_fd_blocking(t.f))
		return raw(SYS_connect, fd, addr, len);
	r = try_connect(fd, addr, len);
	if (r == -EAGAIN)		/* AF_UNIX, the listener's backlog is full: there is no event to wait for */
		return gr_offload(SYS_connect, fd, (long)addr, (long)len, 0, 0, 0);
	while (r == -EINPROGRESS || r == -EALREADY) {
		r = gr_try_wait(&t);
		if (r == -EAGAIN)	/* SO_SNDTIMEO */
			r = -EINPROGRESS;
		if (r < 0)
			break;
		r = try_connect(t.w.fd, addr, len);
	}
	gr_try_end(&t);
	return r;
}

/* A local address is a file, which may be made on a server's file system. */
long green_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct {
		struct sockaddr_un un;
		char end;
	} a = { 0 };

	if (len > sizeof(a.un.sun_family) && len <= sizeof(a.un) && gr_user_read(&a.un, addr, len) == 0 &&
	    a.un.sun_family == AF_UNIX && a.un.sun_path[0] && gr_path_slow(AT_FDCWD, a.un.sun_path))
		return gr_offload_exact(SYS_bind, fd, (long)addr, (long)len, 0, 0, 0);
	return raw(SYS_bind, fd, addr, len);
}

long green_listen(int fd, int backlog)
{
	long r = raw(SYS_listen, fd, backlog);
	struct gr_fd *f = r == 0 ? gr_fd_get(fd) : NULL;

	if (f) {
		f->listening = true;
		gr_fd_level(f);
	}
	return r;
}

static enum gr_fd_kind kind_of_type(int type)
{
	return (type & 0xf) == SOCK_STREAM ? GR_KIND_STREAM : GR_KIND_DGRAM;
}

static bool is_tcp(int domain, int type, int protocol)
{
	return (domain == AF_INET || domain == AF_INET6) && (type & 0xf) == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP);
}

long green_socket(int domain, int type, int protocol)
{
	long fd = raw(SYS_socket, domain, type, protocol);
	struct gr_fd *f;

	if (fd < 0)
		return fd;
	gr_fd_born((int)fd, kind_of_type(type), (type & SOCK_NONBLOCK) != 0);
	f = gr_fd_peek((int)fd);
	if (f)
		f->edges = f->tcp = is_tcp(domain, type, protocol);
	return fd;
}

long green_socketpair(int domain, int type, int protocol, int *fds)
{
	long r = raw(SYS_socketpair, domain, type, protocol, fds);

	for (int i = 0; r == 0 && i < 2; i++)
		gr_fd_born(fds[i], kind_of_type(type), (type & SOCK_NONBLOCK) != 0);
	return r;
}

/* Options that change how we wait: read back from the kernel, which rounds. */
long green_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	long r = raw(SYS_setsockopt, fd, level, name, value, len);

	if (r == 0 && level == SOL_SOCKET)
		gr_fd_option_changed(fd, name);
	if (r == 0 && level == IPPROTO_TCP && name == TCP_ULP && gr_fd_get(fd))
		gr_fd_no_edges(gr_fd_get(fd));
	return r;
}
