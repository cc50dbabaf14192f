/*
 * ring.c - room for rings
 */
#include "ring.h"
#include <stdlib.h>

#define SMALLEST	16

/* Inside: @slots are to be its slots, if there are enough of them.  Returns what is to be freed. */
static void **exchange(struct gr_ring *ring, void **slots, size_t size)
{
	void **old = ring->slots;

	if (ring->count > size)
		return slots;
	for (size_t i = 0; i < ring->count; i++)
		slots[i] = old[(ring->head + i) & (ring->size - 1)];
	ring->slots = slots;
	ring->size = size;
	ring->head = 0;
	return old;
}

bool gr_ring_resize(struct gr_ring *ring, size_t count)
{
	size_t size = SMALLEST;
	void **slots;

	while (size < count && size < SIZE_MAX / 2)
		size *= 2;
	slots = size <= SIZE_MAX / sizeof(*slots) ? malloc(size * sizeof(*slots)) : gr_fails_null(ENOMEM);
	if (!slots)
		return false;
	gr_enter();
	slots = exchange(ring, slots, size);
	gr_leave_quietly();
	free(slots);
	return true;
}
