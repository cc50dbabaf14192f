/*
 * thread_bursts.c - bursts of threads, more than their stacks are kept warm for, in a process, its child and the child's child
 *
 * What one thread leaves in its stack is not the next one's to see in its thread-local variables.
 */
#include "t.h"

enum { THREADS = 1500, BURSTS = 3 };

static __thread int left_behind;
static int fresh, ended;

static void *same(void *arg)
{
	char deep[8192];

	memset(deep, 0xff, sizeof(deep));
	__atomic_add_fetch(&fresh, left_behind == 0, __ATOMIC_RELAXED);
	left_behind = deep[8191];
	usleep(1000);
	__atomic_add_fetch(&ended, 1, __ATOMIC_RELAXED);
	return arg;
}

static void burst(const char *who)
{
	static pthread_t threads[THREADS];
	int joined = 0;

	fresh = ended = 0;
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, same, (void *)(intptr_t)i) != 0) {
			say("%s: no thread %d", who, i);
			return;
		}
	for (int i = 0; i < THREADS; i++) {
		void *result = NULL;

		joined += pthread_join(threads[i], &result) == 0 && result == (void *)(intptr_t)i;
	}
	say("%s: joined %d, ended %d, fresh %d", who, joined, ended, fresh);
}

static void bursts(const char *const *who)
{
	int status = -1;
	pid_t child;

	for (int i = 0; i < BURSTS; i++)
		burst(*who);
	if (!who[1])
		return;
	child = fork();
	if (child == 0) {
		bursts(who + 1);
		exit(0);
	}
	waitpid(child, &status, 0);
	say("%s's child: %d", *who, status);
}

int main(void)
{
	static const char *const who[] = { "process", "child", "grandchild", NULL };

	bursts(who);
	return 0;
}
