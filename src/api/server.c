/*
 * server.c - servers: making, running and stopping them
 *
 *	acceptor: wait for a place, accept, spawn --> visit: handler, close --> its greenlet ends: the place is free
 *
 * The acceptor is in server_accept.c, visits are in server_visits.c, the socket is in server_socket.c.
 */
#include "net.h"
#include "server.h"
#include "../clock.h"
#include <grove/hub.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define FLAGS		(GROVE_REUSE_PORT | GROVE_EXCLUSIVE | GROVE_HANDLER_CLOSES)
#define MIN_DELAY	GR_MS(10)
#define MAX_DELAY	GR_SEC(1)
#define GRACE		GR_SEC(1)
#define KILL_TIME	GROVE_SEC(1)	/* for handlers that were killed */

/* --- making and forgetting -------------------------------------------------------------------------------------------------- */

static bool attr_ok(const struct grove_server_attr *a)
{
	return a->size == sizeof(*a) && a->backlog >= 0 && !(a->flags & ~FLAGS) && a->min_delay >= 0 && a->max_delay >= 0 &&
	       a->grace >= 0;
}

static int64_t or_usual(int64_t value, int64_t usual)
{
	return value ? value : usual;
}

static struct grove_server *make(const char *wanted, const struct grove_server_attr *attr, bool datagram)
{
	struct grove_server *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	if (attr)
		s->attr = *attr;
	s->attr.min_delay = or_usual(s->attr.min_delay, MIN_DELAY);
	s->attr.max_delay = or_usual(s->attr.max_delay, MAX_DELAY);
	s->attr.grace = or_usual(s->attr.grace, GRACE);
	s->fd = -1;
	s->pid = gr_carrier()->pid;
	gr_object_init(&s->object, GR_SERVER, true);
	gr_list_init(&s->acceptor_link.link);
	gr_list_init(&s->visits);
	gr_list_init(&s->spare);
	gr_list_init(&s->entrant);
	gr_list_init(&s->stoppers);
	gr_list_init(&s->forever);
	s->wanted = wanted ? malloc(strlen(wanted) + sizeof("65535")) : NULL;
	s->buf = datagram ? malloc(GR_DATAGRAM_MAX) : NULL;
	if ((wanted && !s->wanted) || (datagram && !s->buf)) {
		free(s->wanted);
		free(s->buf);
		free(s);
		return NULL;
	}
	if (wanted)
		strcpy(s->wanted, wanted);
	return s;
}

static void unmake(struct grove_server *s)
{
	int err = errno;

	while (!gr_list_empty(&s->spare)) {
		struct gr_visit *v = gr_list_first(&s->spare, struct gr_visit, in);

		gr_list_del(&v->in);
		free(v);
	}
	s->object.type = 0;
	free(s->buf);
	free(s->wanted);
	free(s);
	errno = err;
}

static grove_server *new_at(const char *address, grove_stream_fn *stream, grove_datagram_fn *datagram, void *arg,
			    const struct grove_server_attr *attr)
{
	struct grove_server *s;

	if (!address || (!stream && !datagram) || (attr && !attr_ok(attr)))
		return gr_fails_null(EINVAL);
	s = make(address, attr, datagram != NULL);
	if (!s)
		return NULL;
	s->stream = stream;
	s->datagram = datagram;
	s->arg = arg;
	if (gr_server_open(s) == 0)
		return s;
	unmake(s);
	return NULL;
}

grove_server *grove_server_new(const char *address, grove_stream_fn *handler, void *arg, const struct grove_server_attr *attr)
{
	GR_ANYWHERE((grove_server *)NULL, grove_server_new, address, handler, arg, attr);
	return new_at(address, handler, NULL, arg, attr);
}

grove_server *grove_datagram_server_new(const char *address, grove_datagram_fn *handler, void *arg,
					const struct grove_server_attr *attr)
{
	GR_ANYWHERE((grove_server *)NULL, grove_datagram_server_new, address, handler, arg, attr);
	return new_at(address, NULL, handler, arg, attr);
}

static grove_server *new_fd(int fd, grove_stream_fn *stream, grove_datagram_fn *datagram, void *arg,
			    const struct grove_server_attr *attr)
{
	struct grove_server *s;

	if ((!stream && !datagram) || (attr && !attr_ok(attr)))
		return gr_fails_null(EINVAL);
	if (gr_server_check(fd, datagram != NULL) < 0)
		return NULL;
	s = make(NULL, attr, datagram != NULL);
	if (!s)
		return NULL;
	s->stream = stream;
	s->datagram = datagram;
	s->arg = arg;
	s->fd = fd;
	if (grove_local_address(fd, s->address, sizeof(s->address)) < 0)
		s->address[0] = '\0';
	return s;
}

grove_server *grove_server_new_fd(int fd, grove_stream_fn *handler, void *arg, const struct grove_server_attr *attr)
{
	GR_ANYWHERE((grove_server *)NULL, grove_server_new_fd, fd, handler, arg, attr);
	return new_fd(fd, handler, NULL, arg, attr);
}

grove_server *grove_datagram_server_new_fd(int fd, grove_datagram_fn *handler, void *arg, const struct grove_server_attr *attr)
{
	GR_ANYWHERE((grove_server *)NULL, grove_datagram_server_new_fd, fd, handler, arg, attr);
	return new_fd(fd, NULL, handler, arg, attr);
}

/* In a forked child nobody accepts, and of the handlers only the one that has forked may be there. */
static void forked(struct grove_server *s)
{
	s->pid = gr_carrier()->pid;
	gr_list_init(&s->object.links);
	gr_list_init(&s->acceptor_link.link);
	s->accepting = s->ending = false;
	s->acceptor = NULL;
	s->stopping = 0;
	s->file_ino = 0;			/* the parent's */
	gr_list_each_safe(it, &s->visits) {
		struct gr_visit *v = gr_container(it, struct gr_visit, in);

		if (v->g && v->g == gr_carrier()->current->api)
			continue;
		gr_list_init(&v->link.link);
		gr_visit_clean(v, !v->begun || !(s->attr.flags & GROVE_HANDLER_CLOSES));
		gr_visit_leave(v);
	}
	gr_server_update_ready(s);
}

static bool is_server(grove_server *s)
{
	if (!gr_is(s, GR_SERVER))
		return false;
	if (GR_UNLIKELY(s->pid != gr_carrier()->pid))
		forked(s);
	return true;
}

int grove_server_free(grove_server *server)
{
	GR_ANYWHERE(-1, grove_server_free, server);
	if (!server)
		return 0;
	if (!is_server(server))
		return gr_fails(EINVAL);
	gr_visit_sweep();
	if (!server->object.ready || !gr_list_empty(&server->forever) || !gr_list_empty(&server->stoppers) ||
	    !gr_list_empty(&server->object.links))
		return gr_fails(EBUSY);
	gr_server_forget_acceptor(server);
	gr_server_close(server);
	unmake(server);
	return 0;
}

/* --- running ---------------------------------------------------------------------------------------------------------------- */

int grove_server_start(grove_server *server)
{
	GR_ANYWHERE(-1, grove_server_start, server);
	if (!is_server(server))
		return gr_fails(EINVAL);
	if (server->accepting)
		return gr_fails(EALREADY);
	return gr_server_open(server) < 0 ? -1 : gr_server_start_accepting(server);
}

int grove_server_start_accepting(grove_server *server)
{
	GR_ANYWHERE(-1, grove_server_start_accepting, server);
	return is_server(server) ? gr_server_start_accepting(server) : gr_fails(EINVAL);
}

int grove_server_stop_accepting(grove_server *server)
{
	GR_ANYWHERE(-1, grove_server_stop_accepting, server);
	if (!is_server(server))
		return gr_fails(EINVAL);
	gr_server_stop_accepting(server);
	return 0;
}

/* Is the caller one of the handlers? */
static bool am_handler(const struct grove_server *s)
{
	struct grove_greenlet *me = gr_carrier()->current->api;

	gr_list_each(it, &s->visits)
		if (me && gr_container(it, struct gr_visit, in)->g == me)
			return true;
	return false;
}

/* All but the caller.  Others may run, and end, meanwhile: so each comes from the front to the back. */
static void kill_handlers(struct grove_server *s)
{
	struct grove_greenlet *me = gr_carrier()->current->api;

	for (size_t n = s->n; n && !gr_list_empty(&s->visits); n--) {
		struct gr_visit *v = gr_list_first(&s->visits, struct gr_visit, in);

		gr_list_del(&v->in);
		gr_list_push(&s->visits, &v->in);
		if (v->g && v->g != me)
			grove_kill(v->g, 0);
	}
}

struct stopping {
	struct grove_server *s;
	bool handler;			/* the caller is one */
	bool over;			/* the wait ended for its deadline */
};

/* A handler waits for those who do not stop the server themselves.  0 or -errno */
static int wait_for_handlers(struct stopping *st, gr_time deadline)
{
	struct gr_turn turn = { .broken = false };
	struct grove_server *s = st->s;
	int r = 0;

	gr_visit_sweep();
	while (r == 0 && s->n > (st->handler ? s->stopping : 0)) {
		gr_enter();
		r = gr_wait_turn(&s->stoppers, "server", s, deadline, &turn);
		gr_leave_quietly();
		gr_visit_sweep();
	}
	st->over = !turn.broken && (r == -ETIMEDOUT || r == -EAGAIN);
	return r;
}

static void stopped(struct stopping *st)
{
	struct grove_server *s = st->s;

	gr_enter();
	s->stopping -= st->handler;
	gr_give_all(&s->forever, 0);
	gr_leave_quietly();
}

static int stop(struct grove_server *s, gr_time deadline)
{
	struct stopping st __attribute__((cleanup(stopped))) = { .s = s, .handler = am_handler(s) };
	int r;

	s->stopping += st.handler;
	gr_server_stop_accepting(s);
	gr_server_close(s);
	r = wait_for_handlers(&st, deadline);
	if (r == 0)
		return 0;
	kill_handlers(s);
	if (st.over)
		r = wait_for_handlers(&st, gr_now() + KILL_TIME);
	return r ? gr_fails(-r) : 0;
}

int grove_server_stop(grove_server *server, int64_t grace)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_server_stop, server, grace);
	if (!is_server(server) || !gr_until(grace, &deadline))
		return gr_fails(EINVAL);
	return stop(server, deadline);
}

static int stop_shielded(struct grove_server *s)
{
	struct grove_timeout t __attribute__((cleanup(gr_timeout_end))) = { { 0 } };
	gr_time deadline;

	gr_until(s->attr.grace, &deadline);
	return grove_shield_start(&t) < 0 ? -1 : stop(s, deadline);
}

int grove_server_serve_forever(grove_server *server)
{
	int r;

	GR_ANYWHERE(-1, grove_server_serve_forever, server);
	if (!is_server(server))
		return gr_fails(EINVAL);
	if (grove_server_start(server) < 0 && errno != EALREADY)
		return -1;
	gr_enter();
	r = gr_wait_turn(&server->forever, "server", server, GR_NEVER, NULL);
	gr_leave_quietly();
	if (r == 0)
		return 0;
	stop_shielded(server);
	return gr_fails(-r);
}

/* --- looking ---------------------------------------------------------------------------------------------------------------- */

static grove_server *looked_at(const grove_server *server)
{
	return (grove_server *)(uintptr_t)server;
}

static long started(const grove_server *server)
{
	GR_ANYWHERE(0l, started, server);
	return is_server(looked_at(server)) && server->accepting;
}

bool grove_server_started(const grove_server *server)
{
	return started(server);
}

static long full(const grove_server *server)
{
	GR_ANYWHERE(0l, full, server);
	return is_server(looked_at(server)) && server->attr.max && server->n >= server->attr.max;
}

bool grove_server_full(const grove_server *server)
{
	return full(server);
}

size_t grove_server_handlers(const grove_server *server)
{
	GR_ANYWHERE((size_t)0, grove_server_handlers, server);
	return is_server(looked_at(server)) ? server->n : 0;
}

const char *grove_server_address(const grove_server *server)
{
	return gr_is(server, GR_SERVER) ? server->address : gr_fails_null(EINVAL);
}

int grove_server_fd(const grove_server *server)
{
	if (!gr_is(server, GR_SERVER))
		return gr_fails(EINVAL);
	return server->fd < 0 ? gr_fails(ENOTCONN) : server->fd;
}

int grove_server_port(const grove_server *server)
{
	int fd = grove_server_fd(server);

	return fd < 0 ? -1 : gr_server_port_of(fd);
}

int grove_server_sendto(grove_server *server, const void *data, size_t len, const struct sockaddr *peer, socklen_t peer_len,
			int64_t timeout)
{
	int flags = MSG_NOSIGNAL | (timeout ? 0 : MSG_DONTWAIT);
	long r;

	GR_ANYWHERE(-1, grove_server_sendto, server, data, len, peer, peer_len, timeout);
	if (!is_server(server) || server->stream || timeout < 0 || (!data && len))
		return gr_fails(EINVAL);
	if (server->fd < 0)
		return gr_fails(ENOTCONN);
	r = gr_net_call_within(timeout, GROVE_WRITE, SYS_sendto, server->fd, (long)data, (long)len, flags, (long)peer, peer_len);
	return r < 0 ? gr_fails((int)-r) : 0;
}
