/*
 * crew.c - sets of greenlets
 */
#include "crew.h"
#include "greenlet.h"
#include <stdlib.h>

void gr_crew_init(struct gr_crew *crew, void (*left)(struct gr_crew *, struct grove_greenlet *))
{
	gr_list_init(&crew->members);
	gr_list_init(&crew->spare);
	crew->n = 0;
	crew->left = left;
}

struct gr_member *gr_member_new(struct gr_crew *crew)
{
	struct gr_member *m;

	if (gr_list_empty(&crew->spare))
		return malloc(sizeof(*m));
	m = gr_list_first(&crew->spare, struct gr_member, in);
	gr_list_del(&m->in);
	return m;
}

void gr_member_drop(struct gr_crew *crew, struct gr_member *m)
{
	gr_list_push_front(&crew->spare, &m->in);
}

static void ended(struct gr_link *link, struct gr_object *object)
{
	struct gr_member *m = gr_container(link, struct gr_member, link);
	struct gr_crew *crew = m->crew;

	gr_crew_remove(m);
	crew->left(crew, (struct grove_greenlet *)object);
}

void gr_crew_add(struct gr_crew *crew, struct gr_member *m, struct grove_greenlet *g)
{
	*m = (struct gr_member){ .link.fire = ended, .crew = crew, .g = g };
	gr_list_init(&m->link.link);
	gr_list_push(&crew->members, &m->in);
	crew->n++;
	if (g->object.ready)
		ended(&m->link, &g->object);
	else
		gr_list_push(&g->object.links, &m->link.link);
}

struct gr_member *gr_crew_find(const struct gr_crew *crew, const struct grove_greenlet *g)
{
	gr_list_each(it, (struct gr_list *)(uintptr_t)&g->object.links) {
		struct gr_link *link = gr_container(it, struct gr_link, link);

		if (link->fire == ended && gr_container(link, struct gr_member, link)->crew == crew)
			return gr_container(link, struct gr_member, link);
	}
	return NULL;
}

void gr_crew_remove(struct gr_member *m)
{
	struct gr_crew *crew = m->crew;

	gr_list_del(&m->link.link);
	gr_list_del(&m->in);
	crew->n--;
	gr_member_drop(crew, m);
}

/* Killing may let handlers run, and with them anybody; so the list is not walked, but turned. */
void gr_crew_kill(struct gr_crew *crew)
{
	for (size_t left = crew->n; left && crew->n; left--) {
		struct gr_member *m = gr_list_first(&crew->members, struct gr_member, in);
		struct grove_greenlet *g = m->g;

		gr_list_del(&m->in);
		gr_list_push(&crew->members, &m->in);
		g->refs++;
		grove_kill(g, 0);
		grove_release(g);
	}
}

void gr_crew_fork_child(struct gr_crew *crew)
{
	gr_list_each_safe(it, &crew->members) {
		struct gr_member *m = gr_container(it, struct gr_member, in);

		if (m->g->object.ready)
			gr_crew_remove(m);
	}
}

void gr_crew_free(struct gr_crew *crew)
{
	while (!gr_list_empty(&crew->spare)) {
		struct gr_member *m = gr_list_first(&crew->spare, struct gr_member, in);

		gr_list_del(&m->in);
		free(m);
	}
}
