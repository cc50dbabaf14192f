/*
 * semaphore.c - a turn passed to and fro between two greenlets by two semaphores, one for each direction
 *
 *	semaphore grove [hand-offs]	prints CPU nanoseconds per hand-off: a release, an acquire that waits, and a switch
 */
#include "bench.h"

static long rounds;		/* each is two hand-offs */

static grove_semaphore *turn[2];

static void *passes_on(void *arg)
{
	int me = (int)(long)arg;

	for (long i = 0; i < rounds; i++) {
		grove_semaphore_acquire(turn[me], GROVE_FOREVER);
		grove_semaphore_release(turn[!me]);
	}
	return NULL;
}

static double run_grove(long n)
{
	rounds = (n + 1) / 2;
	for (int i = 0; i < 2; i++)
		turn[i] = grove_semaphore_new(i == 0);
	return bench_two(passes_on, (void *)0, passes_on, (void *)1);
}

BENCH_MAIN(4000000, { "grove", run_grove })
