/*
 * future.h - futures from inside, and what futures and greenlets have in common: an outcome to be waited for
 *
 *	without outcome --value, error or cancel--> ready		the outcome never changes after that
 */
#ifndef GR_API_FUTURE_H
#define GR_API_FUTURE_H

#include "api.h"
#include <grove/future.h>

struct grove_future {
	struct gr_object object;	/* GR_FUTURE; ready: it has its outcome */
	uint32_t refs;
	int error;			/* the outcome: an errno value, */
	void *value;			/* or, when that is 0, this */
	struct gr_list waiters;		/* gr_turn */
	struct gr_list callbacks;	/* struct callback: linked, and not yet run */
	void (*on_cancel)(struct grove_future *);	/* inside, after the outcome was set; or NULL */
	struct gr_soon gone;		/* the last reference went where free() must not be called */
};

/* A future at the beginning of memory by malloc(), with one reference. */
void gr_future_init(struct grove_future *f);

/* Inside.  0, or -EALREADY. */
int gr_future_finish(struct grove_future *f, int error, void *value);
int gr_future_cancel(struct grove_future *f);

/* Give a reference back, inside or in the hub. */
void gr_future_drop_inside(struct grove_future *f);

/* --- awaitables: greenlets and futures -------------------------------------------------------------------------------------- */

bool gr_is_awaitable(const void *aw);

/* A reference more; inside or outside.  And back; outside, keeps errno. */
void gr_awaitable_hold(void *aw);
void gr_awaitable_drop(void *aw);

/* Inside: wait for the outcome; the caller holds a reference.  0, -EDEADLK: it is the caller, or as gr_wait_turn(). */
int gr_awaitable_wait(void *aw, gr_time deadline);

/* Of one that is ready: 0 with the value (@ret_value may be NULL), or the error, negative. */
int gr_awaitable_outcome(const void *aw, void **ret_value);

/* Outside: kill the greenlet, cancel the future. */
void gr_awaitable_cancel(void *aw);

/* Outside: wait for its outcome, whatever happens to the caller. */
void gr_awaitable_wait_shielded(void *aw);

/* A variable of type struct gr_scope that shields from gr_scope_enter() to the end of the block, also when that is unwound.  The
 * block must end outside. */
#define GR_SHIELD __attribute__((cleanup(gr_unshield))) = { .deadline = GR_NEVER, .shield = true }
void gr_unshield(struct gr_scope *s);

/* gr_wait_alone() without an end, shielded, for who cannot leave before others have let go of his memory; inside.  What would
 * break it off later than it began, as EDEADLK would, does not. */
void gr_wait_shielded(const char *waits, const void *object, struct gr_turn *turn);

/* Wait for one and its outcome, outside.  @cancels: when the wait is broken off, @aw is cancelled, and waited for until it has
 * ended.  0, or -1 with errno. */
int gr_await(void *aw, void **ret_value, gr_time deadline, bool cancels);

#endif
