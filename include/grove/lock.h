/*
 * grove/lock.h - recursive locks, condition variables, read-write locks
 *
 * A lock belongs to who acquired it: a greenlet, or a native thread.  It goes to who has waited longest when it is released, so
 * nobody can be passed over.  An owner that ends without releasing it leaves it locked.
 *
 *	grove_lock_acquire(lock, GROVE_FOREVER);
 *	while (list_is_empty(list))
 *		grove_condition_wait(not_empty, GROVE_FOREVER);	// not_empty = grove_condition_new(lock)
 *	item = take(list);
 *	grove_lock_release(lock);
 *
 * pthread_mutex_t, pthread_cond_t and pthread_rwlock_t may be used by greenlets as well, with their own rules; what grove's have
 * besides is fairness, deadlines for every wait, and that a wait ends when its greenlet is killed.
 */
#ifndef GROVE_LOCK_H
#define GROVE_LOCK_H

#include <grove/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct grove_lock grove_lock;
typedef struct grove_condition grove_condition;
typedef struct grove_rwlock grove_rwlock;

/*
 * grove_lock_new - a recursive lock: its owner may acquire it again, and must release it as often
 *
 * Returns it, or NULL with errno ENOMEM.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows gevent.lock.RLock.
 */
GROVE_API grove_lock *grove_lock_new(void);

/*
 * grove_lock_free - the lock is not needed any more; NULL is allowed
 *
 * Returns 0, or -1 with errno
 *   EBUSY   it is locked, waited for, or there are condition variables for it
 *   EINVAL  it is no lock
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.
 */
GROVE_API int grove_lock_free(grove_lock *lock);

/*
 * grove_lock_acquire, grove_lock_try - own it, and wait for that if somebody else does; try: do not wait
 *
 * Returns 0, or -1 with errno
 *   EAGAIN     somebody else owns it, and @timeout is 0 or it is a try
 *   ETIMEDOUT  @timeout, or a deadline around the call, is over
 *   ECANCELED  the calling greenlet was killed, or its scope cancelled
 *   EDEADLK    nobody is left who could release it (see grove_run)
 *   EOVERFLOW  the caller has acquired it four thousand million times
 *   EINVAL     it is no lock, or @timeout is negative
 * Parks: acquire does.   Threads: any.   Signals: not async-signal-safe.   Follows RLock.acquire.
 */
GROVE_API int grove_lock_acquire(grove_lock *lock, int64_t timeout);
GROVE_API int grove_lock_try(grove_lock *lock);

/*
 * grove_lock_release - undo one acquire
 *
 * Returns 0, or -1 with errno
 *   EPERM   the caller does not own it
 *   EINVAL  it is no lock
 * Parks: no.   Threads: the owner.   Signals: not async-signal-safe.   Follows RLock.release.
 */
GROVE_API int grove_lock_release(grove_lock *lock);

/*
 * grove_lock_locked - does anybody own it?
 *
 * Parks: no.   Threads: any.   Signals: async-signal-safe.   Follows RLock.locked.
 */
GROVE_API bool grove_lock_locked(const grove_lock *lock);

/*
 * grove_lock_depth - how often the caller has acquired it without releasing it; 0: it does not own it
 *
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.
 */
GROVE_API unsigned grove_lock_depth(grove_lock *lock);

/*
 * grove_condition_new - a condition variable for what @lock protects; a lock may have several
 *
 * Returns it, or NULL with errno EINVAL (@lock is no lock) or ENOMEM.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows threading.Condition, asyncio.Condition.
 */
GROVE_API grove_condition *grove_condition_new(grove_lock *lock);

/*
 * grove_condition_free - the condition variable is not needed any more; NULL is allowed
 *
 * Returns 0, or -1 with errno EBUSY (somebody waits at it) or EINVAL.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.
 */
GROVE_API int grove_condition_free(grove_condition *condition);

/*
 * grove_condition_wait - release the lock, wait until somebody notifies, own the lock again
 *
 * However often the caller has acquired the lock, others can have it meanwhile, and it is as often acquired afterwards.  It owns
 * the lock again in every case, also in a greenlet that was killed and whatever the time: waiting for the lock is not broken off.
 * Who was notified gets 0, even if its time was over or it was killed at the same moment, so no notification is lost.
 *
 * Returns 0, or -1 with errno
 *   EAGAIN     @timeout is 0; the lock was not released
 *   ETIMEDOUT  @timeout, or a deadline around the call, was over before anybody notified
 *   ECANCELED  the calling greenlet was killed, or its scope cancelled
 *   EDEADLK    nobody is left who could notify (see grove_run); if nobody could release the lock either, the caller does not own it
 *   EPERM      the caller does not own the lock; nothing happened
 *   EINVAL     it is no condition variable, or @timeout is negative
 * Parks: yes.   Threads: the owner of the lock.   Signals: not async-signal-safe.   Follows Condition.wait.
 */
GROVE_API int grove_condition_wait(grove_condition *condition, int64_t timeout);

typedef bool grove_predicate_fn(void *arg);

/*
 * grove_condition_wait_for - wait until @predicate(@arg) holds, which is asked at the beginning and after each notification
 *
 * The predicate runs in the caller, who owns the lock then.
 * Returns 0 when it holds, or -1 with errno as grove_condition_wait; EAGAIN: @timeout is 0 and it does not hold.
 * Parks: yes.   Threads: the owner of the lock.   Signals: not async-signal-safe.   Follows Condition.wait_for.
 */
GROVE_API int grove_condition_wait_for(grove_condition *condition, grove_predicate_fn *predicate, void *arg, int64_t timeout);

/*
 * grove_condition_notify, grove_condition_notify_all - wake the @n who have waited longest, or all of them
 *
 * They go on when they own the lock again, so not before the caller has released it.
 * Returns how many were woken, or -1 with errno
 *   EPERM   the caller does not own the lock
 *   EINVAL  it is no condition variable
 * Parks: no.   Threads: the owner of the lock.   Signals: not async-signal-safe.   Follows Condition.notify, notify_all.
 */
GROVE_API int grove_condition_notify(grove_condition *condition, unsigned n);
GROVE_API int grove_condition_notify_all(grove_condition *condition);

/*
 * grove_rwlock_new - a lock that is held by any number of readers, or by one writer
 *
 * Readers and writers have their turns in the order in which they come: a reader who comes after a waiting writer waits for it,
 * so neither can keep the other out.  For that reason a reader must not lock it a second time.
 * Returns it, or NULL with errno ENOMEM.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows pthread_rwlock_init(3).
 */
GROVE_API grove_rwlock *grove_rwlock_new(void);

/*
 * grove_rwlock_free - the lock is not needed any more; NULL is allowed
 *
 * Returns 0, or -1 with errno EBUSY (it is held or waited for) or EINVAL.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.
 */
GROVE_API int grove_rwlock_free(grove_rwlock *lock);

/*
 * grove_rwlock_rdlock, grove_rwlock_wrlock, grove_rwlock_tryrdlock, grove_rwlock_trywrlock - hold it for reading, or for writing
 *
 * Returns 0, or -1 with errno
 *   EAGAIN     it would have to wait, and @timeout is 0 or it is a try
 *   ETIMEDOUT  @timeout, or a deadline around the call, is over
 *   ECANCELED  the calling greenlet was killed, or its scope cancelled
 *   EDEADLK    the caller holds it for writing; or nobody is left who could unlock it (see grove_run)
 *   EINVAL     it is no read-write lock, or @timeout is negative
 * Parks: those without try do.   Threads: any.   Signals: not async-signal-safe.   Follows pthread_rwlock_rdlock(3).
 */
GROVE_API int grove_rwlock_rdlock(grove_rwlock *lock, int64_t timeout);
GROVE_API int grove_rwlock_wrlock(grove_rwlock *lock, int64_t timeout);
GROVE_API int grove_rwlock_tryrdlock(grove_rwlock *lock);
GROVE_API int grove_rwlock_trywrlock(grove_rwlock *lock);

/*
 * grove_rwlock_unlock - hold it no longer
 *
 * Returns 0, or -1 with errno
 *   EPERM   nobody holds it, or somebody else holds it for writing; which readers hold it is not known
 *   EINVAL  it is no read-write lock
 * Parks: no.   Threads: the writer; any reader.   Signals: not async-signal-safe.   Follows pthread_rwlock_unlock(3).
 */
GROVE_API int grove_rwlock_unlock(grove_rwlock *lock);

#ifdef __cplusplus
}
#endif

#endif
