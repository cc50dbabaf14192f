/*
 * mem.h - memory for libraries that run in the hub (libev, c-ares), apart from malloc
 *
 * A greenlet may be switched out while it holds malloc's lock, so the hub must not want that lock.  Blocks up to GR_MEM_SMALL bytes
 * come from free lists, one per size class, filled from mappings that are kept; larger ones are mappings of their own, which
 * realloc moves without copying.  May be called from the hub and from greenlets, inside the runtime or out of it.
 */
#ifndef GR_MEM_H
#define GR_MEM_H

#include "base.h"

#define GR_MEM_SMALL	16384u

/* Aligned to 16 bytes; NULL when the kernel has no memory.  A size of 0 gives a block like any other. */
void *gr_mem_alloc(size_t size);

/* @p may be NULL */
void gr_mem_free(void *p);

/* As realloc(3), but a size of 0 does not free.  On failure @p stays as it was. */
void *gr_mem_realloc(void *p, size_t size);

#endif
