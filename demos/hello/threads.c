/*
 * threads.c - hello, four ways: (1) kernel threads, (2) the same binary under grove
 *
 *	threads			three kernel threads
 *	grove threads		three greenlets on one kernel thread: same source, same binary, same pthread_create()
 *
 * Each says hello, sleeps for as many seconds as its number, and says bye.  They sleep side by side: it takes 2 seconds, not 3.
 */
#include "../demo.h"
#include <semaphore.h>

#define N 3

static long kernel_threads[N], selves[N];
static sem_t said_hello;
static pthread_barrier_t all_said_hello;
static double begin;

static void *hello(void *arg)
{
	int i = (int)(long)arg;

	kernel_threads[i] = kernel_thread();
	selves[i] = (long)pthread_self();
	printf("Hello %d\n", i);
	sem_post(&said_hello);
	pthread_barrier_wait(&all_said_hello);
	sleep(i);
	printf("Bye %d, after %d s\n", i, (int)(seconds_now() - begin));
	return NULL;
}

int main(void)
{
	pthread_t thread[N];

	setvbuf(stdout, NULL, _IOLBF, 0);
	sem_init(&said_hello, 0, 0);
	pthread_barrier_init(&all_said_hello, NULL, N);
	begin = seconds_now();
	for (long i = 0; i < N; i++) {
		pthread_create(&thread[i], NULL, hello, (void *)i);
		sem_wait(&said_hello);		/* kernel threads begin in any order: this makes it the same each time */
	}
	for (int i = 0; i < N; i++)
		pthread_join(thread[i], NULL);
	printf("kernel threads: %d\n", count_different(kernel_threads, N));
	printf("distinct pthread_self: %s\n", yes_no(count_different(selves, N) == N));
	return 0;
}
