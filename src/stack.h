/*
 * stack.h - stacks for greenlets and for pthreads, with a guard below each, kept warm for the next one
 *
 * Slots of one size class are carved from large mappings, regions, that grow with the demand (1 slot, 2, 4 ... up to 1 GiB):
 *
 *	lower addresses                                                                     higher
 *	|guard| (slack) |        usable        |guard| (slack) |        usable        |guard| ...
 *	^slot 0         ^lo                    ^top, slot 1                           ^
 *
 * The guard is MADV_GUARD_INSTALL where the kernel has it (6.13), so 100,000 stacks need no 100,000 mappings; elsewhere it is
 * memory left PROT_NONE, good for about 32,000.  Slots are placed so that the top of one and the guard above it, the next
 * one's, share a page-table page: a stack in use costs the pages it touches and one page of page tables.
 *
 * A slot returned is reused last-in first-out.  What it may keep meanwhile:
 *	the GR_STACK_HOT last returned	all they touched, until every GR_STACK_TRIM_EVERYth return of a slot
 *	up to GR_STACK_WARM of a class	their top 64 KiB
 *	more than those			the same for a few seconds (gr_stacks_forget()), as a burst of threads may come again
 *	the others			nothing (MADV_DONTNEED), only their addresses and a page of page tables
 * so a deep recursion is forgotten, and the churn of a thousand threads finds its stacks still mapped.
 * Not thread-safe: a pool belongs to one carrier.
 */
#ifndef GR_STACK_H
#define GR_STACK_H

#include "base.h"

#define GR_STACK_HOT		16
#define GR_STACK_TRIM_EVERY	64
#define GR_STACK_WARM		1024		/* about 16 MiB: most stacks touch 8 to 16 KiB */
#define GR_STACK_KEEP		(64u * 1024)	/* from the top */

struct gr_slot {
	struct gr_slot *next;		/* in its class's warm or cold list, while free */
	struct gr_region *region;
	uint32_t returns;		/* how often it came back */
	uint8_t in_use;
	uint8_t owner;			/* of a pthread's stack: OWNER_* of threads.c; otherwise 0, */
	uintptr_t fs;			/* the thread's TLS block, once cloned, */
	size_t asked_guard;		/* and the guard its attributes asked for */
};

struct gr_stack {
	char *lo;			/* lowest usable byte; the guard lies below it */
	size_t size;			/* usable bytes: lo + size is the top */
	struct gr_slot *slot;		/* where it came from; NULL: no stack */
};

/*
 * At least @size usable bytes (rounded up to pages) above a guard of at least @guard bytes (rounded up to pages; 0: no guard asked,
 * one page is kept all the same).  0, or -ENOMEM / -EAGAIN as the kernel said.  Contents are not cleared.
 */
int gr_stack_new(size_t size, size_t guard, struct gr_stack *ret_stack);
void gr_stack_free(struct gr_stack *stack);

/*
 * The top @size bytes are about to be used, as libc lays out a thread: have them all at once, which costs less than a fault for each page.
 * Does nothing for a slot that was in use before.
 */
void gr_stack_expect(const struct gr_stack *stack, size_t size);

/*
 * Those beyond GR_STACK_WARM rest before they are forgotten, if somebody sees to the time: gr_stack_rests() is called when one is about to,
 * and says whether it may.  gr_stacks_forget() then forgets up to @n of those that rested when it last said GR_REST_LATER.
 */
enum gr_rest { GR_REST_NONE, GR_REST_MORE, GR_REST_LATER };	/* that rest: none; some that are due; only some that are not */
extern bool (*gr_stack_rests)(void);
enum gr_rest gr_stacks_forget(unsigned n);

/* The stack in use that @addr lies in (guard included); false when it lies in none of ours. */
bool gr_stack_at(const void *addr, struct gr_stack *ret_stack);

/* true when @addr lies in the guard of a stack of the pool: a stack overflow, not a wild pointer */
bool gr_stack_is_guard(const void *addr);

/* Call @fn for every stack in use; it may free that one. */
void gr_stack_each(void (*fn)(struct gr_stack *stack, void *arg), void *arg);

struct gr_stack_stats {
	size_t slots, in_use, warm, mapped_bytes;
	bool guard_by_madvise;		/* the newest one */
};
void gr_stack_get_stats(struct gr_stack_stats *ret_stats);

#endif
