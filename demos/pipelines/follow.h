/*
 * follow.h - a log that grows while it is read, for the demos of this folder: write_log() in a greenlet, follow() to read it as tail -f does
 */
#ifndef FOLLOW_H
#define FOLLOW_H

#include <grove.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool log_is_complete;

static inline void *write_log(void *path)
{
	static const char *const lines[] = {
		"python is a snake", "ply is a parser generator", "swig wraps C for python", "nothing of interest",
		"python has generators", "ply is written in python", "the end of swig", "goodbye",
	};
	FILE *log = fopen(path, "a");

	for (size_t i = 0; log && i < sizeof(lines) / sizeof(lines[0]); i++) {
		grove_sleep(GROVE_MS(5));
		fprintf(log, "%s\n", lines[i]);
		fflush(log);
	}
	if (log)
		fclose(log);
	log_is_complete = true;
	return NULL;
}

/* Make the log, empty, and somebody who writes it. */
static inline grove_greenlet *start_log(const char *path)
{
	FILE *log = fopen(path, "w");

	if (log)
		fclose(log);
	log_is_complete = false;
	return grove_spawn(write_log, (void *)path);
}

/* Hand each line to @line as soon as it is there; where there is none yet, others run. */
static inline void follow(const char *path, void (*line)(char *text, void *arg), void *arg)
{
	char text[256];
	FILE *log = fopen(path, "r");

	while (log) {
		bool complete = log_is_complete;

		if (fgets(text, sizeof(text), log)) {
			text[strcspn(text, "\n")] = '\0';
			line(text, arg);
			continue;
		}
		if (complete)
			break;
		clearerr(log);
		grove_sleep(GROVE_MS(2));
	}
	if (log)
		fclose(log);
}

#endif
