/*
 * many.c - links from several objects to one waiter
 */
#include "many.h"
#include <stdlib.h>

struct one {
	struct gr_link link;
	struct gr_many *m;
	struct gr_object *object;
};

/* Not on the waiter's stack: in a forked child the links of a greenlet that is not there are still followed. */
struct gr_many {
	struct gr_turn turn;
	bool waiting;
	size_t n, ready, told;
	struct one **order;		/* [told, ready): became ready, and not yet told */
	struct one ones[];
};

static void becomes_ready(struct gr_link *link, struct gr_object *object)
{
	struct one *one = gr_container(link, struct one, link);
	struct gr_many *m = one->m;

	(void)object;
	m->order[m->ready++] = one;
	if (m->waiting) {
		m->waiting = false;
		gr_give_turn(&m->turn, 0);
	}
}

struct gr_many *gr_many_new(void *const *objects, size_t n)
{
	struct gr_many *m = malloc(sizeof(*m) + n * (sizeof(struct one) + sizeof(struct one *)));

	if (!m)
		return NULL;
	*m = (struct gr_many){ .n = n, .order = (struct one **)&m->ones[n] };
	gr_enter();
	for (size_t i = 0; i < n; i++) {
		struct one *one = &m->ones[i];

		*one = (struct one){ .link.fire = becomes_ready, .m = m, .object = objects[i] };
		gr_list_init(&one->link.link);
		if (one->object->ready)
			m->order[m->ready++] = one;
		else
			gr_list_push(&one->object->links, &one->link.link);
	}
	gr_leave_quietly();
	return m;
}

void gr_many_free(struct gr_many *m)
{
	if (!m)
		return;
	gr_enter();
	for (size_t i = 0; i < m->n; i++)
		gr_list_del(&m->ones[i].link.link);
	gr_leave_quietly();
	free(m);
}

struct gr_object *gr_many_next(struct gr_many *m, gr_time deadline, int *ret_error)
{
	*ret_error = 0;
	if (m->told == m->n)
		return NULL;
	if (m->told == m->ready) {
		m->waiting = true;
		*ret_error = gr_wait_alone("objects", m, deadline, &m->turn);
		m->waiting = false;
		if (*ret_error < 0)
			return NULL;
	}
	return m->order[m->told++]->object;
}

bool gr_many_time_over(const struct gr_many *m, int err)
{
	return (err == -ETIMEDOUT || err == -EAGAIN) && !m->turn.broken;
}
