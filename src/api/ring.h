/*
 * ring.h - a ring of pointers that grows and shrinks: what queues and channels keep their items in
 *
 * Items are put in and taken out inside; room is made outside, since that calls malloc().
 */
#ifndef GR_API_RING_H
#define GR_API_RING_H

#include "api.h"

struct gr_ring {
	void **slots;
	size_t size;			/* of slots: 0, or a power of two */
	size_t head;			/* the first item's slot */
	size_t count;
};

/* Outside: have room for @count items, or for those that are there if these are more.  False: errno ENOMEM. */
bool gr_ring_resize(struct gr_ring *ring, size_t count);

static inline bool gr_ring_has_room(const struct gr_ring *ring)
{
	return ring->count < ring->size;
}

/* Outside: twice the room. */
static inline bool gr_ring_grow(struct gr_ring *ring)
{
	return gr_ring_resize(ring, ring->size * 2);
}

/* Outside, after items were taken out: give back what a burst needed. */
static inline void gr_ring_trim(struct gr_ring *ring)
{
	if (GR_UNLIKELY(ring->size > 1024 && ring->count < ring->size / 8))
		gr_ring_resize(ring, ring->size / 4);
}

static inline void gr_ring_push(struct gr_ring *ring, void *item)
{
	ring->slots[(ring->head + ring->count++) & (ring->size - 1)] = item;
}

static inline void gr_ring_push_front(struct gr_ring *ring, void *item)
{
	ring->head = (ring->head - 1) & (ring->size - 1);
	ring->slots[ring->head] = item;
	ring->count++;
}

static inline void *gr_ring_first(const struct gr_ring *ring)
{
	return ring->slots[ring->head];
}

static inline void *gr_ring_last(const struct gr_ring *ring)
{
	return ring->slots[(ring->head + ring->count - 1) & (ring->size - 1)];
}

static inline void *gr_ring_pop(struct gr_ring *ring)
{
	void *item = gr_ring_first(ring);

	ring->head = (ring->head + 1) & (ring->size - 1);
	ring->count--;
	return item;
}

static inline void *gr_ring_pop_last(struct gr_ring *ring)
{
	void *item = gr_ring_last(ring);

	ring->count--;
	return item;
}

#endif
