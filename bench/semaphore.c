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

static grove_semaphore *there, *back;

static void *returns_it(void *arg)
{
	for (long i = 0; i < rounds; i++) {
		grove_semaphore_acquire(there, GROVE_FOREVER);
		grove_semaphore_release(back);
	}
	return arg;
}

static void *begins(void *arg)
{
	for (long i = 0; i < rounds; i++) {
		grove_semaphore_release(there);
		grove_semaphore_acquire(back, GROVE_FOREVER);
	}
	return arg;
}

static double run_grove(long n)
{
	there = grove_semaphore_new(0);
	back = grove_semaphore_new(0);
	rounds = (n + 1) / 2;
	return bench_two(begins, returns_it, NULL);
}

static sem_t there_sem, back_sem;

static void *returns_it_to_thread(void *arg)
{
	for (long i = 0; i < rounds; i++) {
		sem_wait(&there_sem);
		sem_post(&back_sem);
	}
	return arg;
}

static double run_threads(long n)
{
	pthread_t peer;
	double from;

	rounds = (n + 1) / 2;
	sem_init(&there_sem, 0, 0);
	sem_init(&back_sem, 0, 0);
	BENCH_CHECK(pthread_create(&peer, NULL, returns_it_to_thread, NULL) == 0);
	from = bench_now(CLOCK_MONOTONIC);
	for (long i = 0; i < rounds; i++) {
		sem_post(&there_sem);
		sem_wait(&back_sem);
	}
	pthread_join(peer, NULL);
	return bench_now(CLOCK_MONOTONIC) - from;
}

BENCH_MAIN(4000000, { "grove", run_grove }, { "threads", run_threads })
