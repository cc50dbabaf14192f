/*
 * redis.c - workers that block in Redis, through hiredis' blocking calls, on one kernel thread
 *
 *	with_redis redis		beside a real server of its own, told by REDIS_HOST, REDIS_PORT and REDIS_PASSWORD
 *
 * A common shape: workers wait for jobs in BLPOP, which answers when somebody has pushed one.  Five of them wait here at the same time,
 * each in a blocking redisCommand() on a connection of its own, while the main greenlet hands out jobs and waits for results the
 * same way.  Were one call to block the kernel thread, nobody would ever push: this program could not end.
 *
 * Needs: libhiredis-dev
 */
#include <grove.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS 5

static redisContext *connect_redis(void)
{
	redisContext *redis = redisConnect(getenv("REDIS_HOST"), atoi(getenv("REDIS_PORT")));

	if (!redis || redis->err) {
		fprintf(stderr, "redis: %s\n", redis ? redis->errstr : "no memory");
		exit(1);
	}
	freeReplyObject(redisCommand(redis, "AUTH %s", getenv("REDIS_PASSWORD")));
	return redis;
}

/* BLPOP answers with the name of the list and what was in it. */
static void pop(redisContext *redis, char *ret_text, size_t size, const char *list, long number)
{
	redisReply *r = redisCommand(redis, "BLPOP %s:%ld 0", list, number);

	snprintf(ret_text, size, "%s", r && r->elements == 2 ? r->element[1]->str : "");
	freeReplyObject(r);
}

static void *worker(void *arg)
{
	redisContext *redis = connect_redis();
	long me = (long)arg;
	char job[32];

	for (;;) {
		pop(redis, job, sizeof(job), "jobs", me);
		if (strcmp(job, "stop") == 0)
			break;
		printf("worker %ld squares %s\n", me, job);
		freeReplyObject(redisCommand(redis, "RPUSH results:%ld %ld", me, atol(job) * atol(job)));
	}
	redisFree(redis);
	return NULL;
}

/* Until all workers are in BLPOP, by the server's count */
static void wait_for_blocked(redisContext *redis)
{
	int blocked;

	do {
		redisReply *r = redisCommand(redis, "INFO clients");

		blocked = atoi(strstr(r->str, "blocked_clients:") + strlen("blocked_clients:"));
		freeReplyObject(r);
		grove_sleep(GROVE_MS(1));
	} while (blocked < WORKERS);
	printf("%d workers are blocked at once\n", blocked);
}

int main(void)
{
	grove_greenlet *g[WORKERS];
	redisContext *redis;
	char result[32];

	if (!getenv("REDIS_PORT")) {
		puts("REDIS_PORT is not set: run it by with_redis");
		return 77;
	}
	if (grove_patch() == -1)
		return 1;
	redis = connect_redis();
	for (long i = 0; i < WORKERS; i++)
		g[i] = grove_spawn(worker, (void *)i);
	wait_for_blocked(redis);
	for (long i = WORKERS - 1; i >= 0; i--) {
		freeReplyObject(redisCommand(redis, "RPUSH jobs:%ld %ld", i, i + 10));
		pop(redis, result, sizeof(result), "results", i);
		printf("main gets %s\n", result);
	}
	for (long i = 0; i < WORKERS; i++)
		freeReplyObject(redisCommand(redis, "RPUSH jobs:%ld stop", i));
	grove_joinall(g, WORKERS, 0, GROVE_FOREVER, 0);
	for (int i = 0; i < WORKERS; i++)
		grove_release(g[i]);
	redisFree(redis);
	puts("all have ended");
	return 0;
}
