/*
 * tasks.c - hello, four ways: (4) tasks and wait, as in asyncio
 *
 * A task is a greenlet that somebody awaits.  grove_task_wait() waits for all of them here; it says which have ended, in that order.
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
	return arg;
}

int main(void)
{
	grove_object *task[N], *done[N];
	int n;

	setvbuf(stdout, NULL, _IOLBF, 0);
	begin = seconds_now();
	for (long i = 0; i < N; i++)
		task[i] = grove_task_new(hello, (void *)i);
	n = grove_task_wait(task, N, GROVE_ALL_COMPLETED, GROVE_FOREVER, done, NULL);
	printf("%d are done:", n);
	for (int i = 0; i < n; i++)
		printf(" %ld", (long)grove_value(done[i]));
	printf("\none kernel thread: %s\n", yes_no(count_different(kernel_threads, N) == 1));
	printf("distinct pthread_self: %s\n", yes_no(count_different(selves, N) == N));
	for (int i = 0; i < N; i++)
		grove_release(task[i]);
	return 0;
}
