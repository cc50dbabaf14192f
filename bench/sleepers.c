/*
 * sleepers.c - greenlets that sleep
 *
 *	sleepers grove [n]			n sleep once, each for a time of its own: CPU nanoseconds for each, lateness
 *	sleepers late [n [us others]]		one sleeps n times for @us, while @others work for 20 us and sleep 1 ms in turns
 */
#include "bench.h"

static long sleepers, running;

static void *sleeps(void *arg)
{
	double from = bench_now(CLOCK_MONOTONIC);

	BENCH_CHECK(grove_sleep(bench_length((long)arg, sleepers)) == 0);
	bench_woke((long)arg, from, bench_length((long)arg, sleepers));
	running--;
	return NULL;
}

static double run_grove(long n)
{
	double from = bench_now(CLOCK_PROCESS_CPUTIME_ID), took;

	bench_late_new(n);
	sleepers = running = n;
	for (long i = 0; i < n; i++)
		BENCH_CHECK(grove_spawn_raw(sleeps, (void *)i) == 0);
	while (running > 0)
		BENCH_CHECK(grove_sleep(GROVE_MS(100)) == 0);
	took = bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
	bench_print_late(n);
	return took;
}

static void *works(void *arg)
{
	while (!bench_stop) {
		bench_work();
		grove_sleep(BENCH_REST);
	}
	return arg;
}

static void *sleeps_often(void *arg)
{
	long n = *(long *)arg;
	int64_t length = bench_args[0] * 1000;

	for (long i = 0; i < n; i++) {
		double from = bench_now(CLOCK_MONOTONIC);

		BENCH_CHECK(grove_sleep(length) == 0);
		bench_woke(i, from, length);
	}
	bench_stop = 1;
	return NULL;
}

static double run_late(long n)
{
	double begin = bench_now(CLOCK_MONOTONIC);
	grove_greenlet *sleeper;

	bench_late_new(n);
	bench_find_work();
	for (long i = 0; i < bench_args[1]; i++)
		BENCH_CHECK(grove_spawn_raw(works, NULL) == 0);
	sleeper = grove_spawn(sleeps_often, &n);
	BENCH_CHECK(grove_join(sleeper, GROVE_FOREVER) == 0);
	bench_print_late(n);
	return bench_now(CLOCK_MONOTONIC) - begin;
}

BENCH_MAIN(100000, { "grove", run_grove }, { "late", run_late })
