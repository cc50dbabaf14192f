/*
 * door.c - cancellation points for the name doors
 */
#include "door.h"
#include "gate.h"
#include "sched.h"
#include <errno.h>
#include <sys/syscall.h>

/* A kernel thread that is not a greenlet: what libc's own wrappers do. */
static long call_native(long nr, long a, long b, long c, long d, long e, long f)
{
	int type;
	long r;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	r = gr_call(nr, a, b, c, d, e, f);
	pthread_setcanceltype(type, NULL);
	return r;
}

long gr_call_cancel_odd(bool green, long nr, long a, long b, long d, long e, long f, long g)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *me;
	uint8_t outer;
	long r;

	if (GR_UNLIKELY(!gr_on_greenlet(c)))
		return c->inside && c->on && gr_fs_self() == c->current->fs ? gr_call(nr, a, b, d, e, f, g)
									    : call_native(nr, a, b, d, e, f, g);
	me = c->current;
	outer = me->in_door;
	do {
		if (GR_UNLIKELY(me->cancel) && !me->cancel_off)
			pthread_testcancel();
		me->in_door = 1;
		r = green ? gr_call_green(nr, a, b, d, e, f, g) : gr_call(nr, a, b, d, e, f, g);
		me->in_door = outer;
	} while (GR_UNLIKELY(r == -EINTR && me->cancel && !me->cancel_off));
	return r;
}

void gr_cancel_sent(pthread_t thread)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *g;

	if (!gr_on_greenlet(c))
		return;
	c->inside = GR_INSIDE;
	g = gr_find_fs((uintptr_t)thread);
	if (g) {
		g->cancel = 1;
		if ((g->in_door || (g->park_flags & GR_PARK_API)) && !g->cancel_off && (g->park_flags & GR_PARK_INTR))
			gr_wake(g, -EINTR);
	}
	c->inside = GR_OUTSIDE;
	if (GR_UNLIKELY(c->todo & GR_TODO_SIGNAL))	/* came meanwhile, and waits for the end of a green call */
		gr_settle();
}

void gr_cancel_state(bool enabled)
{
	struct gr_carrier *c = gr_carrier();

	if (gr_on_greenlet(c))
		c->current->cancel_off = !enabled;
}
