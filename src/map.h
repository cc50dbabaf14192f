/*
 * map.h - which memory is shared with other processes
 *
 * Owns a sorted table of the ranges mapped MAP_SHARED, fed by the mmap, mremap, munmap and shmat calls that come in by the doors
 * and asked by futex.c.  What shmdt() unmaps stays noted, which may be slow but is never wrong.  One table per process: mappings
 * belong to the address space, not to a carrier.  A forked child has the same mappings, so it keeps the table.
 */
#ifndef GR_MAP_H
#define GR_MAP_H

#include "base.h"

struct gr_map_range {
	uintptr_t lo, hi;		/* [lo, hi), whole pages */
};

/* Sorted by address; ranges neither overlap nor touch.  Memory by mmap, doubled when full. */
struct gr_map_table {
	struct gr_map_range *ranges;
	size_t used, room;
	bool unsure;			/* no memory to note a range: from then on everything counts as shared, which is slow, but never wrong */
};
extern struct gr_map_table gr_map_table;

/* Any range; pages partly covered count as covered. */
void gr_map_add_shared(uintptr_t lo, size_t size);
void gr_map_remove(uintptr_t lo, size_t size);	/* any part of any range; ranges split where needed */

bool gr_map_find(uintptr_t addr);

/* What is asked on every wait: most programs share nothing. */
static inline bool gr_map_is_shared(uintptr_t addr)
{
	return GR_UNLIKELY(gr_map_table.used || gr_map_table.unsure) && gr_map_find(addr);
}

/* The size of the noted range that holds @addr, from @addr to its end; 0 when there is none. */
size_t gr_map_size_at(uintptr_t addr);

/* Forget all, give the memory back (tests). */
void gr_map_reset(void);

#endif
