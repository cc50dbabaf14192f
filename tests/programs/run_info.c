/* run_info.c - greenlets and threads that wait in each way, and what grove_print_run_info() says of them, numbers left out */
#include <grove.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int never[2], waiting, expected;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

void *reads(void *arg)
{
	char c;

	pthread_setname_np(pthread_self(), "reads");
	return read(never[0], &c, 1) == 1 ? arg : NULL;
}

void *polls(void *arg)
{
	pthread_setname_np(pthread_self(), "polls");
	return poll(&(struct pollfd){ never[0], POLLIN, 0 }, 1, -1) ? arg : NULL;
}

void *locks(void *arg)
{
	pthread_setname_np(pthread_self(), "locks");
	pthread_mutex_lock(&mutex);
	return arg;
}

void *waits(void *arg)
{
	static pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;

	pthread_setname_np(pthread_self(), "waits");
	pthread_mutex_lock(&own);
	pthread_cond_wait(&cond, &own);
	pthread_mutex_unlock(&own);
	return arg;
}

void *sleeps(void *arg)
{
	pthread_setname_np(pthread_self(), "sleeps");
	nanosleep(&(struct timespec){ 100, 0 }, NULL);
	return arg;
}

void *goes_deep(void *arg)
{
	static int depth;

	return depth++ < 3 ? goes_deep(arg) : grove_sleep(GROVE_SEC(100)) ? arg : NULL;
}

static void thread(void *(*fn)(void *))
{
	pthread_t t;

	if (pthread_create(&t, NULL, fn, NULL) != 0)
		exit(1);
}

static int count(const struct grove_info *info, void *arg)
{
	(void)arg;
	waiting += info->state == GROVE_STATE_PARKED;
	return 0;
}

/* "name: state", and the functions of this program that its stack goes through; other lines, and numbers, depend on libc */
static void show(char *text)
{
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char *paren = strstr(line, " ("), *colon = strstr(line, "): "), *comma = strstr(line, ", "), *plus = strchr(line, '+');
		char *name = line + strspn(line, " |`-");

		if (strncmp(line, "grove:", 6) == 0)
			puts(line);
		else if (paren && colon)
			printf("%.*s%.*s\n", (int)(paren - line), line, (int)((comma ? comma : strchr(line, 0)) - colon - 1), colon + 1);
		else if (plus && strstr(line, " in run_info") && name[0] != '_')
			printf("%.*s\n", (int)(plus - line), line);
	}
}

int main(void)
{
	struct grove_spawn_attr attr = { .size = sizeof(attr), .name = "deep" };
	char *text;

	alarm(30);
	if (grove_patch() < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, never) < 0)
		return 1;
	pthread_mutex_lock(&mutex);
	thread(reads);
	thread(polls);
	thread(locks);
	thread(waits);
	thread(sleeps);
	grove_spawn_with(&attr, goes_deep, NULL);
	for (expected = 6; waiting < expected; grove_yield()) {
		waiting = 0;
		grove_each(0, count, NULL);
	}
	text = grove_format_run_info(GROVE_STACKS);
	if (!text)
		return 1;
	show(text);
	fflush(stdout);
	_exit(0);
}
