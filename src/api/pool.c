/*
 * pool.c - pools: groups with a bound, and running single calls in them
 */
#include "future.h"
#include "greenlet.h"
#include "group.h"
#include <grove/pool.h>
#include <stdlib.h>

grove_pool *grove_pool_new(size_t max)
{
	GR_ANYWHERE((grove_pool *)NULL, grove_pool_new, max);
	return max ? gr_group_new(max) : gr_fails_null(EINVAL);
}

int grove_pool_free(grove_pool *pool)
{
	return grove_group_free(pool);
}

int grove_pool_join(grove_pool *pool, int64_t timeout)
{
	return grove_group_join(pool, timeout, 0);
}

int grove_pool_kill(grove_pool *pool, int64_t timeout)
{
	return grove_group_kill(pool, timeout);
}

grove_greenlet *grove_pool_spawn(grove_pool *pool, grove_fn *fn, void *arg, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE((grove_greenlet *)NULL, grove_pool_spawn, pool, fn, arg, timeout);
	if (!gr_is_group(pool) || !fn || !gr_until(timeout, &deadline))
		return gr_fails_null(EINVAL);
	return gr_group_spawn(pool, fn, arg, deadline);
}

int grove_pool_spawn_raw(grove_pool *pool, grove_fn *fn, void *arg, int64_t timeout)
{
	grove_greenlet *g = grove_pool_spawn(pool, fn, arg, timeout);

	grove_release(g);
	return g ? 0 : -1;
}

int grove_pool_add(grove_pool *pool, grove_greenlet *g, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_pool_add, pool, g, timeout);
	if (!gr_is_group(pool) || !gr_is(g, GR_GREENLET) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	return gr_group_add(pool, g, deadline);
}

/* --- places ----------------------------------------------------------------------------------------------------------------- */

static grove_pool *looked_at(const grove_pool *pool)
{
	return (grove_pool *)(uintptr_t)pool;
}

size_t grove_pool_max(const grove_pool *pool)
{
	return gr_is(pool, GR_GROUP) ? pool->bound : 0;
}

size_t grove_pool_free_count(const grove_pool *pool)
{
	GR_ANYWHERE((size_t)0, grove_pool_free_count, pool);
	if (!gr_is_group(looked_at(pool)))
		return 0;
	return pool->bound == GR_UNBOUNDED ? GR_UNBOUNDED : pool->bound - pool->crew.n - pool->coming;
}

bool grove_pool_full(const grove_pool *pool)
{
	return grove_pool_free_count(pool) == 0;
}

int grove_pool_wait_available(grove_pool *pool, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_pool_wait_available, pool, timeout);
	if (!gr_is_group(pool) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	gr_enter();
	return gr_leave(gr_group_has_place(pool) ? 0 : gr_wait_turn(&pool->lookers, "pool", pool, deadline, NULL));
}

/* --- calls ------------------------------------------------------------------------------------------------------------------ */

static void released(grove_greenlet **g)
{
	grove_release(*g);
}

int grove_pool_apply(grove_pool *pool, grove_fn *fn, void *arg, void **ret_value, int64_t timeout)
{
	grove_greenlet *g __attribute__((cleanup(released))) = NULL;
	gr_time deadline;

	GR_ANYWHERE(-1, grove_pool_apply, pool, fn, arg, ret_value, timeout);
	if (!gr_is_group(pool) || !fn || timeout == 0 || !gr_until(timeout, &deadline))
		return gr_fails(timeout == 0 && gr_is(pool, GR_GROUP) && fn ? EAGAIN : EINVAL);
	g = gr_group_spawn(pool, fn, arg, deadline);
	return g ? gr_await(g, ret_value, deadline, true) : -1;
}

/* A call that waits for its place: freed when its greenlet has ended, which may be before it began. */
struct queued {
	struct gr_link link;
	struct gr_soon gone;
	grove_pool *pool;
	grove_fn *fn;
	void *arg;
	bool announced;
};

static void free_queued(struct gr_soon *job)
{
	free(gr_container(job, struct queued, gone));
}

static void arrived(struct queued *q)
{
	if (q->announced)
		gr_group_arrived(q->pool);
	q->announced = false;
}

static void queued_ended(struct gr_link *link, struct gr_object *object)
{
	struct queued *q = gr_container(link, struct queued, link);

	(void)object;
	arrived(q);
	gr_soon(&q->gone);
}

static void *run_queued(void *arg)
{
	struct queued *q = arg;
	int r;

	gr_enter();
	r = gr_group_take_place(q->pool, GR_NEVER);
	gr_leave_quietly();
	if (r < 0)
		return grove_fail(-r);
	if (q->pool->killing) {
		gr_enter();
		gr_group_give_place(q->pool);
		gr_leave_quietly();
		return grove_fail(ECANCELED);
	}
	r = gr_group_enter(q->pool, gr_self());
	gr_enter();
	arrived(q);
	gr_leave_quietly();
	return r < 0 ? grove_fail(errno) : q->fn(q->arg);
}

grove_greenlet *grove_pool_apply_async(grove_pool *pool, grove_fn *fn, void *arg)
{
	struct queued *q;
	grove_greenlet *g;

	GR_ANYWHERE((grove_greenlet *)NULL, grove_pool_apply_async, pool, fn, arg);
	if (!gr_is_group(pool) || !fn)
		return gr_fails_null(EINVAL);
	if (gr_group_has_place(pool))
		return gr_group_spawn(pool, fn, arg, GR_AT_ONCE);
	q = malloc(sizeof(*q));
	if (!q)
		return NULL;
	*q = (struct queued){ .link.fire = queued_ended, .gone.fn = free_queued, .pool = pool, .fn = fn, .arg = arg };
	g = grove_spawn(run_queued, q);
	if (!g) {
		free(q);
		return NULL;
	}
	gr_enter();
	gr_group_announce(pool);
	q->announced = true;
	gr_list_push(&g->object.links, &q->link.link);
	gr_leave_quietly();
	return g;
}
