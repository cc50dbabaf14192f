/*
 * bench.h - what the benches of the C API share: the side that is asked for, and the time
 */
#ifndef BENCH_H
#define BENCH_H

#include <grove.h>
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

/* Two greenlets, from their start to the end of both.  Where they run the same function, their returns are predicted. */
static inline double bench_two(grove_fn *a, void *a_arg, grove_fn *b, void *b_arg)
{
	grove_greenlet *both[] = { grove_spawn(a, a_arg), grove_spawn(b, b_arg) };
	double from = bench_now(CLOCK_MONOTONIC);

	BENCH_CHECK(grove_joinall(both, 2, 0, GROVE_FOREVER, 0) == 2);
	return bench_now(CLOCK_MONOTONIC) - from;
}

struct bench_side {
	const char *name;
	double (*run)(long n);		/* nanoseconds for all of @n */
};

/* program SIDE [n]: prints nanoseconds for each of n */
static inline int bench_main(int argc, char **argv, const struct bench_side *sides, size_t count, long n)
{
	if (argc > 2)
		n = atol(argv[2]);
	for (size_t i = 0; i < count && argc > 1 && n > 0; i++)
		if (strcmp(argv[1], sides[i].name) == 0) {
			printf("ns %.2f\n", sides[i].run(n) / (double)n);
			return 0;
		}
	fprintf(stderr, "usage: %s SIDE [n], n at least 1, SIDE one of:", argv[0]);
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
