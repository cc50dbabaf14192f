/*
 * test_soak.c - a crowd of greenlets, native threads and forked children that does everything at random: see soak.h
 *
 * Rows of seeds on the clock that jumps take the same steps each time; on the real one come forked children and native threads.
 */
#include "api.h"
#include "soak.h"

static const struct soak on_real_clock[] = {
	{ .seed = 1, .rounds = 60, .real = true },
	{ .seed = 2, .rounds = 100, .real = true, .forks = true },
	{ .seed = 3, .rounds = 100, .real = true, .natives = 3, .native_thread = gr_native_thread },
}, on_jumping_clock[] = {
	{ .seed = 11, .rounds = 200 },
	{ .seed = 12, .rounds = 200 },
	{ .seed = 13, .rounds = 200 },
};

static void test_on_the_real_clock(void **state)
{
	(void)state;
	assert_true(gr_here());
	for (size_t i = 0; i < GR_LENGTH(on_real_clock); i++)
		soak(&on_real_clock[i]);
}

static void test_on_a_clock_that_jumps(void **state)
{
	(void)state;
	for (size_t i = 0; i < GR_LENGTH(on_jumping_clock); i++)
		soak(&on_jumping_clock[i]);
}

/* A native thread that still ends may be taken off its processor while it holds a lock of libc's: the clock would jump over that. */
static int only_greenlets(void **state)
{
	for (int ms = 0; gr_natives_left(gr_carrier()); ms++) {
		assert_true(ms < 60000);
		assert_int_equal(grove_sleep(GROVE_MS(1)), 0);
	}
	return api_begin(state);
}

int main(void)
{
	const struct CMUnitTest real[] = {
		api_test(test_on_the_real_clock),
	}, jumping[] = {
		api_test(test_on_a_clock_that_jumps),
	};

	return cmocka_run_group_tests(real, NULL, NULL) + cmocka_run_group_tests(jumping, only_greenlets, NULL);
}
