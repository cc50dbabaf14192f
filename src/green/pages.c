/*
 * pages.c - calls that bring pages into memory, write them out or move them, and do not return before that is done
 */
#include "green.h"
#include "offloaded.h"
#include "../raw.h"
#include "../sched.h"
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif

OFFLOADED(green_readahead, SYS_readahead)
OFFLOADED(green_mlock, SYS_mlock)
OFFLOADED(green_mlock2, SYS_mlock2)
OFFLOADED(green_mlockall, SYS_mlockall)
OFFLOADED(green_process_madvise, SYS_process_madvise)
OFFLOADED(green_process_mrelease, SYS_process_mrelease)

/* The others only change tables; malloc makes them all the time. */
static bool advice_waits(int advice)
{
	return advice == MADV_WILLNEED || advice == MADV_REMOVE || advice == MADV_PAGEOUT || advice == MADV_POPULATE_READ ||
	       advice == MADV_POPULATE_WRITE || advice == MADV_COLLAPSE || advice == MADV_SOFT_OFFLINE;
}

long green_madvise(uintptr_t addr, size_t size, int advice)
{
	if (!advice_waits(advice))
		return raw(SYS_madvise, addr, size, advice);
	return gr_offload_nointr(SYS_madvise, (long)addr, (long)size, advice, 0, 0, 0);
}

long green_fadvise64(int fd, off_t at, off_t size, int advice)
{
	if (advice != POSIX_FADV_WILLNEED && advice != POSIX_FADV_DONTNEED)
		return raw(SYS_fadvise64, fd, at, size, advice);
	return gr_offload_nointr(SYS_fadvise64, fd, at, size, advice, 0, 0);
}

long green_mbind(uintptr_t addr, size_t size, int mode, const unsigned long *nodes, unsigned long max, unsigned flags)
{
	if (!(flags & (MPOL_MF_MOVE | MPOL_MF_MOVE_ALL)))
		return raw(SYS_mbind, addr, size, mode, nodes, max, flags);
	return gr_offload_nointr(SYS_mbind, (long)addr, (long)size, mode, (long)nodes, (long)max, flags);
}

/* A greenlet's tid means nothing to the kernel, but that it is one of this process. */
static int kernel_pid(int pid)
{
	return gr_find_tid(pid) ? 0 : pid;
}

long green_migrate_pages(int pid, unsigned long max, const unsigned long *from, const unsigned long *to)
{
	return gr_offload_nointr(SYS_migrate_pages, kernel_pid(pid), (long)max, (long)from, (long)to, 0, 0);
}

long green_move_pages(int pid, unsigned long n, const void **pages, const int *nodes, int *status, int flags)
{
	return gr_offload_nointr(SYS_move_pages, kernel_pid(pid), (long)n, (long)pages, (long)nodes, (long)status, flags);
}
