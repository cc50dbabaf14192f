/*
 * ends.c - how a greenlet ends, and who is told
 *
 * It returns a value, fails with an error, is killed, or something is thrown at it.  A kill is not a blow: the call in which it
 * waits fails with ECANCELED, and the greenlet itself goes home; what it deferred runs in any case.  One that is killed before
 * its time has come never starts.  Links tell of one greenlet's end, hooks of everybody's.
 */
#include <errno.h>
#include <grove.h>
#include <stdio.h>
#include <string.h>

static void tidies_up(void *arg)
{
	printf("  %s: tidies up\n", (const char *)arg);
}

static void *sleeper(void *arg)
{
	grove_defer(tidies_up, arg);
	if (grove_sleep(GROVE_SEC(3600)) < 0) {
		printf("  %s: sleep says %s\n", (const char *)arg, strerrorname_np(errno));
		return grove_fail(errno);
	}
	return arg;
}

static void *answer(void *arg)
{
	(void)arg;
	return (void *)42;
}

static void *failure(void *arg)
{
	(void)arg;
	return grove_fail(EIO);
}

static void ended(grove_greenlet *g, void *how)
{
	printf("  link_%s: %s\n", (const char *)how, grove_name(g));
}

static void counts(grove_greenlet *g, void *n)
{
	(void)g;
	++*(int *)n;
}

static grove_greenlet *named(const char *name, grove_fn *fn)
{
	struct grove_spawn_attr attr = { .size = sizeof(attr), .name = name };
	grove_greenlet *g = grove_spawn_with(&attr, fn, (void *)name);

	grove_link_value(g, ended, "value");
	grove_link_error(g, ended, "error");
	return g;
}

static void how_it_ended(grove_greenlet *g)
{
	void *value;

	if (grove_get(g, &value, GROVE_FOREVER) == 0)
		printf("%s: value %ld\n", grove_name(g), (long)value);
	else
		printf("%s: error %s\n", grove_name(g), strerrorname_np(grove_error(g)));
	grove_yield();			/* links have a greenlet of their own */
	grove_release(g);
}

int main(void)
{
	int spawned = 0, gone = 0;
	grove_greenlet *g, *later;

	grove_add_spawn_callback(counts, &spawned);
	grove_add_end_callback(counts, &gone);
	how_it_ended(named("good", answer));
	how_it_ended(named("bad", failure));

	g = named("killed", sleeper);
	grove_yield();
	printf("started: %d, ended: %d\n", grove_started(g), grove_ready(g));
	grove_kill(g, GROVE_FOREVER);
	printf("a second kill: %s\n", grove_kill(g, GROVE_FOREVER) < 0 ? strerrorname_np(errno) : "0");
	how_it_ended(g);

	g = named("thrown at", sleeper);
	grove_yield();
	grove_throw(g, EHOSTDOWN);
	how_it_ended(g);

	later = grove_spawn_later(GROVE_SEC(3600), sleeper, "later");
	grove_set_name(later, "later");
	grove_kill(later, 0);
	how_it_ended(later);

	grove_remove_spawn_callback(counts, &spawned);
	grove_remove_end_callback(counts, &gone);
	printf("hooks: %d spawned, %d ended\n", spawned, gone);
	return 0;
}
