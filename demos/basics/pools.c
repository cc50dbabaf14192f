/*
 * pools.c - so many at a time: pools, map, imap; groups that end together; real threads for computing
 *
 * A full pool makes who spawns wait: the producer is as fast as the workers.  map gives all results in order, imap one by one in
 * order, imap_unordered as they come.  In a task group one failure cancels the others, and nobody is left when the group ends.
 */
#include <errno.h>
#include <grove.h>
#include <stdio.h>
#include <string.h>

static int now, most;

static void *work(void *arg)
{
	if (++now > most)
		most = now;
	grove_sleep((long)arg * GROVE_MS(30));
	now--;
	return (void *)((long)arg * 10);
}

static void *fails(void *arg)
{
	(void)arg;
	grove_sleep(GROVE_MS(1));
	return grove_fail(EIO);
}

static void *sleeps(void *arg)
{
	if (grove_sleep(GROVE_SEC(3600)) < 0)
		printf("the other one: %s\n", strerrorname_np(errno));
	return arg;
}

static void *computes(void *arg)
{
	long sum = 0;

	for (long i = 1; i <= (long)arg; i++)
		sum += i;
	return (void *)sum;
}

static void print_all(const char *what, grove_imap *it)
{
	void *value;

	printf("%s:", what);
	while (grove_imap_next(it, &value, NULL, GROVE_FOREVER) == 1)
		printf(" %ld", (long)value);
	printf("\n");
	grove_imap_free(it);
}

int main(void)
{
	void *args[] = { (void *)5, (void *)1, (void *)3 }, *values[3], *sum;
	grove_pool *pool = grove_pool_new(3);
	grove_group *group = grove_group_new();
	grove_task_group *tg;

	for (int i = 0; i < 10; i++) {
		if (i == 3)
			printf("full: %s\n", grove_pool_full(pool) ? "yes, the next spawn waits" : "no");
		grove_pool_spawn_raw(pool, work, NULL, GROVE_FOREVER);
	}
	grove_pool_join(pool, GROVE_FOREVER);
	printf("10 jobs, at most %d at a time; free: %zu of %zu\n", most, grove_pool_free_count(pool), grove_pool_max(pool));

	grove_pool_map(pool, work, args, 3, values, GROVE_FOREVER);
	printf("map: %ld %ld %ld\n", (long)values[0], (long)values[1], (long)values[2]);
	print_all("imap", grove_pool_imap(pool, work, args, 3, 0));
	print_all("imap_unordered", grove_pool_imap_unordered(pool, work, args, 3, 0));
	grove_pool_free(pool);

	grove_group_spawn_raw(group, sleeps, NULL);
	grove_group_spawn_raw(group, sleeps, NULL);
	grove_yield();
	printf("a group of %zu is killed\n", grove_group_size(group));
	grove_group_kill(group, GROVE_FOREVER);
	grove_group_free(group);

	tg = grove_task_group_start();
	grove_task_group_spawn(tg, sleeps, NULL);
	grove_task_group_spawn(tg, fails, NULL);
	printf("task group: %s\n", grove_task_group_end(tg) < 0 ? strerrorname_np(errno) : "0");

	grove_to_thread(computes, (void *)1000000, &sum, GROVE_FOREVER);
	printf("on a thread of its own: %ld\n", (long)sum);
	return 0;
}
