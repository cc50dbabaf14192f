/*
 * queue.c - items go from one greenlet to another through a queue that holds up to 64
 *
 *	queue grove [items]	prints CPU nanoseconds per item: one put and one get
 */
#include "bench.h"

#define BOUND 64

static long items;

static void *puts_them(void *arg)
{
	for (long i = 1; i <= items; i++)
		BENCH_CHECK(grove_queue_put(arg, (void *)i, GROVE_FOREVER) == 0);
	return NULL;
}

static void *gets_them(void *arg)
{
	for (long i = 1; i <= items; i++) {
		void *got;

		BENCH_CHECK(grove_queue_get(arg, &got, GROVE_FOREVER) == 0 && (long)got == i);
	}
	return NULL;
}

static double run_grove(long n)
{
	grove_queue *queue = grove_queue_new(BOUND);

	items = n;
	return bench_two(puts_them, queue, gets_them, queue);
}

BENCH_MAIN(10000000, { "grove", run_grove })
