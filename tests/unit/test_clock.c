/*
 * Arithmetic of times at its edges, on a clock that stands still; and once against libc's clock
 */
#include "clock.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static gr_time fake = 1000;

static gr_time fake_clock(void)
{
	return fake;
}

static gr_time (*real_clock)(void);

static int use_fake(void **state)
{
	(void)state;
	real_clock = gr_clock_source;
	gr_clock_source = fake_clock;
	return 0;
}

static int use_real(void **state)
{
	(void)state;
	gr_clock_source = real_clock;
	return 0;
}

static void agrees_with_libc(void **state)
{
	struct timespec a, b;
	gr_time t;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &a);
	t = gr_now();
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true(gr_from_timespec(&a) <= t && t <= gr_from_timespec(&b));
}

static void deadlines_saturate(void **state)
{
	(void)state;
	assert_true(gr_deadline(5) == 1005);
	assert_true(gr_deadline(0) == 1000);
	assert_true(gr_deadline(GR_NEVER) == GR_NEVER);
	assert_true(gr_deadline(GR_NEVER - 1) == GR_NEVER);
}

static const struct { struct timespec ts; bool ok; gr_time ns; } specs[] = {
	{ { 0, 0 },			true,	0 },
	{ { 1, 5 },			true,	GR_SEC(1) + 5 },
	{ { 0, 999999999 },		true,	999999999 },
	{ { 0, 1000000000 },		false,	GR_SEC(1) },
	{ { 0, -1 },			false,	-1 },
	{ { -1, 0 },			false,	-GR_SEC(1) },
	{ { INT64_MAX, 0 },		true,	GR_NEVER },
	{ { 9223372036, 854775807 },	true,	INT64_MAX },
	{ { 9223372036, 854775808 },	true,	GR_NEVER },
	{ { INT64_MIN, 0 },		false,	INT64_MIN },
};

static void timespecs_convert(void **state)
{
	(void)state;
	for (size_t i = 0; i < GR_LENGTH(specs); i++) {
		assert_int_equal(gr_timespec_ok(&specs[i].ts), specs[i].ok);
		assert_true(gr_from_timespec(&specs[i].ts) == specs[i].ns);
	}
}

static void timespecs_come_back(void **state)
{
	static const gr_time times[] = { 0, 1, 999999999, 1000000000, INT64_MAX, -1, -1000000000, -1000000001 };
	struct timespec ts;

	(void)state;
	for (size_t i = 0; i < GR_LENGTH(times); i++) {
		gr_to_timespec(times[i], &ts);
		assert_true(ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000);
		assert_true(gr_from_timespec(&ts) == times[i]);
	}
}

static void other_clocks_become_monotonic(void **state)
{
	struct timespec ts;
	gr_time at;

	(void)state;
	assert_true(gr_deadline_on(CLOCK_MONOTONIC, 77) == 77);
	assert_true(gr_deadline_on(CLOCK_REALTIME, GR_NEVER) == GR_NEVER);
	clock_gettime(CLOCK_REALTIME, &ts);
	at = gr_deadline_on(CLOCK_REALTIME, gr_from_timespec(&ts) + GR_SEC(100));
	assert_true(at <= fake + GR_SEC(100) && at > fake + GR_SEC(40));	/* one-sided but for a machine that stops for a minute */
	assert_true(gr_deadline_on(CLOCK_REALTIME, 0) < fake);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_libc),
		cmocka_unit_test_setup_teardown(deadlines_saturate, use_fake, use_real),
		cmocka_unit_test(timespecs_convert),
		cmocka_unit_test(timespecs_come_back),
		cmocka_unit_test_setup_teardown(other_clocks_become_monotonic, use_fake, use_real),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
