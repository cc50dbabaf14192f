/*
 * grove/semaphore.h - semaphores: a number of permits, taken and given back
 *
 * A permit that is given back goes to who has waited longest, and nobody who comes meanwhile can be faster.  One who gives up
 * waiting, or is killed, takes none; one who was given a permit has it, whatever happens to him at that moment.
 *
 *	grove_semaphore *at_most_ten = grove_semaphore_new(10);
 *	...
 *	if (grove_semaphore_acquire(at_most_ten, GROVE_SEC(5)) < 0)
 *		return -1;
 *	fetch(url);
 *	grove_semaphore_release(at_most_ten);
 *
 * A bounded semaphore never has more permits than at the beginning: giving back one too many is an error that is reported.
 */
#ifndef GROVE_SEMAPHORE_H
#define GROVE_SEMAPHORE_H

#include <grove/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct grove_semaphore grove_semaphore;

/* As many permits as there can be in one semaphore. */
#define GROVE_SEMAPHORE_MAX	2147483647u

/*
 * grove_semaphore_new, grove_semaphore_new_bounded - a semaphore with @value permits; bounded: never more than these
 *
 * Returns it, or NULL with errno
 *   EINVAL  @value is greater than GROVE_SEMAPHORE_MAX
 *   ENOMEM
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows gevent.lock.Semaphore, BoundedSemaphore.
 */
GROVE_API grove_semaphore *grove_semaphore_new(unsigned value);
GROVE_API grove_semaphore *grove_semaphore_new_bounded(unsigned value);

/*
 * grove_semaphore_free - the semaphore is not needed any more; NULL is allowed
 *
 * Returns 0, or -1 with errno
 *   EBUSY   somebody waits for a permit
 *   EINVAL  it is no semaphore
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.
 */
GROVE_API int grove_semaphore_free(grove_semaphore *sem);

/*
 * grove_semaphore_acquire, grove_semaphore_try - take a permit, and wait for it if there is none; try: do not wait
 *
 * Returns 0, or -1 with errno
 *   EAGAIN     there is none, and @timeout is 0 or it is a try
 *   ETIMEDOUT  @timeout, or a deadline around the call, is over
 *   ECANCELED  the calling greenlet was killed, or its scope cancelled
 *   EDEADLK    nobody is left who could give one back (see grove_run)
 *   EINVAL     it is no semaphore, or @timeout is negative
 * Parks: acquire does.   Threads: any.   Signals: not async-signal-safe.   Follows Semaphore.acquire.
 */
GROVE_API int grove_semaphore_acquire(grove_semaphore *sem, int64_t timeout);
GROVE_API int grove_semaphore_try(grove_semaphore *sem);

/*
 * grove_semaphore_release, grove_semaphore_release_n - give back one permit, or @n at once; it need not be the greenlet that took
 * them
 *
 * Returns 0, or -1 with errno, and then gives none
 *   ERANGE     a bounded semaphore would have more permits than at the beginning
 *   EOVERFLOW  there would be more than GROVE_SEMAPHORE_MAX
 *   EINVAL     it is no semaphore
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows Semaphore.release.
 */
GROVE_API int grove_semaphore_release(grove_semaphore *sem);
GROVE_API int grove_semaphore_release_n(grove_semaphore *sem, unsigned n);

/*
 * grove_semaphore_value - how many permits there are to take; 0 of what is no semaphore
 *
 * Parks: no.   Threads: any.   Signals: async-signal-safe.   Follows Semaphore.counter.
 */
GROVE_API unsigned grove_semaphore_value(const grove_semaphore *sem);

/*
 * grove_semaphore_locked - would taking a permit have to wait?
 *
 * Parks: no.   Threads: any.   Signals: async-signal-safe.   Follows Semaphore.locked.
 */
GROVE_API bool grove_semaphore_locked(const grove_semaphore *sem);

#ifdef __cplusplus
}
#endif

#endif
