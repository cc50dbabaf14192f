/*
 * handoff.c - a turn passed to and fro between two threads by a mutex and a condition variable
 *
 *	handoff [hand-offs]	prints CPU nanoseconds per hand-off
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn;		/* whose it is: 0 or 1 */
static long rounds = 200000;	/* each is two hand-offs */

static const int first = 0, second = 1;

static void *play(void *arg)
{
	int me = *(const int *)arg;

	for (long i = 0; i < rounds; i++) {
		pthread_mutex_lock(&lock);
		while (turn != me)
			pthread_cond_wait(&changed, &lock);
		turn = !me;
		pthread_cond_signal(&changed);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct timespec from, to;
	pthread_t other;

	if (argc > 1)
		rounds = atol(argv[1]) / 2;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	if (rounds < 1 || pthread_create(&other, NULL, play, (void *)&second) != 0)
		return 1;
	play((void *)&first);
	pthread_join(other, NULL);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	printf("ns %.1f\n", ((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec)) / (2 * rounds));
	return 0;
}
