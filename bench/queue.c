/*
 * queue.c - items go from one to another through a queue that holds up to 64
 *
 *	queue SIDE [items]	prints nanoseconds per item: one put and one get
 *
 * grove: grove_queue.  threads: a ring, a mutex and two condition variables.
 */
#include "bench.h"
#include <pthread.h>

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

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER, not_full = PTHREAD_COND_INITIALIZER;
static long ring[BOUND];
static unsigned put, got;

static void *puts_them_to_thread(void *arg)
{
	for (long i = 1; i <= items; i++) {
		pthread_mutex_lock(&lock);
		while (put - got == BOUND)
			pthread_cond_wait(&not_full, &lock);
		ring[put++ % BOUND] = i;
		pthread_cond_signal(&not_empty);
		pthread_mutex_unlock(&lock);
	}
	return arg;
}

static double run_threads(long n)
{
	pthread_t putter;
	double from;

	items = n;
	BENCH_CHECK(pthread_create(&putter, NULL, puts_them_to_thread, NULL) == 0);
	from = bench_now(CLOCK_MONOTONIC);
	for (long i = 1; i <= n; i++) {
		pthread_mutex_lock(&lock);
		while (put == got)
			pthread_cond_wait(&not_empty, &lock);
		BENCH_CHECK(ring[got++ % BOUND] == i);
		pthread_cond_signal(&not_full);
		pthread_mutex_unlock(&lock);
	}
	pthread_join(putter, NULL);
	return bench_now(CLOCK_MONOTONIC) - from;
}

BENCH_MAIN(10000000, { "grove", run_grove }, { "threads", run_threads })
