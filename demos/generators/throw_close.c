/*
 * throw_close.c - generators (3): errors go in and come out
 *
 * grove_gen_throw() makes the yield in which the body stands fail.  The body handles that and goes on, or ends with it.  grove_gen_close() is the
 * same with ECANCELED, Python's GeneratorExit, and insists: a body that yields once more is an error.
 */
#include <errno.h>
#include <grove.h>
#include <stdio.h>
#include <string.h>

static const char *const states[] = { "created", "running", "suspended", "closed" };

/* Knows what to do about EDOM, and nothing else. */
static void *handles_edom(void *arg)
{
	puts("-> started");
	for (;;) {
		void *x = grove_gen_yield(NULL);

		if (x)
			printf("-> received: %s\n", (char *)x);
		else if (errno == EDOM)
			puts("-> EDOM handled, going on");
		else
			break;
	}
	puts("-> ending");
	return errno == ECANCELED ? arg : grove_gen_fail(errno);
}

static void *refuses_to_end(void *arg)
{
	grove_gen_yield(arg);
	puts("-> closed? one more");
	grove_gen_yield(arg);
	puts("-> now then");
	return NULL;
}

int main(void)
{
	grove_generator *gen = grove_coroutine_new(handles_edom, NULL);

	grove_gen_send(gen, "11", NULL);
	grove_gen_send(gen, "22", NULL);
	printf("throw EDOM: %d\n", grove_gen_throw(gen, EDOM, NULL));
	printf("it is %s\n", states[grove_gen_state(gen)]);
	if (grove_gen_throw(gen, ERANGE, NULL) < 0)
		printf("throw ERANGE: %s\n", strerror(errno));
	printf("it is %s\n", states[grove_gen_state(gen)]);
	grove_generator_free(gen);

	gen = grove_coroutine_new(handles_edom, NULL);
	grove_gen_send(gen, "33", NULL);
	printf("close: %d\n", grove_gen_close(gen));
	printf("it is %s\n", states[grove_gen_state(gen)]);
	grove_generator_free(gen);

	gen = grove_coroutine_new(refuses_to_end, NULL);
	if (grove_gen_close(gen) < 0)
		printf("close: %s\n", strerror(errno));
	printf("it is %s\n", states[grove_gen_state(gen)]);
	grove_generator_free(gen);
	return 0;
}
