/*
 * averager.c - generators (5): yield from
 *
 * The grouper hands everything through: what the caller sends goes to the averager inside, and when that returns, its result is the result of
 * grove_gen_yield_from().  The caller never sees where one averager ends and the next begins.  (After "Fluent Python", chapter 16.)
 */
#include <grove.h>
#include <stdio.h>

struct result {
	int count;
	double average;
};

static void *averager(void *arg)
{
	struct result *r = arg;
	double total = 0, *term;

	while ((term = grove_gen_yield(NULL))) {
		total += *term;
		r->average = total / ++r->count;
	}
	return r;
}

struct group {
	const char *key;
	struct result result;
	bool done;
};

/* The delegating generator: one averager after another, for as long as somebody sends */
static void *grouper(void *arg)
{
	struct group *group = arg;

	while (!group->done) {
		grove_generator *inner = grove_generator_new(averager, &group->result);
		void *result;

		if (grove_gen_yield_from(inner, &result) == 0) {
			group->done = true;
			grove_gen_yield(result);
		}
		grove_generator_free(inner);
	}
	return NULL;
}

static const double girls_kg[] = { 40.9, 38.5, 44.3, 42.2, 45.2, 41.7, 44.5, 38.0, 40.6, 44.5 };
static const double girls_m[] = { 1.6, 1.51, 1.4, 1.3, 1.41, 1.39, 1.33, 1.46, 1.45, 1.43 };
static const double boys_kg[] = { 39.0, 40.8, 43.2, 40.8, 43.1, 38.6, 41.4, 40.6, 36.3 };
static const double boys_m[] = { 1.38, 1.5, 1.32, 1.25, 1.37, 1.48, 1.25, 1.49, 1.46 };

static const struct {
	const char *who, *unit;
	const double *values;
	int n;
} data[] = {
	{ "boys", "kg", boys_kg, 9 },
	{ "boys", "m", boys_m, 9 },
	{ "girls", "kg", girls_kg, 10 },
	{ "girls", "m", girls_m, 10 },
};

/* The client */
int main(void)
{
	for (int i = 0; i < 4; i++) {
		struct group group = { .key = data[i].who };
		grove_generator *gen = grove_coroutine_new(grouper, &group);
		struct result *r;
		void *value;

		for (int n = 0; n < data[i].n; n++)
			grove_gen_send(gen, (void *)&data[i].values[n], NULL);
		grove_gen_send(gen, NULL, &value);		/* ends the averager, not the grouper */
		r = value;
		printf("%2d %-5s averaging %.2f%s\n", r->count, group.key, r->average, data[i].unit);
		grove_generator_free(gen);
	}
	return 0;
}
