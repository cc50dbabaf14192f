/*
 * grove/barrier.h - barriers, and running something once
 *
 * A barrier lets nobody go on before a number of parties have come to it; then they all go on, and it can be used again.
 *
 * It breaks when one of those who wait gives up: its time is over, it is killed, or somebody says grove_barrier_abort().  The
 * others would wait in vain, so they fail with EPIPE, and so does everybody who comes later, until grove_barrier_reset().
 *
 *	switch (grove_barrier_wait(barrier, GROVE_SEC(10))) {
 *	case GROVE_BARRIER_SERIAL:			// exactly one of the parties: the last to come
 *		sum_up();
 *		break;
 *	case -1:
 *		return give_up();
 *	}
 */
#ifndef GROVE_BARRIER_H
#define GROVE_BARRIER_H

#include <grove/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct grove_barrier grove_barrier;

/* What grove_barrier_wait() returns to one of the parties. */
#define GROVE_BARRIER_SERIAL	2147483647

/*
 * grove_barrier_new - a barrier for @parties
 *
 * Returns it, or NULL with errno EINVAL (@parties is 0, or not less than GROVE_BARRIER_SERIAL) or ENOMEM.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows threading.Barrier, asyncio.Barrier.
 */
GROVE_API grove_barrier *grove_barrier_new(unsigned parties);

/*
 * grove_barrier_free - the barrier is not needed any more; NULL is allowed
 *
 * Returns 0, or -1 with errno EBUSY (somebody waits at it) or EINVAL.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.
 */
GROVE_API int grove_barrier_free(grove_barrier *barrier);

/*
 * grove_barrier_wait - wait until all parties have come
 *
 * Returns GROVE_BARRIER_SERIAL to the party that came last, and to the others the number of those that had come before it: 0, 1, 2 ...
 * -1 with errno
 *   EAGAIN     @timeout is 0 and others are missing; it does not count as having come
 *   ETIMEDOUT  @timeout, or a deadline around the call, is over; the barrier is broken now
 *   ECANCELED  the calling greenlet was killed, or its scope cancelled; the barrier is broken now
 *   EPIPE      the barrier is broken, or was reset while the caller waited
 *   EDEADLK    nobody is left who could come (see grove_run); the barrier is broken now
 *   EINVAL     it is no barrier, or @timeout is negative
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows Barrier.wait, pthread_barrier_wait(3).
 */
GROVE_API int grove_barrier_wait(grove_barrier *barrier, int64_t timeout);

/*
 * grove_barrier_abort - break it
 *
 * Returns 0, or -1 with errno EINVAL.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows Barrier.abort.
 */
GROVE_API int grove_barrier_abort(grove_barrier *barrier);

/*
 * grove_barrier_reset - make it as new; those who wait fail with EPIPE
 *
 * Returns 0, or -1 with errno EINVAL.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows Barrier.reset.
 */
GROVE_API int grove_barrier_reset(grove_barrier *barrier);

/*
 * grove_barrier_parties, grove_barrier_waiting - how many it is for, and how many wait now; 0 of what is no barrier
 *
 * Parks: no.   Threads: any.   Signals: async-signal-safe.   Follows Barrier.parties, n_waiting.
 */
GROVE_API unsigned grove_barrier_parties(const grove_barrier *barrier);
GROVE_API unsigned grove_barrier_waiting(const grove_barrier *barrier);

/*
 * grove_barrier_broken - is it broken?
 *
 * Parks: no.   Threads: any.   Signals: async-signal-safe.   Follows Barrier.broken.
 */
GROVE_API bool grove_barrier_broken(const grove_barrier *barrier);

/*
 * Something that is to be done once in the life of a process.  Static, or anywhere else where it lives long enough, and
 * initialised by GROVE_ONCE_INIT, or zeros:
 *	static struct grove_once once = GROVE_ONCE_INIT;
 */
struct grove_once {
	uint64_t opaque[6];
};
#define GROVE_ONCE_INIT	{ { 0 } }

/* 0 when it is done; -1 with errno when it could not be done, and another call is to try again. */
typedef int grove_once_fn(void *arg);

/*
 * grove_once_call - run @fn(@arg), unless that has been done; wait while somebody else is at it
 *
 * The first caller runs it, in itself.  If it fails, or its greenlet is killed or ends within it, the one who has waited longest
 * runs it next, with the function and the argument that it brought.
 *
 * Returns 0 when it has been done, by whomever, or -1 with errno
 *   what @fn failed with, if the caller ran it
 *   EAGAIN     somebody is at it, and @timeout is 0
 *   ETIMEDOUT  @timeout, or a deadline around the call, was over while somebody was at it
 *   ECANCELED  the calling greenlet was killed, or its scope cancelled, meanwhile
 *   EDEADLK    @fn itself calls it for the same once; or nobody is left who could end it (see grove_run)
 *   EINVAL     @once or @fn is NULL, @once was not initialised, or @timeout is negative
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows Go's sync.Once, pthread_once(3).
 */
GROVE_API int grove_once_call(struct grove_once *once, grove_once_fn *fn, void *arg, int64_t timeout);

/*
 * grove_once_done - has it been done?
 *
 * Parks: no.   Threads: any.   Signals: async-signal-safe.
 */
GROVE_API bool grove_once_done(const struct grove_once *once);

#ifdef __cplusplus
}
#endif

#endif
