/*
 * spawn_join.c - one greenlet after the other is made and waited for
 *
 *	spawn_join SIDE [greenlets]	prints CPU nanoseconds per greenlet
 *
 * grove: grove_spawn(), grove_get(), grove_release().  crowd: the same with a thousand alive at a time.
 */
#include "bench.h"

#define CROWD 1000

static void *same(void *arg)
{
	return arg;
}

/* The first one starts the runtime. */
static void begin(void)
{
	grove_greenlet *g = grove_spawn(same, NULL);

	BENCH_CHECK(grove_join(g, GROVE_FOREVER) == 0);
	grove_release(g);
}

static double run_grove(long n)
{
	double from;

	begin();
	from = bench_now(CLOCK_PROCESS_CPUTIME_ID);
	for (long i = 0; i < n; i++) {
		grove_greenlet *g = grove_spawn(same, &from);
		void *value;

		BENCH_CHECK(g && grove_get(g, &value, GROVE_FOREVER) == 0 && value == &from);
		grove_release(g);
	}
	return bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
}

static double run_crowd(long n)
{
	grove_greenlet *crowd[CROWD];
	double from;
	long size;

	begin();
	from = bench_now(CLOCK_PROCESS_CPUTIME_ID);
	for (; n > 0; n -= size) {
		size = n < CROWD ? n : CROWD;
		for (long i = 0; i < size; i++)
			BENCH_CHECK((crowd[i] = grove_spawn(same, &from)) != NULL);
		BENCH_CHECK(grove_joinall(crowd, (size_t)size, 0, GROVE_FOREVER, 0) == size);
		for (long i = 0; i < size; i++)
			grove_release(crowd[i]);
	}
	return bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
}

BENCH_MAIN(1000000, { "grove", run_grove }, { "crowd", run_crowd })
