/*
 * dns.c - c-ares as the carrier of DNS messages: one channel per name server, sockets watched by the hub
 *
 * c-ares does what is the same for every client: message ids, matching answers to questions, EDNS, truncated answers again over
 * TCP, time limits.  A channel has a single server and makes a single try; which server is asked next, and when, is libc's
 * policy and in dns_search.c.  All calls to c-ares are made in the hub, except that a channel is made by the greenlet that needs
 * it, since that reads /dev/urandom through stdio.  c-ares has memory of its own (mem.h).
 */
#include "clock.h"
#include "dns_query.h"
#include "fd.h"
#include "hub_io.h"
#include "mem.h"
#include "raw.h"
#include "sched.h"
#include <ares.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define EDNS_SIZE	1200	/* as libc announces it */
#define WINDOW		200	/* questions a server is sent at once: its socket buffer and ours hold some 250 small datagrams */
#define PACE		64	/* beyond that, so many more each millisecond, or as answers come */
#define RECV_BUFFER	(1 << 20)
#define IDLE_SERVERS	8	/* channels kept for servers that are asked nothing at the moment */

struct gr_dns_server {
	struct gr_list link;
	struct gr_dns_target target;
	ares_channel channel;
	unsigned pending;		/* questions asked of us and not answered */
	unsigned flying;		/* those among them that c-ares has */
	struct gr_list waiting;		/* of gr_dns_query.job.link: their turn has not come */
	struct gr_timer timer;		/* c-ares's next time limit; in carrier->timers while anything flies */
	struct gr_timer pace;		/* while anything waits: when to send more in any case */
	struct gr_hub_io io[2];		/* its sockets, by UDP and by TCP; fd is -1 when there is none */
};

/* --- in the hub: sockets and time ------------------------------------------------------------------------------------------ */

static void answered_first(void *arg, int status, int timeouts, unsigned char *msg, int len);
static void answered_second(void *arg, int status, int timeouts, unsigned char *msg, int len);

static void send_query(struct gr_dns_query *q)
{
	struct gr_dns_server *s = q->server;
	int second = q->parts > 1 ? q->type[1] : 0;

	s->flying += q->parts;
	ares_query(s->channel, q->name, ns_c_in, q->type[0], answered_first, q);	/* may be answered, and freed, at once */
	if (second)
		ares_query(s->channel, q->name, ns_c_in, second, answered_second, q);
}

static void send_waiting(struct gr_dns_server *s, int more)
{
	while (!gr_list_empty(&s->waiting) && (s->flying < WINDOW || more-- > 0)) {
		struct gr_dns_query *q = gr_container(gr_list_first(&s->waiting, struct gr_hub_job, link), struct gr_dns_query, job);

		gr_list_del(&q->job.link);
		send_query(q);
	}
}

static void set_timer(struct gr_timer *t, gr_time in)
{
	t->at = gr_deadline(in);
	gr_timer_add(&gr_carrier()->timers, t);
}

/* The end of each turn for a server: send what may be sent, and see to it that we are called in time. */
static void settle(struct gr_dns_server *s)
{
	struct timeval tv;

	send_waiting(s, 0);
	if (gr_list_empty(&s->waiting))
		gr_timer_del(&gr_carrier()->timers, &s->pace);
	else if (!s->pace.pos)
		set_timer(&s->pace, GR_MS(1));
	if (!s->flying)
		gr_timer_del(&gr_carrier()->timers, &s->timer);
	else if (!s->timer.pos && ares_timeout(s->channel, NULL, &tv))
		set_timer(&s->timer, GR_SEC(tv.tv_sec) + GR_US(tv.tv_usec) + GR_MS(1));	/* c-ares counts whole milliseconds */
}

static void on_pace(struct gr_timer *t)
{
	struct gr_dns_server *s = gr_container(t, struct gr_dns_server, pace);

	send_waiting(s, PACE);
	settle(s);
}

static void on_time(struct gr_timer *t)
{
	struct gr_dns_server *s = gr_container(t, struct gr_dns_server, timer);

	ares_process_fd(s->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	settle(s);
}

static void on_ready(struct gr_hub_io *io, unsigned dirs, struct gr_dns_server *s)
{
	int fd = io->fd;

	ares_process_fd(s->channel, dirs & GR_BIT(GR_READ) ? fd : ARES_SOCKET_BAD, dirs & GR_BIT(GR_WRITE) ? fd : ARES_SOCKET_BAD);
	settle(s);
}

static void udp_ready(struct gr_hub_io *io, unsigned dirs)
{
	on_ready(io, dirs, gr_container(io, struct gr_dns_server, io[0]));
}

static void tcp_ready(struct gr_hub_io *io, unsigned dirs)
{
	on_ready(io, dirs, gr_container(io, struct gr_dns_server, io[1]));
}

static struct gr_hub_io *io_of(struct gr_dns_server *s, int fd)
{
	return s->io[0].fd == fd ? &s->io[0] : s->io[1].fd == fd ? &s->io[1] : NULL;
}

static void on_state(void *data, ares_socket_t fd, int readable, int writable)
{
	struct gr_hub_io *io = io_of(data, fd);

	if (io)
		gr_hub_io_watch(io, (readable ? GR_BIT(GR_READ) : 0) | (writable ? GR_BIT(GR_WRITE) : 0));
}

static long or_errno(long r)
{
	if (!raw_failed(r))
		return r;
	errno = (int)-r;
	return -1;
}

static ares_socket_t sock_open(int family, int type, int protocol, void *data)
{
	struct gr_dns_server *s = data;
	struct gr_hub_io *io = &s->io[type == SOCK_STREAM];
	long fd = or_errno(raw(SYS_socket, family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));

	if (fd < 0)
		return ARES_SOCKET_BAD;
	raw(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVBUF, &(int){ RECV_BUFFER }, sizeof(int));
	io->fd = gr_own_fd((int)fd);
	return io->fd;
}

static int sock_close(ares_socket_t fd, void *data)
{
	struct gr_hub_io *io = io_of(data, fd);

	if (io) {
		gr_hub_io_stop(io);
		io->fd = -1;
	}
	gr_own_fd_close(fd);
	return 0;
}

/* To the address libc would use: c-ares cannot keep the scope of a link-local one. */
static int sock_connect(ares_socket_t fd, const struct sockaddr *addr, ares_socklen_t len, void *data)
{
	struct gr_dns_server *s = data;

	(void)addr, (void)len;
	return (int)or_errno(raw(SYS_connect, fd, &s->target.addr, s->target.addrlen));
}

static ares_ssize_t sock_recv(ares_socket_t fd, void *buf, size_t len, int flags, struct sockaddr *from, ares_socklen_t *fromlen, void *data)
{
	(void)data;
	return or_errno(raw(SYS_recvfrom, fd, buf, len, flags, from, fromlen));
}

static ares_ssize_t sock_send(ares_socket_t fd, const struct iovec *iov, int n, void *data)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n };

	(void)data;
	return or_errno(raw(SYS_sendmsg, fd, &msg, MSG_NOSIGNAL));
}

/* --- in the hub: questions and answers -------------------------------------------------------------------------------------- */

static void fill_reply(struct gr_dns_reply *reply, int status, const unsigned char *msg, int len)
{
	switch (status) {
	case ARES_ETIMEOUT:
		reply->outcome = GR_DNS_TIMEOUT;
		return;
	case ARES_ESERVFAIL:
	case ARES_ENOTIMP:
	case ARES_EREFUSED:
		reply->outcome = GR_DNS_REFUSAL;
		reply->rcode = status == ARES_ESERVFAIL ? ns_r_servfail : status == ARES_ENOTIMP ? ns_r_notimpl : ns_r_refused;
		return;
	case ARES_EBADNAME:
	case ARES_EBADQUERY:
		reply->outcome = GR_DNS_BAD_NAME;
		return;
	case ARES_ENOMEM:
	case ARES_EDESTRUCTION:
	case ARES_ECANCELLED:
		return;
	}
	reply->outcome = GR_DNS_UNREACHABLE;
	if (len < NS_HFIXEDSZ)
		return;
	reply->msg = gr_mem_alloc((size_t)len);
	if (!reply->msg) {
		reply->outcome = GR_DNS_LOST;
		return;
	}
	memcpy(reply->msg, msg, (size_t)len);
	reply->len = len;
	reply->rcode = msg[3] & 0xf;
	reply->outcome = GR_DNS_ANSWER;
}

/* c-ares hands our pointer back, and says nothing of which part it was: so each has an argument of its own. */
static void answered(struct gr_dns_query *q, unsigned part, int status, unsigned char *msg, int len)
{
	q->server->pending--;
	q->server->flying--;
	fill_reply(&q->reply[part], status, msg, len);
	gr_dns_query_done(q);
}

static void answered_first(void *arg, int status, int timeouts, unsigned char *msg, int len)
{
	(void)timeouts;
	answered(arg, 0, status, msg, len);
}

static void answered_second(void *arg, int status, int timeouts, unsigned char *msg, int len)
{
	(void)timeouts;
	answered(arg, 1, status, msg, len);
}

static void submit(struct gr_hub_job *job)
{
	struct gr_dns_query *q = gr_container(job, struct gr_dns_query, job);
	struct gr_dns_server *s = q->server;

	gr_list_push(&s->waiting, &q->job.link);
	settle(s);
}

/* --- on the greenlet: name servers ------------------------------------------------------------------------------------------- */

static bool same_target(const struct gr_dns_target *a, const struct gr_dns_target *b)
{
	return a->addrlen == b->addrlen && a->flags == b->flags && a->timeout == b->timeout && !memcmp(&a->addr, &b->addr, a->addrlen);
}

static struct gr_dns_server *find_server(const struct gr_dns_target *target)
{
	gr_list_each(it, &gr_dns_servers) {
		struct gr_dns_server *s = gr_container(it, struct gr_dns_server, link);

		if (same_target(&s->target, target))
			return s;
	}
	return NULL;
}

/* A program with c-ares of its own has chosen c-ares's memory already: then it stays with that. */
static bool start_library(void)
{
	static bool started;

	if (!started)
		started = ARES_SUCCESS == (ares_library_initialized() == ARES_SUCCESS ?
			ares_library_init(ARES_LIB_INIT_ALL) :
			ares_library_init_mem(ARES_LIB_INIT_ALL, gr_mem_alloc, gr_mem_free, gr_mem_realloc));
	return started;
}

static int set_server(ares_channel channel, const struct gr_dns_target *target)
{
	struct ares_addr_port_node node = { .family = target->addr.ss_family };

	if (node.family == AF_INET) {
		const struct sockaddr_in *in = (const void *)&target->addr;

		node.addr.addr4 = in->sin_addr;
		node.udp_port = node.tcp_port = ntohs(in->sin_port);
	} else {
		const struct sockaddr_in6 *in6 = (const void *)&target->addr;

		memcpy(&node.addr.addr6, &in6->sin6_addr, sizeof(node.addr.addr6));
		node.udp_port = node.tcp_port = ntohs(in6->sin6_port);
	}
	return ares_set_servers_ports(channel, &node);
}

static bool make_channel(struct gr_dns_server *s)
{
	static const struct ares_socket_functions functions = { sock_open, sock_close, sock_connect, sock_recv, sock_send };
	unsigned flags = s->target.flags;
	struct in_addr none = { 0 };
	struct ares_options opts = {
		.flags = ARES_FLAG_NOALIASES | ARES_FLAG_NOSEARCH | (flags & GR_DNS_TCP ? ARES_FLAG_USEVC : 0) |
			 (flags & GR_DNS_IGNTC ? ARES_FLAG_IGNTC : 0) | (flags & GR_DNS_EDNS ? ARES_FLAG_EDNS : 0),
		.timeout = s->target.timeout * 1000,
		.tries = 1,
		.servers = &none,
		.nservers = 1,
		.lookups = (char *)"b",
		.ednspsz = EDNS_SIZE,
		.sock_state_cb = on_state,
		.sock_state_cb_data = s,
		.resolvconf_path = (char *)"/dev/null",		/* everything is decided: nothing to be read there */
	};
	int all = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS |
		  ARES_OPT_SOCK_STATE_CB | ARES_OPT_NOROTATE | ARES_OPT_EDNSPSZ | ARES_OPT_RESOLVCONF;

	if (!start_library() || ares_init_options(&s->channel, &opts, all) != ARES_SUCCESS)
		return false;
	if (set_server(s->channel, &s->target) != ARES_SUCCESS) {
		ares_destroy(s->channel);
		return false;
	}
	ares_set_socket_functions(s->channel, &functions, s);
	return true;
}

static void server_free(struct gr_dns_server *s)
{
	ares_destroy(s->channel);
	gr_mem_free(s);
}

/* The oldest of those that are asked nothing, once there are many: resolv.conf may change any number of times. */
static void drop_idle(void)
{
	struct gr_dns_server *idle = NULL;
	unsigned n = 0;

	gr_list_each(it, &gr_dns_servers) {
		struct gr_dns_server *s = gr_container(it, struct gr_dns_server, link);

		if (s->pending)
			continue;
		idle = s;
		n++;
	}
	if (n <= IDLE_SERVERS)
		return;
	gr_list_del(&idle->link);
	server_free(idle);
}

static struct gr_dns_server *get_server(const struct gr_dns_target *target)
{
	struct gr_dns_server *s = find_server(target), *other;

	if (s)
		return s;
	s = gr_mem_alloc(sizeof(*s));
	if (!s)
		return NULL;
	*s = (struct gr_dns_server){ .target = *target, .timer.fire = on_time, .pace.fire = on_pace,
				     .io = { { udp_ready, -1, NULL }, { tcp_ready, -1, NULL } } };
	gr_list_init(&s->waiting);
	if (!make_channel(s)) {
		gr_mem_free(s);
		return NULL;
	}
	other = find_server(target);		/* making it may have parked us */
	if (other) {
		server_free(s);
		return other;
	}
	drop_idle();
	gr_list_push_front(&gr_dns_servers, &s->link);
	return s;
}

int gr_dns_ask(const struct gr_dns_target *target, const char *name, const int *type, unsigned n, struct gr_dns_reply *ret_reply)
{
	struct gr_dns_server *s = get_server(target);
	struct gr_dns_query *q = s ? gr_mem_alloc(sizeof(*q) + strlen(name) + 1) : NULL;
	int r;

	if (!q)
		return -ENOMEM;
	*q = (struct gr_dns_query){ .job.fn = submit, .server = s, .owned = true, .parts = n, .pending = n };
	memcpy(q->type, type, n * sizeof(*type));
	for (unsigned i = 0; i < n; i++)
		q->reply[i].outcome = GR_DNS_LOST;	/* until it is known better */
	strcpy(q->name, name);
	s->pending += n;
	gr_dns_query_add(q);
	r = gr_dns_query_wait(q);
	if (r < 0)
		return r;
	memcpy(ret_reply, q->reply, n * sizeof(*ret_reply));
	memset(q->reply, 0, sizeof(q->reply));
	gr_dns_query_free(q);
	return 0;
}
