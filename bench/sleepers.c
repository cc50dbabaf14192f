/*
 * sleepers.c - many sleep at once, each for a time of its own
 *
 *	sleepers SIDE [n]	prints, for each of them: CPU nanoseconds to make it and until it sleeps, CPU nanoseconds to wake and end it,
 *				KB of resident memory (Pss) and of page tables while all sleep; and how late they woke, median and worst
 *
 * grove: greenlets, grove_sleep().  threads: pthreads with stacks of the same size, clock_nanosleep().  All wake within one second,
 * which begins when all of them have been made.
 */
#include "bench.h"
#include <pthread.h>
#include <unistd.h>

static long n;
static volatile long asleep;
static double begin;		/* of the second in which they wake; 0: not all have been made */
static float *late;

/* The same times on each run, for each side */
static double moment(long i)
{
	return begin + (double)((uint64_t)i * 2654435761u % 1000000007u) * (1e9 / 1000000007);
}

static double kb_of(const char *file, const char *field)
{
	char line[256];
	double kb = 0;
	FILE *f = fopen(file, "r");

	BENCH_CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, field, strlen(field)) == 0)
			kb = atof(line + strlen(field));
	fclose(f);
	return kb;
}

static double pss(void)
{
	return kb_of("/proc/self/smaps_rollup", "Pss:");
}

static double tables(void)
{
	return kb_of("/proc/self/status", "VmPTE:");
}

/* --- grove ----------------------------------------------------------------------------------------------------------------- */

static grove_event *all_made;

static void *sleeps(void *arg)
{
	long i = (long)arg;

	asleep++;
	grove_event_wait(all_made, GROVE_FOREVER);
	BENCH_CHECK(grove_sleep((int64_t)(moment(i) - bench_now(CLOCK_MONOTONIC))) == 0);
	late[i] = (float)(bench_now(CLOCK_MONOTONIC) - moment(i));
	return NULL;
}

static void make_greenlets(void)
{
	all_made = grove_event_new();
	for (long i = 0; i < n; i++)
		BENCH_CHECK(grove_spawn_raw(sleeps, (void *)i) == 0);
	while (asleep < n)
		grove_yield();
}

static void wake_greenlets(void)
{
	grove_event_set(all_made);
	grove_sleep(GROVE_MS(1500));
	BENCH_CHECK(bench_now(CLOCK_MONOTONIC) > begin + 1e9);
}

/* --- threads --------------------------------------------------------------------------------------------------------------- */

static pthread_barrier_t barrier;
static pthread_t *threads;

static void *thread_sleeps(void *arg)
{
	long i = (long)arg;
	struct timespec at;

	__atomic_add_fetch(&asleep, 1, __ATOMIC_RELAXED);
	pthread_barrier_wait(&barrier);
	at.tv_sec = (time_t)(moment(i) / 1e9);
	at.tv_nsec = (long)(moment(i) - (double)at.tv_sec * 1e9);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
	late[i] = (float)(bench_now(CLOCK_MONOTONIC) - moment(i));
	return NULL;
}

static void make_threads(void)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, GROVE_STACK_SIZE);
	pthread_barrier_init(&barrier, NULL, (unsigned)n + 1);
	threads = malloc((size_t)n * sizeof(*threads));
	for (long i = 0; i < n; i++)
		BENCH_CHECK(pthread_create(&threads[i], &attr, thread_sleeps, (void *)i) == 0);
	while (asleep < n)
		usleep(1000);
}

static void wake_threads(void)
{
	pthread_barrier_wait(&barrier);
	for (long i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

/* --------------------------------------------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	bool greenlets = argc > 1 && strcmp(argv[1], "grove") == 0;
	double made, woken, kb, kb_tables;

	n = argc > 2 ? atol(argv[2]) : 100000;
	if (argc < 2 || n < 1 || (!greenlets && strcmp(argv[1], "threads") != 0)) {
		fprintf(stderr, "usage: %s grove|threads [n]\n", argv[0]);
		return 2;
	}
	late = malloc((size_t)n * sizeof(*late));
	memset(late, 0, (size_t)n * sizeof(*late));
	grove_sleep(1);			/* the runtime is there, and libc patched, on both sides alike */
	kb = pss();
	kb_tables = tables();
	made = bench_now(CLOCK_PROCESS_CPUTIME_ID);
	if (greenlets)
		make_greenlets();
	else
		make_threads();
	made = bench_now(CLOCK_PROCESS_CPUTIME_ID) - made;
	kb = pss() - kb;
	kb_tables = tables() - kb_tables;
	begin = bench_now(CLOCK_MONOTONIC) + 0.3e9;
	woken = bench_now(CLOCK_PROCESS_CPUTIME_ID);
	if (greenlets)
		wake_greenlets();
	else
		wake_threads();
	woken = bench_now(CLOCK_PROCESS_CPUTIME_ID) - woken;
	qsort(late, (size_t)n, sizeof(*late), by_size);
	printf("make_ns %.0f\nwake_ns %.0f\nkb %.2f\ntables_kb %.2f\nlate_us %.1f\nworst_us %.1f\n", made / (double)n, woken / (double)n,
	       kb / (double)n, kb_tables / (double)n, late[n / 2] / 1e3, late[n - 1] / 1e3);
	return 0;
}
