/*
 * scope.c - scopes, and the one number in which all that breaks waits is summed up
 */
#include "scope.h"
#include "clock.h"
#include "sched.h"
#include <errno.h>

static bool over(const struct gr_scope *s)
{
	return s->expired || s->cancelled;
}

static void update_limit(struct gr_greenlet *g)
{
	gr_time limit = GR_NEVER;
	struct gr_scope *s = g->scopes;

	g->futex_told = 0;
	for (; s; s = s->outer) {
		if (over(s))
			limit = GR_BROKEN;
		else if (s->deadline < limit)
			limit = s->deadline;
		if (s->shield)
			break;
	}
	if (!s && (g->killed || g->thrown))
		limit = GR_BROKEN;
	g->limit = limit;
}

/* Something outside @g has changed what limits it. */
static void tell(struct gr_greenlet *g)
{
	update_limit(g);
	if (g->limit == GR_BROKEN && (g->park_flags & (GR_PARK_INTR | GR_PARK_HOLD)) == GR_PARK_INTR)
		gr_wake(g, -GR_EBROKEN);
}

void gr_scope_enter(struct gr_scope *s)
{
	struct gr_greenlet *g = gr_carrier()->current;

	s->g = g;
	s->outer = g->scopes;
	g->scopes = s;
	update_limit(g);
}

void gr_scope_leave(struct gr_scope *s)
{
	struct gr_greenlet *g = s->g;

	while (g->scopes != s) {
		g->scopes->g = NULL;
		g->scopes = g->scopes->outer;
	}
	g->scopes = s->outer;
	s->g = NULL;
	update_limit(g);
}

/* Where @base is not among them any more, somebody has left his caller's scope: nothing is left to take then. */
struct gr_scope *gr_scopes_take(struct gr_scope *base)
{
	struct gr_greenlet *g = gr_carrier()->current;
	struct gr_scope *innermost = g->scopes, *s, **last = &innermost;

	for (s = innermost; s && s != base; s = s->outer)
		;
	if (s != base)
		return NULL;
	for (s = innermost; s != base; s = s->outer) {
		s->g = NULL;
		last = &s->outer;
	}
	*last = NULL;
	g->scopes = base;
	update_limit(g);
	return innermost;
}

void gr_scopes_bring(struct gr_scope *innermost)
{
	struct gr_greenlet *g = gr_carrier()->current;
	struct gr_scope *s = innermost;

	for (s->g = g; s->outer; s = s->outer)
		s->outer->g = g;
	s->outer = g->scopes;
	g->scopes = innermost;
	update_limit(g);
}

/* The frames of @base and what is around it are there, but it may have been left by somebody whose it was not. */
void gr_scopes_drop(struct gr_scope *base)
{
	struct gr_greenlet *g = gr_carrier()->current;

	while (base && base->g != g)
		base = base->outer;
	g->scopes = base;
	update_limit(g);
}

/* Only a greenlet's own scopes: a parked one knows until when it is. */
void gr_scope_set_deadline(struct gr_scope *s, gr_time deadline)
{
	s->deadline = deadline;
	update_limit(s->g);
}

void gr_scope_cancel(struct gr_scope *s, int err)
{
	s->cancelled = err;
	tell(s->g);
}

void gr_break_kill(struct gr_greenlet *g)
{
	g->killed = 1;
	tell(g);
}

void gr_break_throw(struct gr_greenlet *g, int err)
{
	g->thrown = err;
	tell(g);
}

bool gr_break_shielded(const struct gr_greenlet *g)
{
	for (struct gr_scope *s = g->scopes; s; s = s->outer)
		if (s->shield)
			return true;
	return false;
}

void gr_break_reset(struct gr_greenlet *g)
{
	g->scopes = NULL;
	g->killed = 0;
	g->thrown = 0;
	g->futex_told = 0;
	g->limit = GR_NEVER;
}

int gr_break_expired(void)
{
	struct gr_greenlet *g = gr_carrier()->current;
	gr_time now = gr_now();

	for (struct gr_scope *s = g->scopes; s; s = s->outer) {
		s->expired |= s->deadline <= now;
		if (s->shield)
			break;
	}
	update_limit(g);
	return -GR_EBROKEN;
}

/* Of several scopes that are over, the outermost decides: it is what the others will have to tell as well. */
int gr_break_error(void)
{
	struct gr_greenlet *g = gr_carrier()->current;
	struct gr_scope *s;
	int err = 0, thrown = g->thrown;

	for (s = g->scopes; s; s = s->outer) {
		if (over(s))
			err = s->cancelled ? s->cancelled : ETIMEDOUT;
		if (s->shield)
			break;
	}
	if (s)
		return err ? -err : -EINTR;
	if (thrown) {
		g->thrown = 0;
		update_limit(g);
		return -thrown;
	}
	if (g->killed)
		return -ECANCELED;
	return err ? -err : -EINTR;		/* what broke it off is gone meanwhile: an interruption like another */
}

int gr_break_now(void)
{
	struct gr_greenlet *g = gr_carrier()->current;

	if (g->limit != GR_BROKEN && (g->limit == GR_NEVER || g->limit > gr_now()))
		return 0;
	if (g->limit != GR_BROKEN)
		gr_break_expired();
	return gr_break_error();
}
