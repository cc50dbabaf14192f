/*
 * thread_timers.c - plain POSIX threads that sleep, and as many as can be alive; run bare and under grove
 *
 *	thread_timers sleepers [n]		n sleep once, each for a time of its own: CPU nanoseconds for each, lateness
 *	thread_timers late [n [us others]]	one sleeps n times for @us, while @others work for 20 us and sleep 1 ms in turns
 *	thread_timers exact [n [us others]]	the same, when the kernel is asked not to group timers: it may be 50 us late else
 *	thread_timers alive [n]			n that wait at once: CPU nanoseconds for each, how many there were, KB for each
 */
#include "sides.h"
#include <pthread.h>
#include <semaphore.h>
#include <sys/prctl.h>

static pthread_attr_t small;

static void nap(int64_t ns)
{
	struct timespec for_so_long = { ns / 1000000000, ns % 1000000000 };

	BENCH_CHECK(clock_nanosleep(CLOCK_MONOTONIC, 0, &for_so_long, NULL) == 0);
}

/* As many as can be made, up to n, with stacks of 64 KiB */
static long make(long n, void *(*fn)(void *), pthread_t *threads)
{
	long made;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	for (made = 0; made < n; made++)
		if (pthread_create(&threads[made], &small, fn, (void *)made) != 0)
			break;
	return made;
}

/* --- sleepers -------------------------------------------------------------------------------------------------------------- */

static long sleepers;

static void *sleeps(void *arg)
{
	double from = bench_now(CLOCK_MONOTONIC);

	nap(bench_length((long)arg, sleepers));
	bench_woke((long)arg, from, bench_length((long)arg, sleepers));
	return NULL;
}

static double run_sleepers(long n)
{
	pthread_t *threads = calloc((size_t)n, sizeof(*threads));
	double from = bench_now(CLOCK_PROCESS_CPUTIME_ID), took;

	sleepers = n;
	bench_late_new(n);
	BENCH_CHECK(make(n, sleeps, threads) == n);
	for (long i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	took = bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
	bench_print_late(n);
	return took;
}

/* --- late ------------------------------------------------------------------------------------------------------------------ */

static void *works(void *arg)
{
	while (!bench_stop) {
		bench_work();
		nap(BENCH_REST);
	}
	return arg;
}

static double run_late(long n)
{
	pthread_t threads[1000];
	long others = bench_args[1] < 1000 ? bench_args[1] : 1000;
	int64_t length = bench_args[0] * 1000;
	double begin;

	bench_late_new(n);
	bench_find_work();
	BENCH_CHECK(make(others, works, threads) == others);
	begin = bench_now(CLOCK_MONOTONIC);
	for (long i = 0; i < n; i++) {
		double from = bench_now(CLOCK_MONOTONIC);

		nap(length);
		bench_woke(i, from, length);
	}
	begin = bench_now(CLOCK_MONOTONIC) - begin;
	bench_stop = 1;
	for (long i = 0; i < others; i++)
		pthread_join(threads[i], NULL);
	bench_print_late(n);
	return begin;
}

static double run_exact(long n)
{
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	return run_late(n);
}

/* --- alive ----------------------------------------------------------------------------------------------------------------- */

static sem_t may_end;
static volatile long there;

static void *waits(void *arg)
{
	__atomic_add_fetch(&there, 1, __ATOMIC_RELAXED);
	sem_wait(&may_end);
	sem_post(&may_end);
	return arg;
}

static double run_alive(long n)
{
	pthread_t *threads = calloc((size_t)n, sizeof(*threads));
	double from = bench_now(CLOCK_PROCESS_CPUTIME_ID), kb = bench_kb(), took;
	long made;

	sem_init(&may_end, 0, 0);
	made = make(n, waits, threads);
	while (there < made)
		nap(1000000);
	took = bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
	printf("made %ld\nkb %.2f\n", made, (bench_kb() - kb) / (double)made);
	from = bench_now(CLOCK_PROCESS_CPUTIME_ID);
	sem_post(&may_end);
	for (long i = 0; i < made; i++)
		pthread_join(threads[i], NULL);
	took += bench_now(CLOCK_PROCESS_CPUTIME_ID) - from;
	return took * (double)n / (double)made;
}

BENCH_MAIN(1000, { "sleepers", run_sleepers }, { "late", run_late }, { "exact", run_exact }, { "alive", run_alive })
