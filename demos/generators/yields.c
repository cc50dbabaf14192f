/*
 * yields.c - generators (1): a function that stops in the middle
 *
 * grove_generator_new() runs nothing yet.  Each grove_gen_next() runs the body up to its next grove_gen_yield(), and when the body returns there
 * are no more values: Python's StopIteration is the result 0.
 */
#include <errno.h>
#include <grove.h>
#include <stdio.h>

static const char *const states[] = { "created", "running", "suspended", "closed" };

static void *simple(void *arg)
{
	puts("-> started");
	grove_gen_yield((void *)1);
	puts("-> continuing");
	grove_gen_yield((void *)2);
	puts("-> end");
	return arg;
}

/* Any function may yield: nothing has to be passed on by hand. */
static void down(long n)
{
	grove_gen_yield((void *)n);
	if (n > 1)
		down(n - 1);
	grove_gen_yield((void *)n);
}

static void *down_and_up(void *arg)
{
	down((long)arg);
	return NULL;
}

/* Without an end: values are made only as they are asked for. */
static void *fibonacci(void *arg)
{
	long a = 0, b = 1;

	do {
		long next = a + b;

		grove_gen_yield((void *)a);
		a = b;
		b = next;
	} while (errno != ECANCELED);		/* so it says when it is being closed */
	return arg;
}

int main(void)
{
	grove_generator *gen = grove_generator_new(simple, "the result");
	void *value;
	long n;

	printf("made: %s\n", states[grove_gen_state(gen)]);
	while (grove_gen_next(gen, &value) == 1)
		printf("got %ld: %s\n", (long)value, states[grove_gen_state(gen)]);
	printf("no more: %s, %s\n", states[grove_gen_state(gen)], (char *)grove_gen_result(gen));
	grove_generator_free(gen);

	gen = grove_generator_new(down_and_up, (void *)3);
	GROVE_FOR_EACH(n, gen)
		printf("%ld ", n);
	puts("");
	grove_generator_free(gen);

	gen = grove_generator_new(fibonacci, NULL);
	GROVE_FOR_EACH(n, gen) {
		if (n > 100)
			break;
		printf("%ld ", n);
	}
	printf("and so on: %s\n", states[grove_gen_state(gen)]);
	grove_generator_free(gen);
	return 0;
}
