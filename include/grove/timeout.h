/*
 * grove/timeout.h - deadlines around a piece of code: scopes that nest, shields, cancelling from outside
 *
 * Between grove_timeout_start() and grove_timeout_stop() every call of the greenlet that would wait fails with ETIMEDOUT once the time is
 * over: grove's own, and libc's (read, connect, sleep, poll ...) where these are green.  Scopes nest, and the tightest counts.
 * After the stop, grove_timeout_expired() tells whose deadline it was.
 *
 *	struct grove_timeout t;
 *	grove_timeout_start(&t, GROVE_SEC(5));
 *	r = fetch(url);				// fails with ETIMEDOUT after 5 s, in whatever call it waits then
 *	if (grove_timeout_stop(&t) == 1) ...	// it was this deadline
 *
 * The struct lies in the caller's frame, belongs to the greenlet that started it, and must be stopped before the frame is left; stopping
 * one also stops those started within it.  Follows gevent.Timeout, Trio's cancel scopes, and asyncio.timeout.
 */
#ifndef GROVE_TIMEOUT_H
#define GROVE_TIMEOUT_H

#include <grove/greenlet.h>

#ifdef __cplusplus
extern "C" {
#endif

struct grove_timeout {
	uint64_t opaque[12];
};

/*
 * grove_timeout_start - begin a scope that is over in @ns nanoseconds; GROVE_FOREVER: only when it is cancelled
 *
 * 0 is over at once: the first call that would wait fails.  Returns 0, or -1 with errno EINVAL (negative, or @t is started) or ENOTSUP.
 * Parks: no.   Threads: greenlets.   Follows gevent.Timeout.start.
 */
GROVE_API int grove_timeout_start(struct grove_timeout *t, int64_t ns);

/* grove_fail_at - the same with an absolute time (grove_now).   Parks: no.   Threads: greenlets.   Follows trio.fail_at. */
GROVE_API int grove_fail_at(struct grove_timeout *t, int64_t at);

/*
 * grove_timeout_stop - end the scope
 *
 * Returns 1 when a call failed because of this scope's deadline, 2 when it was cancelled, else 0; -1 with errno ESRCH: it is not
 * started, or was stopped with one around it.
 * Parks: no.   Threads: the greenlet that started it.   Follows gevent.Timeout.cancel, close.
 */
GROVE_API int grove_timeout_stop(struct grove_timeout *t);

/* grove_timeout_reschedule - the scope is over in @ns nanoseconds from now, instead.  0, or -1 with ESRCH, EINVAL, or ETIMEDOUT: too late.
 * Parks: no.   Threads: the greenlet that started it.   Follows asyncio.Timeout.reschedule. */
GROVE_API int grove_timeout_reschedule(struct grove_timeout *t, int64_t ns);

/* grove_timeout_pending - started, not over, not cancelled?   Parks: no.   Threads: the greenlet that started it.   gevent.Timeout.pending. */
GROVE_API bool grove_timeout_pending(const struct grove_timeout *t);

/* grove_timeout_expired, grove_timeout_cancelled - was it this scope that made calls fail?  Also after the stop.
 * Parks: no.   Threads: greenlets. */
GROVE_API bool grove_timeout_expired(const struct grove_timeout *t);
GROVE_API bool grove_timeout_cancelled(const struct grove_timeout *t);

/*
 * grove_timeout_cancel - from now on every call in the scope that would wait fails with ECANCELED, the present one too
 *
 * Returns 0, or -1 with errno ESRCH: it is not started.
 * Parks: no.   Threads: any, as long as the scope lasts.   Follows trio.CancelScope.cancel.
 */
GROVE_API int grove_timeout_cancel(struct grove_timeout *t);

/*
 * grove_shield_start - until grove_timeout_stop(), what comes from outside does not get in: neither deadlines of scopes around it nor kills
 * nor thrown errors, which all wait until then.  Scopes within it count as ever.
 *
 * Returns 0, or -1 with errno as grove_timeout_start.
 * Parks: no.   Threads: greenlets.   Follows trio.CancelScope(shield=True).
 */
GROVE_API int grove_shield_start(struct grove_timeout *t);

/*
 * grove_with_timeout - @fn(@arg) in a scope of @ns
 * @ret_value: what @fn returned, written in any case; may be NULL
 *
 * Returns 0 when the time was enough, or -1 with errno ETIMEDOUT when the scope's deadline made a call fail.
 * Parks: as @fn.   Threads: greenlets.   Follows gevent.with_timeout.
 */
GROVE_API int grove_with_timeout(int64_t ns, grove_fn *fn, void *arg, void **ret_value);

/* grove_move_on_after - the same, but the end of the time is no error: returns 1 then, 0 when the time was enough, -1 for EINVAL.
 * Parks: as @fn.   Threads: greenlets.   Follows trio.move_on_after. */
GROVE_API int grove_move_on_after(int64_t ns, grove_fn *fn, void *arg, void **ret_value);

/* grove_now - nanoseconds of CLOCK_MONOTONIC.   Parks: no.   Threads: any.   Signals: async-signal-safe. */
GROVE_API int64_t grove_now(void);

#ifdef __cplusplus
}
#endif

#endif
