/*
 * parked.c - as many threads as asked for, all parked at once: half in read() on one pipe, half in sleep()
 *
 *	parked THREADS		default attributes; prints how many it could make, waits for a line on standard input, then sends
 *				every reader one byte, joins them all and prints how many bytes came
 *
 * `parked 0` is the empty program that the memory of the others is measured against.
 */
#include <pthread.h>
#include <stdatomic.h>
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

/* Readers go to @readers, sleepers to nobody; returns how many threads there are, *error: why no more. */
static long make(long want, pthread_t *readers, int *error)
{
	pthread_t thread;
	long made;

	*error = 0;
	for (made = 0; made < want; made++) {
		*error = pthread_create(&thread, NULL, made % 2 ? sleeper : reader, NULL);
		if (*error)
			break;
		if (made % 2 == 0)
			readers[made / 2] = thread;
	}
	return made;
}

int main(int argc, char **argv)
{
	long want = argc > 1 ? atol(argv[1]) : 1000, made, got = 0;
	pthread_t *readers = malloc((want / 2 + 1) * sizeof(*readers));
	int error;

	if (!readers || pipe(pipe_ends) == -1)
		return 1;
	made = make(want, readers, &error);
	while (atomic_load(&started) < made)
		usleep(10000);
	sleep(1);		/* from "started" to parked is a few instructions, or a time slice */
	printf("parked %ld %s\n", made, error ? strerror(error) : "");
	fflush(stdout);
	getchar();
	for (long i = 0; i < (made + 1) / 2; i++) {
		if (write(pipe_ends[1], "x", 1) != 1)
			return 1;
	}
	for (long i = 0; i < (made + 1) / 2; i++) {
		void *result;

		pthread_join(readers[i], &result);
		got += (intptr_t)result;
	}
	printf("read %ld\n", got);
	return 0;
}
