/*
 * channel.c - items go from one to another over a channel without a buffer: each is a rendezvous
 *
 *	channel SIDE [items]	prints nanoseconds per item
 *
 * grove: two greenlets send and receive in turns.  one_way: one of them sends, and the other receives; so each wakes up in another place
 * than where the other one went to sleep, and the processor mispredicts where it returns to.  threads: one way, by a mutex, a place for
 * one item and two condition variables.
 */
#include "bench.h"
#include <pthread.h>

static long items;

static void *sends(void *arg)
{
	for (long i = 1; i <= items; i++)
		BENCH_CHECK(grove_channel_send(arg, (void *)i, GROVE_FOREVER) == 0);
	return NULL;
}

static void *receives(void *arg)
{
	for (long i = 1; i <= items; i++) {
		void *got;

		BENCH_CHECK(grove_channel_recv(arg, &got, GROVE_FOREVER) == 0 && (long)got == i);
	}
	return NULL;
}

static double run_one_way(long n)
{
	grove_channel *channel = grove_channel_new(0);

	items = n;
	return bench_two(sends, channel, receives, channel);
}

static grove_channel *shared;

static void *takes_turns(void *arg)
{
	for (long i = 1; i <= items; i++) {
		void *got = (void *)i;

		if ((i + (long)arg) % 2)
			BENCH_CHECK(grove_channel_send(shared, got, GROVE_FOREVER) == 0);
		else
			BENCH_CHECK(grove_channel_recv(shared, &got, GROVE_FOREVER) == 0 && (long)got == i);
	}
	return NULL;
}

static double run_grove(long n)
{
	items = n;
	shared = grove_channel_new(0);
	return bench_two(takes_turns, (void *)0, takes_turns, (void *)1);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t brought = PTHREAD_COND_INITIALIZER, taken = PTHREAD_COND_INITIALIZER;
static long item;		/* 0: none */

static void *sends_to_thread(void *arg)
{
	for (long i = 1; i <= items; i++) {
		pthread_mutex_lock(&lock);
		item = i;
		pthread_cond_signal(&brought);
		while (item)
			pthread_cond_wait(&taken, &lock);
		pthread_mutex_unlock(&lock);
	}
	return arg;
}

static double run_threads(long n)
{
	pthread_t sender;
	double from;

	items = n;
	BENCH_CHECK(pthread_create(&sender, NULL, sends_to_thread, NULL) == 0);
	from = bench_now(CLOCK_MONOTONIC);
	for (long i = 1; i <= n; i++) {
		pthread_mutex_lock(&lock);
		while (!item)
			pthread_cond_wait(&brought, &lock);
		BENCH_CHECK(item == i);
		item = 0;
		pthread_cond_signal(&taken);
		pthread_mutex_unlock(&lock);
	}
	pthread_join(sender, NULL);
	return bench_now(CLOCK_MONOTONIC) - from;
}

BENCH_MAIN(4000000, { "grove", run_grove }, { "one_way", run_one_way }, { "threads", run_threads })
