/*
 * semaphore.c - a turn passed to and fro between two by two semaphores, one for each direction
 *
 *	semaphore SIDE [hand-offs]	prints nanoseconds per hand-off: a release, an acquire that waits, and a switch
 *
 * grove: grove_semaphore.  threads: sem_t between kernel threads.
 */
#include "bench.h"
#include <pthread.h>
#include <semaphore.h>

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

static sem_t thread_turn[2];

static void *thread_passes_on(void *arg)
{
	int me = (int)(long)arg;

	for (long i = 0; i < rounds; i++) {
		sem_wait(&thread_turn[me]);
		sem_post(&thread_turn[!me]);
	}
	return NULL;
}

static double run_threads(long n)
{
	pthread_t peer;
	double from;

	rounds = (n + 1) / 2;
	for (unsigned i = 0; i < 2; i++)
		sem_init(&thread_turn[i], 0, i == 0);
	BENCH_CHECK(pthread_create(&peer, NULL, thread_passes_on, (void *)1) == 0);
	from = bench_now(CLOCK_MONOTONIC);
	thread_passes_on((void *)0);
	pthread_join(peer, NULL);
	return bench_now(CLOCK_MONOTONIC) - from;
}

BENCH_MAIN(4000000, { "grove", run_grove }, { "threads", run_threads })
