/*
 * gather.c - the first program of asyncio's tutorials: three times One, a second, three times Two
 *
 * gather() waits for all, and has their values in the order in which they were given, whoever ended first.
 */
#include <grove.h>
#include <stdio.h>

#define N 3

static void *count(void *arg)
{
	puts("One");
	grove_sleep(GROVE_SEC(1));
	puts("Two");
	return arg;
}

static grove_object *task[N];

/* Waits for the next one, so the last ends first. */
static void *wait_for_next(void *arg)
{
	long i = (long)arg;

	if (i + 1 < N)
		grove_join(task[i + 1], GROVE_FOREVER);
	printf("%ld ends\n", i);
	return (void *)(i * 10);
}

static void gather(grove_fn *fn, void **ret_values)
{
	for (long i = 0; i < N; i++)
		task[i] = grove_task_new(fn, (void *)i);
	grove_gather(task, N, ret_values, NULL, GROVE_FOREVER, 0);
	for (int i = 0; i < N; i++)
		grove_release(task[i]);
}

int main(void)
{
	void *value[N];

	setvbuf(stdout, NULL, _IOLBF, 0);
	gather(count, NULL);
	gather(wait_for_next, value);
	printf("gathered: %ld %ld %ld\n", (long)value[0], (long)value[1], (long)value[2]);
	return 0;
}
