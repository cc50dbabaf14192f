/*
 * queue.c - queues of pointers: FIFO and LIFO in a ring, priority in a heap
 *
 * Somebody waits to get: the queue is empty.  Somebody waits to put: it is full.  So an item that is put goes straight to who has waited
 * longest for one, and who takes one out puts in what the first in the other line has brought.
 */
#include "heap.h"
#include "ring.h"
#include <grove/queue.h>
#include <stdlib.h>

enum kind { FIFO, LIFO, PRIORITY };

struct grove_queue {
	struct gr_object object;	/* GR_QUEUE; ready: there is something in it, or it is shut down */
	uint8_t kind;
	bool shut;
	size_t bound;			/* SIZE_MAX: none */
	size_t count;			/* items in the ring or heap */
	struct gr_ring ring;
	struct gr_heap heap;
	uint64_t next_number;
	size_t unfinished;
	struct gr_list getters;		/* struct waiter: who gets, and who peeks */
	struct gr_list putters;		/* struct waiter */
	struct gr_list joiners;		/* gr_turn */
};

struct waiter {
	struct gr_turn turn;
	struct grove_queue *queue;
	struct gr_entry entry;		/* brought, or given */
	bool peeks;
};

/* --- life -------------------------------------------------------------------------------------------------------------------------- */

static grove_queue *make(enum kind kind, size_t bound, grove_compare_fn *compare)
{
	grove_queue *queue = malloc(sizeof(*queue));

	if (!queue)
		return NULL;
	*queue = (grove_queue){ .kind = kind, .bound = bound ? bound : SIZE_MAX, .heap.compare = compare };
	gr_object_init(&queue->object, GR_QUEUE, false);
	gr_list_init(&queue->getters);
	gr_list_init(&queue->putters);
	gr_list_init(&queue->joiners);
	return queue;
}

grove_queue *grove_queue_new(size_t bound)
{
	return make(FIFO, bound, NULL);
}

grove_queue *grove_queue_new_lifo(size_t bound)
{
	return make(LIFO, bound, NULL);
}

grove_queue *grove_queue_new_priority(size_t bound, grove_compare_fn *compare)
{
	return make(PRIORITY, bound, compare);
}

int grove_queue_free(grove_queue *queue)
{
	if (!queue)
		return 0;
	GR_ANYWHERE(-1, grove_queue_free, queue);
	if (!gr_is(queue, GR_QUEUE))
		return gr_fails(EINVAL);
	if (!gr_list_empty(&queue->getters) || !gr_list_empty(&queue->putters) || !gr_list_empty(&queue->joiners) ||
	    !gr_list_empty(&queue->object.links))
		return gr_fails(EBUSY);
	queue->object.type = 0;
	free(queue->ring.slots);
	free(queue->heap.entries);
	free(queue);
	return 0;
}

/* --- the items --------------------------------------------------------------------------------------------------------------------- */

static bool is_full(const struct grove_queue *queue)
{
	return queue->count >= queue->bound;
}

static struct waiter *first_waiter(struct gr_list *line)
{
	return gr_container(gr_first_turn(line), struct waiter, turn);
}

/* Inside, after each change. */
static void update(struct grove_queue *queue)
{
	gr_object_set_ready(&queue->object, queue->count > 0 || queue->shut);
}

static bool has_room(const struct grove_queue *queue)
{
	return queue->kind == PRIORITY ? gr_heap_has_room(&queue->heap) : gr_ring_has_room(&queue->ring);
}

/* Outside */
static bool make_room(struct grove_queue *queue)
{
	return queue->kind == PRIORITY ? gr_heap_resize(&queue->heap, queue->heap.count * 2) : gr_ring_grow(&queue->ring);
}

/* Outside: a queue that was long does not keep its memory. */
static void trim(struct grove_queue *queue)
{
	if (queue->kind != PRIORITY)
		gr_ring_trim(&queue->ring);
	else if (GR_UNLIKELY(queue->heap.size > 1024 && queue->heap.count < queue->heap.size / 8))
		gr_heap_resize(&queue->heap, queue->heap.size / 4);
}

/* Whoever peeks up to the first who gets sees the item, and that one has it.  False: nobody gets. */
static bool give_to_getter(struct grove_queue *queue, const struct gr_entry *entry)
{
	while (!gr_list_empty(&queue->getters)) {
		struct waiter *w = first_waiter(&queue->getters);

		w->entry = *entry;
		gr_give_turn(&w->turn, 0);
		if (!w->peeks)
			return true;
	}
	return false;
}

static bool somebody_gets(const struct grove_queue *queue)
{
	gr_list_each(it, &queue->getters)
		if (!gr_container(it, struct waiter, turn.link)->peeks)
			return true;
	return false;
}

/* Inside: into a queue that has room; @at is the plan for a heap. */
static void store(struct grove_queue *queue, const struct gr_entry *entry, size_t at)
{
	if (queue->kind == PRIORITY)
		gr_heap_push(&queue->heap, entry, at);
	else
		gr_ring_push(&queue->ring, entry->item);
	queue->count++;
	give_to_getter(queue, entry);		/* only who peeks */
	update(queue);
}

/* Out with the next, and in with what the first who waits for room has brought.  Inside; @at is the plan for a heap. */
static void *take(struct grove_queue *queue, struct waiter *putter, size_t at)
{
	void *item;

	if (queue->kind == PRIORITY)
		item = gr_heap_pop(&queue->heap, putter ? &putter->entry : NULL, at).item;
	else
		item = queue->kind == LIFO ? gr_ring_pop_last(&queue->ring) : gr_ring_pop(&queue->ring);
	if (putter) {
		if (queue->kind != PRIORITY)
			gr_ring_push(&queue->ring, putter->entry.item);
		queue->unfinished++;
		gr_give_turn(&putter->turn, 0);
		return item;
	}
	queue->count--;
	update(queue);
	return item;
}

static struct waiter *next_putter(struct grove_queue *queue)
{
	return queue->count > queue->bound || gr_list_empty(&queue->putters) ? NULL : first_waiter(&queue->putters);
}

/* --- getting ----------------------------------------------------------------------------------------------------------------------- */

/* Outside; of a queue that is not empty.  False: it has changed before the plan could be carried out. */
static bool try_heap(struct grove_queue *queue, void **ret_item)
{
	unsigned version = queue->heap.version;
	struct waiter *putter = next_putter(queue);
	struct gr_entry entry;
	bool as_planned;
	size_t at;

	if (putter)
		entry = putter->entry;
	if (!gr_heap_plan_pop(&queue->heap, putter ? &entry : NULL, &at))
		return false;
	gr_enter();
	as_planned = queue->heap.version == version && next_putter(queue) == putter &&
		     (!putter || (putter->entry.item == entry.item && putter->entry.number == entry.number));
	if (as_planned)
		*ret_item = take(queue, putter, at);
	gr_leave_quietly();
	return as_planned;
}

static bool take_from_heap(struct grove_queue *queue, void **ret_item)
{
	while (queue->count)
		if (try_heap(queue, ret_item))
			return true;
	return false;
}

static bool take_from_ring(struct grove_queue *queue, void **ret_item)
{
	bool some;

	gr_enter();
	some = queue->count > 0;
	if (some)
		*ret_item = take(queue, next_putter(queue), 0);
	gr_leave_quietly();
	return some;
}

/* The next item, if there is one.  Outside. */
static bool take_now(struct grove_queue *queue, void **ret_item)
{
	if (!(queue->kind == PRIORITY ? take_from_heap(queue, ret_item) : take_from_ring(queue, ret_item)))
		return false;
	trim(queue);
	return true;
}

static void unwound_from_get(struct gr_turn *turn);

static int wait_for_item(struct grove_queue *queue, void **ret_item, gr_time deadline, bool peeks)
{
	struct waiter w = { .turn.unwound = unwound_from_get, .queue = queue, .peeks = peeks };
	int r;

	if (queue->shut)
		return -EPIPE;
	r = gr_wait_guarded(&queue->getters, peeks ? "peek" : "get", queue, deadline, &w.turn);
	if (r == 0)
		*ret_item = w.entry.item;
	return r;
}

int grove_queue_get(grove_queue *queue, void **ret_item, int64_t timeout)
{
	gr_time deadline;
	void *item;

	GR_ANYWHERE(-1, grove_queue_get, queue, ret_item, timeout);
	if (!gr_is(queue, GR_QUEUE) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	if (!ret_item)
		ret_item = &item;
	while (!take_now(queue, ret_item)) {
		gr_enter();
		if (queue->count == 0)
			return gr_leave(wait_for_item(queue, ret_item, deadline, false));
		gr_leave_quietly();
	}
	return 0;
}

int grove_queue_get_nowait(grove_queue *queue, void **ret_item)
{
	return grove_queue_get(queue, ret_item, 0);
}

static void *next_item(const struct grove_queue *queue)
{
	if (queue->kind == PRIORITY)
		return queue->heap.entries[0].item;
	return queue->kind == LIFO ? gr_ring_last(&queue->ring) : gr_ring_first(&queue->ring);
}

int grove_queue_peek(grove_queue *queue, void **ret_item, int64_t timeout)
{
	gr_time deadline;
	void *item;
	int r = 0;

	GR_ANYWHERE(-1, grove_queue_peek, queue, ret_item, timeout);
	if (!gr_is(queue, GR_QUEUE) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	if (!ret_item)
		ret_item = &item;
	gr_enter();
	if (queue->count)
		*ret_item = next_item(queue);
	else
		r = wait_for_item(queue, ret_item, deadline, true);
	return gr_leave(r);
}

int grove_queue_peek_nowait(grove_queue *queue, void **ret_item)
{
	return grove_queue_peek(queue, ret_item, 0);
}

ssize_t grove_queue_drain(grove_queue *queue, void **ret_items, size_t max)
{
	size_t n = 0;

	GR_ANYWHERE((ssize_t)-1, grove_queue_drain, queue, ret_items, max);
	if (!gr_is(queue, GR_QUEUE) || (max && !ret_items))
		return gr_fails(EINVAL);
	while (n < max && take_now(queue, &ret_items[n]))
		n++;
	return (ssize_t)n;
}

/* --- putting ----------------------------------------------------------------------------------------------------------------------- */

static int wait_for_room(struct grove_queue *queue, const struct gr_entry *entry, gr_time deadline)
{
	struct waiter w = { .queue = queue, .entry = *entry };

	return gr_wait_turn(&queue->putters, "put", queue, deadline, &w.turn);
}

#define REPEAT	1		/* there must be more room, or another plan */

/* Inside.  0, -EPIPE, -EAGAIN: it is full, or REPEAT */
static int try_put(struct grove_queue *queue, const struct gr_entry *entry, unsigned version, size_t at)
{
	if (queue->shut)
		return -EPIPE;
	if (somebody_gets(queue)) {
		queue->unfinished++;
		give_to_getter(queue, entry);
		return 0;
	}
	if (is_full(queue))
		return -EAGAIN;
	if (!has_room(queue) || queue->heap.version != version)
		return REPEAT;
	queue->unfinished++;
	store(queue, entry, at);
	return 0;
}

/* Where a heap's entry is to lie; the order among equals is that of the numbers.  Outside. */
static bool plan(struct grove_queue *queue, const struct gr_entry *entry, unsigned *ret_version, size_t *ret_at)
{
	*ret_at = 0;
	*ret_version = queue->heap.version;
	return queue->kind != PRIORITY || !has_room(queue) || gr_heap_plan_push(&queue->heap, entry, ret_at);
}

static int put_or_wait(struct grove_queue *queue, const struct gr_entry *entry, gr_time deadline)
{
	unsigned version;
	size_t at;
	int r;

	if (!plan(queue, entry, &version, &at))
		return REPEAT;
	gr_enter();
	r = try_put(queue, entry, version, at);
	if (r == -EAGAIN)
		r = wait_for_room(queue, entry, deadline);
	gr_leave_quietly();
	return r;
}

static int put(struct grove_queue *queue, const struct gr_entry *entry, gr_time deadline)
{
	int r;

	while ((r = put_or_wait(queue, entry, deadline)) == REPEAT)
		if (!has_room(queue) && !make_room(queue))
			return -1;
	return gr_result(r);
}

int grove_queue_put(grove_queue *queue, void *item, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_queue_put, queue, item, timeout);
	if (!gr_is(queue, GR_QUEUE) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	return put(queue, &(struct gr_entry){ .item = item, .number = queue->next_number++ }, deadline);
}

int grove_queue_put_nowait(grove_queue *queue, void *item)
{
	return grove_queue_put(queue, item, 0);
}

int grove_queue_put_priority(grove_queue *queue, void *item, int64_t priority, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_queue_put_priority, queue, item, priority, timeout);
	if (!gr_is(queue, GR_QUEUE) || queue->kind != PRIORITY || queue->heap.compare || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	return put(queue, &(struct gr_entry){ .item = item, .priority = priority, .number = queue->next_number++ }, deadline);
}

/* Inside.  True: @entry, which had left the queue, is there again, or somebody else has it; even if that is one too many. */
static bool try_put_back(struct grove_queue *queue, const struct gr_entry *entry, unsigned version, size_t at)
{
	if (give_to_getter(queue, entry))
		return true;
	if (!has_room(queue) || queue->heap.version != version)
		return false;
	if (queue->kind == FIFO) {
		gr_ring_push_front(&queue->ring, entry->item);
		queue->count++;
		update(queue);
	} else {
		store(queue, entry, at);
	}
	return true;
}

/* The greenlet that was given an item never comes to see it. */
static void unwound_from_get(struct gr_turn *turn)
{
	struct waiter *w = gr_container(turn, struct waiter, turn);
	unsigned version;
	bool back = false;
	size_t at;

	if (!turn->given || turn->result < 0 || w->peeks)
		return;
	while (!back && (has_room(w->queue) || make_room(w->queue))) {
		if (!plan(w->queue, &w->entry, &version, &at))
			continue;
		gr_enter();
		back = try_put_back(w->queue, &w->entry, version, at);
		gr_leave_quietly();
	}
}

/* --- the end ----------------------------------------------------------------------------------------------------------------------- */

/* Inside: @n items less to wait for. */
static void finish(struct grove_queue *queue, size_t n)
{
	queue->unfinished -= n;
	if (queue->unfinished == 0)
		gr_give_all(&queue->joiners, 0);
}

static void drop_all(struct grove_queue *queue)
{
	size_t n = queue->count < queue->unfinished ? queue->count : queue->unfinished;

	queue->ring.count = queue->heap.count = queue->count = 0;
	queue->heap.version++;
	finish(queue, n);
}

int grove_queue_shutdown(grove_queue *queue, bool immediate)
{
	GR_ANYWHERE(-1, grove_queue_shutdown, queue, immediate);
	if (!gr_is(queue, GR_QUEUE))
		return gr_fails(EINVAL);
	gr_enter();
	queue->shut = true;
	if (immediate)
		drop_all(queue);
	gr_give_all(&queue->putters, -EPIPE);
	gr_give_all(&queue->getters, -EPIPE);
	update(queue);
	return gr_leave(0);
}

int grove_queue_task_done(grove_queue *queue)
{
	GR_ANYWHERE(-1, grove_queue_task_done, queue);
	if (!gr_is(queue, GR_QUEUE))
		return gr_fails(EINVAL);
	gr_enter();
	if (queue->unfinished == 0)
		return gr_leave(-ERANGE);
	finish(queue, 1);
	return gr_leave(0);
}

int grove_queue_join(grove_queue *queue, int64_t timeout)
{
	gr_time deadline;
	int r = 0;

	GR_ANYWHERE(-1, grove_queue_join, queue, timeout);
	if (!gr_is(queue, GR_QUEUE) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	gr_enter();
	if (queue->unfinished)
		r = gr_wait_turn(&queue->joiners, "join", queue, deadline, NULL);
	return gr_leave(r);
}

/* --- looking ----------------------------------------------------------------------------------------------------------------------- */

size_t grove_queue_size(const grove_queue *queue)
{
	return gr_is(queue, GR_QUEUE) ? __atomic_load_n(&queue->count, __ATOMIC_ACQUIRE) : 0;
}

size_t grove_queue_bound(const grove_queue *queue)
{
	return gr_is(queue, GR_QUEUE) && queue->bound != SIZE_MAX ? queue->bound : 0;
}

size_t grove_queue_unfinished(const grove_queue *queue)
{
	return gr_is(queue, GR_QUEUE) ? __atomic_load_n(&queue->unfinished, __ATOMIC_ACQUIRE) : 0;
}

bool grove_queue_empty(const grove_queue *queue)
{
	return grove_queue_size(queue) == 0;
}

bool grove_queue_full(const grove_queue *queue)
{
	return gr_is(queue, GR_QUEUE) && __atomic_load_n(&queue->count, __ATOMIC_ACQUIRE) >= queue->bound;
}

bool grove_queue_is_shutdown(const grove_queue *queue)
{
	return gr_is(queue, GR_QUEUE) && __atomic_load_n(&queue->shut, __ATOMIC_ACQUIRE);
}
