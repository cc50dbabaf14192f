/*
 * demo.h - what several demos ask about themselves: which kernel threads they run on, and how many seconds have passed
 */
#ifndef DEMO_H
#define DEMO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * The kernel thread that runs the caller, by the kernel's own word: /proc/thread-self points to "PROCESS/task/THREAD".
 * gettid(2) is no help under grove, where each greenlet has a number of its own.
 */
static inline long kernel_thread(void)
{
	char link[64] = "";
	const char *last;

	if (readlink("/proc/thread-self", link, sizeof(link) - 1) < 0)
		return -1;
	last = strrchr(link, '/');
	return last ? atol(last + 1) : -1;
}

static inline double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* How many of the @n values differ from each other */
static inline int count_different(const long *values, int n)
{
	int different = 0;

	for (int i = 0; i < n; i++) {
		int j = 0;

		while (j < i && values[j] != values[i])
			j++;
		different += j == i;
	}
	return different;
}

static inline const char *yes_no(bool b)
{
	return b ? "yes" : "no";
}

#endif
