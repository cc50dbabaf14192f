/*
 * test_future.c - grove/future.h: outcomes set once, those who wait for them, callbacks, following, native threads
 */
#include "api.h"
#include <pthread.h>

#define VALUE	((void *)42)

static void *gets(void *arg)
{
	void *value = NULL;
	int r = grove_future_get(arg, &value, GROVE_FOREVER);

	note(r == 0 ? "%s %d" : "%s", r == 0 ? "value" : strerrorname_np(errno), (int)(intptr_t)value);
	return r == 0 ? value : grove_fail(errno);
}

static void *sets(void *arg)
{
	grove_sleep(GROVE_MS(10));
	note("set");
	assert_int_equal(grove_future_set(arg, VALUE), 0);
	return NULL;
}

static void *sets_error(void *arg)
{
	grove_sleep(GROVE_MS(10));
	note("set");
	assert_int_equal(grove_future_set_error(arg, EPROTO), 0);
	return NULL;
}

static void *cancels(void *arg)
{
	grove_sleep(GROVE_MS(10));
	note("cancel");
	assert_int_equal(grove_future_cancel(arg), 0);
	return NULL;
}

static void *idles(void *arg)
{
	(void)arg;
	return NULL;
}

static const struct get_row {
	const char *when;
	grove_fn *peer;
	int64_t timeout;
	int want, error;		/* want: 0 or what get fails with; error: of the future afterwards */
	gr_time took;
} get_rows[] = {
	{ "a value is set",    sets,       GROVE_FOREVER, 0,         0,         GR_MS(10) },
	{ "in time",           sets,       GROVE_MS(20),  0,         0,         GR_MS(10) },
	{ "an error is set",   sets_error, GROVE_FOREVER, EPROTO,    EPROTO,    GR_MS(10) },
	{ "it is cancelled",   cancels,    GROVE_FOREVER, ECANCELED, ECANCELED, GR_MS(10) },
	{ "time is over",      idles,      GROVE_MS(5),   ETIMEDOUT, 0,         GR_MS(5) },
	{ "no time at all",    idles,      0,             EAGAIN,    0,         0 },
	{ "negative time",     idles,      -1,            EINVAL,    0,         0 },
};

static void test_get(void **state)
{
	(void)state;
	for (size_t i = 0; i < GR_LENGTH(get_rows); i++) {
		const struct get_row *row = &get_rows[i];
		grove_future *f = grove_future_new();
		grove_greenlet *peer = grove_spawn(row->peer, f);
		gr_time began = gr_now();
		void *value = NULL;
		int r = grove_future_get(f, &value, row->timeout);

		if (r != (row->want ? -1 : 0) || (r < 0 && errno != row->want))
			fail_msg("%s: %d, %s", row->when, r, strerror(errno));
		assert_ptr_equal(value, row->want ? NULL : VALUE);
		assert_int_equal(gr_now() - began, row->took);
		assert_int_equal(grove_future_error(f), row->error);
		assert_int_equal(grove_future_ready(f), row->want == 0 || row->error);
		assert_int_equal(grove_future_successful(f), row->want == 0);
		assert_int_equal(grove_future_cancelled(f), row->error == ECANCELED);
		assert_ptr_equal(grove_future_value(f), value);
		assert_int_equal(grove_join(peer, GROVE_FOREVER), 0);
		grove_release(peer);
		grove_future_release(f);
	}
}

static void test_ready_does_not_wait(void **state)
{
	grove_future *f = grove_future_new();
	void *value;

	(void)state;
	assert_int_equal(grove_future_set(f, VALUE), 0);
	errno = E2BIG;
	assert_int_equal(grove_future_get(f, &value, 0), 0);
	assert_int_equal(grove_future_wait(f, 0), 0);
	assert_int_equal(errno, E2BIG);
	assert_ptr_equal(value, VALUE);
	grove_future_release(f);
	f = grove_future_new();
	assert_int_equal(grove_future_set_error(f, EIO), 0);
	assert_int_equal(grove_future_wait(f, GROVE_FOREVER), 0);
	assert_int_equal(grove_future_get(f, NULL, 0), -1);
	assert_int_equal(errno, EIO);
	grove_future_release(f);
}

static void test_only_the_first_outcome_counts(void **state)
{
	grove_future *f = grove_future_new();

	(void)state;
	assert_int_equal(grove_future_set(f, VALUE), 0);
	assert_int_equal(grove_future_set(f, NULL), -1);
	assert_int_equal(errno, EALREADY);
	assert_int_equal(grove_future_set_error(f, EIO), -1);
	assert_int_equal(errno, EALREADY);
	assert_int_equal(grove_future_cancel(f), -1);
	assert_int_equal(errno, EALREADY);
	assert_ptr_equal(grove_future_value(f), VALUE);
	grove_future_release(f);
}

static void test_all_who_wait_go_on_in_order(void **state)
{
	grove_future *f = grove_future_new();
	grove_greenlet *g[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		g[i] = grove_spawn(gets, f);
		grove_yield();
	}
	assert_int_equal(grove_kill(g[1], GROVE_FOREVER), 0);
	assert_int_equal(grove_future_ready(f), false);
	grove_future_set(f, VALUE);
	grove_future_release(f);		/* those who wait have their own references */
	grove_joinall(g, 3, 0, GROVE_FOREVER, 0);
	assert_string_equal(api_log, "ECANCELED value 42 value 42");
	for (int i = 0; i < 3; i++)
		grove_release(g[i]);
}

static void test_a_deadline_around(void **state)
{
	grove_future *f = grove_future_new();
	struct grove_timeout t = { { 0 } };

	(void)state;
	grove_timeout_start(&t, GROVE_MS(3));
	assert_int_equal(grove_future_get(f, NULL, GROVE_FOREVER), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(grove_timeout_stop(&t), 1);
	assert_int_equal(took(), GR_MS(3));
	assert_false(grove_future_ready(f));
	grove_future_release(f);
}

static void test_misuse(void **state)
{
	grove_future *f = grove_future_new();
	grove_object *not_a_future = grove_current();
	void *value;

	(void)state;
	for (int i = 0; i < 2; i++) {
		grove_future *bad = i ? not_a_future : NULL;

		errno = 0;
		assert_int_equal(grove_future_get(bad, &value, 0), -1);
		assert_int_equal(errno, EINVAL);
		assert_int_equal(grove_future_wait(bad, 0), -1);
		assert_int_equal(grove_future_set(bad, NULL), -1);
		assert_int_equal(grove_future_set_error(bad, EIO), -1);
		assert_int_equal(grove_future_cancel(bad), -1);
		assert_int_equal(grove_future_link(bad, NULL, NULL), -1);
		assert_int_equal(grove_future_unlink(bad, NULL, NULL), -1);
		assert_int_equal(grove_future_follow(bad, f), -1);
		assert_int_equal(grove_future_follow(f, NULL), -1);
		assert_null(grove_future_ref(bad));
		assert_int_equal(errno, EINVAL);
		assert_false(grove_future_ready(bad));
		assert_false(grove_future_successful(bad));
		assert_false(grove_future_cancelled(bad));
		assert_null(grove_future_value(bad));
		assert_int_equal(grove_future_error(bad), 0);
		grove_future_release(bad);
	}
	assert_int_equal(grove_future_set_error(f, 0), -1);
	assert_int_equal(grove_future_set_error(f, 5000), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_future_follow(f, f), -1);
	assert_int_equal(grove_future_link(f, NULL, NULL), -1);
	assert_ptr_equal(grove_future_ref(f), f);
	grove_future_release(f);
	grove_future_release(f);
}

/* --- callbacks -------------------------------------------------------------------------------------------------------------- */

static void called(grove_future *f, void *arg)
{
	note("%s:%s", (const char *)arg, grove_future_error(f) ? strerrorname_np(grove_future_error(f)) : "ok");
}

static void test_callbacks(void **state)
{
	static char a[] = "a", b[] = "b", c[] = "c", d[] = "d";
	grove_future *f = grove_future_new();

	(void)state;
	grove_future_link(f, called, a);
	grove_future_link(f, called, b);
	grove_future_link(f, called, c);
	assert_int_equal(grove_future_unlink(f, called, b), 0);
	assert_int_equal(grove_future_unlink(f, called, b), -1);
	assert_int_equal(errno, ESRCH);
	grove_future_set(f, VALUE);
	note("set");
	grove_future_link(f, called, d);
	assert_int_equal(grove_future_unlink(f, called, c), 0);		/* it is queued, and has not run */
	grove_future_release(f);
	grove_yield();
	assert_string_equal(api_log, "set a:ok d:ok");
}

static void test_given_up(void **state)
{
	static char a[] = "a";
	grove_future *f = grove_future_new();

	(void)state;
	grove_future_link(f, called, a);
	grove_future_release(f);
	grove_yield();
	assert_string_equal(api_log, "a:ECANCELED");
	f = grove_future_new();
	grove_future_link(f, called, a);
	grove_future_cancel(f);
	grove_future_release(f);
	grove_yield();
	assert_string_equal(api_log, "a:ECANCELED a:ECANCELED");
}

/* --- following -------------------------------------------------------------------------------------------------------------- */

static void *fails(void *arg)
{
	return grove_fail((int)(intptr_t)arg);
}

static void test_follow(void **state)
{
	grove_future *f = grove_future_new(), *source = grove_future_new(), *late = grove_future_new(), *own = grove_future_new();
	grove_greenlet *g = grove_spawn(fails, (void *)(intptr_t)EPROTO);
	grove_future *of_g = grove_future_new();

	(void)state;
	assert_int_equal(grove_future_follow(f, source), 0);
	assert_int_equal(grove_future_follow(own, source), 0);
	assert_int_equal(grove_future_follow(of_g, g), 0);
	grove_future_set(own, NULL);
	grove_future_set(source, VALUE);
	assert_ptr_equal(grove_future_value(f), VALUE);
	assert_null(grove_future_value(own));
	assert_int_equal(grove_future_follow(late, source), 0);
	assert_ptr_equal(grove_future_value(late), VALUE);
	assert_int_equal(grove_future_get(of_g, NULL, GROVE_FOREVER), -1);
	assert_int_equal(errno, EPROTO);
	grove_release(g);
	grove_future_release(f);
	grove_future_release(source);
	grove_future_release(late);
	grove_future_release(own);
	grove_future_release(of_g);
	grove_yield();
}

static void test_follows_one_that_is_given_up(void **state)
{
	grove_future *f = grove_future_new(), *source = grove_future_new();

	(void)state;
	grove_future_follow(f, source);
	grove_future_release(source);
	assert_true(grove_future_cancelled(f));
	grove_future_release(f);
	grove_yield();
}

static void test_among_other_objects(void **state)
{
	grove_future *f = grove_future_new();
	grove_greenlet *g = grove_spawn(sets, f);
	grove_object *list[] = { g, f }, *ready[2];

	(void)state;
	assert_int_equal(grove_wait(list, 2, 1, GROVE_FOREVER, ready), 2);
	assert_ptr_equal(ready[0], f);
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
	grove_future_release(f);
}

/* --- native threads --------------------------------------------------------------------------------------------------------- */

static void *native_peer(void *arg)
{
	grove_future **f = arg;
	void *value = NULL;

	if (grove_future_get(f[0], &value, GROVE_FOREVER) < 0)
		value = NULL;
	grove_future_set(f[1], (char *)value + 1);
	return NULL;
}

static void test_native_thread(void **state)
{
	grove_future *f[2] = { grove_future_new(), grove_future_new() };
	pthread_t thread;
	void *value;

	(void)state;
	api_natives++;
	assert_int_equal(pthread_create(&thread, NULL, native_peer, f), 0);
	assert_int_equal(grove_future_set(f[0], VALUE), 0);
	assert_int_equal(grove_future_get(f[1], &value, GROVE_FOREVER), 0);
	assert_ptr_equal(value, (char *)VALUE + 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	api_natives--;
	grove_future_release(f[0]);
	grove_future_release(f[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		api_test(test_get),
		api_test(test_ready_does_not_wait),
		api_test(test_only_the_first_outcome_counts),
		api_test(test_all_who_wait_go_on_in_order),
		api_test(test_a_deadline_around),
		api_test(test_misuse),
		api_test(test_callbacks),
		api_test(test_given_up),
		api_test(test_follow),
		api_test(test_follows_one_that_is_given_up),
		api_test(test_among_other_objects),
		api_test(test_native_thread),
	};

	return cmocka_run_group_tests(tests, api_begin, NULL);
}
