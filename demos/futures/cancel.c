/*
 * cancel.c - cancelling a task: the call in which it waits fails, it cleans up, and ends; a shield keeps cancelling out for a while
 *
 * Cancelling is no more than an error that comes out of a blocking call, ECANCELED; the task sees it where it waits, and nowhere else.
 * A task that was waiting for another takes that one with it.
 */
#include <errno.h>
#include <grove.h>
#include <stdio.h>

static void clean_up(void *arg)
{
	printf("%s: cleaned up\n", (const char *)arg);
}

static void *sleeper(void *arg)
{
	grove_defer(clean_up, arg);
	printf("%s: sleeps for an hour\n", (const char *)arg);
	if (grove_sleep(GROVE_SEC(3600)) == -1 && errno == ECANCELED) {
		printf("%s: sleep failed, ECANCELED\n", (const char *)arg);
		return grove_fail(ECANCELED);
	}
	return NULL;
}

static void *shielded(void *arg)
{
	struct grove_timeout shield;

	grove_shield_start(&shield);
	printf("%s: writes it down\n", (const char *)arg);
	grove_sleep(GROVE_MS(50));
	printf("%s: has written it down\n", (const char *)arg);
	grove_timeout_stop(&shield);
	if (grove_sleep(GROVE_MS(50)) == -1 && errno == ECANCELED)
		printf("%s: is told after the shield\n", (const char *)arg);
	return grove_fail(ECANCELED);
}

static void *awaiter(void *arg)
{
	grove_task *inner = grove_task_new(sleeper, "inner");
	int r = grove_await(inner, NULL);

	printf("%s: await %s\n", (const char *)arg, r == -1 && errno == ECANCELED ? "was cancelled" : "returned");
	grove_release(inner);
	return grove_fail(ECANCELED);
}

static void cancel_after_a_while(grove_fn *fn, const char *name)
{
	grove_task *t = grove_task_new(fn, (void *)name);

	grove_sleep(GROVE_MS(20));
	printf("main: cancels %s\n", name);
	grove_task_cancel(t);
	grove_join(t, GROVE_FOREVER);
	printf("main: %s is %s\n\n", name, grove_task_cancelled(t) ? "cancelled" : "done");
	grove_release(t);
}

int main(void)
{
	grove_task *t;

	cancel_after_a_while(sleeper, "sleeper");
	cancel_after_a_while(shielded, "shielded");
	cancel_after_a_while(awaiter, "outer");

	t = grove_task_new(sleeper, "late");
	grove_task_cancel(t);
	grove_join(t, GROVE_FOREVER);
	puts("main: cancelled before it began, a task says nothing at all");
	grove_release(t);

	t = grove_task_new(sleeper, "slow");
	if (grove_wait_for(t, NULL, GROVE_MS(20)) == -1 && errno == ETIMEDOUT)
		puts("main: wait_for has cancelled it, and waited until it had ended");
	grove_release(t);
	return 0;
}
