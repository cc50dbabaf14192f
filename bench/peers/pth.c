/*
 * pth.c - GNU Pth
 * Needs: libpth-dev
 * Build: -lpth
 *
 * It has no semaphores and no channels; both are made of its mutexes and condition variables.
 */
#include "../sides.h"
#include <pth.h>

static long rounds;
static pth_attr_t attr;

static void begin(void)
{
	BENCH_CHECK(pth_init());
	attr = pth_attr_new();
	pth_attr_set(attr, PTH_ATTR_STACK_SIZE, 65536);
}

static double two(void *(*a)(void *), void *(*b)(void *))
{
	pth_t other = pth_spawn(attr, b, (void *)1);
	double from = bench_now(CLOCK_PROCESS_CPUTIME_ID);

	BENCH_CHECK(other);
	a((void *)0);
	BENCH_CHECK(pth_join(other, NULL));
	return bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
}

static void *yields(void *arg)
{
	for (long i = 0; i < rounds; i++)
		pth_yield(NULL);
	return arg;
}

static double run_yield(long n)
{
	begin();
	rounds = (n + 1) / 2;
	return two(yields, yields);
}

/* --- a turn ---------------------------------------------------------------------------------------------------------------- */

static pth_mutex_t lock = PTH_MUTEX_INIT;
static pth_cond_t changed[2] = { PTH_COND_INIT, PTH_COND_INIT };
static int count[2] = { 1, 0 };

static void *passes_on(void *arg)
{
	int me = (int)(long)arg;

	for (long i = 0; i < rounds; i++) {
		pth_mutex_acquire(&lock, FALSE, NULL);
		while (count[me] == 0)
			pth_cond_await(&changed[me], &lock, NULL);
		count[me]--;
		count[!me]++;
		pth_cond_notify(&changed[!me], FALSE);
		pth_mutex_release(&lock);
	}
	return NULL;
}

static double run_semaphore(long n)
{
	begin();
	rounds = (n + 1) / 2;
	return two(passes_on, passes_on);
}

static int whose;

static void *plays(void *arg)
{
	int me = (int)(long)arg;

	for (long i = 0; i < rounds; i++) {
		pth_mutex_acquire(&lock, FALSE, NULL);
		while (whose != me)
			pth_cond_await(&changed[0], &lock, NULL);
		whose = !me;
		pth_cond_notify(&changed[0], FALSE);
		pth_mutex_release(&lock);
	}
	return NULL;
}

static double run_condition(long n)
{
	begin();
	rounds = (n + 1) / 2;
	return two(plays, plays);
}

/* --- a place for one item -------------------------------------------------------------------------------------------------- */

static pth_cond_t brought = PTH_COND_INIT, taken = PTH_COND_INIT;
static long item;		/* 0: none */

static void *sends(void *arg)
{
	for (long i = 1; i <= rounds; i++) {
		pth_mutex_acquire(&lock, FALSE, NULL);
		item = i;
		pth_cond_notify(&brought, FALSE);
		while (item)
			pth_cond_await(&taken, &lock, NULL);
		pth_mutex_release(&lock);
	}
	return arg;
}

static void *receives(void *arg)
{
	for (long i = 1; i <= rounds; i++) {
		pth_mutex_acquire(&lock, FALSE, NULL);
		while (!item)
			pth_cond_await(&brought, &lock, NULL);
		BENCH_CHECK(item == i);
		item = 0;
		pth_cond_notify(&taken, FALSE);
		pth_mutex_release(&lock);
	}
	return arg;
}

static double run_channel(long n)
{
	begin();
	rounds = n;
	return two(receives, sends);
}

/* --- create and join, sleep ------------------------------------------------------------------------------------------------ */

static void *same(void *arg)
{
	return arg;
}

static double run_create(long n)
{
	double from;

	begin();
	from = bench_now(CLOCK_PROCESS_CPUTIME_ID);
	for (long i = 0; i < n; i++) {
		pth_t thread = pth_spawn(attr, same, &from);
		void *value;

		BENCH_CHECK(thread && pth_join(thread, &value) && value == &from);
	}
	return bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
}

static void *works(void *arg)
{
	while (!bench_stop) {
		bench_work();
		pth_usleep(BENCH_REST / 1000);
	}
	return arg;
}

static double run_late(long n)
{
	double begun;

	begin();
	bench_late_new(n);
	bench_find_work();
	for (long i = 0; i < bench_args[1]; i++)
		BENCH_CHECK(pth_spawn(attr, works, NULL));
	begun = bench_now(CLOCK_MONOTONIC);
	for (long i = 0; i < n; i++) {
		double from = bench_now(CLOCK_MONOTONIC);

		pth_nap(pth_time(0, bench_args[0]));
		bench_woke(i, from, bench_args[0] * 1000);
	}
	bench_print_late(n);
	return bench_now(CLOCK_MONOTONIC) - begun;
}

BENCH_MAIN(10000, { "yield", run_yield }, { "semaphore", run_semaphore }, { "condition", run_condition },
	   { "channel", run_channel }, { "create", run_create }, { "late", run_late })
