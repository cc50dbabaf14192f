/*
 * create_join.c - one thread after the other is made and waited for
 *
 *	create_join [threads]	prints CPU nanoseconds per thread
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void *same(void *arg)
{
	return arg;
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 50000;
	struct timespec from, to;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (long i = 0; i < n; i++) {
		pthread_t thread;
		void *result;

		if (pthread_create(&thread, NULL, same, argv) != 0 || pthread_join(thread, &result) != 0 || result != argv)
			return 1;
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	printf("ns %.1f\n", ((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec)) / n);
	return 0;
}
