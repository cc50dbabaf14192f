/*
 * send.c - generators (2): prime, send, end
 *
 * A yield is also where values come in: what grove_gen_send() brings is what grove_gen_yield() returns.  The body must stand at a yield first, so
 * the first call is a next: it primes the coroutine.  (After "Fluent Python", chapter 16: simple_coroutine, simple_coro2, averager.)
 */
#include <errno.h>
#include <grove.h>
#include <stdio.h>
#include <string.h>

static void *two_values(void *a)
{
	long b, c;

	printf("-> started: a = %ld\n", (long)a);
	b = (long)grove_gen_yield(a);
	printf("-> received: b = %ld\n", b);
	c = (long)grove_gen_yield((void *)((long)a + b));
	printf("-> received: c = %ld\n", c);
	return NULL;
}

struct average {
	double total, mean;
	int n;
};

/* Yields the mean of all that was sent so far. */
static void *averager(void *arg)
{
	struct average *a = arg;
	double *term;

	while ((term = grove_gen_yield(a))) {
		a->total += *term;
		a->mean = a->total / ++a->n;
	}
	return a;		/* NULL was sent, or it is being closed: the end */
}

int main(void)
{
	static const double terms[] = { 10, 30, 5 };
	grove_generator *gen = grove_generator_new(two_values, (void *)14);
	struct average sum = { 0 }, *so_far;
	void *value;

	if (grove_gen_send(gen, (void *)28, &value) < 0)
		printf("not primed: %s\n", strerror(errno));
	grove_gen_next(gen, &value);
	printf("primed: %ld\n", (long)value);
	grove_gen_send(gen, (void *)28, &value);
	printf("a + b = %ld\n", (long)value);
	printf("the last one: %d, so it has ended\n", grove_gen_send(gen, (void *)99, &value));
	grove_generator_free(gen);

	gen = grove_coroutine_new(averager, &sum);	/* makes and primes */
	for (int i = 0; i < 3; i++) {
		grove_gen_send(gen, (void *)&terms[i], (void **)&value);
		so_far = value;
		printf("%g -> %g\n", terms[i], so_far->mean);
	}
	grove_gen_send(gen, NULL, NULL);
	so_far = grove_gen_result(gen);
	printf("result: %d terms, mean %g\n", so_far->n, so_far->mean);
	grove_generator_free(gen);
	return 0;
}
