/*
 * crowd.c - as many greenlets as asked for, all waiting at once
 *
 *	crowd read [n]		in read() on one pipe: prints how many, and waits for a line
 *	crowd sleep [n]		in grove_sleep()
 *	crowd alive [n]		for an event: CPU nanoseconds for each from its making to its end, KB for each
 */
#include "bench.h"
#include <unistd.h>

static int pipe_ends[2];
static grove_event *may_end;
static long there;

static void *reads(void *arg)
{
	char byte;

	there++;
	BENCH_CHECK(read(pipe_ends[0], &byte, 1) == 1);
	return arg;
}

static void *sleeps(void *arg)
{
	there++;
	grove_sleep(GROVE_SEC(1000));
	return arg;
}

static void *waits(void *arg)
{
	there++;
	grove_event_wait(may_end, GROVE_FOREVER);
	there--;
	return arg;
}

static void make(long n, grove_fn *fn)
{
	for (long i = 0; i < n; i++)
		BENCH_CHECK(grove_spawn_raw(fn, NULL) == 0);
	while (there < n)
		grove_yield();
}

static _Noreturn void park(long n, grove_fn *fn)
{
	BENCH_CHECK(grove_patch() == 0 && pipe(pipe_ends) == 0);
	make(n, fn);
	grove_yield();
	bench_parked(n);
	_exit(0);
}

static double run_read(long n)
{
	park(n, reads);
}

static double run_sleep(long n)
{
	park(n, sleeps);
}

static double run_alive(long n)
{
	double from, kb, took;

	may_end = grove_event_new();
	kb = bench_kb();
	from = bench_now(CLOCK_PROCESS_CPUTIME_ID);
	make(n, waits);
	took = bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
	printf("made %ld\nkb %.2f\n", n, (bench_kb() - kb) / (double)n);
	from = bench_now(CLOCK_PROCESS_CPUTIME_ID);
	grove_event_set(may_end);
	while (there > 0)
		grove_yield();
	return took + bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
}

BENCH_MAIN(100000, { "read", run_read }, { "sleep", run_sleep }, { "alive", run_alive })
