/*
 * deadlines.c - deadlines around a piece of code, however many calls it makes
 *
 * A scope has a deadline; every call in it that would wait fails with ETIMEDOUT when that is over.  Scopes nest, the tightest
 * counts, and each can tell whether it was its own.  A shield keeps out what comes from outside, and anybody can cancel a scope.
 */
#include <errno.h>
#include <grove.h>
#include <stdio.h>
#include <string.h>

static const char *result(int r)
{
	return r < 0 ? strerrorname_np(errno) : "slept";
}

static void *slow(void *arg)
{
	grove_sleep(GROVE_SEC(3600));
	return arg;
}

static void *quick(void *arg)
{
	grove_sleep(GROVE_MS(1));
	return arg;
}

static void whose_was_it(void)
{
	struct grove_timeout outer, inner;
	int r;

	grove_timeout_start(&outer, GROVE_SEC(3600));
	grove_timeout_start(&inner, GROVE_MS(200));
	printf("inner is pending: %s\n", grove_timeout_pending(&inner) ? "yes" : "no");
	printf("in both: %s\n", result(grove_sleep(GROVE_SEC(60))));
	r = grove_timeout_stop(&inner);
	printf("stop says %d; inner's: %s, outer's: %s\n", r, grove_timeout_expired(&inner) ? "yes" : "no",
	       grove_timeout_expired(&outer) ? "yes" : "no");
	grove_timeout_reschedule(&outer, GROVE_MS(20));
	printf("in the outer one, which has less time now: %s\n", result(grove_sleep(GROVE_SEC(60))));
	printf("stop says %d\n", grove_timeout_stop(&outer));
}

static void shield(void)
{
	struct grove_timeout deadline, shield;

	grove_fail_at(&deadline, grove_now());
	printf("time is over: %s\n", result(grove_sleep(GROVE_MS(1))));
	grove_shield_start(&shield);
	printf("behind a shield: %s\n", result(grove_sleep(GROVE_MS(1))));
	grove_timeout_stop(&shield);
	printf("after it: %s\n", result(grove_sleep(GROVE_MS(1))));
	grove_timeout_stop(&deadline);
}

static void *cancels(void *scope)
{
	grove_timeout_cancel(scope);
	return NULL;
}

static void from_outside(void)
{
	struct grove_timeout t;

	grove_timeout_start(&t, GROVE_FOREVER);
	grove_spawn_raw(cancels, &t);
	printf("cancelled by another: %s\n", result(grove_sleep(GROVE_SEC(3600))));
	printf("stop says %d, cancelled: %s\n", grove_timeout_stop(&t), grove_timeout_cancelled(&t) ? "yes" : "no");
}

int main(void)
{
	void *value;

	whose_was_it();
	shield();
	from_outside();
	printf("with_timeout, slow: %s\n", grove_with_timeout(GROVE_MS(20), slow, NULL, NULL) < 0 ? strerrorname_np(errno) : "0");
	printf("with_timeout, quick: %d", grove_with_timeout(GROVE_SEC(3600), quick, "done", &value));
	printf(", %s\n", (char *)value);
	printf("move_on_after, slow: %d\n", grove_move_on_after(GROVE_MS(20), slow, NULL, NULL));
	return 0;
}
