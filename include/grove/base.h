/*
 * grove/base.h - what the other headers share: visibility, time, and the shape of a function that greenlets run
 *
 * Conventions of the whole library
 *
 * Results: 0 or a useful number on success, -1 with errno set on failure; functions that return a pointer return NULL with errno
 * set.  Functions that free or forget take NULL.  Success keeps errno.
 *
 * Time: nanoseconds of CLOCK_MONOTONIC in an int64_t.  A timeout is relative; GROVE_FOREVER waits for ever, 0 does not wait: the call
 * then fails with EAGAIN where it would have to.  Negative timeouts are EINVAL.
 *
 * Every function that parks fails with ETIMEDOUT when its timeout, or a deadline around it (grove/timeout.h), is over; with ECANCELED
 * in a greenlet that was killed or whose scope was cancelled; with the error given to grove_throw().  Then it has done nothing.
 * Signal handlers run while a greenlet waits, and the wait goes on: EINTR is not among the errors.
 *
 * Threads: unless it says otherwise, a function may be called by any greenlet and by any native thread of the process.  For a
 * native thread a greenlet does the work, and the thread sleeps in the kernel until it is done.  No function is async-signal-safe
 * unless it says so.
 *
 * The runtime starts with the first call.  Where it cannot, every function fails with ENOTSUP (libc's system calls cannot be rewritten
 * here), EMFILE or ENOMEM; for want of descriptors or memory the next call tries again.
 *
 * Objects are made by grove_x_new() and freed by grove_x_free(), which fails with EBUSY while greenlets wait at them.  A pointer that
 * is not an object of the right kind is EINVAL, as far as that can be told.
 */
#ifndef GROVE_BASE_H
#define GROVE_BASE_H

#include <grove/version.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GROVE_FOREVER	INT64_MAX
#define GROVE_US(n)	((int64_t)(n) * 1000)
#define GROVE_MS(n)	((int64_t)(n) * 1000000)
#define GROVE_SEC(n)	((int64_t)(n) * 1000000000)

#ifdef __cplusplus
extern "C" {
#endif

/* What a greenlet, task or job runs: as pthread_create(3) has it.  To end with an error: return grove_fail(err). */
typedef void *grove_fn(void *arg);

#ifdef __cplusplus
}
#endif

#endif
