/*
 * offload.h - kernel threads that make one blocking system call each, while the greenlet that wanted it is parked
 *
 * The threads are made with clone() by hand and run only raw.h code on small stacks of their own: no libc, no thread-local storage
 * beyond a dummy block, all signals blocked except the one used to interrupt them.  They exist only once something was
 * offloaded, grow on demand, and end after being idle for a while.  A result comes back over a lock-free list and an eventfd in the hub.
 */
#ifndef GR_OFFLOAD_H
#define GR_OFFLOAD_H

#include "base.h"

/*
 * gr_offload - make system call @nr on another kernel thread, park until it is done
 * Parks: yes.  Returns what the call returned; -GR_ERESTART when a signal for the calling greenlet interrupted it (the kernel
 * thread's call has then ended with EINTR, or its result is returned instead if it was just done); -EAGAIN if no thread can be made.
 */
long gr_offload(long nr, long a, long b, long c, long d, long e, long f);

/* The same with a time limit: -ETIMEDOUT when @deadline passes first and the call could be interrupted. */
long gr_offload_until(gr_time deadline, long nr, long a, long b, long c, long d, long e, long f);

/* The eventfd of the hub's watcher fired: wake the greenlets whose calls are done.  Called by the hub. */
void gr_offload_done(void);

/* fork child: the threads are not here.  Also after a change of credentials: threads made before it must not be used again. */
void gr_offload_reset(void);
void gr_offload_retire(void);

struct gr_offload_stats {
	unsigned threads, idle, at_most;	/* now, idle now, most at once */
	uint64_t calls;
};
void gr_offload_get_stats(struct gr_offload_stats *ret_stats);

#endif
