/*
 * channel.c - items go from one to another over a channel without a buffer: each is a rendezvous
 *
 *	channel SIDE [items]	prints CPU nanoseconds per item
 *
 * grove: two greenlets send and receive in turns.  one_way: one of them sends, and the other receives; so each wakes up in
 * another place than where the other one went to sleep, and the processor mispredicts where it returns to.
 */
#include "bench.h"

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

BENCH_MAIN(4000000, { "grove", run_grove }, { "one_way", run_one_way })
