/*
 * test_trace.c - grove/trace.h: assertions that code lets others run, and the trace function
 */
#include "api.h"
#include <grove/trace.h>
#include <pthread.h>

/* --- assertions ------------------------------------------------------------------------------------------------------------------------ */

static void computes(gr_time ns)
{
	api_clock += ns;
}

static void nothing(void)
{
}

static void yields(void)
{
	grove_yield();
}

static void sleeps(void)
{
	grove_sleep(GROVE_SEC(5));
}

static void only_computes(void)
{
	computes(GROVE_MS(20));
}

static void in_two_halves(void)
{
	computes(GROVE_MS(6));
	grove_yield();
	computes(GROVE_MS(6));
}

static void too_long_at_first(void)
{
	computes(GROVE_MS(11));
	grove_sleep(GROVE_SEC(1));
	computes(GROVE_MS(2));
}

static void too_long_at_last(void)
{
	grove_sleep(GROVE_SEC(1));
	computes(GROVE_MS(11));
}

static void fails_to_wait(void)
{
	grove_join(grove_current(), GROVE_FOREVER);
}

static const struct row {
	const char *name;
	void (*fn)(void);
	int switches, no_block;		/* errno of the two kinds; 10 ms are allowed */
	int64_t longest;
} rows[] = {
	{ "nothing", nothing, EBUSY, 0, 0 },
	{ "yields", yields, 0, 0, 0 },
	{ "sleeps", sleeps, 0, 0, 0 },
	{ "only computes", only_computes, EBUSY, EBUSY, GROVE_MS(20) },
	{ "in two halves", in_two_halves, 0, 0, GROVE_MS(6) },
	{ "too long at first", too_long_at_first, 0, EBUSY, GROVE_MS(11) },
	{ "too long at last", too_long_at_last, 0, EBUSY, GROVE_MS(11) },
	{ "fails to wait", fails_to_wait, EBUSY, 0, 0 },
};

static void one_row(const struct row *row, bool no_block)
{
	struct grove_assert a;
	int64_t longest = -1;
	int r, want = no_block ? row->no_block : row->switches;

	assert_int_equal(no_block ? grove_assert_no_block(&a, GROVE_MS(10)) : grove_assert_switches(&a), 0);
	row->fn();
	errno = 0;
	r = grove_assert_end(&a, &longest);
	if (r != (want ? -1 : 0) || errno != want || longest != row->longest)
		fail_msg("%s: %d, errno %d, longest %lld", row->name, r, errno, (long long)longest);
}

static void test_assertions(void **state)
{
	(void)state;
	for (size_t i = 0; i < GR_LENGTH(rows); i++) {
		one_row(&rows[i], false);
		one_row(&rows[i], true);
	}
	assert_null(gr_carrier()->on_switch);		/* and nobody pays any more */
}

static void *others_compute(void *arg)
{
	computes(GROVE_SEC(1));
	return arg;
}

static void test_others_do_not_count(void **state)
{
	grove_greenlet *g = grove_spawn(others_compute, NULL);
	struct grove_assert a, b;
	int64_t longest;

	(void)state;
	assert_int_equal(grove_assert_no_block(&a, GROVE_MS(10)), 0);
	assert_int_equal(grove_assert_switches(&b), 0);
	grove_join(g, GROVE_FOREVER);
	assert_int_equal(grove_assert_end(&b, NULL), 0);
	assert_int_equal(grove_assert_end(&a, &longest), 0);
	assert_int_equal(longest, 0);
	grove_release(g);
}

static void *leaves_without_end(void *arg)
{
	struct grove_assert a;

	grove_assert_switches(&a);
	grove_sleep(0);
	return arg;
}

static void test_a_greenlet_that_ends_within(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		grove_greenlet *g = grove_spawn(leaves_without_end, NULL);

		grove_join(g, GROVE_FOREVER);
		grove_release(g);
		grove_yield();
	}
	assert_null(gr_carrier()->on_switch);
}

static void *ends_anothers(void *arg)
{
	return (void *)(intptr_t)(grove_assert_end(arg, NULL) == -1 ? errno : 0);
}

static void *native(void *arg)
{
	struct grove_assert a;

	(void)arg;
	if (grove_assert_switches(&a) != -1 || errno != ENOTSUP)
		return (void *)1;
	if (grove_assert_end(&a, NULL) != -1 || errno != ESRCH)
		return (void *)2;
	return NULL;
}

static void test_misuse_of_assertions(void **state)
{
	struct grove_assert a;
	grove_greenlet *g;
	pthread_t t;
	void *r;

	(void)state;
	assert_int_equal(grove_assert_switches(NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_assert_no_block(NULL, 1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_assert_no_block(&a, -1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_assert_end(&a, NULL), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(grove_assert_end(NULL, NULL), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(grove_assert_no_block(&a, GROVE_FOREVER), 0);
	assert_int_equal(grove_assert_switches(&a), -1);
	assert_int_equal(errno, EINVAL);
	g = grove_spawn(ends_anothers, &a);
	assert_int_equal(grove_get(g, &r, GROVE_FOREVER), 0);
	assert_int_equal((intptr_t)r, ESRCH);
	grove_release(g);
	assert_int_equal(grove_assert_end(&a, NULL), 0);
	assert_int_equal(grove_assert_end(&a, NULL), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(pthread_create(&t, NULL, native, NULL), 0);
	assert_int_equal(pthread_join(t, &r), 0);
	assert_null(r);
}

/* --- the trace function ------------------------------------------------------------------------------------------------------------------ */

static const char *who(grove_greenlet *g, int tid)
{
	return !tid ? "hub" : g ? grove_name(g) : "?";
}

static int inside_error;

static void traces(const struct grove_switch *s, void *arg)
{
	assert_true(s->size >= sizeof(*s));
	assert_int_equal(s->at, grove_now());
	if (s->from && grove_id(s->from) > 1 && strncmp(grove_name(s->from), "t", 1) != 0)
		return;			/* grove's own */
	if (grove_yield() != -1)
		errno = 0;
	inside_error = errno;
	note("%s%s>%s%s", who(s->from, s->from_tid), s->waits ? s->waits : "", s->event == GROVE_THROW ? "!" : "", who(s->to, s->to_tid));
	(*(int *)arg)++;
	errno = 4242;
}

static void *traced(void *arg)
{
	errno = 11;
	note("%d", grove_sleep((int64_t)(intptr_t)arg));
	return NULL;
}

static grove_greenlet *named(const char *name, void *arg)
{
	struct grove_spawn_attr attr = { .size = sizeof(attr), .name = name };

	return grove_spawn_with(&attr, traced, arg);
}

static void test_trace(void **state)
{
	int n = 0;
	void *arg = NULL;
	grove_greenlet *g;

	(void)state;
	assert_null(grove_gettrace(NULL));
	g = named("t1", (void *)GROVE_SEC(1));
	grove_yield();
	assert_int_equal(grove_settrace(traces, &n), 0);
	assert_true(grove_gettrace(&arg) == traces);
	assert_ptr_equal(arg, &n);
	errno = 7;
	assert_int_equal(grove_join(g, GROVE_FOREVER), 0);
	assert_int_equal(errno, 7);
	assert_int_equal(inside_error, ENOTSUP);
	assert_int_equal(grove_settrace(NULL, NULL), 0);
	assert_string_equal(api_log, "maingreenlet>hub hub>t1 0 ?>main");
	assert_int_equal(n, 3);
	assert_null(grove_gettrace(NULL));
	assert_null(gr_carrier()->on_switch);
	grove_release(g);
}

static void test_trace_throw(void **state)
{
	int n = 0;
	grove_greenlet *g = named("t2", (void *)GROVE_SEC(1));

	(void)state;
	grove_yield();
	assert_int_equal(grove_settrace(traces, &n), 0);
	assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);
	assert_int_equal(grove_settrace(NULL, NULL), 0);
	assert_non_null(strstr(api_log, "maingreenlet>!t2 -1"));
	grove_release(g);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		api_test(test_assertions),
		api_test(test_others_do_not_count),
		api_test(test_a_greenlet_that_ends_within),
		api_test(test_misuse_of_assertions),
		api_test(test_trace),
		api_test(test_trace_throw),
	};

	return cmocka_run_group_tests(tests, api_begin, NULL);
}
