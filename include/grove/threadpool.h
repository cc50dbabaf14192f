/*
 * grove/threadpool.h - real threads for what cannot wait: computing, and foreign functions that block the whole process
 *
 * All greenlets share one kernel thread.  A function that computes for long, or blocks in a way that grove cannot see, would stop
 * them all; here it runs on a kernel thread of its own, and only the greenlet that wants its result waits.
 *
 *	grove_to_thread(compress, &job, &result, GROVE_FOREVER);	// the others go on
 *
 * What runs there is called a job.  It is no greenlet: its blocking calls are the kernel's own, and it runs at the same time as
 * everybody else, so what it shares with them needs locks, of pthread's or grove's.  It may call all functions of grove that any
 * thread may call, and ends with an error by returning grove_fail(err).  All signals are blocked, but those that faults raise.
 *
 * A job that runs cannot be stopped.  Who waits for one may leave; it goes on, its result is dropped, and its argument must be
 * there until then.  Threads are made as they are needed, and end when they had nothing to do for ten seconds.  In a forked
 * child, jobs that had not ended are cancelled.
 */
#ifndef GROVE_THREADPOOL_H
#define GROVE_THREADPOOL_H

#include <grove/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * grove_to_thread - run @fn(@arg) on a kernel thread of the pool that everybody shares, and wait for its result
 *
 * As grove_threadpool_apply() in grove_threadpool_default().
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows asyncio.to_thread, gevent's hub.threadpool.apply.
 */
GROVE_API int grove_to_thread(grove_fn *fn, void *arg, void **ret_value, int64_t timeout);

typedef struct grove_threadpool grove_threadpool;

/*
 * grove_threadpool_new - a pool of at most @max kernel threads, none of which exists yet
 *
 * Returns NULL with errno EINVAL (@max is 0 or over 4096), ENOMEM, ENOTSUP.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows gevent.threadpool.ThreadPool.
 */
GROVE_API grove_threadpool *grove_threadpool_new(unsigned max);

/*
 * grove_threadpool_default - the pool that everybody shares: as many threads as there are processors, and four more, at most 32
 *
 * Returns NULL with errno ENOMEM, ENOTSUP.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows gevent's hub.threadpool, loop.set_default_executor.
 */
GROVE_API grove_threadpool *grove_threadpool_default(void);

/*
 * grove_threadpool_free - end the threads, and forget the pool; NULL is allowed
 *
 * Returns 0, or -1 with errno EBUSY: there are jobs, or somebody waits at it; EINVAL.
 * Parks: until the threads have ended.   Threads: any.   Signals: not async-signal-safe.
 */
GROVE_API int grove_threadpool_free(grove_threadpool *pool);

/*
 * grove_threadpool_spawn - @fn(@arg) becomes a job; it waits for a thread in the order of coming
 *
 * Returns a future (grove/future.h) for its result, to be given back by grove_future_release(), at once if nobody wants it.
 * grove_future_cancel() takes the job back unless it runs.  NULL with errno
 *   EINVAL  @pool is no such pool, or @fn is NULL
 *   EAGAIN  not even one thread could be made
 *   ENOMEM
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows ThreadPool.spawn, apply_async.
 */
GROVE_API grove_future *grove_threadpool_spawn(grove_threadpool *pool, grove_fn *fn, void *arg);

/*
 * grove_threadpool_apply - the same, and wait for the result
 * @ret_value: written only on success; may be NULL
 *
 * When the wait is broken off, the job is taken back, or if it runs its result is dropped.
 * Returns 0, or -1 with errno: the error the job ended with (ECANCELED: by pthread_exit(), or in a forked child), or
 *   EAGAIN     @timeout is 0: nothing was run; or no thread could be made
 *   ETIMEDOUT  @timeout is over
 *   ECANCELED  the caller was killed
 *   EINVAL     @pool is no such pool, @fn is NULL, or @timeout is negative
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows ThreadPool.apply.
 */
GROVE_API int grove_threadpool_apply(grove_threadpool *pool, grove_fn *fn, void *arg, void **ret_value, int64_t timeout);

/*
 * grove_threadpool_map - @fn(args[i]) for each of the @n @args, and wait for all
 * @ret_values: room for @n results in the order of the arguments, written only on success; may be NULL
 *
 * The first error ends the wait, as do time and a kill: jobs that have not begun are taken back, those that run go on by
 * themselves.
 * Returns 0, or -1 with errno as grove_threadpool_apply(), ENOMEM.
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows ThreadPool.map.
 */
GROVE_API int grove_threadpool_map(grove_threadpool *pool, grove_fn *fn, void *const *args, size_t n, void **ret_values,
				   int64_t timeout);

/*
 * grove_threadpool_join - wait until there are no jobs
 *
 * Returns 0, or -1 with errno EAGAIN, ETIMEDOUT, ECANCELED, EINVAL.
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows ThreadPool.join.
 */
GROVE_API int grove_threadpool_join(grove_threadpool *pool, int64_t timeout);

/*
 * grove_threadpool_kill - cancel the jobs that have not begun, and wait until the others and all threads have ended
 *
 * The pool can be used again afterwards.   Returns 0, or -1 with errno ETIMEDOUT: a job takes longer; ECANCELED, EINVAL; with a
 * @timeout of 0, which does not wait, 0.
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows ThreadPool.kill.
 */
GROVE_API int grove_threadpool_kill(grove_threadpool *pool, int64_t timeout);

/* grove_threadpool_size - how many threads there are.   Parks: no.   Threads: any.   ThreadPool.size. */
GROVE_API unsigned grove_threadpool_size(const grove_threadpool *pool);

/* grove_threadpool_maxsize - how many there may be.   Parks: no.   Threads: any.   ThreadPool.maxsize. */
GROVE_API unsigned grove_threadpool_maxsize(const grove_threadpool *pool);

/* grove_threadpool_set_maxsize - from now on there are at most @max threads; those that are too many end after their jobs.   0,
 * or -1 with EINVAL.   Parks: no.   Threads: any.   ThreadPool.maxsize = max. */
GROVE_API int grove_threadpool_set_maxsize(grove_threadpool *pool, unsigned max);

/* grove_threadpool_count - how many jobs have not ended.   Parks: no.   Threads: any.   len(threadpool). */
GROVE_API size_t grove_threadpool_count(const grove_threadpool *pool);

#ifdef __cplusplus
}
#endif

#endif
