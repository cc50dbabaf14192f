/*
 * grove/future.h - a result that is not there yet: set once by one, waited for by many
 *
 * A future begins without an outcome.  Somebody sets a value or an error, or cancels it, and then everybody who waits for it goes
 * on; who comes later does not wait.  It is gevent's AsyncResult and asyncio's Future.  Any greenlet and any native thread may
 * set it or wait for it, so it also is the way to hand a result from a native thread to a greenlet and back.
 *
 *	grove_future *f = grove_future_new();
 *	grove_spawn_raw(fetch, f);			// fetch() ends with grove_future_set(f, page)
 *	if (grove_future_get(f, &page, GROVE_SEC(5)) < 0) ...
 *	grove_future_release(f);
 *
 * Handles are counted: grove_future_new() gives one reference.  Who waits holds one meanwhile, so a future may be released under
 * those who wait for it.  One that is given up by everybody before it had an outcome counts as cancelled for its callbacks.
 *
 * Everything that waits for an outcome takes futures and greenlets alike: see grove/task.h.
 */
#ifndef GROVE_FUTURE_H
#define GROVE_FUTURE_H

#include <grove/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct grove_future grove_future;

/*
 * grove_future_new - a future without an outcome
 *
 * Returns it with one reference, to be given back by grove_future_release(), or NULL with errno ENOMEM or ENOTSUP.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows gevent.event.AsyncResult, loop.create_future.
 */
GROVE_API grove_future *grove_future_new(void);

/* grove_future_ref - one reference more to @f, which is returned; NULL with EINVAL.   Parks: no.   Threads: any. */
GROVE_API grove_future *grove_future_ref(grove_future *f);

/* grove_future_release - give a reference back.  NULL is allowed.   Parks: no.   Threads: any. */
GROVE_API void grove_future_release(grove_future *f);

/*
 * grove_future_set, grove_future_set_error - the outcome: a value, or an error (an errno value)
 *
 * Those who wait go on in the order in which they came.  Returns 0, or -1 with errno
 *   EALREADY  it has an outcome, which stays
 *   EINVAL    @f is no future, or @err is not an errno value (1 to 4095)
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows AsyncResult.set, set_exception, Future.set_result.
 */
GROVE_API int grove_future_set(grove_future *f, void *value);
GROVE_API int grove_future_set_error(grove_future *f, int err);

/*
 * grove_future_cancel - nobody wants the outcome any more: it is the error ECANCELED
 *
 * A job on a native thread (grove/threadpool.h) that has not begun never will; one that runs goes on, and its result is dropped.
 * Returns 0, or -1 with errno EALREADY: it has an outcome; EINVAL.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows Future.cancel.
 */
GROVE_API int grove_future_cancel(grove_future *f);

/*
 * grove_future_get - wait for the outcome
 * @ret_value: written only on success; may be NULL
 *
 * Returns 0 with the value, or -1 with errno: the error that was set, or
 *   EAGAIN     @timeout is 0 and there is no outcome
 *   ETIMEDOUT  @timeout is over
 *   ECANCELED  the caller was killed, or the future was cancelled: grove_future_cancelled() tells
 *   EDEADLK    nobody is left who could set it (see grove_run)
 *   EINVAL     @f is no future, or @timeout is negative
 * The future stays as it is when the wait is broken off; grove_await() cancels it then.
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows AsyncResult.get, get_nowait.
 */
GROVE_API int grove_future_get(grove_future *f, void **ret_value, int64_t timeout);

/*
 * grove_future_wait - wait until there is an outcome, whatever it is
 *
 * Returns 0, or -1 with errno as grove_future_get(), but not the error that was set.
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows AsyncResult.wait.
 */
GROVE_API int grove_future_wait(grove_future *f, int64_t timeout);

/* grove_future_ready - is there an outcome?   Parks: no.   Threads: any.   AsyncResult.ready, Future.done. */
GROVE_API bool grove_future_ready(const grove_future *f);

/* grove_future_successful - is the outcome a value?   Parks: no.   Threads: any.   AsyncResult.successful. */
GROVE_API bool grove_future_successful(const grove_future *f);

/* grove_future_cancelled - is the outcome the error ECANCELED?   Parks: no.   Threads: any.   Future.cancelled. */
GROVE_API bool grove_future_cancelled(const grove_future *f);

/* grove_future_value - the value that was set, else NULL.   Parks: no.   Threads: any.   AsyncResult.value, Future.result. */
GROVE_API void *grove_future_value(const grove_future *f);

/* grove_future_error - the error that was set, else 0.   Parks: no.   Threads: any.   AsyncResult.exception, Future.exception. */
GROVE_API int grove_future_error(const grove_future *f);

typedef void grove_future_fn(grove_future *f, void *arg);

/*
 * grove_future_link - call @fn(@f, @arg) when there is an outcome; in its turn when there is one already
 *
 * Callbacks run one after another in the greenlet for callbacks, in the order in which they were linked.  One that waits makes
 * the others wait.  The future is there at least until its callback has returned.
 * Returns 0, or -1 with errno EINVAL or ENOMEM.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows AsyncResult.rawlink, Future.add_done_callback.
 */
GROVE_API int grove_future_link(grove_future *f, grove_future_fn *fn, void *arg);

/* grove_future_unlink - take back what was linked with this @fn and @arg, and has not been called.  0, or -1 with ESRCH: there is
 * no such link; EINVAL.   Parks: no.   Threads: any.   AsyncResult.unlink, Future.remove_done_callback. */
GROVE_API int grove_future_unlink(grove_future *f, grove_future_fn *fn, void *arg);

/*
 * grove_future_follow - @f gets the outcome of @source, a greenlet, task or other future, when that has one
 *
 * Unless @f has an outcome of its own by then.  Cancelling @f does not cancel @source.
 * Returns 0, or -1 with errno EINVAL (also: @source is @f) or ENOMEM.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows gevent's greenlet.link(async_result).
 */
GROVE_API int grove_future_follow(grove_future *f, grove_object *source);

#ifdef __cplusplus
}
#endif

#endif
