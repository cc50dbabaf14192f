/*
 * net.c - addresses as strings, and sockets that wait as greenlets do
 *
 * Calls that wait are the gate's green calls, which leave O_NONBLOCK alone, also in programs that are not patched.
 */
#include "net.h"
#include "../door.h"
#include <arpa/inet.h>
#include <grove/hub.h>
#include <grove/net.h>
#include <grove/timeout.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define FLAGS	(GROVE_REUSE_PORT | GROVE_EXCLUSIVE | GROVE_NONBLOCK)

/* --- calls ------------------------------------------------------------------------------------------------------------------ */

/* @r: what the first try has returned; @waits: it may; where the descriptor is non-blocking or has SO_RCVTIMEO, what counts is our timeout */
static long until_done(long r, bool waits, unsigned event, long nr, int fd, long b, long c, long d, long e, long f)
{
	for (;;) {
		if (r == -EAGAIN && waits)
			r = grove_wait_either(fd, event, GROVE_FOREVER) < 0 ? -errno : -EINTR;
		if (r != -EINTR)
			return r;
		r = gr_call_green_cancel(nr, fd, b, c, d, e, f);
	}
}

static long in_scope(int64_t timeout, unsigned event, long nr, int fd, long b, long c, long d, long e, long f)
{
	struct grove_timeout t __attribute__((cleanup(gr_timeout_end))) = { { 0 } };
	long r;

	if (grove_timeout_start(&t, timeout) < 0)
		return -errno;
	r = until_done(gr_call_green_cancel(nr, fd, b, c, d, e, f), timeout != 0, event, nr, fd, b, c, d, e, f);
	return r == -ETIMEDOUT && timeout == 0 && grove_timeout_expired(&t) ? -EAGAIN : r;
}

long gr_net_call_within(int64_t timeout, unsigned event, long nr, int fd, long b, long c, long d, long e, long f)
{
	if (timeout != GROVE_FOREVER)
		return in_scope(timeout, event, nr, fd, b, c, d, e, f);
	return until_done(gr_call_green_cancel(nr, fd, b, c, d, e, f), true, event, nr, fd, b, c, d, e, f);
}

/* The same for the calls that come most often, nearly all of which are done with the first try. */
static inline __attribute__((always_inline)) long quick_call_within(int64_t timeout, unsigned event, long nr, int fd, long b, long c, long d)
{
	long r;

	if (GR_UNLIKELY(timeout != GROVE_FOREVER))
		return in_scope(timeout, event, nr, fd, b, c, d, 0, 0);
	r = gr_call_green_cancel(nr, fd, b, c, d, 0, 0);
	return GR_UNLIKELY(r == -EINTR || r == -EAGAIN) ? until_done(r, true, event, nr, fd, b, c, d, 0, 0) : r;
}

/* --- addresses -------------------------------------------------------------------------------------------------------------- */

static bool is_unix(const char *address)
{
	return !strncmp(address, "unix:", 5);
}

/* 0 or -errno */
static int unix_address(const char *address, struct sockaddr_un *ret, socklen_t *ret_len)
{
	const char *path = address + 5;
	size_t n = strlen(path);

	if (n == 0 || (n == 1 && path[0] == '@'))
		return -EINVAL;
	if (n >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret->sun_path, path, n);
	if (path[0] == '@')
		ret->sun_path[0] = '\0';
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (path[0] != '@'));
	return 0;
}

struct parts {
	char host[256];			/* empty: none was given */
	const char *port;
};

static bool split(const char *address, struct parts *ret)
{
	const char *colon = strrchr(address, ':'), *host = address, *end = colon;

	if (!colon || !colon[1])
		return false;
	if (address[0] == '[') {
		host = address + 1;
		end = colon - 1;
		if (end < host || *end != ']' || memchr(host, ']', (size_t)(end - host)) || end == host)
			return false;
	} else if (memchr(host, ':', (size_t)(end - host))) {
		return false;
	}
	if ((size_t)(end - host) >= sizeof(ret->host))
		return false;
	memcpy(ret->host, host, (size_t)(end - host));
	ret->host[end - host] = '\0';
	if (!strcmp(ret->host, "*"))
		ret->host[0] = '\0';
	ret->port = colon + 1;
	return true;
}

static bool is_port(const char *s)
{
	size_t digits = strspn(s, "0123456789");

	return s[digits] || (digits <= 5 && atoi(s) <= 65535);
}

static int errno_of(int eai)
{
	switch (eai) {
	case EAI_SYSTEM:
		return errno;
	case EAI_MEMORY:
		return ENOMEM;
	case EAI_AGAIN:
	case EAI_FAIL:
		return EHOSTUNREACH;
	case EAI_BADFLAGS:
	case EAI_FAMILY:
	case EAI_SOCKTYPE:
		return EINVAL;
	default:
		return ENOENT;
	}
}

static void free_list(struct addrinfo **list)
{
	int err = errno;

	if (*list)
		freeaddrinfo(*list);
	errno = err;
}

/* What @address stands for; -1 with errno */
static int look_up(const char *address, int type, int flags, struct addrinfo **ret_list)
{
	struct addrinfo hints = { .ai_socktype = type, .ai_flags = flags };
	struct parts p;
	int eai;

	if (!split(address, &p) || !is_port(p.port))
		return gr_fails(EINVAL);
	if (!p.port[strspn(p.port, "0123456789")])
		hints.ai_flags |= AI_NUMERICSERV;
	if (p.host[0]) {
		hints.ai_flags |= AI_NUMERICHOST;
		if (getaddrinfo(p.host, p.port, &hints, ret_list) == 0)
			return 0;
		if (address[0] == '[')		/* in brackets is nothing but numbers */
			return gr_fails(EINVAL);
		hints.ai_flags &= ~AI_NUMERICHOST;
	}
	*ret_list = NULL;
	eai = getaddrinfo(p.host[0] ? p.host : NULL, p.port, &hints, ret_list);
	return eai ? gr_fails(errno_of(eai)) : 0;
}

static int put(char *ret_text, size_t size, const char *head, const char *name, const char *tail)
{
	int n = snprintf(ret_text, size, "%s%s%s", head, name, tail);

	return n < 0 || (size_t)n >= size ? gr_fails(ENOSPC) : 0;
}

static int print_unix(const struct sockaddr_un *un, socklen_t len, char *ret_text, size_t size)
{
	size_t room = len > offsetof(struct sockaddr_un, sun_path) ? len - offsetof(struct sockaddr_un, sun_path) : 0;
	char name[sizeof(un->sun_path) + 1];
	bool abstract = room > 0 && !un->sun_path[0];

	if (room > sizeof(un->sun_path))
		return gr_fails(EINVAL);
	memcpy(name, un->sun_path, room);
	name[room] = '\0';
	return put(ret_text, size, abstract ? "unix:@" : "unix:", name + abstract, "");
}

static int print_inet6(const struct sockaddr_in6 *in6, char *ret_text, size_t size)
{
	char name[INET6_ADDRSTRLEN + IF_NAMESIZE + 1], tail[10], zone[IF_NAMESIZE];

	snprintf(tail, sizeof(tail), "]:%u", ntohs(in6->sin6_port));
	inet_ntop(AF_INET6, &in6->sin6_addr, name, INET6_ADDRSTRLEN);
	if (in6->sin6_scope_id && if_indextoname(in6->sin6_scope_id, zone)) {
		strcat(name, "%");
		strcat(name, zone);
	}
	return put(ret_text, size, "[", name, tail);
}

/* A connection over IPv4 to a socket for both is shown as what it is. */
static int print_inet(const struct in_addr *in, unsigned port, char *ret_text, size_t size)
{
	char name[INET_ADDRSTRLEN], tail[8];

	snprintf(tail, sizeof(tail), ":%u", port);
	inet_ntop(AF_INET, in, name, sizeof(name));
	return put(ret_text, size, "", name, tail);
}

int grove_address_print(const struct sockaddr *address, socklen_t len, char *ret_text, size_t size)
{
	const struct sockaddr_in *in = (const void *)address;
	const struct sockaddr_in6 *in6 = (const void *)address;

	if (!address || !ret_text || len < sizeof(sa_family_t))
		return gr_fails(EINVAL);
	switch (address->sa_family) {
	case AF_UNIX:
		return print_unix((const void *)address, len, ret_text, size);
	case AF_INET:
		return len < sizeof(*in) ? gr_fails(EINVAL) : print_inet(&in->sin_addr, ntohs(in->sin_port), ret_text, size);
	case AF_INET6:
		if (len < sizeof(*in6))
			return gr_fails(EINVAL);
		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
			return print_inet((const void *)&in6->sin6_addr.s6_addr[12], ntohs(in6->sin6_port), ret_text, size);
		return print_inet6(in6, ret_text, size);
	default:
		return gr_fails(EAFNOSUPPORT);
	}
}

int grove_local_address(int fd, char *ret_text, size_t size)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);

	if (getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		return -1;
	return grove_address_print((struct sockaddr *)&at, len, ret_text, size);
}

/* --- listening -------------------------------------------------------------------------------------------------------------- */

static int close_failed(int fd)
{
	int err = errno;

	close(fd);
	return gr_fails(err);
}

static int new_socket(int family, int type, unsigned flags)
{
	return socket(family, type | SOCK_CLOEXEC | (flags & GROVE_NONBLOCK ? SOCK_NONBLOCK : 0), 0);
}

static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

static int prepare(int fd, int family, int type, unsigned flags, bool both)
{
	if (type == SOCK_STREAM && !(flags & GROVE_EXCLUSIVE) && set(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0)
		return -1;
	if ((flags & GROVE_REUSE_PORT) && set(fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0)
		return -1;
	return family == AF_INET6 ? set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !both) : 0;
}

/* @both: an IPv6 socket that is for IPv4 as well */
static int open_inet(const struct sockaddr *at, socklen_t len, int type, int backlog, unsigned flags, bool both)
{
	int fd = new_socket(at->sa_family, type, flags);

	if (fd < 0)
		return -1;
	if (prepare(fd, at->sa_family, type, flags, both) < 0 || bind(fd, at, len) < 0)
		return close_failed(fd);
	if (type == SOCK_STREAM && listen(fd, backlog) < 0)
		return close_failed(fd);
	return fd;
}

/* Was the socket file left behind by somebody who has gone?  Then it goes, too. */
static bool stale(const struct sockaddr_un *un, socklen_t len, int type)
{
	struct stat st;
	bool gone;
	int fd;

	if (!un->sun_path[0] || stat(un->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	gone = connect(fd, (const struct sockaddr *)un, len) < 0 && errno == ECONNREFUSED;
	close(fd);
	return gone && unlink(un->sun_path) == 0;
}

static int open_unix(const char *address, int type, int backlog, unsigned flags)
{
	struct sockaddr_un un;
	socklen_t len;
	int err = -unix_address(address, &un, &len), fd;

	if (err)
		return gr_fails(err);
	fd = new_socket(AF_UNIX, type, flags);
	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&un, len) < 0) {
		err = errno;
		if (err != EADDRINUSE || !stale(&un, len, type)) {
			errno = err;
			return close_failed(fd);
		}
		if (bind(fd, (struct sockaddr *)&un, len) < 0)
			return close_failed(fd);
	}
	if (type == SOCK_STREAM && listen(fd, backlog) < 0)
		return close_failed(fd);
	return fd;
}

static int open_any(const char *port, int type, int backlog, unsigned flags)
{
	struct addrinfo *list __attribute__((cleanup(free_list))) = NULL;
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = type, .ai_flags = AI_PASSIVE };
	struct sockaddr_in6 all = { .sin6_family = AF_INET6 };
	int eai = getaddrinfo(NULL, port, &hints, &list), fd;

	if (eai)
		return gr_fails(errno_of(eai));
	all.sin6_port = ((struct sockaddr_in *)list->ai_addr)->sin_port;
	fd = open_inet((struct sockaddr *)&all, sizeof(all), type, backlog, flags, true);
	if (fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))	/* a system without IPv6 */
		fd = open_inet(list->ai_addr, list->ai_addrlen, type, backlog, flags, false);
	return fd;
}

int gr_net_open(const char *address, int type, int backlog, unsigned flags)
{
	struct addrinfo *list __attribute__((cleanup(free_list))) = NULL;
	struct parts p;
	int fd = -1;

	if (backlog == 0)
		backlog = SOMAXCONN;
	if (is_unix(address))
		return open_unix(address, type, backlog, flags);
	if (!split(address, &p) || !is_port(p.port))
		return gr_fails(EINVAL);
	if (!p.host[0])
		return open_any(p.port, type, backlog, flags);
	if (look_up(address, type, AI_PASSIVE, &list) < 0)
		return -1;
	for (struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next)
		fd = open_inet(ai->ai_addr, ai->ai_addrlen, type, backlog, flags, false);
	return fd;
}

int grove_listen(const char *address, int backlog, unsigned flags)
{
	GR_ANYWHERE(-1, grove_listen, address, backlog, flags);
	if (!address || backlog < 0 || (flags & ~FLAGS))
		return gr_fails(EINVAL);
	return gr_net_open(address, SOCK_STREAM, backlog, flags);
}

int grove_bind(const char *address, unsigned flags)
{
	GR_ANYWHERE(-1, grove_bind, address, flags);
	if (!address || (flags & ~FLAGS))
		return gr_fails(EINVAL);
	return gr_net_open(address, SOCK_DGRAM, 0, flags);
}

/* --- dialling --------------------------------------------------------------------------------------------------------------- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close_failed(*fd);
}

/* A connection that a signal handler has interrupted goes on by itself. */
static int connected(int fd)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (grove_wait_write(fd, GROVE_FOREVER) < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return -errno;
	return -err;
}

static int dial_one(const struct sockaddr *to, socklen_t len)
{
	int fd __attribute__((cleanup(close_fd))) = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), made;
	long r;

	if (fd < 0)
		return -1;
	do
		r = gr_call_green_cancel(SYS_connect, fd, (long)to, (long)len, 0, 0, 0);
	while (r == -EINTR && to->sa_family == AF_UNIX);
	if (r == -EINTR || r == -EALREADY || r == -EINPROGRESS)
		r = connected(fd);
	if (r < 0 && r != -EISCONN)
		return gr_fails((int)-r);
	made = fd;
	fd = -1;
	return made;
}

/* Is another address worth a try? */
static bool next_one(int err)
{
	switch (err) {
	case ECONNREFUSED:
	case ECONNRESET:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EADDRNOTAVAIL:
	case EAFNOSUPPORT:
	case EACCES:
	case EPERM:
	case ETIMEDOUT:
		return gr_carrier()->current->limit != GR_BROKEN;
	default:
		return false;
	}
}

static int dial(const char *address)
{
	struct addrinfo *list __attribute__((cleanup(free_list))) = NULL;
	struct sockaddr_un un;
	socklen_t len;
	int fd = -1, err;

	if (is_unix(address)) {
		err = -unix_address(address, &un, &len);
		return err ? gr_fails(err) : dial_one((struct sockaddr *)&un, len);
	}
	if (look_up(address, SOCK_STREAM, 0, &list) < 0)
		return -1;
	for (struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next) {
		fd = dial_one(ai->ai_addr, ai->ai_addrlen);
		if (fd < 0 && !next_one(errno))
			break;
	}
	return fd;
}

int grove_dial(const char *address, int64_t timeout)
{
	struct grove_timeout t __attribute__((cleanup(gr_timeout_end))) = { { 0 } };
	int fd;

	GR_ANYWHERE(-1, grove_dial, address, timeout);
	if (!address || timeout < 0)
		return gr_fails(EINVAL);
	if (timeout != GROVE_FOREVER && grove_timeout_start(&t, timeout) < 0)
		return -1;
	fd = dial(address);
	if (fd < 0 && errno == ETIMEDOUT && timeout == 0 && grove_timeout_expired(&t))
		errno = EAGAIN;
	return fd;
}

/* --- connections ------------------------------------------------------------------------------------------------------------ */

int grove_accept(int fd, struct sockaddr *ret_peer, socklen_t *len, int64_t timeout)
{
	GR_ANYWHERE(-1, grove_accept, fd, ret_peer, len, timeout);
	if (timeout < 0)
		return gr_fails(EINVAL);
	return gr_result(gr_net_call_within(timeout, GROVE_READ, SYS_accept4, fd, (long)ret_peer, (long)len, SOCK_CLOEXEC, 0, 0));
}

ssize_t grove_recv(int fd, void *ret_data, size_t len, int64_t timeout)
{
	long r;

	GR_ANYWHERE((ssize_t)-1, grove_recv, fd, ret_data, len, timeout);
	if (timeout < 0 || (!ret_data && len))
		return gr_fails(EINVAL);
	r = quick_call_within(timeout, GROVE_READ, SYS_recvfrom, fd, (long)ret_data, (long)len, timeout ? 0 : MSG_DONTWAIT);
	return r < 0 ? gr_fails((int)-r) : r;
}

/* As long as it takes (GROVE_FOREVER), or at once (0) */
static int send_parts(int64_t timeout, int fd, const char *p, size_t len)
{
	int flags = MSG_NOSIGNAL | (timeout ? 0 : MSG_DONTWAIT);
	long r;

	do {
		r = quick_call_within(timeout, GROVE_WRITE, SYS_sendto, fd, (long)p, (long)len, flags);
		if (GR_UNLIKELY(r < 0))
			return gr_fails((int)-r);
		p += r;
		len -= (size_t)r;
	} while (GR_UNLIKELY(len));
	return 0;
}

static int send_within(int64_t timeout, int fd, const char *p, size_t len)
{
	struct grove_timeout t __attribute__((cleanup(gr_timeout_end))) = { { 0 } };

	return grove_timeout_start(&t, timeout) < 0 ? -1 : send_parts(GROVE_FOREVER, fd, p, len);
}

int grove_sendall(int fd, const void *data, size_t len, int64_t timeout)
{
	GR_ANYWHERE(-1, grove_sendall, fd, data, len, timeout);
	if (timeout < 0 || (!data && len))
		return gr_fails(EINVAL);
	return timeout == GROVE_FOREVER || timeout == 0 ? send_parts(timeout, fd, data, len) : send_within(timeout, fd, data, len);
}
