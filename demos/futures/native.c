/*
 * native.c - a future between two worlds: synchronous code on a native thread waits for what a greenlet will have
 *
 * Nothing is patched here, so pthread_create() makes a kernel thread, as always.  grove_future_get() on it sleeps in the kernel until the
 * outcome is there; on a greenlet the same call parks.  And the other way round: the native thread sets a future, the greenlet
 * waits for it.  So an event loop and code that knows nothing of one can share a process.
 */
#include "../demo.h"
#include <grove.h>

static grove_future *question, *answer, *finished;
static long native_thread;

static void *synchronous_code(void *arg)
{
	void *value;

	native_thread = kernel_thread();
	grove_future_set(question, "6 times 7");
	if (grove_future_get(answer, &value, GROVE_SEC(60)) == -1)
		perror("native thread");
	else
		printf("native thread: the answer is %ld\n", (long)value);
	grove_future_set(finished, NULL);
	return arg;
}

static void *greenlet(void *arg)
{
	void *text;
	int a, b;

	grove_future_get(question, &text, GROVE_FOREVER);
	printf("greenlet: is asked for %s\n", (const char *)text);
	sscanf(text, "%d times %d", &a, &b);
	grove_sleep(GROVE_MS(100));
	grove_future_set(answer, (void *)(long)(a * b));
	*(long *)arg = kernel_thread();
	return NULL;
}

int main(void)
{
	long greenlets_thread = 0;
	grove_greenlet *g;
	pthread_t thread;

	question = grove_future_new();
	answer = grove_future_new();
	finished = grove_future_new();
	g = grove_spawn(greenlet, &greenlets_thread);
	pthread_create(&thread, NULL, synchronous_code, NULL);
	grove_join(g, GROVE_FOREVER);
	grove_future_wait(finished, GROVE_FOREVER);
	pthread_join(thread, NULL);	/* would block all greenlets, and the thread needs them until it has finished */
	printf("two kernel threads: %s\n", yes_no(greenlets_thread != native_thread));
	printf("the greenlet on that of main: %s\n", yes_no(greenlets_thread == kernel_thread()));
	grove_release(g);
	grove_future_release(question);
	grove_future_release(answer);
	grove_future_release(finished);
	return 0;
}
