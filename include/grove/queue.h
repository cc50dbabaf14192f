/*
 * grove/queue.h - queues between greenlets and native threads: first in first out, last in first out, or by priority
 *
 * Items are pointers, which the queue does not look at.  Who gets from an empty queue waits; so does who puts into a full one, if
 * the queue has a bound.  Both are served in the order in which they come.  An item is never lost: who is killed or runs out of
 * time while waiting has got none, and who was given one has it.
 *
 *	grove_queue *jobs = grove_queue_new(100);
 *	...
 *	while (grove_queue_get(jobs, (void **)&job, GROVE_FOREVER) == 0) {	// a worker
 *		work(job);
 *		grove_queue_task_done(jobs);
 *	}
 *	...
 *	grove_queue_put(jobs, job, GROVE_FOREVER);		// whoever has work
 *	grove_queue_join(jobs, GROVE_FOREVER);			// all of it is done
 *	grove_queue_shutdown(jobs, false);			// the workers' get fails with EPIPE
 */
#ifndef GROVE_QUEUE_H
#define GROVE_QUEUE_H

#include <grove/base.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct grove_queue grove_queue;

/* As strcmp(3) for two items: below 0 when @a comes first.  It may do whatever a greenlet may. */
typedef int grove_compare_fn(const void *a, const void *b);

/*
 * grove_queue_new, grove_queue_new_lifo, grove_queue_new_priority - a queue for at most @bound items; 0: for any number
 * @compare: the order of items; NULL: by the number given to grove_queue_put_priority(), the lowest first
 *
 * lifo gives the item that was put last, priority the one that comes first in the order, and of equals the one that was put first.
 * Returns it, or NULL with errno ENOMEM.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows gevent.queue.Queue, JoinableQueue, LifoQueue, PriorityQueue.
 */
GROVE_API grove_queue *grove_queue_new(size_t bound);
GROVE_API grove_queue *grove_queue_new_lifo(size_t bound);
GROVE_API grove_queue *grove_queue_new_priority(size_t bound, grove_compare_fn *compare);

/*
 * grove_queue_free - the queue is not needed any more, nor are the pointers in it; NULL is allowed
 *
 * Returns 0, or -1 with errno
 *   EBUSY   somebody waits at it
 *   EINVAL  it is no queue
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.
 */
GROVE_API int grove_queue_free(grove_queue *queue);

/*
 * grove_queue_put, grove_queue_put_nowait, grove_queue_put_priority - put @item in, and wait while the queue is full; nowait: do
 * not wait
 * @priority: the lowest number comes first; that of the other two is 0
 *
 * Returns 0, or -1 with errno, and then the item is not in the queue
 *   EAGAIN     it is full, and @timeout is 0 or it is a nowait
 *   ETIMEDOUT  @timeout, or a deadline around the call, is over
 *   ECANCELED  the calling greenlet was killed, or its scope cancelled
 *   EPIPE      the queue is shut down
 *   EDEADLK    nobody is left who could get one out (see grove_run)
 *   EINVAL     it is no queue, @timeout is negative, or a @priority was given to a queue that has no use for it
 *   ENOMEM
 * Parks: those without nowait do.   Threads: any.   Signals: not async-signal-safe.   Follows Queue.put, put_nowait.
 */
GROVE_API int grove_queue_put(grove_queue *queue, void *item, int64_t timeout);
GROVE_API int grove_queue_put_nowait(grove_queue *queue, void *item);
GROVE_API int grove_queue_put_priority(grove_queue *queue, void *item, int64_t priority, int64_t timeout);

/*
 * grove_queue_get, grove_queue_get_nowait - take the next item out, and wait while there is none; nowait: do not wait
 * grove_queue_peek, grove_queue_peek_nowait - the same, but the item stays
 * @ret_item: written only on success; may be NULL
 *
 * Returns 0, or -1 with errno
 *   EAGAIN     there is none, and @timeout is 0 or it is a nowait
 *   ETIMEDOUT  @timeout, or a deadline around the call, is over
 *   ECANCELED  the calling greenlet was killed, or its scope cancelled
 *   EPIPE      the queue is shut down, and nothing is left in it
 *   EDEADLK    nobody is left who could put one in (see grove_run)
 *   EINVAL     it is no queue, or @timeout is negative
 * Parks: those without nowait do.   Threads: any.   Signals: not async-signal-safe.   Follows Queue.get, get_nowait, peek, peek_nowait.
 */
GROVE_API int grove_queue_get(grove_queue *queue, void **ret_item, int64_t timeout);
GROVE_API int grove_queue_get_nowait(grove_queue *queue, void **ret_item);
GROVE_API int grove_queue_peek(grove_queue *queue, void **ret_item, int64_t timeout);
GROVE_API int grove_queue_peek_nowait(grove_queue *queue, void **ret_item);

/*
 * grove_queue_drain - take out as many items as there are, but at most @max, in the order in which get would give them
 * @ret_items: room for @max
 *
 * Works also after the shutdown; they still count as unfinished.  Returns how many, or -1 with errno EINVAL.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.
 */
GROVE_API ssize_t grove_queue_drain(grove_queue *queue, void **ret_items, size_t max);

/*
 * grove_queue_shutdown - no more items
 * @immediate: forget those that are in the queue; they count as done.  To have them, drain it first.
 *
 * From now on put fails with EPIPE, also where somebody waits in it; get gives what is left, and then fails with EPIPE.
 * A second time only matters if it is immediate and the first was not.
 * Returns 0, or -1 with errno EINVAL.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows Queue.shutdown.
 */
GROVE_API int grove_queue_shutdown(grove_queue *queue, bool immediate);

/*
 * grove_queue_task_done - the work that an item from the queue stood for is done
 *
 * Returns 0, or -1 with errno
 *   ERANGE  more is done than was ever put in
 *   EINVAL  it is no queue
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows JoinableQueue.task_done.
 */
GROVE_API int grove_queue_task_done(grove_queue *queue);

/*
 * grove_queue_join - wait until the work of all items that were put in is done
 *
 * Returns 0, or -1 with errno
 *   EAGAIN     @timeout is 0 and it is not
 *   ETIMEDOUT  @timeout, or a deadline around the call, is over
 *   ECANCELED  the calling greenlet was killed, or its scope cancelled
 *   EDEADLK    nobody is left who could do it (see grove_run)
 *   EINVAL     it is no queue, or @timeout is negative
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows JoinableQueue.join.
 */
GROVE_API int grove_queue_join(grove_queue *queue, int64_t timeout);

/*
 * grove_queue_size, grove_queue_bound, grove_queue_unfinished - how many items are in it, and may be (0: any number); how many
 * were put in and are not done.  0 of what is no queue.
 *
 * Parks: no.   Threads: any.   Signals: async-signal-safe.   Follows Queue.qsize, maxsize, JoinableQueue.unfinished_tasks.
 */
GROVE_API size_t grove_queue_size(const grove_queue *queue);
GROVE_API size_t grove_queue_bound(const grove_queue *queue);
GROVE_API size_t grove_queue_unfinished(const grove_queue *queue);

/*
 * grove_queue_empty, grove_queue_full, grove_queue_is_shutdown - is nothing in it, can nothing more be put in, was it shut down?
 *
 * Parks: no.   Threads: any.   Signals: async-signal-safe.   Follows Queue.empty, full, is_shutdown.
 */
GROVE_API bool grove_queue_empty(const grove_queue *queue);
GROVE_API bool grove_queue_full(const grove_queue *queue);
GROVE_API bool grove_queue_is_shutdown(const grove_queue *queue);

#ifdef __cplusplus
}
#endif

#endif
