/*
 * test_task.c - grove/task.h: await, wait_for, shield, gather, wait, as_completed, task groups
 */
#include "api.h"
#include <pthread.h>
#include <signal.h>

#define MS(n) ((void *)(intptr_t)(n))

static int running;

static void *works(void *arg)
{
	int r;

	running++;
	r = grove_sleep(GROVE_MS((intptr_t)arg));
	running--;
	note("%d%s", (int)(intptr_t)arg, r == 0 ? "" : errno == ECANCELED ? ":cancelled" : ":?");
	return r == 0 ? arg : grove_fail(errno);
}

static void *fails_after(void *arg)
{
	if (grove_sleep(GROVE_MS((intptr_t)arg)) < 0)
		return grove_fail(errno);
	note("%d:failed", (int)(intptr_t)arg);
	return grove_fail(EPROTO);
}

/* Takes 10 ms to clean up */
static void *lingers(void *arg)
{
	struct grove_timeout t = { { 0 } };

	if (grove_sleep(GROVE_MS((intptr_t)arg)) == 0)
		return arg;
	grove_shield_start(&t);
	grove_sleep(GROVE_MS(10));
	grove_timeout_stop(&t);
	note("cleaned up");
	return grove_fail(ECANCELED);
}

static void release_all(grove_task **t, size_t n)
{
	for (size_t i = 0; i < n; i++)
		grove_release(t[i]);
}

/* --- one -------------------------------------------------------------------------------------------------------------------- */

static void test_a_task_is_a_greenlet(void **state)
{
	grove_task *t = grove_task_new(works, MS(10));

	(void)state;
	assert_int_equal(grove_task_cancel(t), 0);
	assert_int_equal(grove_join(t, GROVE_FOREVER), 0);
	assert_true(grove_task_cancelled(t));
	assert_int_equal(grove_task_cancel(t), -1);
	assert_int_equal(errno, ESRCH);
	grove_release(t);
	t = grove_task_new(works, MS(10));
	grove_join(t, GROVE_FOREVER);
	assert_false(grove_task_cancelled(t));
	assert_false(grove_task_cancelled(NULL));
	grove_release(t);
}

enum how { AWAIT, WAIT_FOR, SHIELD };
#define NEVER GROVE_FOREVER

static const struct await_row {
	const char *when;
	enum how how;
	grove_fn *fn;
	int64_t timeout, scope;		/* scope: a deadline around; 0: none */
	int want;
	gr_time took;
	const char *log;
} await_rows[] = {
	{ "await",                       AWAIT,    works,       0,            0,           0,         GR_MS(20), "20" },
	{ "await one that fails",        AWAIT,    fails_after, 0,            0,           EPROTO,    GR_MS(20), "20:failed" },
	{ "await, too long",             AWAIT,    works,       0,            GROVE_MS(5), ETIMEDOUT, GR_MS(5),  "20:cancelled" },
	{ "await one that cleans up",    AWAIT,    lingers,     0,            GROVE_MS(5), ETIMEDOUT, GR_MS(15), "cleaned up" },
	{ "wait_for",                    WAIT_FOR, works,       GROVE_MS(30), 0,           0,         GR_MS(20), "20" },
	{ "wait_for, too long",          WAIT_FOR, works,       GROVE_MS(5),  0,           ETIMEDOUT, GR_MS(5),  "20:cancelled" },
	{ "wait_for one that cleans up", WAIT_FOR, lingers,     GROVE_MS(5),  0,           ETIMEDOUT, GR_MS(15), "cleaned up" },
	{ "wait_for without time",       WAIT_FOR, works,       0,            0,           EAGAIN,    0,         "" },
	{ "shield",                      SHIELD,   works,       NEVER,        0,           0,         GR_MS(20), "20" },
	{ "shield, too long",            SHIELD,   works,       GROVE_MS(5),  0,           ETIMEDOUT, GR_MS(5),  "" },
	{ "shield, too long outside",    SHIELD,   works,       NEVER,        GROVE_MS(5), ETIMEDOUT, GR_MS(5),  "" },
	{ "negative",                    WAIT_FOR, works,       -1,           0,           EINVAL,    0,         "" },
};

static int await_how(const struct await_row *row, grove_object *aw, void **value)
{
	return row->how == AWAIT      ? grove_await(aw, value)
	       : row->how == WAIT_FOR ? grove_wait_for(aw, value, row->timeout)
				      : grove_shield(aw, value, row->timeout);
}

static void test_await(void **state)
{
	for (size_t i = 0; i < GR_LENGTH(await_rows); i++) {
		const struct await_row *row = &await_rows[i];
		grove_task *t = grove_task_new(row->fn, MS(20));
		struct grove_timeout scope = { { 0 } };
		void *value = NULL;
		int r;

		api_clear(state);
		if (row->scope)
			grove_timeout_start(&scope, row->scope);
		r = await_how(row, t, &value);
		if (r != (row->want ? -1 : 0) || (r < 0 && errno != row->want))
			fail_msg("%s: %d, %s", row->when, r, strerror(errno));
		if (row->scope)
			assert_int_equal(grove_timeout_stop(&scope), 1);
		assert_ptr_equal(value, row->want ? NULL : MS(20));
		if (took() != row->took || strcmp(api_log, row->log) != 0)
			fail_msg("%s: took %d, %s", row->when, (int)took(), api_log);
		grove_join(t, GROVE_FOREVER);
		grove_release(t);
	}
}

static void *awaits(void *arg)
{
	int r = grove_await(arg, NULL);

	note("%s", r == 0 ? "done" : strerrorname_np(errno));
	return r == 0 ? arg : grove_fail(errno);
}

static void test_cancelling_goes_down(void **state)
{
	grove_task *leaf = grove_task_new(lingers, MS(1000)), *middle = grove_task_new(awaits, leaf);
	grove_task *top = grove_task_new(awaits, middle);

	(void)state;
	grove_yield();
	grove_task_cancel(top);
	assert_int_equal(grove_get(top, NULL, GROVE_FOREVER), -1);
	assert_int_equal(errno, ECANCELED);
	assert_string_equal(api_log, "cleaned up ECANCELED ECANCELED");
	assert_int_equal(took(), GR_MS(10));
	grove_release(leaf);
	grove_release(middle);
	grove_release(top);
}

static void test_await_a_future(void **state)
{
	grove_future *f = grove_future_new();
	grove_task *t = grove_task_new(awaits, f);

	(void)state;
	grove_yield();
	grove_task_cancel(t);
	grove_join(t, GROVE_FOREVER);
	assert_true(grove_future_cancelled(f));
	grove_future_release(f);
	grove_release(t);
	f = grove_future_new();
	assert_int_equal(grove_await(f, NULL), -1);		/* nobody is left who could set it */
	assert_int_equal(errno, EDEADLK);
	grove_future_release(f);
}

static void test_await_misuse(void **state)
{
	grove_group *no_awaitable = grove_group_new();

	(void)state;
	for (int i = 0; i < 2; i++) {
		grove_object *bad = i ? no_awaitable : NULL;

		errno = 0;
		assert_int_equal(grove_await(bad, NULL), -1);
		assert_int_equal(errno, EINVAL);
		assert_int_equal(grove_wait_for(bad, NULL, 0), -1);
		assert_int_equal(grove_shield(bad, NULL, 0), -1);
		assert_int_equal(grove_gather(&bad, 1, NULL, NULL, 0, 0), -1);
		assert_int_equal(grove_task_wait(&bad, 1, 0, 0, NULL, NULL), -1);
		assert_null(grove_as_completed(&bad, 1));
		assert_int_equal(errno, EINVAL);
	}
	assert_int_equal(grove_await(grove_current(), NULL), -1);
	assert_int_equal(errno, EDEADLK);
	assert_null(grove_task_new(NULL, NULL));
	assert_int_equal(errno, EINVAL);
	grove_group_free(no_awaitable);
}

/* --- several ---------------------------------------------------------------------------------------------------------------- */

static void *counts(void *arg)
{
	static const char *const words[] = { "One", "Two" };

	for (int i = 0; i < 2; i++) {
		note("%s", words[i]);
		grove_sleep(GROVE_MS(10));
	}
	return arg;
}

static void test_gather(void **state)
{
	grove_task *t[3];
	void *values[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		t[i] = grove_task_new(counts, MS(i));
	assert_int_equal(grove_gather((grove_object **)t, 3, values, NULL, GROVE_FOREVER, 0), 0);
	assert_string_equal(api_log, "One One One Two Two Two");
	for (int i = 0; i < 3; i++)
		assert_ptr_equal(values[i], MS(i));
	assert_int_equal(grove_gather(NULL, 0, NULL, NULL, GROVE_FOREVER, 0), 0);
	release_all(t, 3);
}

static void test_gather_first_error(void **state)
{
	grove_task *t[] = { grove_task_new(works, MS(30)), grove_task_new(fails_after, MS(20)), grove_task_new(works, MS(10)) };
	void *values[3] = { NULL };

	(void)state;
	assert_int_equal(grove_gather((grove_object **)t, 3, values, NULL, GROVE_FOREVER, 0), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(took(), GR_MS(20));
	assert_null(values[2]);
	assert_false(grove_ready(t[0]));		/* it goes on */
	assert_int_equal(grove_get(t[0], NULL, GROVE_FOREVER), 0);
	release_all(t, 3);
}

static void test_gather_all_errors(void **state)
{
	grove_future *f = grove_future_new();
	grove_object *aws[] = { grove_task_new(works, MS(30)), grove_task_new(fails_after, MS(20)), f };
	void *values[3];
	int errors[3];

	(void)state;
	grove_future_cancel(f);
	assert_int_equal(grove_gather(aws, 3, values, errors, GROVE_FOREVER, GROVE_RETURN_ERRORS), 2);
	assert_int_equal(took(), GR_MS(30));
	assert_ptr_equal(values[0], MS(30));
	assert_null(values[1]);
	assert_int_equal(errors[0], 0);
	assert_int_equal(errors[1], EPROTO);
	assert_int_equal(errors[2], ECANCELED);
	grove_release(aws[0]);
	grove_release(aws[1]);
	grove_future_release(f);
}

static void *gathers(void *arg)
{
	int r = grove_gather(arg, 2, NULL, NULL, GROVE_FOREVER, 0);

	note("%s", r == 0 ? "gathered" : strerrorname_np(errno));
	return NULL;
}

static void test_gather_broken_off(void **state)
{
	grove_task *t[] = { grove_task_new(works, MS(30)), grove_task_new(lingers, MS(20)) }, *g = grove_task_new(gathers, t);

	(void)state;
	grove_yield();
	assert_int_equal(grove_gather((grove_object **)t, 2, NULL, NULL, 0, 0), -1);
	assert_int_equal(errno, EAGAIN);
	grove_task_cancel(g);
	grove_join(g, GROVE_FOREVER);
	assert_string_equal(api_log, "30:cancelled cleaned up ECANCELED");
	release_all(t, 2);
	grove_release(g);
	t[0] = grove_task_new(works, MS(30));
	t[1] = grove_task_new(works, MS(20));
	assert_int_equal(grove_gather((grove_object **)t, 2, NULL, NULL, GROVE_MS(5), 0), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(running, 0);
	release_all(t, 2);
}

static void test_gather_misuse(void **state)
{
	grove_object *aws[] = { grove_current() };
	int errors[1];

	(void)state;
	assert_int_equal(grove_gather(aws, 1, NULL, NULL, GROVE_FOREVER, 0), -1);
	assert_int_equal(errno, EDEADLK);
	assert_int_equal(grove_gather(aws, 1, NULL, errors, 0, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_gather(aws, 1, NULL, NULL, 0, 99), -1);
	assert_int_equal(grove_gather(aws, 1, NULL, NULL, -1, 0), -1);
	assert_int_equal(grove_gather(NULL, 1, NULL, NULL, 0, 0), -1);
	assert_int_equal(grove_task_wait(aws, 1, 3, 0, NULL, NULL), -1);
	assert_int_equal(grove_task_wait(aws, 1, -1, 0, NULL, NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_task_wait(NULL, 0, GROVE_FIRST_COMPLETED, GROVE_FOREVER, NULL, NULL), 0);
}

static const struct wait_row {
	const char *name;
	int when;
	int64_t timeout;
	int done, first, second;	/* how many; which were first */
	gr_time took;
} wait_rows[] = {
	{ "first completed", GROVE_FIRST_COMPLETED, GROVE_FOREVER, 1, 2, -1, GR_MS(10) },
	{ "first exception", GROVE_FIRST_EXCEPTION, GROVE_FOREVER, 2, 2, 1,  GR_MS(20) },
	{ "all",             GROVE_ALL_COMPLETED,   GROVE_FOREVER, 3, 2, 1,  GR_MS(30) },
	{ "all, in time",    GROVE_ALL_COMPLETED,   GROVE_MS(25),  2, 2, 1,  GR_MS(25) },
	{ "at once",         GROVE_ALL_COMPLETED,   0,             0, -1, -1, 0 },
};

static void test_wait(void **state)
{
	for (size_t i = 0; i < GR_LENGTH(wait_rows); i++) {
		const struct wait_row *row = &wait_rows[i];
		grove_task *t[] = { grove_task_new(works, MS(30)), grove_task_new(fails_after, MS(20)),
				    grove_task_new(works, MS(10)) };
		grove_object *done[3] = { NULL }, *pending[3] = { NULL };
		int r;

		api_clear(state);
		r = grove_task_wait((grove_object **)t, 3, row->when, row->timeout, done, pending);
		if (r != row->done || took() != row->took)
			fail_msg("%s: %d after %d", row->name, r, (int)took());
		assert_ptr_equal(done[0], row->first < 0 ? NULL : t[row->first]);
		assert_ptr_equal(done[1], row->second < 0 ? NULL : t[row->second]);
		assert_ptr_equal(pending[0], row->done == 3 ? NULL : t[0]);
		assert_ptr_equal(pending[1], row->done >= 2 ? NULL : t[1]);
		grove_joinall(t, 3, 0, GROVE_FOREVER, 0);
		release_all(t, 3);
	}
}

static void *waits(void *arg)
{
	int r = grove_task_wait(arg, 2, GROVE_ALL_COMPLETED, GROVE_FOREVER, NULL, NULL);

	note("%s", r >= 0 ? "waited" : strerrorname_np(errno));
	return NULL;
}

static void test_wait_broken_off(void **state)
{
	grove_task *t[] = { grove_task_new(works, MS(30)), grove_task_new(works, MS(20)) }, *w = grove_task_new(waits, t);
	struct grove_timeout scope = { { 0 } };

	(void)state;
	grove_yield();
	grove_task_cancel(w);
	grove_timeout_start(&scope, GROVE_MS(5));
	assert_int_equal(grove_task_wait((grove_object **)t, 2, GROVE_FIRST_COMPLETED, GROVE_MS(10), NULL, NULL), -1);
	assert_int_equal(errno, ETIMEDOUT);
	grove_timeout_stop(&scope);
	assert_int_equal(grove_gather((grove_object **)t, 2, NULL, NULL, GROVE_FOREVER, 0), 0);
	assert_string_equal(api_log, "ECANCELED 20 30");
	release_all(t, 2);
	grove_release(w);
}

static void test_as_completed(void **state)
{
	grove_task *t[] = { grove_task_new(works, MS(30)), grove_task_new(works, MS(10)), grove_task_new(works, MS(20)) }, *next;
	grove_iwait *it = grove_as_completed((grove_object **)t, 3);
	void *value;

	(void)state;
	while ((next = grove_iwait_next(it, GROVE_FOREVER))) {
		assert_int_equal(grove_await(next, &value), 0);
		note("=%d", (int)(intptr_t)value);
	}
	assert_string_equal(api_log, "10 =10 20 =20 30 =30");
	grove_iwait_free(it);
	release_all(t, 3);
}

/* --- groups ----------------------------------------------------------------------------------------------------------------- */

static void test_group_waits_for_all(void **state)
{
	grove_task_group *tg = grove_task_group_start();
	grove_task *t;

	(void)state;
	assert_int_equal(grove_task_group_spawn(tg, works, MS(10)), 0);
	t = grove_task_group_create(tg, works, MS(20));
	assert_int_equal(grove_task_group_size(tg), 2);
	assert_int_equal(grove_task_group_end(tg), 0);
	assert_int_equal(took(), GR_MS(20));
	assert_ptr_equal(grove_value(t), MS(20));
	grove_release(t);
	assert_int_equal(grove_task_group_end(grove_task_group_start()), 0);
}

static void test_group_one_failure_cancels_the_others(void **state)
{
	grove_task_group *tg = grove_task_group_start();

	(void)state;
	grove_task_group_spawn(tg, works, MS(1000));
	grove_task_group_spawn(tg, fails_after, MS(10));
	grove_task_group_spawn(tg, lingers, MS(1000));
	assert_int_equal(grove_task_group_end(tg), -1);
	assert_int_equal(errno, EPROTO);
	assert_string_equal(api_log, "10:failed 1000:cancelled cleaned up");
	assert_int_equal(took(), GR_MS(20));
	assert_int_equal(grove_sleep(0), 0);		/* the scope is left */
}

static void test_group_failure_reaches_the_body(void **state)
{
	grove_task_group *tg = grove_task_group_start();

	(void)state;
	grove_task_group_spawn(tg, fails_after, MS(10));
	assert_int_equal(grove_sleep(GROVE_MS(1000)), -1);
	assert_int_equal(errno, ECANCELED);
	assert_int_equal(grove_task_group_spawn(tg, works, MS(10)), -1);
	assert_int_equal(errno, ECANCELED);
	assert_int_equal(grove_task_group_end(tg), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(took(), GR_MS(10));
}

static void *owns_a_group(void *arg)
{
	grove_task_group *tg = grove_task_group_start();
	int r;

	(void)arg;
	grove_task_group_spawn(tg, works, MS(1000));
	grove_task_group_spawn(tg, lingers, MS(1000));
	r = grove_task_group_end(tg);
	note("%s", r == 0 ? "ended" : strerrorname_np(errno));
	return r == 0 ? NULL : grove_fail(errno);
}

static void test_group_cancelled_from_outside(void **state)
{
	grove_task *t = grove_task_new(owns_a_group, NULL);

	(void)state;
	grove_sleep(GROVE_MS(1));
	grove_task_cancel(t);
	grove_join(t, GROVE_FOREVER);
	assert_string_equal(api_log, "1000:cancelled cleaned up ECANCELED");
	assert_true(grove_task_cancelled(t));
	assert_int_equal(took(), GR_MS(11));
	grove_release(t);
}

static void test_group_deadline_around(void **state)
{
	struct grove_timeout scope = { { 0 } };

	(void)state;
	grove_timeout_start(&scope, GROVE_MS(5));
	owns_a_group(NULL);
	assert_int_equal(grove_timeout_stop(&scope), 1);
	assert_string_equal(api_log, "1000:cancelled cleaned up ETIMEDOUT");
}

static void *inner_group(void *arg)
{
	grove_task_group *tg = grove_task_group_start();
	int r;

	grove_task_group_spawn(tg, works, MS(1000));
	grove_task_group_spawn(tg, arg ? fails_after : works, MS(10));
	r = grove_task_group_end(tg);
	note("inner:%s", r == 0 ? "ok" : strerrorname_np(errno));
	return r == 0 ? NULL : grove_fail(errno);
}

static void test_groups_nest(void **state)
{
	grove_task_group *tg = grove_task_group_start(), *here;

	(void)state;
	grove_task_group_spawn(tg, inner_group, MS(1));
	grove_task_group_spawn(tg, inner_group, NULL);
	here = grove_task_group_start();
	grove_task_group_spawn(here, works, MS(2));
	assert_int_equal(grove_task_group_end(here), 0);
	here = grove_task_group_start();
	grove_task_group_spawn(here, works, MS(500));
	assert_int_equal(grove_task_group_end(here), -1);	/* the outer group fails meanwhile */
	assert_int_equal(errno, ECANCELED);
	assert_int_equal(grove_task_group_end(tg), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(took(), GR_MS(10));
}

static void *cancels_group(void *arg)
{
	grove_sleep(GROVE_MS(10));
	assert_int_equal(grove_task_group_cancel(arg, 0), 0);
	assert_int_equal(grove_task_group_cancel(arg, EIO), -1);
	assert_int_equal(errno, EALREADY);
	return NULL;
}

static void test_group_cancel(void **state)
{
	grove_task_group *tg = grove_task_group_start();

	(void)state;
	grove_task_group_spawn(tg, works, MS(1000));
	grove_task_group_spawn(tg, cancels_group, tg);
	assert_int_equal(grove_task_group_end(tg), 0);
	assert_int_equal(took(), GR_MS(10));
	assert_string_equal(api_log, "1000:cancelled");
	tg = grove_task_group_start();
	grove_task_group_spawn(tg, works, MS(1000));
	assert_int_equal(grove_task_group_cancel(tg, EIO), 0);
	assert_int_equal(grove_sleep(GROVE_MS(1)), -1);
	assert_int_equal(grove_task_group_end(tg), -1);
	assert_int_equal(errno, EIO);
	assert_string_equal(api_log, "1000:cancelled");		/* the second never began */
}

static void *spawns_two_more(void *arg)
{
	grove_sleep(GROVE_MS(10));
	grove_task_group_spawn(arg, works, MS(10));
	grove_task_group_spawn(arg, works, MS(20));
	return NULL;
}

static void test_group_grows_while_it_ends(void **state)
{
	grove_task_group *tg = grove_task_group_start();

	(void)state;
	grove_task_group_spawn(tg, spawns_two_more, tg);
	assert_int_equal(grove_task_group_end(tg), 0);
	assert_int_equal(took(), GR_MS(30));
}

/* Not on its stack: AddressSanitizer does not see forced unwinding leave a frame. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

static void *waits_in_a_condition(void *arg)
{
	pthread_mutex_lock(&mutex);
	pthread_cond_wait(&cond, &mutex);
	return arg;
}

static void test_group_cancels_waits_of_libc(void **state)
{
	grove_task_group *tg = grove_task_group_start();

	(void)state;
	grove_task_group_spawn(tg, waits_in_a_condition, NULL);
	grove_task_group_spawn(tg, fails_after, MS(10));
	assert_int_equal(grove_task_group_end(tg), -1);
	assert_int_equal(errno, EPROTO);
}

static void *forgets_to_end(void *arg)
{
	grove_task_group *tg = grove_task_group_start();

	grove_task_group_spawn(tg, lingers, MS(1000));
	grove_sleep(GROVE_MS(1));
	return arg;
}

static void test_group_abandoned(void **state)
{
	grove_task *t = grove_task_new(forgets_to_end, NULL);

	(void)state;
	grove_join(t, GROVE_FOREVER);
	grove_release(t);
	grove_sleep(GROVE_MS(20));
	assert_string_equal(api_log, "cleaned up");
}

static void *ends_anothers(void *arg)
{
	assert_int_equal(grove_task_group_end(arg), -1);
	return (void *)(intptr_t)errno;
}

static void test_group_misuse(void **state)
{
	grove_task_group *tg = grove_task_group_start();
	grove_task *t = grove_task_new(ends_anothers, tg);
	void *value;

	(void)state;
	assert_int_equal(grove_await(t, &value), 0);
	assert_int_equal((intptr_t)value, EPERM);
	for (int i = 0; i < 2; i++) {
		grove_task_group *bad = i ? (void *)t : NULL;

		errno = 0;
		assert_int_equal(grove_task_group_end(bad), -1);
		assert_int_equal(errno, EINVAL);
		assert_int_equal(grove_task_group_spawn(bad, works, NULL), -1);
		assert_int_equal(grove_task_group_cancel(bad, 0), -1);
		assert_int_equal(grove_task_group_size(bad), 0);
	}
	assert_int_equal(grove_task_group_spawn(tg, NULL, NULL), -1);
	assert_int_equal(grove_task_group_cancel(tg, -5), -1);
	assert_int_equal(errno, EINVAL);
	grove_release(t);
	assert_int_equal(grove_task_group_end(tg), 0);
}

/* --- unwinding -------------------------------------------------------------------------------------------------------------- */

/* A handler that ends the thread takes it out of its wait without a return: what it left behind is cleaned up all the same. */
static pthread_t victim;
static grove_future *never;
static grove_pool *unwound_pool;

static void *unwound_in_await(void *arg)
{
	grove_task *t = grove_task_new(lingers, MS(1000));

	victim = pthread_self();
	grove_release(t);
	grove_await(t, NULL);		/* alive, so there is a reference of its own */
	return arg;
}

static void *unwound_in_gather(void *arg)
{
	grove_task *t[] = { grove_task_new(lingers, MS(1000)), grove_task_new(works, MS(1000)) };

	victim = pthread_self();
	release_all(t, 2);
	grove_gather((grove_object **)t, 2, NULL, NULL, GROVE_FOREVER, 0);
	return arg;
}

static void *unwound_in_a_group(void *arg)
{
	grove_task_group *tg = grove_task_group_start();

	victim = pthread_self();
	grove_task_group_spawn(tg, lingers, MS(1000));
	grove_task_group_end(tg);
	return arg;
}

static void *unwound_in_map(void *arg)
{
	void *args[] = { MS(1000), MS(1001), MS(1002) };

	victim = pthread_self();
	grove_pool_map(unwound_pool, lingers, args, 3, NULL, GROVE_FOREVER);
	return arg;
}

static void *unwound_in_a_future(void *arg)
{
	victim = pthread_self();
	grove_future_get(never, NULL, GROVE_FOREVER);
	return arg;
}

static const struct unwind_row {
	const char *where;
	grove_fn *fn;
	const char *log;
} unwind_rows[] = {
	{ "await",      unwound_in_await,    "cleaned up" },
	{ "gather",     unwound_in_gather,   "1000:cancelled cleaned up" },
	{ "task group", unwound_in_a_group,  "cleaned up" },
	{ "map",        unwound_in_map,      "cleaned up cleaned up" },
	{ "future",     unwound_in_a_future, "" },
};

static void ends_the_thread(int sig)
{
	(void)sig;
	pthread_exit(NULL);
}

static void test_unwound(void **state)
{
	signal(SIGUSR1, ends_the_thread);
	unwound_pool = grove_pool_new(2);
	never = grove_future_new();
	for (size_t i = 0; i < GR_LENGTH(unwind_rows); i++) {
		grove_task *t = grove_task_new(unwind_rows[i].fn, NULL);

		api_clear(state);
		grove_sleep(GROVE_MS(1));
		assert_int_equal(pthread_kill(victim, SIGUSR1), 0);
		grove_join(t, GROVE_FOREVER);
		if (strcmp(api_log, unwind_rows[i].log) != 0)
			fail_msg("%s: %s", unwind_rows[i].where, api_log);
		assert_int_equal(grove_error(t), ECANCELED);
		grove_release(t);
	}
	assert_int_equal(grove_pool_free_count(unwound_pool), 2);
	assert_int_equal(grove_pool_free(unwound_pool), 0);
	assert_int_equal(grove_future_cancel(never), 0);
	grove_future_release(never);
	signal(SIGUSR1, SIG_DFL);
}

/* --- native threads --------------------------------------------------------------------------------------------------------- */

static void *quick(void *arg)
{
	return arg;
}

static void *native(void *arg)
{
	grove_task *t[] = { grove_task_new(quick, MS(1)), grove_task_new(quick, MS(2)) };
	grove_task_group **tg = arg;
	void *values[2] = { NULL }, *value = NULL;
	bool ok = grove_gather((grove_object **)t, 2, values, NULL, GROVE_FOREVER, 0) == 0;

	ok = ok && values[0] == MS(1) && values[1] == MS(2);
	ok = ok && grove_task_wait((grove_object **)t, 2, GROVE_ALL_COMPLETED, GROVE_FOREVER, NULL, NULL) == 2;
	ok = ok && grove_await(t[0], &value) == 0 && value == MS(1);
	ok = ok && !grove_task_group_start() && errno == ENOTSUP;
	ok = ok && grove_task_group_end(*tg) == -1 && errno == EPERM;
	ok = ok && grove_task_group_spawn(*tg, quick, NULL) == 0;
	release_all(t, 2);
	return MS(ok);
}

static void test_native_thread(void **state)
{
	grove_task_group *tg = grove_task_group_start();
	void *value = NULL;

	(void)state;
	assert_int_equal(grove_to_thread(native, &tg, &value, GROVE_FOREVER), 0);
	assert_ptr_equal(value, MS(true));
	assert_int_equal(grove_task_group_end(tg), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		api_test(test_a_task_is_a_greenlet),
		api_test(test_await),
		api_test(test_cancelling_goes_down),
		api_test(test_await_a_future),
		api_test(test_await_misuse),
		api_test(test_gather),
		api_test(test_gather_first_error),
		api_test(test_gather_all_errors),
		api_test(test_gather_broken_off),
		api_test(test_gather_misuse),
		api_test(test_wait),
		api_test(test_wait_broken_off),
		api_test(test_as_completed),
		api_test(test_group_waits_for_all),
		api_test(test_group_one_failure_cancels_the_others),
		api_test(test_group_failure_reaches_the_body),
		api_test(test_group_cancelled_from_outside),
		api_test(test_group_deadline_around),
		api_test(test_groups_nest),
		api_test(test_group_cancel),
		api_test(test_group_grows_while_it_ends),
		api_test(test_group_cancels_waits_of_libc),
		api_test(test_group_abandoned),
		api_test(test_group_misuse),
		api_test(test_unwound),
		api_test(test_native_thread),
	};

	return cmocka_run_group_tests(tests, api_begin, NULL);
}
