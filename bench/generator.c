/*
 * generator.c - a generator that counts, and nobody who does anything with the numbers
 *
 *	generator grove [values]	prints CPU nanoseconds per grove_gen_next()
 */
#include "bench.h"

static void *count(void *arg)
{
	for (long i = 1;; i++)
		grove_gen_yield((void *)i);
	return arg;
}

static double run_grove(long n)
{
	grove_generator *gen = grove_generator_new(count, NULL);
	double from = bench_now(CLOCK_PROCESS_CPUTIME_ID), took;
	void *value = NULL;

	for (long i = 0; i < n; i++)
		BENCH_CHECK(grove_gen_next(gen, &value) == 1);
	took = bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
	BENCH_CHECK((long)value == n);
	grove_generator_free(gen);
	return took;
}

BENCH_MAIN(10000000, { "grove", run_grove })
