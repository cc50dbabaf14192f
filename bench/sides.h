/*
 * sides.h - what all programs that are measured share: the side that is asked for, the time, timers of random length, lateness
 *
 * Also for the peers, which know nothing of grove: C and C++.
 */
#ifndef SIDES_H
#define SIDES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What must not fail */
#define BENCH_CHECK(ok)                                                                                                          \
	do                                                                                                                       \
		if (!(ok)) {                                                                                                     \
			fprintf(stderr, "%s:%d: %s is not so\n", __FILE__, __LINE__, #ok);                                       \
			exit(1);                                                                                                 \
		}                                                                                                                \
	while (0)

static inline double bench_now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* --- many asleep ----------------------------------------------------------------------------------------------------------- */

static float *bench_late;	/* nanoseconds, of sleeper or sleep i */

static inline void bench_late_new(long n)
{
	bench_late = (float *)calloc((size_t)n + 1, sizeof(*bench_late));
	BENCH_CHECK(bench_late);
}

/*
 * How long sleeper i of n sleeps, in nanoseconds: the same on each run, for each side.  The first one wakes when all may have
 * been made, and then one every 10 us, for so long as it took: 100,000 sleep 0.5 to 1.5 s.
 */
static inline int64_t bench_length(long i, long n)
{
	return n * 5000 + (int64_t)((double)((uint64_t)i * 2654435761u % 1000000007u) / 1000000007 * (double)n * 10000);
}

/* Sleeper i wakes, which began at @from. */
static inline void bench_woke(long i, double from, int64_t length)
{
	bench_late[i] = (float)(bench_now(CLOCK_MONOTONIC) - from - (double)length);
}

static inline int bench_by_size(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return x < y ? -1 : x > y;
}

static inline void bench_print_late(long n)
{
	qsort(bench_late, (size_t)n, sizeof(*bench_late), bench_by_size);
	printf("late_us %.1f\np99_us %.1f\nworst_us %.1f\n", bench_late[n / 2] / 1e3, bench_late[n - 1 - n / 100] / 1e3,
	       bench_late[n - 1] / 1e3);
}

/* --- load ------------------------------------------------------------------------------------------------------------------ */

#define BENCH_WORK	20000		/* nanoseconds that each of the others computes between its sleeps */
#define BENCH_REST	1000000		/* and sleeps */

static volatile long bench_spun;
static long bench_spins;		/* that take BENCH_WORK */
static volatile int bench_stop;		/* the others are to end */

static inline void bench_spin(long n)
{
	for (long i = 0; i < n; i++)
		bench_spun = bench_spun + 1;
}

/* The best of several, as this one may be interrupted too */
static inline void bench_find_work(void)
{
	double best = 1e18;

	for (int i = 0; i < 20; i++) {
		double from = bench_now(CLOCK_MONOTONIC), took;

		bench_spin(10000);
		took = bench_now(CLOCK_MONOTONIC) - from;
		best = took < best ? took : best;
	}
	bench_spins = (long)(BENCH_WORK * 10000 / best);
}

static inline void bench_work(void)
{
	bench_spin(bench_spins);
}

/* --- memory ---------------------------------------------------------------------------------------------------------------- */

static inline double bench_kb_of(const char *file, const char *field)
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

/* Resident, and page tables */
static inline double bench_kb(void)
{
	return bench_kb_of("/proc/self/smaps_rollup", "Pss:") + bench_kb_of("/proc/self/status", "VmPTE:");
}

/* @made wait: says so, until a line comes or standard input ends */
static inline void bench_parked(long made)
{
	printf("parked %ld\n", made);
	fflush(stdout);
	while (getchar() != '\n' && !feof(stdin))
		;
}

/* --- sides ----------------------------------------------------------------------------------------------------------------- */

struct bench_side {
	const char *name;
	double (*run)(long n);		/* nanoseconds for all of @n */
};

static long bench_args[2];		/* what follows n */

/* program SIDE [n [more]]: prints CPU nanoseconds for each of n */
static inline int bench_main(int argc, char **argv, const struct bench_side *sides, size_t count, long n)
{
	if (argc > 2)
		n = atol(argv[2]);
	for (int i = 3; i < argc && i < 5; i++)
		bench_args[i - 3] = atol(argv[i]);
	for (size_t i = 0; i < count && argc > 1 && n >= 0; i++)
		if (strcmp(argv[1], sides[i].name) == 0) {
			double took = sides[i].run(n);

			if (n > 0)
				printf("ns %.2f\n", took / (double)n);
			return 0;
		}
	fprintf(stderr, "usage: %s SIDE [n], SIDE one of:", argv[0]);
	for (size_t i = 0; i < count; i++)
		fprintf(stderr, " %s", sides[i].name);
	fprintf(stderr, "\n");
	return 2;
}

#define BENCH_MAIN(n, ...)                                                                                                       \
	int main(int argc, char **argv)                                                                                          \
	{                                                                                                                        \
		static const struct bench_side sides[] = { __VA_ARGS__ };                                                        \
		return bench_main(argc, argv, sides, sizeof(sides) / sizeof(sides[0]), n);                                       \
	}

#endif
