/*
 * parked.c - as many threads as asked for, all parked at once: in read() on one pipe, in sleep(), or half and half
 *
 *	parked [read | sleep] THREADS	default attributes; prints how many it could make, waits for a line on standard input,
 *					then sends every reader one byte, joins them all and prints how many bytes came
 *
 * `parked 0` is the empty program that the memory of the others is measured against.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int pipe_ends[2];
static atomic_long started;

static void *reader(void *arg)
{
	char byte = 0;

	(void)arg;
	atomic_fetch_add(&started, 1);
	return (void *)(intptr_t)(read(pipe_ends[0], &byte, 1) == 1 && byte == 'x');
}

static void *sleeper(void *arg)
{
	atomic_fetch_add(&started, 1);
	for (;;)
		sleep(1000);
	return arg;
}

/* Which of them read */
static bool (*reads)(long i);

static bool all(long i)
{
	return i >= 0;
}

static bool none(long i)
{
	return i < 0;
}

static bool even(long i)
{
	return i % 2 == 0;
}

/* Readers go to @readers, sleepers to nobody; returns how many there are, *count: how many of them read, *error: why no more. */
static long make(long want, pthread_t *readers, long *count, int *error)
{
	pthread_t thread;
	long made;

	*error = 0;
	*count = 0;
	for (made = 0; made < want; made++) {
		*error = pthread_create(&thread, NULL, reads(made) ? reader : sleeper, NULL);
		if (*error)
			break;
		if (reads(made))
			readers[(*count)++] = thread;
	}
	return made;
}

/* How many got their byte */
static long end(const pthread_t *readers, long count)
{
	long got = 0;

	for (long i = 0; i < count; i++)
		if (write(pipe_ends[1], "x", 1) != 1)
			exit(1);
	for (long i = 0; i < count; i++) {
		void *result;

		pthread_join(readers[i], &result);
		got += (intptr_t)result;
	}
	return got;
}

int main(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[1] : "";
	long want = argc > 1 ? atol(argv[argc - 1]) : 1000, made, count;
	pthread_t *readers = malloc((size_t)(want + 1) * sizeof(*readers));
	int error;

	if (!readers || pipe(pipe_ends) == -1)
		return 1;
	reads = strcmp(how, "read") == 0 ? all : strcmp(how, "sleep") == 0 ? none : even;
	made = make(want, readers, &count, &error);
	while (atomic_load(&started) < made)
		usleep(10000);
	usleep(300000);		/* from "started" to parked is a few instructions, or a time slice */
	printf("parked %ld %s\n", made, error ? strerror(error) : "");
	fflush(stdout);
	getchar();
	printf("read %ld\n", end(readers, count));
	return 0;
}
