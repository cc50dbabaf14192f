/*
 * yield.c - two greenlets take turns, and each turn is nothing but giving it up
 *
 *	yield grove [switches]	prints CPU nanoseconds per grove_yield()
 */
#include "bench.h"

static void *yields(void *arg)
{
	for (long i = *(const long *)arg; i > 0; i--)
		grove_yield();
	return NULL;
}

static double run_grove(long n)
{
	long half = (n + 1) / 2;

	return bench_two(yields, &half, yields, &half);
}

BENCH_MAIN(10000000, { "grove", run_grove })
