/*
 * stack.h - stacks for greenlets and for pthreads, with a guard below each, kept warm for the next one
 *
 * Slots of one size class are carved from large mappings (one VMA for many stacks); the guard is MADV_GUARD_INSTALL where the
 * kernel has it (6.13), so 100,000 stacks need no 100,000 mappings; elsewhere mprotect(PROT_NONE), good for about 32,000.
 * Slots are offset so that the guard of one and the top of the slot below it share a page-table page.
 * A slot returned is reused last-in first-out; beyond a number of warm ones per class, its memory goes back to the kernel
 * (MADV_DONTNEED) while the addresses stay reserved.  Not thread-safe: a pool belongs to one carrier.
 */
#ifndef GR_STACK_H
#define GR_STACK_H

#include "base.h"

struct gr_stack {
	char *lo;		/* lowest usable byte; the guard lies below it */
	size_t size;		/* usable bytes: lo + size is the top */
};

/*
 * At least @size usable bytes (rounded up to pages) above a guard of at least @guard bytes (rounded up to pages; 0: no guard asked,
 * one page is kept all the same).  0, or -ENOMEM / -EAGAIN as the kernel said.  Contents are not cleared.
 */
int gr_stack_new(size_t size, size_t guard, struct gr_stack *ret_stack);
void gr_stack_free(struct gr_stack *stack);

/* true when @addr lies in the guard of a stack of the pool: a stack overflow, not a wild pointer */
bool gr_stack_is_guard(const void *addr);

struct gr_stack_stats {
	size_t slots, in_use, warm, mapped_bytes;
	bool guard_by_madvise;
};
void gr_stack_get_stats(struct gr_stack_stats *ret_stats);

#endif
