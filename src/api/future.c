/*
 * future.c - futures; and waiting for the outcome of futures and greenlets alike
 */
#include "future.h"
#include "greenlet.h"
#include <stdlib.h>

#define ERRNO_MAX	4095

/* grove_future_link().  Once the outcome is there it waits for its turn, and holds a reference. */
struct callback {
	struct gr_list link;		/* in the future's callbacks */
	struct gr_soon soon;
	grove_future_fn *fn;
	void *arg;
	grove_future *f;
};

/* --- life ------------------------------------------------------------------------------------------------------------------- */

/* Outside; nobody has a reference. */
static void destroy(struct grove_future *f)
{
	f->object.type = 0;
	while (!gr_list_empty(&f->callbacks)) {
		struct callback *cb = gr_list_first(&f->callbacks, struct callback, link);

		gr_list_del(&cb->link);
		free(cb);
	}
	free(f);
}

static void destroy_later(struct gr_soon *job)
{
	destroy(gr_container(job, struct grove_future, gone));
}

void gr_future_init(struct grove_future *f)
{
	*f = (struct grove_future){ .refs = 1, .gone.fn = destroy_later };
	gr_object_init(&f->object, GR_FUTURE, false);
	gr_list_init(&f->waiters);
	gr_list_init(&f->callbacks);
}

grove_future *grove_future_new(void)
{
	grove_future *f;

	GR_ANYWHERE((grove_future *)NULL, grove_future_new);
	f = malloc(sizeof(*f));
	if (f)
		gr_future_init(f);
	return f;
}

/* Inside.  True: it was the last reference.  Whoever still counts on an outcome is told that there will be none. */
static bool unref(struct grove_future *f)
{
	if (f->refs == 1 && !f->object.ready && !(gr_list_empty(&f->callbacks) && gr_list_empty(&f->object.links)))
		gr_future_cancel(f);
	return --f->refs == 0;
}

void gr_future_drop_inside(struct grove_future *f)
{
	if (unref(f))
		gr_soon(&f->gone);
}

static void drop(struct grove_future *f)
{
	bool last;

	gr_enter();
	last = unref(f);
	gr_leave_quietly();
	if (last)
		destroy(f);
}

grove_future *grove_future_ref(grove_future *f)
{
	GR_ANYWHERE((grove_future *)NULL, grove_future_ref, f);
	if (!gr_is(f, GR_FUTURE))
		return gr_fails_null(EINVAL);
	f->refs++;
	return f;
}

static long release(grove_future *f)
{
	GR_ANYWHERE(-1l, release, f);
	if (gr_is(f, GR_FUTURE))
		drop(f);
	return 0;
}

void grove_future_release(grove_future *f)
{
	int was = errno;

	if (f)
		release(f);
	errno = was;
}

/* --- the outcome ------------------------------------------------------------------------------------------------------------ */

static void run_callback(struct gr_soon *job)
{
	struct callback *cb = gr_container(job, struct callback, soon);
	grove_future *f = cb->f;

	gr_list_del(&cb->link);
	cb->fn(f, cb->arg);
	free(cb);
	drop(f);
}

/* Inside */
static void call_later(struct callback *cb)
{
	cb->f->refs++;
	cb->soon.fn = run_callback;
	gr_soon(&cb->soon);
}

int gr_future_finish(struct grove_future *f, int error, void *value)
{
	if (f->object.ready)
		return -EALREADY;
	f->error = error;
	f->value = error ? NULL : value;
	__atomic_thread_fence(__ATOMIC_RELEASE);	/* native threads look at .ready first */
	gr_give_all(&f->waiters, 0);
	gr_list_each(it, &f->callbacks)
		call_later(gr_container(it, struct callback, link));
	gr_object_set_ready(&f->object, true);
	return 0;
}

int gr_future_cancel(struct grove_future *f)
{
	int r = gr_future_finish(f, ECANCELED, NULL);

	if (r == 0 && f->on_cancel)
		f->on_cancel(f);
	return r;
}

int grove_future_set(grove_future *f, void *value)
{
	GR_ANYWHERE(-1, grove_future_set, f, value);
	if (!gr_is(f, GR_FUTURE))
		return gr_fails(EINVAL);
	gr_enter();
	return gr_leave(gr_future_finish(f, 0, value));
}

int grove_future_set_error(grove_future *f, int err)
{
	GR_ANYWHERE(-1, grove_future_set_error, f, err);
	if (!gr_is(f, GR_FUTURE) || err < 1 || err > ERRNO_MAX)
		return gr_fails(EINVAL);
	gr_enter();
	return gr_leave(gr_future_finish(f, err, NULL));
}

int grove_future_cancel(grove_future *f)
{
	GR_ANYWHERE(-1, grove_future_cancel, f);
	if (!gr_is(f, GR_FUTURE))
		return gr_fails(EINVAL);
	gr_enter();
	return gr_leave(gr_future_cancel(f));
}

bool grove_future_ready(const grove_future *f)
{
	return gr_is(f, GR_FUTURE) && __atomic_load_n(&f->object.ready, __ATOMIC_ACQUIRE);
}

bool grove_future_successful(const grove_future *f)
{
	return grove_future_ready(f) && !f->error;
}

bool grove_future_cancelled(const grove_future *f)
{
	return grove_future_ready(f) && f->error == ECANCELED;
}

void *grove_future_value(const grove_future *f)
{
	return grove_future_ready(f) ? f->value : NULL;
}

int grove_future_error(const grove_future *f)
{
	return grove_future_ready(f) ? f->error : 0;
}

/* --- waiting ---------------------------------------------------------------------------------------------------------------- */

static void let_go(void **aw)
{
	if (*aw)
		gr_awaitable_drop(*aw);
}

int grove_future_get(grove_future *f, void **ret_value, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_future_get, f, ret_value, timeout);
	if (!gr_is(f, GR_FUTURE) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	return gr_await(f, ret_value, deadline, false);
}

int grove_future_wait(grove_future *f, int64_t timeout)
{
	void *held __attribute__((cleanup(let_go))) = NULL;
	gr_time deadline;
	int r = 0;

	GR_ANYWHERE(-1, grove_future_wait, f, timeout);
	if (!gr_is(f, GR_FUTURE) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	gr_enter();
	if (!f->object.ready) {
		gr_awaitable_hold(held = f);
		r = gr_awaitable_wait(f, deadline);
	}
	return gr_leave(r);
}

/* --- callbacks -------------------------------------------------------------------------------------------------------------- */

int grove_future_link(grove_future *f, grove_future_fn *fn, void *arg)
{
	struct callback *cb;

	GR_ANYWHERE(-1, grove_future_link, f, fn, arg);
	if (!gr_is(f, GR_FUTURE) || !fn)
		return gr_fails(EINVAL);
	cb = malloc(sizeof(*cb));
	if (!cb)
		return -1;
	*cb = (struct callback){ .fn = fn, .arg = arg, .f = f };
	gr_enter();
	gr_list_push(&f->callbacks, &cb->link);
	if (f->object.ready)
		call_later(cb);
	return gr_leave(0);
}

int grove_future_unlink(grove_future *f, grove_future_fn *fn, void *arg)
{
	GR_ANYWHERE(-1, grove_future_unlink, f, fn, arg);
	if (!gr_is(f, GR_FUTURE))
		return gr_fails(EINVAL);
	gr_list_each(it, &f->callbacks) {
		struct callback *cb = gr_container(it, struct callback, link);
		bool queued = f->object.ready;

		if (cb->fn != fn || cb->arg != arg)
			continue;
		gr_list_del(it);
		if (queued)
			gr_list_del(&cb->soon.link);
		free(cb);
		if (queued)
			drop(f);
		return 0;
	}
	return gr_fails(ESRCH);
}

/* grove_future_follow(): on the source's list of links until that has its outcome */
struct follower {
	struct gr_link link;
	struct gr_soon gone;
	grove_future *f;
};

static void free_follower(struct gr_soon *job)
{
	struct follower *fo = gr_container(job, struct follower, gone);

	drop(fo->f);
	free(fo);
}

static void source_ready(struct gr_link *link, struct gr_object *source)
{
	struct follower *fo = gr_container(link, struct follower, link);
	void *value = NULL;
	int r = gr_awaitable_outcome(source, &value);

	gr_future_finish(fo->f, -r, value);
	gr_soon(&fo->gone);
}

int grove_future_follow(grove_future *f, grove_object *source)
{
	struct gr_object *object = source;
	struct follower *fo;

	GR_ANYWHERE(-1, grove_future_follow, f, source);
	if (!gr_is(f, GR_FUTURE) || !gr_is_awaitable(source) || source == f)
		return gr_fails(EINVAL);
	fo = malloc(sizeof(*fo));
	if (!fo)
		return -1;
	*fo = (struct follower){ .link.fire = source_ready, .gone.fn = free_follower, .f = f };
	gr_list_init(&fo->link.link);
	gr_enter();
	f->refs++;
	if (object->ready)
		source_ready(&fo->link, object);
	else
		gr_list_push(&object->links, &fo->link.link);
	return gr_leave(0);
}

/* --- awaitables ------------------------------------------------------------------------------------------------------------- */

bool gr_is_awaitable(const void *aw)
{
	return gr_is(aw, GR_GREENLET) || gr_is(aw, GR_FUTURE);
}

static bool is_self(const void *aw)
{
	return gr_is(aw, GR_GREENLET) && ((const struct grove_greenlet *)aw)->g == gr_carrier()->current;
}

void gr_awaitable_hold(void *aw)
{
	if (gr_is(aw, GR_GREENLET))
		((struct grove_greenlet *)aw)->refs++;
	else
		((struct grove_future *)aw)->refs++;
}

void gr_awaitable_drop(void *aw)
{
	if (gr_is(aw, GR_GREENLET))
		grove_release(aw);
	else
		grove_future_release(aw);
}

int gr_awaitable_wait(void *aw, gr_time deadline)
{
	struct grove_greenlet *g = aw;
	struct grove_future *f = aw;

	if (((struct gr_object *)aw)->ready)
		return 0;
	if (gr_is(aw, GR_FUTURE))
		return gr_wait_turn(&f->waiters, "future", f, deadline, NULL);
	if (is_self(g))
		return -EDEADLK;
	return gr_wait_turn(&g->joiners, "greenlet", g, deadline, NULL);
}

int gr_awaitable_outcome(const void *aw, void **ret_value)
{
	const struct grove_greenlet *g = aw;
	const struct grove_future *f = aw;
	bool green = gr_is(aw, GR_GREENLET);
	int error = green ? g->error : f->error;

	if (!error && ret_value)
		*ret_value = green ? g->value : f->value;
	return -error;
}

void gr_awaitable_cancel(void *aw)
{
	if (gr_is(aw, GR_GREENLET))
		grove_kill(aw, 0);
	else
		grove_future_cancel(aw);
}

void gr_unshield(struct gr_scope *s)
{
	if (!s->g)
		return;
	gr_enter();
	gr_scope_leave(s);
	gr_leave_quietly();
}

void gr_wait_shielded(const char *waits, const void *object, struct gr_turn *turn)
{
	struct gr_scope shield GR_SHIELD;

	gr_scope_enter(&shield);
	gr_wait_alone(waits, object, GR_NEVER, turn);
	while (!turn->given)
		gr_park(waits, GR_NEVER, 0);
	gr_scope_leave(&shield);
}

void gr_awaitable_wait_shielded(void *aw)
{
	struct gr_scope shield GR_SHIELD;
	int was = errno;

	gr_enter();
	gr_scope_enter(&shield);
	gr_awaitable_wait(aw, GR_NEVER);
	gr_leave_quietly();
	errno = was;
}

static void end_of(void **aw)
{
	int was = errno;

	if (!*aw)
		return;
	gr_awaitable_cancel(*aw);
	gr_awaitable_wait_shielded(*aw);
	errno = was;
}

int gr_await(void *aw, void **ret_value, gr_time deadline, bool cancels)
{
	void *held __attribute__((cleanup(let_go))) = NULL;
	void *doomed __attribute__((cleanup(end_of))) = NULL;	/* also when the caller is unwound out of its wait */
	int r = 0;

	gr_enter();
	if (!((struct gr_object *)aw)->ready) {
		gr_awaitable_hold(held = aw);
		doomed = cancels && !is_self(aw) ? aw : NULL;
		r = gr_awaitable_wait(aw, deadline);
		if (r == 0 || r == -EAGAIN)
			doomed = NULL;
	}
	return gr_leave(r < 0 ? r : gr_awaitable_outcome(aw, ret_value));
}
