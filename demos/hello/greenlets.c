/*
 * greenlets.c - hello, four ways: (3) spawn and joinall, grove's own API
 *
 * The same three as in threads.c, but nothing is patched and nothing is preloaded: grove_spawn() makes greenlets, grove_sleep() parks.
 * A greenlet begins when the main one first waits, in the order of spawning; so no semaphore is needed to say hello in order.
 */
#include "../demo.h"
#include <grove.h>

#define N 3

static long kernel_threads[N], selves[N];
static double begin;

static void *hello(void *arg)
{
	int i = (int)(long)arg;

	kernel_threads[i] = kernel_thread();
	selves[i] = (long)pthread_self();
	printf("Hello %d\n", i);
	grove_sleep(GROVE_SEC(i));
	printf("Bye %d, after %d s\n", i, (int)(seconds_now() - begin));
	return NULL;
}

int main(void)
{
	grove_greenlet *g[N];

	setvbuf(stdout, NULL, _IOLBF, 0);
	begin = seconds_now();
	for (long i = 0; i < N; i++)
		g[i] = grove_spawn(hello, (void *)i);
	puts("all are spawned, none has begun");
	grove_joinall(g, N, 0, GROVE_FOREVER, 0);
	for (int i = 0; i < N; i++)
		grove_release(g[i]);
	printf("one kernel thread, that of main: %s\n",
	       yes_no(count_different(kernel_threads, N) == 1 && kernel_threads[0] == kernel_thread()));
	printf("distinct pthread_self: %s\n", yes_no(count_different(selves, N) == N));
	return 0;
}
