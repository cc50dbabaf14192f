/*
 * look.c - looking at greenlets: a tree of who spawned whom and waits for what; code that holds the others up
 *
 * The tree goes to standard error, since it has times and addresses in it.
 */
#include <errno.h>
#include <grove.h>
#include <stdio.h>
#include <string.h>

static grove_queue *queue;
static int switches;

static void *child(void *arg)
{
	grove_queue_get(queue, NULL, GROVE_FOREVER);
	return arg;
}

static grove_greenlet *named(const char *name, grove_fn *fn)
{
	struct grove_spawn_attr attr = { .size = sizeof(attr), .name = name };

	return grove_spawn_with(&attr, fn, NULL);
}

static void *parent(void *arg)
{
	grove_greenlet *g = named("child", child);

	grove_join(g, GROVE_FOREVER);
	grove_release(g);
	return arg;
}

static int show(const struct grove_info *info, void *arg)
{
	(void)arg;
	printf("%s: %s%s%s%s\n", info->name, info->waits ? "waits for " : "runs", info->waits ? info->waits : "",
	       info->waits_on_kind ? " of " : "", info->waits_on_kind ? info->waits_on_kind : "");
	return 0;
}

static void counts(const struct grove_switch *s, void *arg)
{
	(void)s;
	++*(int *)arg;
}

static void compute(int64_t ns)
{
	int64_t end = grove_now() + ns;

	while (grove_now() < end)
		;
}

static const char *verdict(struct grove_assert *a)
{
	return grove_assert_end(a, NULL) < 0 ? strerrorname_np(errno) : "as asserted";
}

int main(void)
{
	struct grove_assert a;
	grove_greenlet *g;

	queue = grove_queue_new(0);
	g = named("parent", parent);
	grove_yield();
	grove_yield();
	grove_each(0, show, NULL);
	grove_print_run_info(2, GROVE_STACKS);

	grove_settrace(counts, &switches);
	grove_queue_put(queue, NULL, GROVE_FOREVER);
	grove_join(g, GROVE_FOREVER);
	grove_settrace(NULL, NULL);
	printf("switches were seen: %s\n", switches > 0 ? "yes" : "no");

	grove_assert_switches(&a);
	printf("printing does not switch: %s\n", verdict(&a));
	grove_assert_switches(&a);
	grove_sleep(GROVE_MS(1));
	printf("sleeping does: %s\n", verdict(&a));
	grove_assert_no_block(&a, GROVE_MS(20));
	compute(GROVE_MS(40));
	printf("40 ms without a switch, 20 are allowed: %s\n", verdict(&a));
	grove_assert_no_block(&a, GROVE_SEC(3600));
	compute(GROVE_MS(10));
	printf("an hour is allowed: %s\n", verdict(&a));
	grove_release(g);
	grove_queue_free(queue);
	return 0;
}
