/*
 * turn.c - objects that become ready, and greenlets that wait in line
 */
#include "api.h"
#include "../clock.h"
#include "../gate.h"
#include <pthread.h>
#include <sys/syscall.h>

bool gr_until_time(int64_t timeout, gr_time *ret_deadline)
{
	if (timeout < 0)
		return false;
	*ret_deadline = timeout == 0 ? GR_AT_ONCE : gr_deadline(timeout);
	return true;
}

void gr_object_fire(struct gr_object *o)
{
	struct gr_list now;

	gr_list_init(&now);
	gr_list_splice(&now, &o->links);
	while (!gr_list_empty(&now)) {
		struct gr_link *l = gr_list_first(&now, struct gr_link, link);

		gr_list_del(&l->link);
		l->fire(l, o);
	}
}

/* What cancels the thread unwinds from here. */
void gr_run_handlers(void)
{
	gr_settle();
	if (gr_carrier()->current->cancel)
		pthread_testcancel();
}

/* The greenlet is unwound out of its wait: nobody is to find its turn any more. */
static void leave_line(struct gr_turn **turn)
{
	struct gr_turn *t = *turn;

	if (!t)
		return;
	gr_list_del(&t->link);
	t->g->in_line = NULL;
	if (t->unwound)
		t->unwound(t);
}

static void handlers_in_line(struct gr_turn *t)
{
	struct gr_turn *guard __attribute__((cleanup(leave_line))) = t;

	gr_leave_quietly();
	gr_run_handlers();
	gr_enter();
	guard = NULL;
}

/* For a forked child, which unlinks them all. */
static void stand_before(struct gr_place *p, struct gr_place *outer)
{
	while (p->also && p->also != outer)
		p = p->also;
	p->also = outer;
}

static int park_in_line(struct gr_turn *t, const char *waits, const void *object, gr_time deadline)
{
	struct gr_greenlet *g = t->g;
	struct gr_place *outer = g->in_line;	/* we are in a signal handler, in another wait of the same greenlet */
	int r;

	if (GR_UNLIKELY(outer != NULL))
		stand_before(&t->place, outer);
	do {
		g->in_line = &t->place;		/* each time: a handler may have waited in another line */
		g->waits_on = object;
		r = gr_park(waits, deadline, GR_PARK_INTR | GR_PARK_API);
		g->waits_on = NULL;
		if (GR_UNLIKELY(r == -EINTR) && !t->given)
			handlers_in_line(t);
	} while (!t->given && (r == -EINTR || r == 0));
	g->in_line = outer;
	if (GR_LIKELY(t->given))		/* also where something else came at the same time */
		return t->result;
	gr_list_del(&t->link);
	t->broken = r == -GR_EBROKEN;
	return t->broken ? gr_break_error() : r;
}

int gr_wait_guarded(struct gr_list *line, const char *waits, const void *object, gr_time deadline, struct gr_turn *t)
{
	if (deadline == GR_AT_ONCE)
		return -EAGAIN;
	t->g = gr_carrier()->current;
	t->given = false;
	if (line)
		gr_list_push(line, &t->link);
	else
		gr_list_init(&t->link);
	return park_in_line(t, waits, object, deadline);
}

int gr_wait_turn(struct gr_list *line, const char *waits, const void *object, gr_time deadline, struct gr_turn *turn)
{
	struct gr_turn mine, *t = turn ? turn : &mine;

	t->place.also = NULL;
	t->unwound = NULL;
	return gr_wait_guarded(line, waits, object, deadline, t);
}

int gr_wait_alone(const char *waits, const void *object, gr_time deadline, struct gr_turn *turn)
{
	return gr_wait_turn(NULL, waits, object, deadline, turn);
}

/* In a signal handler that runs meanwhile the greenlet may wait for something else, which this is not to end. */
void gr_give_turn(struct gr_turn *t, int result)
{
	gr_list_del(&t->link);
	t->given = true;
	t->result = result;
	if (GR_LIKELY(t->g->in_line == &t->place) && (t->g->park_flags & GR_PARK_API))
		gr_wake(t->g, 0);
}

void gr_give_all(struct gr_list *line, int result)
{
	while (!gr_list_empty(line))
		gr_give_turn(gr_first_turn(line), result);
}
