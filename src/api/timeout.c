/*
 * timeout.c - grove_timeout: scopes (scope.h) in the program's frames
 */
#include "api.h"
#include "../clock.h"
#include <grove/timeout.h>
#include <string.h>

#define STARTED	0x67723001		/* no other value says that the struct is one of ours */
#define STOPPED	0x67723002

/* What lies in struct grove_timeout.  .scope is only valid while STARTED. */
struct timeout {
	struct gr_scope scope;
	uint32_t state;
	bool expired, cancelled;	/* as they were at the stop */
};
_Static_assert(sizeof(struct timeout) <= sizeof(struct grove_timeout), "the opaque part must have room");

static struct timeout *inner(const struct grove_timeout *t)
{
	return (struct timeout *)(uintptr_t)t;
}

static bool is_started(const struct grove_timeout *t)
{
	return t && inner(t)->state == STARTED && inner(t)->scope.g;
}

static int start(struct grove_timeout *t, gr_time deadline, bool shield)
{
	struct timeout *i = inner(t);

	if (!gr_here())
		return gr_fails(ENOTSUP);
	for (struct gr_scope *s = gr_carrier()->current->scopes; s; s = s->outer)
		if (s == &i->scope)
			return gr_fails(EINVAL);
	memset(i, 0, sizeof(*i));
	i->state = STARTED;
	i->scope.deadline = deadline;
	i->scope.shield = shield;
	gr_enter();
	gr_scope_enter(&i->scope);
	return gr_leave(0);
}

int grove_timeout_start(struct grove_timeout *t, int64_t ns)
{
	return !t || ns < 0 ? gr_fails(EINVAL) : start(t, gr_deadline(ns), false);
}

int grove_fail_at(struct grove_timeout *t, int64_t at)
{
	return !t || at < 0 ? gr_fails(EINVAL) : start(t, at, false);
}

int grove_shield_start(struct grove_timeout *t)
{
	return !t ? gr_fails(EINVAL) : start(t, GR_NEVER, true);
}

int grove_timeout_stop(struct grove_timeout *t)
{
	struct timeout *i = inner(t);

	if (!is_started(t) || i->scope.g != gr_carrier()->current)
		return gr_fails(ESRCH);
	i->expired = i->scope.expired;
	i->cancelled = i->scope.cancelled != 0;
	gr_enter();
	gr_scope_leave(&i->scope);
	i->state = STOPPED;
	return gr_leave(i->cancelled ? 2 : i->expired ? 1 : 0);
}

void gr_timeout_end(struct grove_timeout *t)
{
	int err = errno;

	grove_timeout_stop(t);
	errno = err;
}

int grove_timeout_reschedule(struct grove_timeout *t, int64_t ns)
{
	if (ns < 0)
		return gr_fails(EINVAL);
	if (!is_started(t) || inner(t)->scope.g != gr_carrier()->current)
		return gr_fails(ESRCH);
	if (inner(t)->scope.expired || inner(t)->scope.cancelled)
		return gr_fails(ETIMEDOUT);
	gr_enter();
	gr_scope_set_deadline(&inner(t)->scope, gr_deadline(ns));
	return gr_leave(0);
}

bool grove_timeout_pending(const struct grove_timeout *t)
{
	return is_started(t) && !inner(t)->scope.expired && !inner(t)->scope.cancelled && inner(t)->scope.deadline > gr_now();
}

bool grove_timeout_expired(const struct grove_timeout *t)
{
	if (!t)
		return false;
	return is_started(t) ? inner(t)->scope.expired : inner(t)->state == STOPPED && inner(t)->expired;
}

bool grove_timeout_cancelled(const struct grove_timeout *t)
{
	if (!t)
		return false;
	return is_started(t) ? inner(t)->scope.cancelled != 0 : inner(t)->state == STOPPED && inner(t)->cancelled;
}

int grove_timeout_cancel(struct grove_timeout *t)
{
	GR_ANYWHERE(-1, grove_timeout_cancel, t);
	if (!is_started(t))
		return gr_fails(ESRCH);
	gr_enter();
	gr_scope_cancel(&inner(t)->scope, ECANCELED);
	return gr_leave(0);
}

/* The function has left by an exception: its frames are going, and the scope with them. */
static void stop_unless_stopped(struct grove_timeout *t)
{
	if (is_started(t))
		grove_timeout_stop(t);
}

int grove_move_on_after(int64_t ns, grove_fn *fn, void *arg, void **ret_value)
{
	struct grove_timeout t __attribute__((cleanup(stop_unless_stopped))) = { { 0 } };
	void *value;
	int r;

	if (!fn)
		return gr_fails(EINVAL);
	if (grove_timeout_start(&t, ns) < 0)
		return -1;
	value = fn(arg);
	r = grove_timeout_stop(&t);
	if (ret_value)
		*ret_value = value;
	return r == 1;
}

int grove_with_timeout(int64_t ns, grove_fn *fn, void *arg, void **ret_value)
{
	int r = grove_move_on_after(ns, fn, arg, ret_value);

	return r == 1 ? gr_fails(ETIMEDOUT) : r;
}

int64_t grove_now(void)
{
	return gr_now();
}
