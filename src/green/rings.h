/*
 * rings.h - what others tell rings.c of the program's rings
 */
#ifndef GR_RINGS_H
#define GR_RINGS_H

#include "../base.h"

/* The program has mapped a part of a descriptor that may be a ring: @what is the offset. */
void gr_ring_mapped(int fd, uint64_t what, uintptr_t at);

/* The descriptor is being closed. */
struct ring;
void gr_ring_closed(struct ring *r, int fd);

/* In a forked child: the indexes of registered rings were a kernel thread's. */
void gr_ring_forked(void);

#endif
