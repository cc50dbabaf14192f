/* test_time.c - nanosleep and clock_nanosleep on a clock that jumps */
#include "fake_wait.h"

#define S	GR_SEC(1000)		/* where the clock begins */

static int signals_half_way(int n)
{
	(void)n;
	fake_clock += GR_MS(400);
	return -EINTR;
}

static int signals_too_late(int n)
{
	(void)n;
	fake_clock += GR_SEC(2);
	return -EINTR;
}

static int wakes_for_nothing(int n)
{
	return n < 3 ? 0 : -ETIMEDOUT;
}

static int is_killed(int n)
{
	(void)n;
	return -ECANCELED;
}

static const struct row {
	const char *when;
	int flags;
	struct timespec req;
	int (*step)(int);
	long want;
	gr_time rem;			/* -1: untouched */
	gr_time took;
	const char *log;
} rows[] = {
	{ "a second",            0,             { 1, 0 },             NULL,              0,      -1,         GR_SEC(1),   "sleep" },
	{ "no time",             0,             { 0, 0 },             NULL,              0,      -1,         0,           "sleep" },
	{ "woken for nothing",   0,             { 1, 0 },             wakes_for_nothing, 0,      -1,         GR_SEC(1),   "sleep sleep sleep sleep" },
	{ "a signal",            0,             { 1, 5 },             signals_half_way,  -EINTR, GR_MS(600) + 5, GR_MS(400), "sleep" },
	{ "a signal, too late",  0,             { 1, 0 },             signals_too_late,  0,      -1,         GR_SEC(2),   "sleep" },
	{ "killed",              0,             { 1, 0 },             is_killed,     -ECANCELED, -1,         0,           "sleep" },
	{ "until",               TIMER_ABSTIME, { 1001, 0 },          NULL,              0,      -1,         GR_SEC(1),   "sleep" },
	{ "until now",           TIMER_ABSTIME, { 1000, 0 },          NULL,              0,      -1,         0,           "" },
	{ "until then",          TIMER_ABSTIME, { 0, 0 },             NULL,              0,      -1,         0,           "" },
	{ "until, a signal",     TIMER_ABSTIME, { 1001, 0 },          signals_half_way,  -EINTR, -1,         GR_MS(400),  "sleep" },
	{ "no time at all",      0,             { -1, 0 },            NULL,              -EINVAL, -1,        0,           "" },
	{ "1000000000 ns",       0,             { 0, 1000000000 },    NULL,              -EINVAL, -1,        0,           "" },
	{ "-1 ns",               TIMER_ABSTIME, { 0, -1 },            NULL,              -EINVAL, -1,        0,           "" },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < GR_LENGTH(rows); i++) {
		const struct row *r = &rows[i];
		struct timespec rem = { -1, -1 };

		fake_start(r->step);
		print_message("  %s\n", r->when);
		assert_int_equal(green_clock_nanosleep(CLOCK_MONOTONIC, r->flags, &r->req, &rem), r->want);
		assert_int_equal(rem.tv_sec == -1 ? -1 : gr_from_timespec(&rem), r->rem);
		assert_int_equal(fake_clock, S + r->took);
		assert_string_equal(fake_log, r->log);
		if (r->flags)
			continue;
		rem = (struct timespec){ -1, -1 };
		fake_start(r->step);
		assert_int_equal(green_nanosleep(&r->req, &rem), r->want);
		assert_int_equal(rem.tv_sec == -1 ? -1 : gr_from_timespec(&rem), r->rem);
		assert_int_equal(fake_clock, S + r->took);
	}
}

static void test_bad_pointers(void **state)
{
	struct timespec ts = { 1, 0 };

	(void)state;
	fake_start(signals_half_way);
	assert_int_equal(green_nanosleep(BAD_POINTER, NULL), -EFAULT);
	assert_int_equal(green_nanosleep(&ts, BAD_POINTER), -EFAULT);
	assert_int_equal(green_nanosleep(&ts, NULL), -EINTR);
	ts.tv_sec = 2000;
	assert_int_equal(green_clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, BAD_POINTER), -EINTR);
}

/* The real clock stands still here, in comparison. */
static void test_realtime(void **state)
{
	struct timespec at;

	(void)state;
	clock_gettime(CLOCK_REALTIME, &at);
	fake_start(NULL);
	assert_int_equal(green_clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL), 0);
	at.tv_sec += 100000;
	fake_step = signals_half_way;
	assert_int_equal(green_clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL), -EINTR);
	fake_step = NULL;
	assert_int_equal(green_clock_nanosleep(CLOCK_TAI, 0, &(struct timespec){ 0, 1 }, NULL), 0);
	assert_string_equal(fake_log, "sleep sleep");
}

static long cpu_clock(long nr, long a, long b, long c, long d, long e)
{
	(void)b, (void)c, (void)d, (void)e;
	assert_int_equal(nr, SYS_clock_nanosleep);
	assert_int_equal(a, CLOCK_PROCESS_CPUTIME_ID);
	return -GR_ERESTART;
}

static void test_other_clocks(void **state)
{
	struct timespec ts = { 1, 0 };

	(void)state;
	fake_start(NULL);
	fake_offload = cpu_clock;
	assert_int_equal(green_clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &ts, NULL), -EINTR);
	assert_string_equal(fake_log, "offload(230)");
	assert_int_equal(green_clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &ts, NULL), -EOPNOTSUPP);
	assert_int_equal(green_clock_nanosleep(CLOCK_MONOTONIC_RAW, 0, &ts, NULL), -EOPNOTSUPP);
	assert_int_equal(green_clock_nanosleep(CLOCK_REALTIME_COARSE, 0, BAD_POINTER, NULL), -EOPNOTSUPP);
	assert_int_equal(green_clock_nanosleep(12345, 0, &ts, NULL), -EINVAL);
	assert_int_equal(green_clock_nanosleep(-2, 0, &ts, NULL), -EINVAL);	/* the calling thread's own time */
	assert_string_equal(fake_log, "offload(230)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_bad_pointers),
		cmocka_unit_test(test_realtime),
		cmocka_unit_test(test_other_clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
