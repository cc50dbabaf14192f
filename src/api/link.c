/*
 * link.c - who wants to know of the end of one greenlet
 */
#include "greenlet.h"
#include <stdlib.h>

struct callback {
	struct gr_list link;
	struct gr_soon soon;
	grove_link_fn *fn;
	void *arg;
	struct grove_greenlet *g;
	enum { ALWAYS, IF_VALUE, IF_ERROR } when;
};

static void run_callback(struct gr_soon *job)
{
	struct callback *cb = gr_container(job, struct callback, soon);

	cb->fn(cb->g, cb->arg);
	grove_release(cb->g);
	free(cb);
}

static void drop_callback(struct gr_soon *job)
{
	struct callback *cb = gr_container(job, struct callback, soon);

	grove_release(cb->g);
	free(cb);
}

/* @cb is in no list any more. */
static void call_later(struct callback *cb)
{
	bool wanted = cb->when == ALWAYS || (cb->when == IF_ERROR) == (cb->g->error != 0);

	cb->soon.fn = wanted ? run_callback : drop_callback;
	gr_soon(&cb->soon);
}

void gr_links_ended(struct grove_greenlet *rec)
{
	while (!gr_list_empty(&rec->callbacks)) {
		struct callback *cb = gr_list_first(&rec->callbacks, struct callback, link);

		gr_list_del(&cb->link);
		call_later(cb);
	}
}

static int link_when(grove_greenlet *g, grove_link_fn *fn, void *arg, int when)
{
	struct callback *cb;

	if (!gr_is(g, GR_GREENLET) || !fn)
		return gr_fails(EINVAL);
	cb = malloc(sizeof(*cb));
	if (!cb)
		return -1;
	*cb = (struct callback){ .fn = fn, .arg = arg, .g = g, .when = when };
	gr_list_init(&cb->link);
	gr_enter();
	g->refs++;
	if (g->life == GR_ENDED)
		call_later(cb);
	else
		gr_list_push(&g->callbacks, &cb->link);
	return gr_leave(0);
}

int grove_link(grove_greenlet *g, grove_link_fn *fn, void *arg)
{
	GR_ANYWHERE(-1, grove_link, g, fn, arg);
	return link_when(g, fn, arg, ALWAYS);
}

int grove_link_value(grove_greenlet *g, grove_link_fn *fn, void *arg)
{
	GR_ANYWHERE(-1, grove_link_value, g, fn, arg);
	return link_when(g, fn, arg, IF_VALUE);
}

int grove_link_error(grove_greenlet *g, grove_link_fn *fn, void *arg)
{
	GR_ANYWHERE(-1, grove_link_error, g, fn, arg);
	return link_when(g, fn, arg, IF_ERROR);
}

int grove_unlink(grove_greenlet *g, grove_link_fn *fn, void *arg)
{
	GR_ANYWHERE(-1, grove_unlink, g, fn, arg);
	if (!gr_is(g, GR_GREENLET))
		return gr_fails(EINVAL);
	gr_list_each(it, &g->callbacks) {
		struct callback *cb = gr_container(it, struct callback, link);

		if (cb->fn != fn || cb->arg != arg)
			continue;
		gr_list_del(it);
		grove_release(g);
		free(cb);
		return 0;
	}
	return gr_fails(ESRCH);
}
