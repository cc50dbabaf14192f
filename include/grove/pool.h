/*
 * grove/pool.h - groups with a bound: so many greenlets at a time, and who wants one more waits
 *
 * A pool is a group (grove/group.h) in which there are at most so many members at a time.  To spawn in a full pool waits for a
 * place: that is what keeps a fast producer from filling the memory with work.  Places are given in the order in which they were
 * asked for.
 *
 *	grove_pool *pool = grove_pool_new(20);
 *	while ((url = next_url()))
 *		grove_pool_spawn_raw(pool, fetch, url, GROVE_FOREVER);	// never more than 20 at a time
 *	grove_pool_join(pool, GROVE_FOREVER);
 *	grove_pool_free(pool);
 *
 * All functions of grove/group.h take pools: grove_group_size(), _contains(), _discard(), _killone(), _members() ...  And what is
 * here takes groups, which have no bound.
 */
#ifndef GROVE_POOL_H
#define GROVE_POOL_H

#include <grove/group.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef grove_group grove_pool;

/*
 * grove_pool_new - an empty pool for at most @max members
 *
 * Returns NULL with errno EINVAL (@max is 0), ENOMEM or ENOTSUP.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows gevent.pool.Pool.
 */
GROVE_API grove_pool *grove_pool_new(size_t max);

/* grove_pool_free, grove_pool_join, grove_pool_kill - as grove_group_free(), grove_group_join() without flags, grove_group_kill()
 * Parks: join and kill do.   Threads: any.   Follows Pool.join, Pool.kill. */
GROVE_API int grove_pool_free(grove_pool *pool);
GROVE_API int grove_pool_join(grove_pool *pool, int64_t timeout);
GROVE_API int grove_pool_kill(grove_pool *pool, int64_t timeout);

/*
 * grove_pool_spawn - wait for a place, and spawn a greenlet in it that runs @fn(@arg)
 *
 * Returns a handle, to be given back by grove_release(), or NULL with errno as grove_spawn(), and
 *   EAGAIN     @timeout is 0 and the pool is full
 *   ETIMEDOUT  @timeout is over
 *   ECANCELED  the caller was killed while it waited
 *   EINVAL     @pool is no pool, @fn is NULL, or @timeout is negative
 * grove_pool_spawn_raw() gives no handle: 0, or -1 with the same errors.
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows Pool.spawn.
 */
GROVE_API grove_greenlet *grove_pool_spawn(grove_pool *pool, grove_fn *fn, void *arg, int64_t timeout);
GROVE_API int grove_pool_spawn_raw(grove_pool *pool, grove_fn *fn, void *arg, int64_t timeout);

/* grove_pool_add - wait for a place, and take a greenlet in that is there already.  0, or -1 with errno as grove_pool_spawn().
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows Pool.add. */
GROVE_API int grove_pool_add(grove_pool *pool, grove_greenlet *g, int64_t timeout);

/* grove_pool_max - the bound; SIZE_MAX for a group.   Parks: no.   Threads: any.   Pool.size. */
GROVE_API size_t grove_pool_max(const grove_pool *pool);

/* grove_pool_free_count - how many places are free; SIZE_MAX for a group.   Parks: no.   Threads: any.   Pool.free_count. */
GROVE_API size_t grove_pool_free_count(const grove_pool *pool);

/* grove_pool_full - would a spawn have to wait?   Parks: no.   Threads: any.   Pool.full. */
GROVE_API bool grove_pool_full(const grove_pool *pool);

/*
 * grove_pool_wait_available - wait until a place is free, without taking it
 *
 * Returns 0, or -1 with errno as grove_pool_spawn().  Somebody else may take the place first.
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows Pool.wait_available.
 */
GROVE_API int grove_pool_wait_available(grove_pool *pool, int64_t timeout);

/*
 * grove_pool_apply - run @fn(@arg) in the pool, and wait for its result
 * @ret_value: written only on success; may be NULL
 *
 * When the wait is broken off - @timeout is over, the caller is killed -, the greenlet is killed, and has ended when the call
 * returns.
 * Returns 0, or -1 with errno: the error it ended with, or as grove_pool_spawn().
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows Pool.apply.
 */
GROVE_API int grove_pool_apply(grove_pool *pool, grove_fn *fn, void *arg, void **ret_value, int64_t timeout);

/*
 * grove_pool_apply_async - the same without waiting for anything, not for a place either
 *
 * Returns a task (grove/task.h), which waits for its place itself: grove_get() has its result, grove_kill() ends it at either
 * stage.  NULL with errno EINVAL, or as grove_spawn().
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows Pool.apply_async.
 */
GROVE_API grove_greenlet *grove_pool_apply_async(grove_pool *pool, grove_fn *fn, void *arg);

/*
 * grove_pool_map - @fn(args[i]) for each of the @n @args, in the pool, and wait for all
 * @ret_values: room for @n results in the order of the arguments, written in any case as far as they are there; may be NULL
 *
 * The first that ends with an error ends it all: no more are begun, those under way are killed.  So are they when the wait is
 * broken off.  In any case all have ended when the call returns.
 * Returns 0, or -1 with errno: the first error, or as grove_pool_spawn().
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows Pool.map.
 */
GROVE_API int grove_pool_map(grove_pool *pool, grove_fn *fn, void *const *args, size_t n, void **ret_values, int64_t timeout);

/*
 * grove_pool_map_async - the same in a greenlet of its own, which is returned; grove_get() gives @ret_values
 *
 * @args and @ret_values must be there until it has ended.  NULL with errno EINVAL, or as grove_spawn().
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows Pool.map_async.
 */
GROVE_API grove_greenlet *grove_pool_map_async(grove_pool *pool, grove_fn *fn, void *const *args, size_t n, void **ret_values);

/*
 * grove_pool_imap, grove_pool_imap_unordered - the results of @fn(args[i]) one by one, while others are still worked on
 * @ahead: how many may be begun before the result is fetched; 0: as many as the pool has places, and 64 for a group
 *
 *	grove_imap *it = grove_pool_imap(pool, fetch, urls, n, 0);
 *	while ((r = grove_imap_next(it, &page, &error, GROVE_FOREVER)) == 1) ...
 *	grove_imap_free(it);
 *
 * Results come in the order of the arguments, or of imap_unordered as they are there.  @args must be there until the iterator is
 * freed.  An error is one item's: the others go on.
 * Returns NULL with errno EINVAL, ENOMEM, or as grove_spawn().
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows Pool.imap, Pool.imap_unordered.
 */
typedef struct grove_imap grove_imap;
GROVE_API grove_imap *grove_pool_imap(grove_pool *pool, grove_fn *fn, void *const *args, size_t n, size_t ahead);
GROVE_API grove_imap *grove_pool_imap_unordered(grove_pool *pool, grove_fn *fn, void *const *args, size_t n, size_t ahead);

/* The next argument; false: there are no more.  It may wait. */
typedef bool grove_source_fn(void *state, void **ret_arg);
#define GROVE_UNORDERED		4u

/*
 * grove_pool_imap_from - the same with arguments that @source(@state) gives one by one, in a greenlet of its own
 * @flags: GROVE_UNORDERED or 0
 *
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows Pool.imap over any iterable.
 */
GROVE_API grove_imap *grove_pool_imap_from(grove_pool *pool, grove_fn *fn, grove_source_fn *source, void *state, size_t ahead,
					   unsigned flags);

/*
 * grove_imap_next - the next result
 * @ret_value: NULL where the item ended with an error; may be NULL
 * @ret_error: 0, or the errno value the item ended with; NULL: then the call fails with it
 *
 * Returns 1, 0 after the last, or -1 with errno
 *   EAGAIN     @timeout is 0 and it is not there yet
 *   ETIMEDOUT  @timeout is over
 *   EINVAL     @it is no such iterator, or @timeout is negative
 * Any greenlet may fetch; each result is given once.
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows IMap.__next__.
 */
GROVE_API int grove_imap_next(grove_imap *it, void **ret_value, int *ret_error, int64_t timeout);

/*
 * grove_imap_free - end it: what is under way is killed, and has ended when the call returns; NULL is allowed
 *
 * Returns 0, or -1 with errno EBUSY: somebody waits for a result; EINVAL.
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.
 */
GROVE_API int grove_imap_free(grove_imap *it);

#ifdef __cplusplus
}
#endif

#endif
