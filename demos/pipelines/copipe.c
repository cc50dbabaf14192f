/*
 * copipe.c - pipelines (1): tail -f log | grep python, pulled and pushed
 *
 * The same three stages in two directions.  Generators are pulled: the last stage asks the one before it for the next line, and so on up to
 * the file.  Coroutines are pushed: the first stage sends each line to the one behind it.  Both are one greenlet, and wait where the file has
 * nothing new, while another one writes.  (After D. Beazley's generator tricks and "A Curious Course on Coroutines".)
 */
#include "follow.h"

/* --- pulled ---------------------------------------------------------------------------------------------------------------------- */

static void yield_line(char *text, void *arg)
{
	(void)arg;
	grove_gen_yield(text);		/* from deep within follow(): a generator has a stack of its own */
}

static void *lines(void *path)
{
	follow(path, yield_line, NULL);
	return NULL;
}

struct grep {
	const char *pattern;
	grove_generator *other;		/* where lines come from when pulled, or go to when pushed */
};

static void *matching(void *arg)
{
	struct grep *g = arg;
	char *line;

	GROVE_FOR_EACH(line, g->other)
		if (strstr(line, g->pattern))
			grove_gen_yield(line);
	return NULL;
}

static void pull(const char *path)
{
	grove_generator *source = grove_generator_new(lines, (void *)path);
	struct grep g = { "python", source };
	grove_generator *gen = grove_generator_new(matching, &g);
	char *line;

	GROVE_ASYNC_FOR(line, gen)
		printf("pulled: %s\n", line);
	grove_generator_free(gen);
	grove_generator_free(source);
}

/* --- pushed ---------------------------------------------------------------------------------------------------------------------- */

static void *printer(void *arg)
{
	char *line;

	while ((line = grove_gen_yield(NULL)))
		printf("pushed: %s\n", line);
	return arg;
}

static void *grep(void *arg)
{
	struct grep *g = arg;
	char *line;

	while ((line = grove_gen_yield(NULL)))
		if (strstr(line, g->pattern))
			grove_gen_send(g->other, line, NULL);
	return NULL;
}

static void send_line(char *text, void *target)
{
	grove_gen_send(target, text, NULL);
}

static void push(const char *path)
{
	grove_generator *last = grove_coroutine_new(printer, NULL);
	struct grep g = { "python", last };
	grove_generator *first = grove_coroutine_new(grep, &g);

	follow(path, send_line, first);
	grove_generator_free(first);
	grove_generator_free(last);
}

int main(void)
{
	static void (*const ways[])(const char *) = { pull, push };

	for (int i = 0; i < 2; i++) {
		grove_greenlet *writer = start_log("copipe.log");

		ways[i]("copipe.log");
		grove_join(writer, GROVE_FOREVER);
		grove_release(writer);
	}
	remove("copipe.log");
	return 0;
}
