/*
 * cobroadcast.c - pipelines (2): one source, several targets
 *
 * grove_cobroadcast_new() is a coroutine that sends all it is sent to each of its targets, here three greps with a printer each.
 */
#include "follow.h"

struct grep {
	const char *pattern;
	int lines;
};

static void *grep_and_print(void *arg)
{
	struct grep *g = arg;
	char *line;

	while ((line = grove_gen_yield(NULL)))
		if (strstr(line, g->pattern))
			printf("%-6s %d: %s\n", g->pattern, ++g->lines, line);
	printf("%-6s has seen the end\n", g->pattern);
	return NULL;
}

static void send_line(char *text, void *target)
{
	grove_gen_send(target, text, NULL);
}

int main(void)
{
	struct grep g[3] = { { "python", 0 }, { "ply", 0 }, { "swig", 0 } };
	grove_generator *targets[3], *all;
	grove_greenlet *writer = start_log("cobroadcast.log");

	for (int i = 0; i < 3; i++)
		targets[i] = grove_coroutine_new(grep_and_print, &g[i]);
	all = grove_cobroadcast_new(targets, 3);
	follow("cobroadcast.log", send_line, all);
	grove_generator_free(all);
	for (int i = 0; i < 3; i++)
		grove_generator_free(targets[i]);
	grove_join(writer, GROVE_FOREVER);
	grove_release(writer);
	remove("cobroadcast.log");
	return 0;
}
