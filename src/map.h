/*
 * map.h - which memory is shared with other processes
 *
 * Fed by the mmap, mremap, munmap, shmat and shmdt calls that pass the gate; asked by futex.c.
 */
#ifndef GR_MAP_H
#define GR_MAP_H

#include "base.h"

void gr_map_add_shared(uintptr_t lo, size_t size);
void gr_map_remove(uintptr_t lo, size_t size);	/* any part of any range; ranges split where needed */
bool gr_map_is_shared(uintptr_t addr);

#endif
