/*
 * wait_modes.c - waiting for some of many: the first that ends, the first that fails, or all; and what is pending then
 *
 * Task i takes i + 1 tenths of a second, those after @last an hour; and number 2 fails.
 */
#include <errno.h>
#include <grove.h>
#include <stdio.h>

#define N 4

static long last;

static void *work(void *arg)
{
	long i = (long)arg;

	grove_sleep(i <= last ? GROVE_MS(100 * (i + 1)) : GROVE_SEC(3600));
	return i == 2 ? grove_fail(EIO) : (void *)i;
}

static int number_of(grove_object *task[N], const grove_object *one)
{
	int i = 0;

	while (task[i] != one)
		i++;
	return i;
}

static void wait_for_some(const char *name, int when, long last_to_end)
{
	grove_object *task[N], *done[N], *pending[N];
	int n;

	last = last_to_end;
	for (long i = 0; i < N; i++)
		task[i] = grove_task_new(work, (void *)i);
	n = grove_task_wait(task, N, when, GROVE_FOREVER, done, pending);
	printf("%-16s done:", name);
	for (int i = 0; i < n; i++)
		printf(" %d%s", number_of(task, done[i]), grove_error(done[i]) == EIO ? " (failed)" : "");
	printf("; pending:");
	for (int i = 0; i < N - n; i++)
		printf(" %d", number_of(task, pending[i]));
	puts(n == N ? " none" : "");
	grove_killall((grove_greenlet *const *)task, N, GROVE_FOREVER);		/* what is pending goes on, unless told otherwise */
	for (int i = 0; i < N; i++)
		grove_release(task[i]);
}

int main(void)
{
	wait_for_some("FIRST_COMPLETED", GROVE_FIRST_COMPLETED, 0);
	wait_for_some("FIRST_EXCEPTION", GROVE_FIRST_EXCEPTION, 2);
	wait_for_some("ALL_COMPLETED", GROVE_ALL_COMPLETED, 3);
	return 0;
}
