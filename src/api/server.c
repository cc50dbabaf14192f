/*
 * server.c - servers: a greenlet that accepts, and one for each connection or datagram
 *
 *	acceptor: wait for a place, accept, spawn --> visit: handler, close --> its greenlet ends: the place is free
 *
 * A visit is one connection or datagram.  It is a link on its greenlet, so that its end is seen however it comes; a greenlet that
 * was killed before it began never ran, and what it would have closed is swept up afterwards.  Visits are kept for later ones.
 */
#include "greenlet.h"
#include "net.h"
#include "../clock.h"
#include <grove/hub.h>
#include <grove/server.h>
#include <grove/timeout.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FLAGS		(GROVE_REUSE_PORT | GROVE_EXCLUSIVE | GROVE_HANDLER_CLOSES)
#define MIN_DELAY	GR_MS(10)
#define MAX_DELAY	GR_SEC(1)
#define GRACE		GR_SEC(1)
#define KILL_TIME	GROVE_SEC(1)	/* for handlers that were killed */
#define DATAGRAM_MAX	65536u

struct grove_server {
	struct gr_object object;	/* GR_SERVER; ready: it does not accept, and no handler runs */
	struct grove_server_attr attr;
	grove_stream_fn *stream;	/* one of them is NULL */
	grove_datagram_fn *datagram;
	void *arg;
	char *wanted;			/* where to listen, with the port once it is known; NULL: the socket was given */
	char address[GROVE_ADDRESS_MAX];
	int fd;				/* -1: does not listen */
	dev_t file_dev;			/* of the socket file; file_ino 0: there is none */
	ino_t file_ino;
	void *buf;			/* for a datagram of any size */
	struct grove_greenlet *acceptor;	/* with a reference, also after its end, until somebody looks */
	struct gr_link acceptor_link;
	bool accepting;
	bool ending;			/* the acceptor is being ended by us */
	struct gr_list visits;		/* whose greenlet has not ended */
	struct gr_list spare;
	size_t n;			/* visits */
	size_t stopping;		/* those of them that are in grove_server_stop() themselves */
	struct gr_list entrant;		/* gr_turn: the acceptor, for a place */
	struct gr_list stoppers;	/* gr_turn: until the handlers have ended */
	struct gr_list forever;		/* gr_turn: grove_server_serve_forever() */
	int pid;			/* the process it was used in last */
};

struct visit {
	struct gr_link link;		/* on its greenlet */
	struct gr_list in;		/* in server->visits, server->spare or orphans */
	struct grove_server *server;
	struct grove_greenlet *g;	/* NULL: not known yet, or has ended */
	bool begun;
	int fd;				/* -1: a datagram, or it is closed */
	void *data;
	size_t len;
	socklen_t peer_len;
	struct sockaddr_storage peer;
};

/* --- visits ----------------------------------------------------------------------------------------------------------------- */

static struct {
	struct gr_list list;		/* visits whose greenlet never began */
	struct gr_soon job;
	int posted;			/* by which process */
} orphans = { .list = { &orphans.list, &orphans.list } };

static void update_ready(struct grove_server *s)
{
	gr_object_set_ready(&s->object, !s->accepting && s->n == 0);
}

/* Inside */
static void leave(struct visit *v)
{
	struct grove_server *s = v->server;

	gr_list_del(&v->in);
	gr_list_push_front(&s->spare, &v->in);
	s->n--;
	if (!gr_list_empty(&s->entrant))
		gr_give_turn(gr_first_turn(&s->entrant), 0);
	if (s->n <= s->stopping)
		gr_give_all(&s->stoppers, 0);
	update_ready(s);
}

static void clean(struct visit *v, bool close_it)
{
	int err = errno;

	if (v->fd >= 0 && close_it)
		close(v->fd);
	v->fd = -1;
	free(v->data);
	v->data = NULL;
	errno = err;
}

static void sweep(void)
{
	while (!gr_list_empty(&orphans.list)) {
		struct visit *v = gr_list_first(&orphans.list, struct visit, in);

		gr_list_del(&v->in);
		clean(v, true);
		gr_enter();
		leave(v);
		gr_leave_quietly();
	}
}

static void sweep_job(struct gr_soon *job)
{
	(void)job;
	orphans.posted = 0;
	sweep();
}

/* Inside.  Who waits in grove_server_stop() sweeps, too: he may be in the greenlet for callbacks himself. */
static void orphaned(struct visit *v)
{
	gr_list_del(&v->in);
	gr_list_push(&orphans.list, &v->in);
	gr_give_all(&v->server->stoppers, 0);
	if (orphans.posted == gr_carrier()->pid)
		return;
	orphans.posted = gr_carrier()->pid;
	orphans.job.fn = sweep_job;
	gr_soon(&orphans.job);
}

static void visit_ended(struct gr_link *link, struct gr_object *object)
{
	struct visit *v = gr_container(link, struct visit, link);

	(void)object;
	v->g = NULL;
	if (v->begun)
		leave(v);
	else
		orphaned(v);
}

static void after_handler(struct visit **v)
{
	clean(*v, !((*v)->server->attr.flags & GROVE_HANDLER_CLOSES));
}

static void *serve(void *arg)
{
	struct visit *v __attribute__((cleanup(after_handler))) = arg;
	struct grove_server *s = v->server;

	v->begun = true;
	if (s->stream)
		s->stream(v->fd, (struct sockaddr *)&v->peer, v->peer_len, s->arg);
	else
		s->datagram(s, v->data, v->len, (struct sockaddr *)&v->peer, v->peer_len, s->arg);
	return NULL;
}

static struct visit *visit_new(struct grove_server *s)
{
	struct visit *v;

	if (gr_list_empty(&s->spare)) {
		v = malloc(sizeof(*v));
		if (!v)
			return NULL;
		gr_list_init(&v->in);
	} else {
		v = gr_list_first(&s->spare, struct visit, in);
		gr_list_del(&v->in);
	}
	v->server = s;
	v->g = NULL;
	v->begun = false;
	v->fd = -1;
	v->data = NULL;
	v->peer_len = sizeof(v->peer);
	return v;
}

/* It has a greenlet now.  Where that has ended already, its end is now. */
static void attach(struct visit *v, struct grove_greenlet *g)
{
	gr_enter();
	v->link.fire = visit_ended;
	if (g->object.ready) {
		visit_ended(&v->link, &g->object);
	} else {
		v->g = g;
		gr_list_push(&g->object.links, &v->link.link);
	}
	gr_leave_quietly();
	grove_release(g);
}

/* 0 or -errno */
static int admit(struct visit *v)
{
	struct grove_server *s = v->server;
	struct grove_greenlet *g;
	int err;

	gr_list_push(&s->visits, &v->in);
	s->n++;
	update_ready(s);
	errno = 0;
	g = s->attr.spawn ? s->attr.spawn(serve, v, s->attr.spawn_arg) : grove_spawn(serve, v);
	if (gr_is(g, GR_GREENLET)) {
		attach(v, g);
		return 0;
	}
	err = errno ? errno : ENOMEM;
	clean(v, true);
	gr_enter();
	leave(v);
	gr_leave_quietly();
	return -err;
}

/* --- accepting -------------------------------------------------------------------------------------------------------------- */

static int wait_for_place(struct grove_server *s)
{
	int r = 0;

	gr_enter();
	while (r == 0 && s->attr.max && s->n >= s->attr.max)
		r = gr_wait_turn(&s->entrant, "server", s, GR_NEVER, NULL);
	gr_leave_quietly();
	return r;
}

static long accept_connection(struct visit *v)
{
	long r = gr_net_call_within(GROVE_FOREVER, GROVE_READ, SYS_accept4, v->server->fd, (long)&v->peer, (long)&v->peer_len,
				    SOCK_CLOEXEC, 0, 0);

	v->fd = r < 0 ? -1 : (int)r;
	return r;
}

static long receive_datagram(struct visit *v)
{
	struct grove_server *s = v->server;
	long r = gr_net_call_within(GROVE_FOREVER, GROVE_READ, SYS_recvfrom, s->fd, (long)s->buf, DATAGRAM_MAX, 0, (long)&v->peer,
				    (long)&v->peer_len);

	if (r < 0)
		return r;
	v->data = malloc((size_t)r + 1);
	if (!v->data)
		return -ENOMEM;
	memcpy(v->data, s->buf, (size_t)r);
	v->len = (size_t)r;
	return r;
}

/* 0 or -errno */
static int next(struct grove_server *s)
{
	struct visit *v = visit_new(s);
	long r;

	if (!v)
		return -ENOMEM;
	r = s->stream ? accept_connection(v) : receive_datagram(v);
	if (r >= 0)
		return admit(v);
	gr_list_push_front(&s->spare, &v->in);
	return (int)r;
}

/* Was it one connection's, which is gone? */
static bool passes(int err)
{
	switch (err) {
	case ECONNABORTED:
	case ECONNREFUSED:
	case ECONNRESET:
	case EPROTO:
		return true;
	default:
		return false;
	}
}

static bool is_fatal(int err)
{
	return err == EBADF || err == EINVAL || err == ENOTSOCK || err == EOPNOTSUPP || err == EFAULT;
}

static void *accept_all(void *arg)
{
	struct grove_server *s = arg;
	int64_t delay = s->attr.min_delay;

	for (;;) {
		int err = -wait_for_place(s);

		if (!err)
			err = -next(s);
		if (!err)
			delay = s->attr.min_delay;
		if (is_fatal(err))
			return grove_fail(err);
		if (!err || passes(err))
			continue;
		if (grove_sleep(delay) < 0)		/* it was killed; else something has run out */
			return grove_fail(errno);
		delay = delay * 2 < s->attr.max_delay ? delay * 2 : s->attr.max_delay;
	}
}

static void acceptor_ended(struct gr_link *link, struct gr_object *object)
{
	struct grove_server *s = gr_container(link, struct grove_server, acceptor_link);

	s->accepting = false;
	if (!s->ending)
		gr_give_all(&s->forever, -((struct grove_greenlet *)object)->error);
	update_ready(s);
}

static void forget_acceptor(struct grove_server *s)
{
	struct grove_greenlet *g = s->acceptor;

	s->acceptor = NULL;
	grove_release(g);
}

static int start_accepting(struct grove_server *s)
{
	char name[GROVE_ADDRESS_MAX + 8];
	struct grove_greenlet *g;

	if (s->accepting)
		return gr_fails(EALREADY);
	if (s->fd < 0)
		return gr_fails(ENOTCONN);
	forget_acceptor(s);
	g = grove_spawn(accept_all, s);
	if (!g)
		return -1;
	snprintf(name, sizeof(name), "server %s", s->address);
	grove_set_name(g, name);
	gr_enter();
	s->acceptor = g;
	s->accepting = true;
	s->ending = false;
	s->acceptor_link.fire = acceptor_ended;
	gr_list_push(&g->object.links, &s->acceptor_link.link);
	update_ready(s);
	return gr_leave(0);
}

static void unshield(struct grove_timeout *t)
{
	int err = errno;

	grove_timeout_stop(t);
	errno = err;
}

/* Its end is waited for in any case: what it has accepted is somebody's by then. */
static void stop_accepting(struct grove_server *s)
{
	struct grove_timeout t __attribute__((cleanup(unshield))) = { { 0 } };
	struct grove_greenlet *g = s->acceptor;

	if (!s->accepting)
		return;
	s->ending = true;
	grove_ref(g);
	grove_kill(g, 0);
	if (g->g != gr_carrier()->current && grove_shield_start(&t) == 0)
		grove_join(g, GROVE_FOREVER);
	grove_release(g);
}

/* --- the socket ------------------------------------------------------------------------------------------------------------- */

static void remember_file(struct grove_server *s)
{
	struct stat st;

	s->file_ino = 0;
	if (strncmp(s->address, "unix:/", 6) != 0 && (strncmp(s->address, "unix:", 5) != 0 || s->address[5] == '@'))
		return;
	if (stat(s->address + 5, &st) == 0) {
		s->file_dev = st.st_dev;
		s->file_ino = st.st_ino;
	}
}

/* Unless somebody else has put his own in its place */
static void remove_file(struct grove_server *s)
{
	struct stat st;

	if (s->file_ino && stat(s->address + 5, &st) == 0 && st.st_dev == s->file_dev && st.st_ino == s->file_ino)
		unlink(s->address + 5);
	s->file_ino = 0;
}

static int port_of(int fd)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);

	if (getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		return -1;
	if (at.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&at)->sin_port);
	return at.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&at)->sin6_port) : 0;
}

/* Port 0 is another one each time, so next time ask for the one we have got. */
static void want_port(struct grove_server *s)
{
	char *colon = strrchr(s->wanted, ':');
	int port = port_of(s->fd);

	if (port > 0)
		sprintf(colon + 1, "%d", port);		/* there is room: see make() */
}

static int open_socket(struct grove_server *s)
{
	if (s->fd >= 0)
		return 0;
	s->fd = gr_net_open(s->wanted, s->stream ? SOCK_STREAM : SOCK_DGRAM, s->attr.backlog,
			    (s->attr.flags & ~GROVE_HANDLER_CLOSES) | GROVE_NONBLOCK);
	if (s->fd < 0)
		return -1;
	want_port(s);
	if (grove_local_address(s->fd, s->address, sizeof(s->address)) < 0)
		s->address[0] = '\0';
	remember_file(s);
	return 0;
}

/* A socket that was given stays. */
static void close_socket(struct grove_server *s)
{
	if (s->fd < 0 || !s->wanted)
		return;
	remove_file(s);
	close(s->fd);
	s->fd = -1;
	s->address[0] = '\0';
}

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
	s->buf = datagram ? malloc(DATAGRAM_MAX) : NULL;
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
		struct visit *v = gr_list_first(&s->spare, struct visit, in);

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
	if (open_socket(s) == 0)
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

/* 0, or -1 with errno */
static int check_socket(int fd, bool datagram)
{
	int type = 0, listens = 0;
	socklen_t len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0)
		return -1;
	return datagram ? (type == SOCK_DGRAM ? 0 : gr_fails(EINVAL)) : (listens ? 0 : gr_fails(EINVAL));
}

static grove_server *new_fd(int fd, grove_stream_fn *stream, grove_datagram_fn *datagram, void *arg,
			    const struct grove_server_attr *attr)
{
	struct grove_server *s;

	if ((!stream && !datagram) || (attr && !attr_ok(attr)))
		return gr_fails_null(EINVAL);
	if (check_socket(fd, datagram != NULL) < 0)
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
		struct visit *v = gr_container(it, struct visit, in);

		if (v->g && v->g == gr_carrier()->current->api)
			continue;
		gr_list_init(&v->link.link);
		clean(v, !v->begun || !(s->attr.flags & GROVE_HANDLER_CLOSES));
		leave(v);
	}
	update_ready(s);
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
	sweep();
	if (!server->object.ready || !gr_list_empty(&server->forever) || !gr_list_empty(&server->stoppers) ||
	    !gr_list_empty(&server->object.links))
		return gr_fails(EBUSY);
	forget_acceptor(server);
	close_socket(server);
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
	return open_socket(server) < 0 ? -1 : start_accepting(server);
}

int grove_server_start_accepting(grove_server *server)
{
	GR_ANYWHERE(-1, grove_server_start_accepting, server);
	return is_server(server) ? start_accepting(server) : gr_fails(EINVAL);
}

int grove_server_stop_accepting(grove_server *server)
{
	GR_ANYWHERE(-1, grove_server_stop_accepting, server);
	if (!is_server(server))
		return gr_fails(EINVAL);
	stop_accepting(server);
	return 0;
}

/* Is the caller one of the handlers? */
static bool am_handler(const struct grove_server *s)
{
	struct grove_greenlet *me = gr_carrier()->current->api;

	gr_list_each(it, &s->visits)
		if (me && gr_container(it, struct visit, in)->g == me)
			return true;
	return false;
}

/* All but the caller.  Others may run, and end, meanwhile: so each comes from the front to the back. */
static void kill_handlers(struct grove_server *s)
{
	struct grove_greenlet *me = gr_carrier()->current->api;

	for (size_t n = s->n; n && !gr_list_empty(&s->visits); n--) {
		struct visit *v = gr_list_first(&s->visits, struct visit, in);

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

	sweep();
	while (r == 0 && s->n > (st->handler ? s->stopping : 0)) {
		gr_enter();
		r = gr_wait_turn(&s->stoppers, "server", s, deadline, &turn);
		gr_leave_quietly();
		sweep();
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
	stop_accepting(s);
	close_socket(s);
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
	struct grove_timeout t __attribute__((cleanup(unshield))) = { { 0 } };
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

	return fd < 0 ? -1 : port_of(fd);
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
