/*
 * server_visits.c - a connection or datagram of a server, and the greenlet of its handler
 *
 * A visit is a link on its greenlet, so that its end is seen however it comes; a greenlet that was killed before it began never
 * ran, and what it would have closed is swept up afterwards.  Visits are kept for later ones.
 */
#include "server.h"
#include <stdlib.h>
#include <unistd.h>

static struct {
	struct gr_list list;		/* visits whose greenlet never began */
	struct gr_soon job;
	int posted;			/* by which process */
} orphans = { .list = { &orphans.list, &orphans.list } };

void gr_server_update_ready(struct grove_server *s)
{
	gr_object_set_ready(&s->object, !s->accepting && s->n == 0);
}

/* Inside */
void gr_visit_leave(struct gr_visit *v)
{
	struct grove_server *s = v->server;

	gr_list_del(&v->in);
	gr_list_push_front(&s->spare, &v->in);
	s->n--;
	if (!gr_list_empty(&s->entrant))
		gr_give_turn(gr_first_turn(&s->entrant), 0);
	if (s->n <= s->stopping)
		gr_give_all(&s->stoppers, 0);
	gr_server_update_ready(s);
}

void gr_visit_clean(struct gr_visit *v, bool close_it)
{
	int err = errno;

	if (v->fd >= 0 && close_it)
		close(v->fd);
	v->fd = -1;
	free(v->data);
	v->data = NULL;
	errno = err;
}

void gr_visit_sweep(void)
{
	while (!gr_list_empty(&orphans.list)) {
		struct gr_visit *v = gr_list_first(&orphans.list, struct gr_visit, in);

		gr_list_del(&v->in);
		gr_visit_clean(v, true);
		gr_enter();
		gr_visit_leave(v);
		gr_leave_quietly();
	}
}

static void sweep_job(struct gr_soon *job)
{
	(void)job;
	orphans.posted = 0;
	gr_visit_sweep();
}

/* Inside.  Who waits in grove_server_stop() sweeps, too: he may be in the greenlet for callbacks himself. */
static void orphaned(struct gr_visit *v)
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
	struct gr_visit *v = gr_container(link, struct gr_visit, link);

	(void)object;
	v->g = NULL;
	if (v->begun)
		gr_visit_leave(v);
	else
		orphaned(v);
}

static void after_handler(struct gr_visit **v)
{
	gr_visit_clean(*v, !((*v)->server->attr.flags & GROVE_HANDLER_CLOSES));
}

static void *serve(void *arg)
{
	struct gr_visit *v __attribute__((cleanup(after_handler))) = arg;
	struct grove_server *s = v->server;

	v->begun = true;
	if (s->stream)
		s->stream(v->fd, (struct sockaddr *)&v->peer, v->peer_len, s->arg);
	else
		s->datagram(s, v->data, v->len, (struct sockaddr *)&v->peer, v->peer_len, s->arg);
	return NULL;
}

struct gr_visit *gr_visit_new(struct grove_server *s)
{
	struct gr_visit *v;

	if (gr_list_empty(&s->spare)) {
		v = malloc(sizeof(*v));
		if (!v)
			return NULL;
		gr_list_init(&v->in);
	} else {
		v = gr_list_first(&s->spare, struct gr_visit, in);
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
static void attach(struct gr_visit *v, struct grove_greenlet *g)
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
int gr_visit_admit(struct gr_visit *v)
{
	struct grove_server *s = v->server;
	struct grove_greenlet *g;
	int err;

	gr_list_push(&s->visits, &v->in);
	s->n++;
	gr_server_update_ready(s);
	errno = 0;
	g = s->attr.spawn ? s->attr.spawn(serve, v, s->attr.spawn_arg) : grove_spawn(serve, v);
	if (gr_is(g, GR_GREENLET)) {
		attach(v, g);
		return 0;
	}
	err = errno ? errno : ENOMEM;
	gr_visit_clean(v, true);
	gr_enter();
	gr_visit_leave(v);
	gr_leave_quietly();
	return -err;
}
