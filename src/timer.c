/*
 * timer.c - a four-way heap: half as deep as a binary one, so adding, much the most frequent, compares half as often
 *
 * Places are counted from 1 so that pos 0 can mean "in no heap"; the children of place p are 4p-2 ... 4p+1.  Place p lies at index p+2, so
 * that the first of four children is at a multiple of 64 bytes.
 */
#include "timer.h"
#include "raw.h"
#include <errno.h>
#include <sys/mman.h>

#define AHEAD		2u		/* of place 0, which is none */
#define LOOKS		64u		/* places that gr_timers_latest() looks at, at most */
#define FIRST_SIZE	(GR_PAGE / sizeof(struct gr_timer_place))
_Static_assert(4 * sizeof(struct gr_timer_place) == 64, "four children are a cache line");

static struct gr_timer_place *at(const struct gr_timers *h, uint32_t pos)
{
	return &h->heap[pos + AHEAD];
}

static bool before(const struct gr_timer_place *a, const struct gr_timer_place *b)
{
	return a->at != b->at ? a->at < b->at : a->t->seq < b->t->seq;
}

static void put(struct gr_timers *h, uint32_t pos, struct gr_timer_place it)
{
	*at(h, pos) = it;
	it.t->pos = pos;
}

/* Place @pos is free: find where @it belongs on the way up from it, moving later ones down. */
static void rise(struct gr_timers *h, uint32_t pos, struct gr_timer_place it)
{
	while (pos > 1) {
		uint32_t parent = (pos + 2) / 4;

		if (!before(&it, at(h, parent)))
			break;
		put(h, pos, *at(h, parent));
		pos = parent;
	}
	put(h, pos, it);
}

/* The same on the way down, moving earlier ones up. */
static void sink(struct gr_timers *h, uint32_t pos, struct gr_timer_place it)
{
	for (;;) {
		uint64_t child = 4 * (uint64_t)pos - 2, end = child + 4 <= h->used ? child + 4 : (uint64_t)h->used + 1;
		uint32_t least;

		if (child > h->used)
			break;
		least = (uint32_t)child;
		for (uint64_t c = child + 1; c < end; c++)
			if (before(at(h, (uint32_t)c), at(h, least)))
				least = (uint32_t)c;
		if (!before(at(h, least), &it))
			break;
		put(h, pos, *at(h, least));
		pos = least;
	}
	put(h, pos, it);
}

static int grow(struct gr_timers *h)
{
	size_t bytes = h->size * sizeof(*h->heap);
	long p;

	if (h->size > UINT32_MAX / 2)
		return -ENOMEM;
	if (h->size == 0)
		p = raw(SYS_mmap, 0, FIRST_SIZE * sizeof(*h->heap), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	else
		p = raw(SYS_mremap, h->heap, bytes, 2 * bytes, MREMAP_MAYMOVE, 0);
	if (raw_failed(p))
		return -ENOMEM;
	h->heap = (struct gr_timer_place *)p;
	h->size = h->size == 0 ? FIRST_SIZE : 2 * h->size;
	return 0;
}

int gr_timer_add(struct gr_timers *h, struct gr_timer *t)
{
	if (h->used + 1 + AHEAD >= h->size) {
		int r = grow(h);

		if (r < 0)
			return r;
	}
	t->seq = h->seq++;
	rise(h, ++h->used, (struct gr_timer_place){ t->at, t });
	return 0;
}

void gr_timer_del(struct gr_timers *h, struct gr_timer *t)
{
	uint32_t pos = t->pos;
	struct gr_timer_place last;

	if (pos == 0)
		return;
	t->pos = 0;
	last = *at(h, h->used--);
	if (last.t == t)
		return;
	if (pos > 1 && before(&last, at(h, (pos + 2) / 4)))
		rise(h, pos, last);
	else
		sink(h, pos, last);
}

gr_time gr_timers_next(const struct gr_timers *h)
{
	return h->used == 0 ? GR_NEVER : at(h, 1)->at;
}

/* Of those at and below @pos, which itself is due by @until; @looks: how many more places it is worth to look at. */
static gr_time latest(const struct gr_timers *h, uint64_t pos, gr_time until, unsigned *looks)
{
	gr_time found = at(h, (uint32_t)pos)->at;

	for (uint64_t child = 4 * pos - 2; child <= h->used && child < 4 * pos + 2 && *looks > 0; child++) {
		gr_time below;

		--*looks;
		if (at(h, (uint32_t)child)->at > until)
			continue;
		below = latest(h, child, until, looks);
		found = below > found ? below : found;
	}
	return found;
}

gr_time gr_timers_latest(const struct gr_timers *h, gr_time until)
{
	unsigned looks = LOOKS;

	return gr_timers_next(h) > until ? gr_timers_next(h) : latest(h, 1, until, &looks);
}

/* One that is added meanwhile waits for the next run, however early it is: a timer that always sets itself anew cannot keep us here. */
unsigned gr_timers_run(struct gr_timers *h, gr_time now)
{
	uint64_t end = h->seq;
	unsigned fired = 0;

	while (h->used > 0 && at(h, 1)->at <= now && at(h, 1)->t->seq < end) {
		struct gr_timer *t = at(h, 1)->t;

		gr_timer_del(h, t);
		t->fire(t);
		fired++;
	}
	return fired;
}

void gr_timers_reset(struct gr_timers *h)
{
	if (h->heap)
		raw(SYS_munmap, h->heap, h->size * sizeof(*h->heap));
	*h = (struct gr_timers){ .heap = NULL };
}
