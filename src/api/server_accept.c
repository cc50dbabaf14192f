/*
 * server_accept.c - the greenlet that accepts: wait for a place, accept, spawn a handler; pauses, longer each time, where there
 * is not enough of something
 */
#include "net.h"
#include "server.h"
#include <grove/hub.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

static int wait_for_place(struct grove_server *s)
{
	int r = 0;

	gr_enter();
	while (r == 0 && s->attr.max && s->n >= s->attr.max)
		r = gr_wait_turn(&s->entrant, "server", s, GR_NEVER, NULL);
	gr_leave_quietly();
	return r;
}

static long accept_connection(struct gr_visit *v)
{
	long r = gr_net_call_within(GROVE_FOREVER, GROVE_READ, SYS_accept4, v->server->fd, (long)&v->peer, (long)&v->peer_len,
				    SOCK_CLOEXEC, 0, 0);

	v->fd = r < 0 ? -1 : (int)r;
	return r;
}

static long receive_datagram(struct gr_visit *v)
{
	struct grove_server *s = v->server;
	long r = gr_net_call_within(GROVE_FOREVER, GROVE_READ, SYS_recvfrom, s->fd, (long)s->buf, GR_DATAGRAM_MAX, 0,
				    (long)&v->peer, (long)&v->peer_len);

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
	struct gr_visit *v = gr_visit_new(s);
	long r;

	if (!v)
		return -ENOMEM;
	r = s->stream ? accept_connection(v) : receive_datagram(v);
	if (r >= 0)
		return gr_visit_admit(v);
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
	gr_server_update_ready(s);
}

void gr_server_forget_acceptor(struct grove_server *s)
{
	struct grove_greenlet *g = s->acceptor;

	s->acceptor = NULL;
	grove_release(g);
}

int gr_server_start_accepting(struct grove_server *s)
{
	char name[GROVE_ADDRESS_MAX + 8];
	struct grove_greenlet *g;

	if (s->accepting)
		return gr_fails(EALREADY);
	if (s->fd < 0)
		return gr_fails(ENOTCONN);
	gr_server_forget_acceptor(s);
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
	gr_server_update_ready(s);
	return gr_leave(0);
}

/* Its end is waited for in any case: what it has accepted is somebody's by then. */
void gr_server_stop_accepting(struct grove_server *s)
{
	struct grove_timeout t __attribute__((cleanup(gr_timeout_end))) = { { 0 } };
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
