/*
 * branches.c - pipelines (3): branches that merge, as greenlets
 *
 *	               +--> grep python --+
 *	tail -f log ---+--> grep ply -----+--> printer
 *	               +--> grep swig ----+
 *
 * grove_pipeline has stages that are greenlets, with bounded room in front of each: one that waits holds up only those who need what it has.
 * A line that matches twice is printed twice.  When the printer has had enough, the end travels up: the greps' puts fail with EPIPE, and
 * then that of the source.
 */
#include "follow.h"
#include <errno.h>

struct line_out {
	grove_stage *stage;
	int err;
};

/* What is broadcast has three receivers, and so no owner among them: it is kept until the pipeline has ended. */
static char *kept[32];
static int n_kept;

static void put_line(char *text, void *arg)
{
	struct line_out *out = arg;

	if (out->err || n_kept == 32)
		return;
	kept[n_kept] = strdup(text);
	if (grove_stage_put(out->stage, kept[n_kept++], GROVE_FOREVER) < 0)
		out->err = errno;
}

static int tail(grove_stage *stage, void *path)
{
	struct line_out out = { stage, 0 };

	follow(path, put_line, &out);
	printf("tail: %s\n", out.err ? strerror(out.err) : "all lines");
	errno = out.err;
	return out.err ? -1 : 0;
}

static int grep(grove_stage *stage, void *pattern)
{
	void *line;

	while (grove_stage_get(stage, &line, GROVE_FOREVER) == 1)
		if (strstr(line, pattern) && grove_stage_put(stage, line, GROVE_FOREVER) < 0)
			return -1;
	return 0;
}

static int print(grove_stage *stage, void *limit)
{
	void *line;

	for (long n = 0; n < (long)limit && grove_stage_get(stage, &line, GROVE_FOREVER) == 1; n++)
		printf("%s\n", (char *)line);
	return 0;
}

static void run(const char *path, long limit)
{
	static const char *const patterns[] = { "python", "ply", "swig" };
	grove_pipeline *p = grove_pipeline_new(4, NULL);
	grove_stage *source = grove_pipeline_stage(p, tail, (void *)path), *sink = grove_pipeline_stage(p, print, (void *)limit);
	grove_greenlet *writer = start_log(path);

	printf("--- up to %ld lines\n", limit);
	for (int i = 0; i < 3; i++) {
		grove_stage *branch = grove_pipeline_stage(p, grep, (void *)patterns[i]);

		grove_stage_name(branch, patterns[i]);
		grove_pipeline_link(source, branch);
		grove_pipeline_link(branch, sink);
	}
	if (grove_pipeline_run(p, GROVE_FOREVER) < 0)
		perror("pipeline");
	grove_pipeline_free(p);
	while (n_kept > 0)
		free(kept[--n_kept]);
	grove_join(writer, GROVE_FOREVER);
	grove_release(writer);
}

int main(void)
{
	run("branches.log", 100);
	run("branches.log", 3);
	remove("branches.log");
	return 0;
}
