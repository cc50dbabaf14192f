/*
 * share.h - who is woken for a descriptor, beside greenlets that use up their slices (hogs)
 *
 * There is one run queue, first come, first served.  But two greenlets that answer each other through a pipe have only a little
 * to do each time, and beside a hog they would make one step in each of its slices.  So while a hog stands in the run queue, who is
 * woken for a descriptor stands in .soon instead, and comes next.  When these have parked the hub looks at once, as the next one may
 * be ready.  They have as much time as the last hog took for its slice: hogs keep half of the processor.
 *
 * All other wake-ups keep their place in the run queue: threads that hand a lock to each other rely on it, with time-outs as well.
 */
#ifndef GR_SHARE_H
#define GR_SHARE_H

#include "sched.h"

/*
 * While carrier->sharing: who runs next, from .soon or the hub.  NULL: the first of the run queue, and gr_share_begins() is to be
 * told of it.
 */
struct gr_greenlet *gr_share_next(struct gr_carrier *c);
void gr_share_begins(struct gr_carrier *c, struct gr_greenlet *g);

/* At a tick: has the current greenlet, one of .soon, run for less than half of @slice?  Then it has not used it up. */
bool gr_share_spares(const struct gr_carrier *c, gr_time slice);

/* At the start, and in a forked child.  One test in the scheduler's way is for both: is there no hub yet, are there hogs? */
void gr_share_start(struct gr_carrier *c);

#endif
