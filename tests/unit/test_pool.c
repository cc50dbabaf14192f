/*
 * test_pool.c - grove/pool.h: places, apply, map, imap
 */
#include "api.h"

#define MS(n) ((void *)(intptr_t)(n))

static int running, at_most;

static void *works(void *arg)
{
	int r;

	if (++running > at_most)
		at_most = running;
	r = grove_sleep(GROVE_MS((intptr_t)arg));
	running--;
	return r == 0 ? arg : grove_fail(errno);
}

static void *fails_after(void *arg)
{
	grove_sleep(GROVE_MS((intptr_t)arg));
	return grove_fail(EPROTO);
}

static int pool_setup(void **state)
{
	running = at_most = 0;
	return api_clear(state);
}

#define pool_test(fn) cmocka_unit_test_setup_teardown(fn, pool_setup, api_nobody_left)

/* --- places ----------------------------------------------------------------------------------------------------------------- */

static void test_spawn_waits_for_a_place(void **state)
{
	grove_pool *pool = grove_pool_new(2);

	(void)state;
	assert_int_equal(grove_pool_max(pool), 2);
	assert_int_equal(grove_pool_free_count(pool), 2);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(grove_pool_spawn_raw(pool, works, MS(10), GROVE_FOREVER), 0);
		note("%d@%d", i, (int)(took() / GR_MS(1)));
	}
	assert_true(grove_pool_full(pool) || grove_pool_free_count(pool) == 1);
	assert_int_equal(grove_pool_join(pool, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "0@0 1@0 2@10 3@10 4@20");
	assert_int_equal(took(), GR_MS(30));
	assert_int_equal(at_most, 2);
	assert_false(grove_pool_full(pool));
	assert_int_equal(grove_pool_free(pool), 0);
}

static const struct spawn_row {
	const char *when;
	int64_t timeout;
	int want;
	gr_time took;
} spawn_rows[] = {
	{ "no time at all", 0,             EAGAIN,    0 },
	{ "too little",     GROVE_MS(5),   ETIMEDOUT, GR_MS(5) },
	{ "enough",         GROVE_MS(50),  0,         GR_MS(10) },
	{ "negative",       -1,            EINVAL,    0 },
};

static void test_spawn_in_a_full_pool(void **state)
{
	grove_greenlet *added = grove_spawn(works, MS(0));

	(void)state;
	for (size_t i = 0; i < GR_LENGTH(spawn_rows); i++) {
		const struct spawn_row *row = &spawn_rows[i];

		for (int how = 0; how < 3; how++) {
			grove_pool *pool = grove_pool_new(1);
			gr_time began = gr_now();
			int r;

			grove_pool_spawn_raw(pool, works, MS(10), 0);
			added = how == 1 ? grove_spawn(works, MS(100)) : NULL;
			if (how == 0)
				r = grove_pool_spawn_raw(pool, works, MS(0), row->timeout);
			else if (how == 1)
				r = grove_pool_add(pool, added, row->timeout);
			else
				r = grove_pool_wait_available(pool, row->timeout);
			if (r != (row->want ? -1 : 0) || (r < 0 && errno != row->want))
				fail_msg("%s: %d, %s", row->when, r, strerror(errno));
			assert_int_equal(gr_now() - began, row->took);
			if (added)
				grove_join(added, GROVE_FOREVER);
			grove_release(added);
			assert_int_equal(grove_pool_join(pool, GROVE_FOREVER), 0);
			assert_int_equal(grove_pool_free(pool), 0);
		}
	}
}

struct asks {
	grove_pool *pool;
	const char *name;
};

static void *asks(void *arg)
{
	struct asks *a = arg;
	int r = grove_pool_spawn_raw(a->pool, works, MS(10), GROVE_FOREVER);

	note("%s:%s@%d", a->name, r == 0 ? "in" : strerrorname_np(errno), (int)(took() / GR_MS(1)));
	return NULL;
}

static void test_places_are_given_in_order(void **state)
{
	grove_pool *pool = grove_pool_new(1);
	struct asks who[] = { { pool, "a" }, { pool, "b" }, { pool, "c" } };
	grove_greenlet *g[3];

	(void)state;
	grove_pool_spawn_raw(pool, works, MS(10), 0);
	for (int i = 0; i < 3; i++)
		g[i] = grove_spawn(asks, &who[i]);
	grove_yield();
	assert_int_equal(grove_kill(g[1], GROVE_FOREVER), 0);
	assert_int_equal(grove_pool_spawn_raw(pool, works, MS(10), 0), -1);	/* nobody jumps the queue */
	grove_joinall(g, 3, 0, GROVE_FOREVER, 0);
	assert_string_equal(api_log, "b:ECANCELED@0 a:in@10 c:in@20");
	assert_int_equal(grove_pool_join(pool, GROVE_FOREVER), 0);
	assert_int_equal(at_most, 1);
	for (int i = 0; i < 3; i++)
		grove_release(g[i]);
	assert_int_equal(grove_pool_free(pool), 0);
}

/* Killed at the very moment at which a place is given to it: the place is not lost. */
static void *kills_at_10(void *arg)
{
	grove_sleep(GROVE_MS(10));
	grove_kill(arg, 0);
	return NULL;
}

static void test_killed_as_the_place_comes(void **state)
{
	grove_pool *pool = grove_pool_new(1);
	struct asks who = { pool, "a" };
	grove_greenlet *g, *killer;

	(void)state;
	grove_pool_spawn_raw(pool, works, MS(10), 0);
	grove_yield();
	g = grove_spawn(asks, &who);
	killer = grove_spawn(kills_at_10, g);
	grove_join(g, GROVE_FOREVER);
	grove_join(killer, GROVE_FOREVER);
	assert_int_equal(grove_pool_join(pool, GROVE_FOREVER), 0);
	assert_int_equal(grove_pool_free_count(pool), 1);
	grove_release(g);
	grove_release(killer);
	assert_int_equal(grove_pool_free(pool), 0);
}

static void test_kill(void **state)
{
	grove_pool *pool = grove_pool_new(2);
	grove_greenlet *queued;

	(void)state;
	grove_pool_spawn_raw(pool, works, MS(1000), 0);
	grove_pool_spawn_raw(pool, works, MS(1000), 0);
	queued = grove_pool_apply_async(pool, works, MS(1000));
	grove_yield();
	assert_int_equal(grove_pool_kill(pool, GROVE_FOREVER), 0);
	assert_int_equal(took(), 0);
	assert_int_equal(running, 0);
	assert_int_equal(grove_get(queued, NULL, GROVE_FOREVER), -1);
	assert_int_equal(errno, ECANCELED);
	grove_release(queued);
	assert_int_equal(grove_pool_free(pool), 0);
}

/* --- calls ------------------------------------------------------------------------------------------------------------------ */

static void test_apply(void **state)
{
	grove_pool *pool = grove_pool_new(1);
	void *value = NULL;

	(void)state;
	assert_int_equal(grove_pool_apply(pool, works, MS(10), &value, GROVE_FOREVER), 0);
	assert_ptr_equal(value, MS(10));
	assert_int_equal(grove_pool_apply(pool, fails_after, MS(10), &value, GROVE_FOREVER), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(grove_pool_apply(pool, works, MS(10), &value, GROVE_MS(5)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(running, 0);			/* it has ended */
	grove_pool_spawn_raw(pool, works, MS(10), 0);
	assert_int_equal(grove_pool_apply(pool, works, MS(10), &value, GROVE_MS(5)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(grove_pool_apply(pool, works, MS(10), NULL, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_pool_join(pool, GROVE_FOREVER), 0);
	assert_int_equal(grove_pool_free(pool), 0);
}

static void test_apply_async(void **state)
{
	grove_pool *pool = grove_pool_new(1);
	grove_greenlet *g[4];
	void *value;

	(void)state;
	for (int i = 0; i < 4; i++)
		g[i] = grove_pool_apply_async(pool, works, MS(10 + i));
	assert_int_equal(took(), 0);
	assert_int_equal(grove_kill(g[2], 0), 0);		/* before it was in any line */
	assert_int_equal(grove_pool_join(pool, GROVE_FOREVER), 0);
	assert_int_equal(took(), GR_MS(10 + 11 + 13));
	assert_int_equal(at_most, 1);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(grove_get(g[i], &value, 0), i == 2 ? -1 : 0);
		if (i != 2)
			assert_ptr_equal(value, MS(10 + i));
		grove_release(g[i]);
	}
	assert_int_equal(grove_pool_free(pool), 0);
}

/* --- map -------------------------------------------------------------------------------------------------------------------- */

static void *const delays[] = { MS(30), MS(10), MS(20), MS(40), MS(5) };

static void test_map(void **state)
{
	grove_pool *pool = grove_pool_new(2);
	void *values[5] = { NULL };

	(void)state;
	assert_int_equal(grove_pool_map(pool, works, delays, 5, values, GROVE_FOREVER), 0);
	assert_memory_equal(values, delays, sizeof(values));
	assert_int_equal(took(), GR_MS(70));
	assert_int_equal(at_most, 2);
	assert_int_equal(grove_pool_map(pool, works, NULL, 0, NULL, GROVE_FOREVER), 0);
	assert_int_equal(grove_pool_free(pool), 0);
}

static void *fails_at_20(void *arg)
{
	return arg == MS(20) ? fails_after(arg) : works(arg);
}

static const struct map_row {
	const char *when;
	grove_fn *fn;
	size_t bound;
	int64_t timeout;
	int want;
	gr_time took;
} map_rows[] = {
	{ "one fails",                       fails_at_20, 5, GROVE_FOREVER, EPROTO,    GR_MS(20) },
	{ "one fails, others wait",          fails_at_20, 1, GROVE_FOREVER, EPROTO,    GR_MS(60) },
	{ "time is over",                    works,       5, GROVE_MS(7),   ETIMEDOUT, GR_MS(7) },
	{ "time is over, and others wait",   works,       2, GROVE_MS(15),  ETIMEDOUT, GR_MS(15) },
	{ "no time",                         works,       2, 0,             EAGAIN,    0 },
};

static void test_map_ends_early(void **state)
{
	(void)state;
	for (size_t i = 0; i < GR_LENGTH(map_rows); i++) {
		const struct map_row *row = &map_rows[i];
		grove_pool *pool = grove_pool_new(row->bound);
		gr_time began = gr_now();

		if (grove_pool_map(pool, row->fn, delays, 5, NULL, row->timeout) != -1 || errno != row->want)
			fail_msg("%s: %s", row->when, strerror(errno));
		assert_int_equal(gr_now() - began, row->took);
		assert_int_equal(running, 0);
		assert_int_equal(grove_group_size(pool), 0);
		assert_int_equal(grove_pool_free(pool), 0);
	}
}

static void test_map_async(void **state)
{
	grove_pool *pool = grove_pool_new(5);
	void *values[5] = { NULL }, *value;
	grove_greenlet *g = grove_pool_map_async(pool, works, delays, 5, values);

	(void)state;
	assert_int_equal(grove_get(g, &value, GROVE_FOREVER), 0);
	assert_ptr_equal(value, values);
	assert_memory_equal(values, delays, sizeof(values));
	grove_release(g);
	g = grove_pool_map_async(pool, works, delays, 5, values);
	grove_yield();
	grove_yield();
	assert_int_equal(running, 5);
	assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);
	assert_int_equal(running, 0);
	assert_int_equal(grove_error(g), ECANCELED);
	grove_release(g);
	g = grove_pool_map_async(pool, works, delays, 5, values);
	assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);	/* before it began */
	grove_release(g);
	grove_yield();
	assert_int_equal(grove_pool_free(pool), 0);
}

/* --- imap ------------------------------------------------------------------------------------------------------------------- */

static void fetch_all(grove_imap *it)
{
	void *value;
	int r, error;

	while ((r = grove_imap_next(it, &value, &error, GROVE_FOREVER)) == 1)
		if (error)
			note("%s@%d", strerrorname_np(error), (int)(took() / GR_MS(1)));
		else
			note("%d@%d", (int)(intptr_t)value, (int)(took() / GR_MS(1)));
	assert_int_equal(r, 0);
	assert_int_equal(grove_imap_next(it, &value, &error, 0), 0);
}

static void test_imap(void **state)
{
	grove_pool *pool = grove_pool_new(5);
	grove_imap *it = grove_pool_imap(pool, works, delays, 5, 0);

	(void)state;
	fetch_all(it);
	assert_string_equal(api_log, "30@30 10@30 20@30 40@40 5@40");
	assert_int_equal(grove_imap_free(it), 0);
	assert_int_equal(grove_pool_free(pool), 0);
}

static void test_imap_unordered(void **state)
{
	grove_pool *pool = grove_pool_new(5);
	grove_imap *it = grove_pool_imap_unordered(pool, fails_at_20, delays, 5, 0);

	(void)state;
	fetch_all(it);
	assert_string_equal(api_log, "5@5 10@10 EPROTO@20 30@30 40@40");
	assert_int_equal(grove_imap_free(it), 0);
	assert_int_equal(grove_pool_free(pool), 0);
}

static int drawn;

static bool counts(void *state, void **ret_arg)
{
	grove_sleep(GROVE_MS(1));		/* a source may wait */
	*ret_arg = MS(1);
	return ++drawn <= (int)(intptr_t)state;
}

static void test_imap_reads_ahead_no_further(void **state)
{
	grove_pool *pool = grove_pool_new(10);
	grove_imap *it;
	void *value;

	(void)state;
	drawn = 0;
	it = grove_pool_imap_from(pool, works, counts, MS(100), 3, GROVE_UNORDERED);
	grove_sleep(GROVE_MS(50));
	assert_int_equal(drawn, 3);
	assert_int_equal(grove_imap_next(it, &value, NULL, 0), 1);
	grove_sleep(GROVE_MS(50));
	assert_int_equal(drawn, 4);
	assert_int_equal(grove_imap_free(it), 0);
	assert_int_equal(grove_pool_free(pool), 0);
}

static void *fetches(void *arg)
{
	int r = grove_imap_next(arg, NULL, NULL, GROVE_FOREVER);

	note("%s", r < 0 ? strerrorname_np(errno) : "fetched");
	return NULL;
}

static void test_imap_next(void **state)
{
	grove_pool *pool = grove_pool_new(5);
	grove_imap *it = grove_pool_imap(pool, fails_after, delays, 2, 0);
	grove_object *list[] = { it };
	grove_greenlet *a, *b;

	(void)state;
	assert_int_equal(grove_imap_next(it, NULL, NULL, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_imap_next(it, NULL, NULL, GROVE_MS(1)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(grove_imap_next(it, NULL, NULL, -1), -1);
	assert_int_equal(errno, EINVAL);
	a = grove_spawn(fetches, it);
	b = grove_spawn(fetches, it);
	grove_yield();
	assert_int_equal(grove_imap_free(it), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(grove_kill(a, GROVE_FOREVER), 0);
	grove_join(b, GROVE_FOREVER);
	assert_string_equal(api_log, "ECANCELED EPROTO");
	assert_int_equal(grove_wait(list, 1, 0, GROVE_FOREVER, NULL), 1);
	assert_int_equal(grove_imap_next(it, NULL, NULL, 0), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(grove_imap_next(it, NULL, NULL, GROVE_FOREVER), 0);
	assert_int_equal(grove_imap_free(it), 0);
	grove_release(a);
	grove_release(b);
	assert_int_equal(grove_pool_free(pool), 0);
}

static void test_imap_freed_early(void **state)
{
	grove_pool *pool = grove_pool_new(2);
	grove_imap *it = grove_pool_imap(pool, works, delays, 5, 0);

	(void)state;
	grove_imap_free(it);
	it = grove_pool_imap(pool, works, delays, 4, 4);
	assert_int_equal(grove_imap_next(it, NULL, NULL, GROVE_FOREVER), 1);
	assert_int_equal(took(), GR_MS(30));
	grove_yield();
	assert_int_equal(running, 1);
	assert_int_equal(grove_imap_free(it), 0);
	assert_int_equal(running, 0);
	assert_int_equal(grove_imap_free(NULL), 0);
	assert_int_equal(grove_pool_free(pool), 0);
}

static void test_misuse(void **state)
{
	grove_pool *pool = grove_pool_new(1);
	grove_greenlet *self = grove_current();

	(void)state;
	assert_null(grove_pool_new(0));
	assert_int_equal(errno, EINVAL);
	for (int i = 0; i < 2; i++) {
		grove_pool *bad = i ? (void *)self : NULL;

		errno = 0;
		assert_null(grove_pool_spawn(bad, works, NULL, 0));
		assert_int_equal(errno, EINVAL);
		assert_int_equal(grove_pool_spawn_raw(bad, works, NULL, 0), -1);
		assert_int_equal(grove_pool_add(bad, self, 0), -1);
		assert_int_equal(grove_pool_wait_available(bad, 0), -1);
		assert_int_equal(grove_pool_apply(bad, works, NULL, NULL, 0), -1);
		assert_null(grove_pool_apply_async(bad, works, NULL));
		assert_int_equal(grove_pool_map(bad, works, NULL, 0, NULL, 0), -1);
		assert_null(grove_pool_map_async(bad, works, NULL, 0, NULL));
		assert_null(grove_pool_imap(bad, works, NULL, 0, 0));
		assert_null(grove_pool_imap_from(bad, works, counts, NULL, 0, 0));
		assert_int_equal(grove_imap_next((void *)bad, NULL, NULL, 0), -1);
		assert_int_equal(errno, EINVAL);
		assert_int_equal(grove_pool_max(bad), 0);
		assert_int_equal(grove_pool_free_count(bad), 0);
	}
	assert_null(grove_pool_spawn(pool, NULL, NULL, 0));
	assert_int_equal(grove_pool_map(pool, works, NULL, 1, NULL, GROVE_FOREVER), -1);
	assert_null(grove_pool_imap(pool, works, NULL, 1, 0));
	assert_null(grove_pool_imap_from(pool, works, counts, NULL, 0, 99));
	assert_null(grove_pool_imap_from(pool, works, NULL, NULL, 0, 0));
	assert_null(grove_pool_imap(pool, works, delays, 5, SIZE_MAX / 2));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(grove_imap_free((void *)self), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_pool_free(pool), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pool_test(test_spawn_waits_for_a_place),
		pool_test(test_spawn_in_a_full_pool),
		pool_test(test_places_are_given_in_order),
		pool_test(test_killed_as_the_place_comes),
		pool_test(test_kill),
		pool_test(test_apply),
		pool_test(test_apply_async),
		pool_test(test_map),
		pool_test(test_map_ends_early),
		pool_test(test_map_async),
		pool_test(test_imap),
		pool_test(test_imap_unordered),
		pool_test(test_imap_reads_ahead_no_further),
		pool_test(test_imap_next),
		pool_test(test_imap_freed_early),
		pool_test(test_misuse),
	};

	return cmocka_run_group_tests(tests, api_begin, NULL);
}
