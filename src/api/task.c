/*
 * task.c - tasks, and waiting for several awaitables as asyncio does
 */
#include "../clock.h"
#include "future.h"
#include "greenlet.h"
#include "many.h"
#include <grove/task.h>
#include <stdlib.h>
#include <string.h>

/* --- one -------------------------------------------------------------------------------------------------------------------- */

grove_task *grove_task_new(grove_fn *fn, void *arg)
{
	return grove_spawn(fn, arg);
}

int grove_task_cancel(grove_task *t)
{
	return grove_kill(t, 0);
}

bool grove_task_cancelled(const grove_task *t)
{
	return grove_error(t) == ECANCELED;
}

int grove_await(grove_object *aw, void **ret_value)
{
	GR_ANYWHERE(-1, grove_await, aw, ret_value);
	return gr_is_awaitable(aw) ? gr_await(aw, ret_value, GR_NEVER, true) : gr_fails(EINVAL);
}

int grove_wait_for(grove_object *aw, void **ret_value, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_wait_for, aw, ret_value, timeout);
	if (!gr_is_awaitable(aw) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	return gr_await(aw, ret_value, deadline, true);
}

int grove_shield(grove_object *aw, void **ret_value, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_shield, aw, ret_value, timeout);
	if (!gr_is_awaitable(aw) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	return gr_await(aw, ret_value, deadline, false);
}

/* --- several ---------------------------------------------------------------------------------------------------------------- */

/* What somebody waits for together: held, so that nobody takes them from under him. */
struct crowd {
	void **aws;
	size_t n;
	struct gr_many *many;
	bool doomed;			/* to be cancelled, and waited for, at the end */
};

static void end_crowd(struct crowd *c)
{
	int was = errno;

	gr_many_free(c->many);
	for (size_t i = 0; c->doomed && i < c->n; i++)
		gr_awaitable_cancel(c->aws[i]);
	for (size_t i = 0; c->doomed && i < c->n; i++)
		gr_awaitable_wait_shielded(c->aws[i]);
	for (size_t i = 0; i < c->n; i++)
		gr_awaitable_drop(c->aws[i]);
	free(c->aws);
	errno = was;
}

static bool all_awaitable(grove_object *const *aws, size_t n)
{
	if (n && !aws)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!gr_is_awaitable(aws[i]))
			return false;
	return true;
}

/* 0, or -1 with errno */
static int gather_crowd(struct crowd *c, grove_object *const *aws, size_t n)
{
	c->aws = malloc((n ? n : 1) * sizeof(*aws));
	if (!c->aws)
		return -1;
	if (n)
		memcpy(c->aws, aws, n * sizeof(*aws));
	c->n = n;
	for (size_t i = 0; i < n; i++)
		gr_awaitable_hold(aws[i]);
	c->many = gr_many_new(c->aws, n);
	return c->many ? 0 : gr_fails(ENOMEM);
}

static bool has_self(const struct crowd *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (gr_is(c->aws[i], GR_GREENLET) && ((struct grove_greenlet *)c->aws[i])->g == gr_carrier()->current)
			return true;
	return false;
}

/* Inside: wait for all, or the first error if @raises.  0 or negative */
static int wait_for_crowd(struct crowd *c, gr_time deadline, bool raises)
{
	void *aw;
	int r;

	c->doomed = true;		/* also when the caller is unwound out of its wait */
	while ((aw = gr_many_next(c->many, deadline, &r))) {
		r = raises ? gr_awaitable_outcome(aw, NULL) : 0;
		if (r < 0) {
			c->doomed = false;
			return r;
		}
	}
	c->doomed = r < 0 && r != -EAGAIN;
	return r;
}

/* How many failed */
static int collect(const struct crowd *c, void **ret_values, int *ret_errors)
{
	int failed = 0;

	for (size_t i = 0; i < c->n; i++) {
		void *value = NULL;
		int error = -gr_awaitable_outcome(c->aws[i], &value);

		if (ret_values)
			ret_values[i] = value;
		if (ret_errors)
			ret_errors[i] = error;
		failed += error != 0;
	}
	return failed;
}

int grove_gather(grove_object *const *aws, size_t n, void **ret_values, int *ret_errors, int64_t timeout, unsigned flags)
{
	struct crowd c __attribute__((cleanup(end_crowd))) = { .aws = NULL };
	bool raises = !(flags & GROVE_RETURN_ERRORS);
	gr_time deadline;
	int r;

	GR_ANYWHERE(-1, grove_gather, aws, n, ret_values, ret_errors, timeout, flags);
	if (!all_awaitable(aws, n) || (flags & ~GROVE_RETURN_ERRORS) || (raises && ret_errors) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	if (gather_crowd(&c, aws, n) < 0)
		return -1;
	if (has_self(&c))
		return gr_fails(EDEADLK);
	gr_enter();
	r = wait_for_crowd(&c, deadline, raises);
	if (gr_leave(r) < 0)
		return -1;
	return collect(&c, ret_values, ret_errors);
}

/* Has what is waited for happened, now that @aw is the @done'th that has ended? */
static bool enough(int when, const void *aw, size_t done, size_t n)
{
	int error = -gr_awaitable_outcome(aw, NULL);

	return done == n || when == GROVE_FIRST_COMPLETED || (when == GROVE_FIRST_EXCEPTION && error && error != ECANCELED);
}

/* Inside: until it is enough, then what has ended anyway.  How many have ended, or negative */
static int wait_for_some(struct crowd *c, int when, gr_time until, void **ret_done)
{
	gr_time deadline = until;
	size_t done = 0;
	void *aw;
	int r;

	while ((aw = gr_many_next(c->many, deadline, &r))) {
		if (ret_done)
			ret_done[done] = aw;
		if (enough(when, aw, ++done, c->n))
			deadline = GR_AT_ONCE;
	}
	if (r == -ETIMEDOUT && gr_now() >= until)	/* not that of a scope around */
		r = 0;
	return r == 0 || r == -EAGAIN ? (int)done : r;
}

int grove_task_wait(grove_object *const *aws, size_t n, int when, int64_t timeout, grove_object **ret_done,
		    grove_object **ret_pending)
{
	struct crowd c __attribute__((cleanup(end_crowd))) = { .aws = NULL };
	gr_time deadline;
	int r;

	GR_ANYWHERE(-1, grove_task_wait, aws, n, when, timeout, ret_done, ret_pending);
	if (!all_awaitable(aws, n) || when < GROVE_ALL_COMPLETED || when > GROVE_FIRST_EXCEPTION || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	if (gather_crowd(&c, aws, n) < 0)
		return -1;
	if (has_self(&c))
		return gr_fails(EDEADLK);
	gr_enter();
	r = wait_for_some(&c, when, deadline, ret_done);
	for (size_t i = 0; r >= 0 && ret_pending && i < n; i++)
		if (!((struct gr_object *)c.aws[i])->ready)
			*ret_pending++ = c.aws[i];
	return gr_leave(r);
}

grove_iwait *grove_as_completed(grove_object *const *aws, size_t n)
{
	return all_awaitable(aws, n) ? grove_iwait_new(aws, n) : gr_fails_null(EINVAL);
}
