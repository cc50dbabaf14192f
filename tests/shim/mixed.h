/*
 * mixed.h - processes that share memory and queues, of which some may be bare and some not
 *
 * Under grove a test starts itself as any mixture of both; in the bare run all are bare.  What they say must be the same.
 */
#ifndef MIXED_H
#define MIXED_H

#include "t.h"
#include <sys/mman.h>



static const char *const mixtures[][2] = { { "same", "same" }, { "bare", "same" }, { "same", "bare" } };

/* This program again as `program ROLE fd', where @fd is of memory to share. */
T_UNUSED static pid_t other(const char *role, const char *how, int fd)
{
	char number[12];
	pid_t pid = (pid_t)MUST(fork());

	if (pid)
		return pid;
	if (strcmp(how, "bare") == 0)
		unsetenv("LD_PRELOAD");
	snprintf(number, sizeof(number), "%d", fd);
	execl("/proc/self/exe", "mixed", role, number, (char *)NULL);
	_exit(97);
}

/* Memory for @size bytes, zeros at first; its descriptor goes to others. */
T_UNUSED static void *shared_memory(size_t size, int *ret_fd)
{
	void *p;

	*ret_fd = (int)MUST(memfd_create("shared", 0));
	MUST(ftruncate(*ret_fd, (off_t)size));
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *ret_fd, 0);
	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

T_UNUSED static void *shared_by(const char *number, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(number), 0);

	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

#endif
