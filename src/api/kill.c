/*
 * kill.c - ending greenlets from outside, and throwing errors at them
 */
#include "greenlet.h"
#include "worker.h"
#include "../scope.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ERRNO_MAX	4095

/* It has not begun: it never will.  Inside. */
static void kill_unborn(struct grove_greenlet *rec, int err)
{
	struct gr_carrier *c = gr_carrier();

	if (!rec->killed)
		rec->killed = err;
	if (rec->life == GR_DELAYED) {		/* its time has come now */
		gr_timer_del(&c->timers, &rec->timer);
		gr_greenlet_begin(rec);
	}
}

/* Waits of libc's that cannot report an error end by cancelling the thread. */
static bool waits_in_libc(const struct gr_greenlet *g)
{
	return g->state == GR_PARKED && g->waits && !strcmp(g->waits, "futex") && !(g->park_flags & GR_PARK_HOLD) &&
	       !g->futex_told;
}

/* Inside.  0; 1: to be cancelled, outside; -ESRCH */
static int strike(struct grove_greenlet *rec)
{
	if (rec->life == GR_ENDED)
		return -ESRCH;
	if (rec->life == GR_ENDING)
		return 0;
	if (rec->life != GR_STARTED) {
		kill_unborn(rec, ECANCELED);
		return 0;
	}
	if (waits_in_libc(rec->g) && rec->g->limit != GR_BROKEN && rec->worker && !gr_break_shielded(rec->g))
		return 1;
	gr_break_kill(rec->g);
	return 0;
}

static int kill_one(struct grove_greenlet *rec)
{
	pthread_t thread = 0;
	int r;

	gr_enter();
	r = strike(rec);
	if (r == 1)
		thread = (pthread_t)rec->g->fs;
	gr_leave_quietly();
	if (r == 1)
		r = -pthread_cancel(thread);
	return r;
}

int grove_kill(grove_greenlet *g, int64_t timeout)
{
	int r;

	GR_ANYWHERE(-1, grove_kill, g, timeout);
	if (!gr_is(g, GR_GREENLET) || timeout < 0)
		return gr_fails(EINVAL);
	r = kill_one(g);
	if (r < 0)
		return gr_fails(-r);
	if (timeout == 0 || g->g == gr_carrier()->current)
		return 0;
	return grove_join(g, timeout);
}

int grove_killall(grove_greenlet *const *list, size_t n, int64_t timeout)
{
	int r;

	GR_ANYWHERE(-1, grove_killall, list, n, timeout);
	if (timeout < 0 || (n && !list))
		return gr_fails(EINVAL);
	for (size_t i = 0; i < n; i++)
		if (list[i] && !gr_is(list[i], GR_GREENLET))
			return gr_fails(EINVAL);
	for (size_t i = 0; i < n; i++)
		if (list[i])
			kill_one(list[i]);
	if (timeout == 0)
		return 0;
	r = grove_joinall(list, n, 0, timeout, 0);
	if (r < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (list[i] && list[i]->life != GR_ENDED && list[i]->g != gr_carrier()->current)
			return gr_fails(ETIMEDOUT);
	return 0;
}

int grove_throw(grove_greenlet *g, int err)
{
	int r = 0;

	GR_ANYWHERE(-1, grove_throw, g, err);
	if (!gr_is(g, GR_GREENLET) || err < 1 || err > ERRNO_MAX)
		return gr_fails(EINVAL);
	gr_enter();
	if (g->life == GR_ENDED)
		r = -ESRCH;
	else if (g->life == GR_STARTED)
		gr_break_throw(g->g, err);
	else if (g->life != GR_ENDING)
		kill_unborn(g, err);
	return gr_leave(r);
}
