/*
 * asan.h - forks of threaded programs under AddressSanitizer
 *
 * It keeps marks of what lay on the stacks of threads.  In a forked child these threads are not there, and never take theirs away, so
 * whoever gets that memory next is accused.  forked_child() at the child's beginning takes all marks from what was mapped; those of its
 * heap stay.
 */
#ifndef TEST_ASAN_H
#define TEST_ASAN_H

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <stdint.h>
#include <stdio.h>

static void forked_child(void)
{
	char line[512], rights[5];
	FILE *maps = fopen("/proc/self/maps", "r");
	uintptr_t from, to;

	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %4s", &from, &to, rights) == 3 && rights[0] == 'r' && rights[1] == 'w' && from >> 40 == 0x7f)
			__asan_unpoison_memory_region((void *)from, to - from);
	if (maps)
		fclose(maps);
}
#else
static void forked_child(void)
{
}
#endif

#endif
