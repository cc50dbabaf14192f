/*
 * ticker.c - an asynchronous generator, and collecting what one yields
 *
 * ticker() yields a number and sleeps, again and again.  It is written as one loop, and used as one: GROVE_ASYNC_FOR.  While it sleeps
 * its consumer is parked, and others run; so two tickers in two greenlets tick in turn.  collect() is the comprehension
 * [tick async for tick in ticker].
 */
#include <grove.h>
#include <stdio.h>

#define DELAY	GROVE_MS(200)

static void *ticker(void *arg)
{
	for (long i = 0; i < (long)arg; i++) {
		grove_gen_yield((void *)i);
		grove_sleep(DELAY);
	}
	return NULL;
}

static void *consume(void *name)
{
	grove_generator *ticks = grove_generator_new(ticker, (void *)4);
	long i;

	GROVE_ASYNC_FOR(i, ticks)
		printf("%s %ld\n", (const char *)name, i);
	grove_generator_free(ticks);
	return NULL;
}

/* What is even, of the first @n ticks; returns how many. */
static int collect(long n, long *ret_list)
{
	grove_generator *ticks = grove_generator_new(ticker, (void *)n);
	int found = 0;
	long i;

	GROVE_ASYNC_FOR(i, ticks)
		if (i % 2 == 0)
			ret_list[found++] = i;
	grove_generator_free(ticks);
	return found;
}

int main(void)
{
	grove_greenlet *both[] = { grove_spawn(consume, "tick"), grove_spawn(consume, "tock") };
	long list[6];
	int n;

	setvbuf(stdout, NULL, _IOLBF, 0);
	grove_joinall(both, 2, 0, GROVE_FOREVER, 0);
	n = collect(6, list);
	printf("collected:");
	for (int i = 0; i < n; i++)
		printf(" %ld", list[i]);
	puts("");
	grove_release(both[0]);
	grove_release(both[1]);
	return 0;
}
