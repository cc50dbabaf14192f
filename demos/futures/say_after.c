/*
 * say_after.c - calling twice takes 3 seconds, two tasks take 2
 *
 * say_after() is an ordinary function.  Called, it runs to its end before the next line; as a task it runs beside the caller, and
 * awaiting it means to wait for what is left of it.
 */
#include "../demo.h"
#include <grove.h>

struct what {
	int seconds;
	const char *text;
};

static void *say_after(void *arg)
{
	const struct what *w = arg;

	grove_sleep(GROVE_SEC(w->seconds));
	puts(w->text);
	return NULL;
}

static struct what hello = { 1, "hello" }, world = { 2, "world" };

static void in_sequence(void)
{
	say_after(&hello);
	say_after(&world);
}

static void as_tasks(void)
{
	grove_task *first = grove_task_new(say_after, &hello);
	grove_task *second = grove_task_new(say_after, &world);

	grove_await(first, NULL);
	grove_await(second, NULL);
	grove_release(first);
	grove_release(second);
}

static void timed(const char *name, void (*fn)(void))
{
	double begin = seconds_now();

	printf("%s:\n", name);
	fn();
	printf("took %d s\n", (int)(seconds_now() - begin));
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	timed("in sequence", in_sequence);
	timed("as tasks", as_tasks);
	return 0;
}
