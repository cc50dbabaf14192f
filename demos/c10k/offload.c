/*
 * offload.c - a task that computes, alone and offloaded: grove_to_thread()
 *
 * Greenlets take turns when they wait.  Who computes does not wait, and stops all the others: the ticker, which wants to tick
 * each millisecond, stands still meanwhile.  On a native thread the same function takes the same time, and the ticker ticks on,
 * since only the greenlet that wants the result waits for it.
 */
#include "../demo.h"
#include <grove.h>

#define LIMIT	400000

static int ticks;

static void *ticker(void *arg)
{
	(void)arg;
	while (grove_sleep(GROVE_MS(1)) == 0)
		ticks++;
	return NULL;
}

/* How many primes are there below the limit? */
static void *count_primes(void *arg)
{
	long n = 0;

	for (long i = 2; i < *(long *)arg; i++) {
		long d = 2;

		while (d * d <= i && i % d)
			d++;
		n += d * d > i;
	}
	return (void *)n;
}

/* Ticks before and after are left out: what counts is who ran during the computation. */
static int ticks_during(const char *how, grove_fn *compute, long *ret_primes)
{
	long limit = LIMIT;
	double begin;
	int before;

	grove_sleep(GROVE_MS(5));
	before = ticks;
	begin = seconds_now();
	*ret_primes = (long)compute(&limit);
	fprintf(stderr, "%s: %d ticks in %.0f ms\n", how, ticks - before, (seconds_now() - begin) * 1e3);
	return ticks - before;
}

static void *offloaded(void *limit)
{
	void *primes = NULL;

	grove_to_thread(count_primes, limit, &primes, GROVE_FOREVER);
	return primes;
}

int main(void)
{
	grove_greenlet *g = grove_spawn(ticker, NULL);
	long alone_found, offloaded_found;
	int alone_ticks = ticks_during("alone", count_primes, &alone_found);
	int offloaded_ticks = ticks_during("offloaded", offloaded, &offloaded_found);

	printf("%ld primes below %d\n", alone_found, LIMIT);
	printf("alone: the ticker ticks meanwhile: %s\n", yes_no(alone_ticks > 0));
	printf("offloaded: the ticker ticks meanwhile: %s, same result: %s\n", yes_no(offloaded_ticks > 0),
	       yes_no(alone_found == offloaded_found));
	grove_kill(g, GROVE_FOREVER);
	grove_release(g);
	return 0;
}
