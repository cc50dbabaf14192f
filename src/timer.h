/*
 * timer.h - a heap of deadlines, the earliest on top; a timer is embedded in whatever waits
 *
 * Adding, removing and finding the earliest cost O(log n), O(log n) and O(1); a timer knows its place, so removing never searches.
 * Timers with equal deadlines fire in the order in which they were added.  Not thread-safe: a heap belongs to one carrier.
 *
 * The heap holds each deadline beside the pointer, and the four children of a place fill one cache line: with 100,000 sleepers the timers
 * themselves are far apart, and a way down the heap that read them would miss the cache four times at each step instead of once.
 */
#ifndef GR_TIMER_H
#define GR_TIMER_H

#include "base.h"

struct gr_timer {
	gr_time at;		/* absolute */
	uint64_t seq;		/* order among equals */
	uint32_t pos;		/* 1-based place in the heap, 0 when in none */
	void (*fire)(struct gr_timer *);	/* called by gr_timers_run() after the timer has left the heap */
};

struct gr_timer_place {
	gr_time at;		/* as in the timer */
	struct gr_timer *t;
};

struct gr_timers {
	struct gr_timer_place *heap;	/* grows by doubling; memory from mmap, never from malloc */
	uint32_t used;
	uint32_t size;		/* for how many there is memory; some at the beginning are left free, see timer.c */
	uint64_t seq;
};

/* 0, or -ENOMEM.  t->at and t->fire are set by the caller; t must not be in a heap. */
int gr_timer_add(struct gr_timers *h, struct gr_timer *t);

/* harmless when t is in no heap */
void gr_timer_del(struct gr_timers *h, struct gr_timer *t);

/* the earliest deadline, or GR_NEVER */
gr_time gr_timers_next(const struct gr_timers *h);

/* the latest deadline up to @until (an early one of them, where there are very many), or the earliest of all if that is later; not for an
 * empty heap */
gr_time gr_timers_latest(const struct gr_timers *h, gr_time until);

/* fires all that are due at @now; returns how many */
unsigned gr_timers_run(struct gr_timers *h, gr_time now);

/* forget all timers and give the memory back (fork child, tests) */
void gr_timers_reset(struct gr_timers *h);

#endif
