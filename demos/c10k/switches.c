/*
 * switches.c - what a switch costs: two who hand a ball to each other, as greenlets and as kernel threads
 *
 * The same two functions play on the same semaphores, grove's and POSIX's.  Between greenlets a hand-over is some loads and
 * stores; between kernel threads it is a system call, the kernel's scheduler, and maybe another CPU's sleep.  Figures are on
 * standard error.
 */
#include "../demo.h"
#include <grove.h>
#include <semaphore.h>

#define ROUNDS	20000

static grove_semaphore *green[2];
static sem_t native[2];

static void *play_green(void *arg)
{
	long me = (long)arg;

	for (int i = 0; i < ROUNDS; i++) {
		grove_semaphore_acquire(green[me], GROVE_FOREVER);
		grove_semaphore_release(green[!me]);
	}
	return NULL;
}

static void *play_native(void *arg)
{
	long me = (long)arg;

	for (int i = 0; i < ROUNDS; i++) {
		sem_wait(&native[me]);
		sem_post(&native[!me]);
	}
	return NULL;
}

static double greenlets(void)
{
	grove_greenlet *g[2];
	double begin;

	for (long i = 0; i < 2; i++)
		green[i] = grove_semaphore_new(i == 0);
	for (long i = 0; i < 2; i++)
		g[i] = grove_spawn(play_green, (void *)i);
	begin = seconds_now();
	grove_joinall(g, 2, 0, GROVE_FOREVER, 0);
	begin = seconds_now() - begin;
	for (long i = 0; i < 2; i++) {
		grove_release(g[i]);
		grove_semaphore_free(green[i]);
	}
	return begin * 1e9 / (2 * ROUNDS);
}

/* Nothing is patched, so these are kernel threads. */
static double kernel_threads(void)
{
	pthread_t thread[2];
	double begin = seconds_now();

	for (long i = 0; i < 2; i++)
		sem_init(&native[i], 0, i == 0);
	for (long i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, play_native, (void *)i);
	for (long i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	return (seconds_now() - begin) * 1e9 / (2 * ROUNDS);
}

int main(void)
{
	double g = greenlets(), k = kernel_threads();

	fprintf(stderr, "a hand-over: %.0f ns between greenlets, %.0f ns between kernel threads\n", g, k);
	printf("switches between greenlets are cheaper than between kernel threads: %s\n", yes_no(g < k));
	return 0;
}
