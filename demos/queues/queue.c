/*
 * queue.c - a queue between greenlets: a boss, three workers, and back-pressure
 *
 * The queue holds two jobs.  The boss puts nine: when it is full, put() parks him until somebody has taken one.  So he is never more
 * than five ahead, three of which go to workers who wait already.  get() parks while the queue is empty, and who waits longest is
 * served first.  When the boss shuts the queue down, the workers get what is left, and then EPIPE instead of a job.
 */
#include <errno.h>
#include <grove.h>
#include <stdio.h>

#define JOBS	9
#define WORKERS	3

static grove_queue *jobs;

static void *boss(void *arg)
{
	for (long job = 1; job <= JOBS; job++) {
		bool full = grove_queue_full(jobs);

		grove_queue_put(jobs, (void *)job, GROVE_FOREVER);
		printf("boss: has put %ld%s\n", job, full ? ", after waiting for room" : "");
	}
	grove_queue_shutdown(jobs, false);
	return arg;
}

static void *worker(void *arg)
{
	long me = (long)arg;
	void *job;
	int n = 0;

	while (grove_queue_get(jobs, &job, GROVE_FOREVER) == 0) {
		printf("worker %ld: has job %ld\n", me, (long)job);
		n++;
		grove_sleep(0);
	}
	printf("worker %ld: %s after %d jobs\n", me, errno == EPIPE ? "goes home" : "failed", n);
	return NULL;
}

int main(void)
{
	grove_greenlet *g[WORKERS + 1];

	jobs = grove_queue_new(2);
	for (long i = 0; i < WORKERS; i++)
		g[i] = grove_spawn(worker, (void *)i);
	g[WORKERS] = grove_spawn(boss, NULL);
	grove_joinall(g, WORKERS + 1, 0, GROVE_FOREVER, 0);
	for (int i = 0; i <= WORKERS; i++)
		grove_release(g[i]);
	grove_queue_free(jobs);
	return 0;
}
