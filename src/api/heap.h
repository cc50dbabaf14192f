/*
 * heap.h - the items of a priority queue: a binary heap whose order may be a function of the program's
 *
 * That function may do anything, even wait, so it is called outside and the heap may change meanwhile.  So first a plan is made, outside,
 * which is no more than the place where an entry will lie; then it is carried out, inside, if the heap is still as it was planned for:
 *
 *	version = heap->version;
 *	if (gr_heap_plan_push(heap, &entry, &at))		false: it has changed already
 *		gr_enter(), and if heap->version still is version: gr_heap_push(heap, &entry, at), else begin again
 */
#ifndef GR_API_HEAP_H
#define GR_API_HEAP_H

#include "api.h"

struct gr_entry {
	void *item;
	int64_t priority;		/* the lowest first, if there is no compare */
	uint64_t number;		/* equals in the order in which they came */
};

struct gr_heap {
	struct gr_entry *entries;
	size_t size, count;
	unsigned version;		/* another one after each change */
	int (*compare)(const void *, const void *);	/* of items, or NULL */
};

/* Outside: have room for @count entries, or for those that are there if these are more.  False: errno ENOMEM. */
bool gr_heap_resize(struct gr_heap *heap, size_t count);

static inline bool gr_heap_has_room(const struct gr_heap *heap)
{
	return heap->count < heap->size;
}

/* Outside: where @entry will lie; false: the heap has changed meanwhile. */
bool gr_heap_plan_push(const struct gr_heap *heap, const struct gr_entry *entry, size_t *ret_at);

/* Inside, where there is room. */
void gr_heap_push(struct gr_heap *heap, const struct gr_entry *entry, size_t at);

/* Outside: where @entry will lie when it takes the place of the first; NULL: when the last entry does, and there is one less. */
bool gr_heap_plan_pop(const struct gr_heap *heap, const struct gr_entry *entry, size_t *ret_at);

/* Inside: the first, which leaves. */
struct gr_entry gr_heap_pop(struct gr_heap *heap, const struct gr_entry *entry, size_t at);

#endif
