/*
 * heap.c - a heap whose changes are planned outside and made inside
 *
 * Where an entry comes to lie says how it gets there: what moves are the entries on the way between there and the root.
 */
#include "heap.h"
#include <stdlib.h>
#include <string.h>

#define SMALLEST	16

static size_t parent(size_t i)
{
	return (i - 1) / 2;
}

static bool before(const struct gr_heap *heap, const struct gr_entry *a, const struct gr_entry *b)
{
	int order = heap->compare ? heap->compare(a->item, b->item) : (a->priority > b->priority) - (a->priority < b->priority);

	return order ? order < 0 : a->number < b->number;
}

bool gr_heap_resize(struct gr_heap *heap, size_t count)
{
	size_t size = count < SMALLEST ? SMALLEST : count;
	struct gr_entry *entries = calloc(size, sizeof(*entries)), *old = entries;

	if (!entries)
		return false;
	gr_enter();
	if (heap->count <= size) {
		old = heap->entries;
		if (heap->count)
			memcpy(entries, old, heap->count * sizeof(*entries));
		heap->entries = entries;
		heap->size = size;
		heap->version++;
	}
	gr_leave_quietly();
	free(old);
	return true;
}

/* Entries are copied before they are compared: while that goes on they may move. */
bool gr_heap_plan_push(const struct gr_heap *heap, const struct gr_entry *entry, size_t *ret_at)
{
	unsigned version = heap->version;
	size_t at = heap->count;

	while (at > 0) {
		struct gr_entry above = heap->entries[parent(at)];
		bool up = before(heap, entry, &above);

		if (heap->version != version)
			return false;
		if (!up)
			break;
		at = parent(at);
	}
	*ret_at = at;
	return true;
}

void gr_heap_push(struct gr_heap *heap, const struct gr_entry *entry, size_t at)
{
	size_t i = heap->count++;

	for (; i != at; i = parent(i))
		heap->entries[i] = heap->entries[parent(i)];
	heap->entries[at] = *entry;
	heap->version++;
}

bool gr_heap_plan_pop(const struct gr_heap *heap, const struct gr_entry *entry, size_t *ret_at)
{
	unsigned version = heap->version;
	size_t n = entry ? heap->count : heap->count - 1, at = 0, child;
	struct gr_entry falls = entry ? *entry : heap->entries[n];

	for (child = 1; child < n; child = 2 * at + 1) {
		struct gr_entry a = heap->entries[child], b;

		if (child + 1 < n) {
			b = heap->entries[child + 1];
			if (before(heap, &b, &a)) {
				a = b;
				child++;
			}
			if (heap->version != version)
				return false;
		}
		bool down = before(heap, &a, &falls);

		if (heap->version != version)
			return false;
		if (!down)
			break;
		at = child;
	}
	*ret_at = at;
	return true;
}

/* Fill the hole at the root with what lies on the way to @at. */
static void raise_path(struct gr_heap *heap, size_t at)
{
	struct gr_entry carried = heap->entries[at];

	while (at > 0) {
		struct gr_entry next = heap->entries[parent(at)];

		at = parent(at);
		heap->entries[at] = carried;
		carried = next;
	}
}

struct gr_entry gr_heap_pop(struct gr_heap *heap, const struct gr_entry *entry, size_t at)
{
	struct gr_entry first = heap->entries[0], falls = entry ? *entry : heap->entries[heap->count - 1];

	raise_path(heap, at);
	heap->entries[at] = falls;
	heap->count -= !entry;
	heap->version++;
	return first;
}
