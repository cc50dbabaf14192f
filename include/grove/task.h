/*
 * grove/task.h - tasks and what asyncio does with them: await, gather, wait, as_completed, shield, task groups
 *
 * A task is a greenlet: grove_task is another name of its handle, and all of grove/greenlet.h is for tasks, too.  What is special
 * here is how one looks at it.  A greenlet lives by itself, and who waits for it may leave.  A task is somebody's: when the one
 * who awaits it is cancelled, or runs out of time, the task is cancelled with it and has ended before the wait returns, so that
 * nothing goes on in the dark.  grove_shield() is the exception one has to ask for.
 *
 * Everything that waits here takes awaitables: tasks and greenlets, and futures (grove/future.h), as those of grove/threadpool.h.
 *
 *	asyncio                         grove
 *	create_task(f(x))               grove_task_new(f, x)
 *	run_coroutine_threadsafe()      grove_task_new() on any native thread
 *	await t                         grove_await(t, &value)
 *	wait_for(t, 5)                  grove_wait_for(t, &value, GROVE_SEC(5))
 *	t.cancel(), t.cancelled()       grove_task_cancel(t), grove_task_cancelled(t)
 *	t.done(), result(), exception() grove_ready(t), grove_value(t), grove_error(t)
 *	t.add_done_callback(fn)         grove_link(t, fn, arg); remove_done_callback: grove_unlink()
 *	t.get_name(), set_name()        grove_name(t), grove_set_name(t, name)
 *	current_task()                  grove_current()
 *	gather(), wait(), shield()      grove_gather(), grove_task_wait(), grove_shield()
 *	as_completed()                  grove_as_completed()
 *	TaskGroup                       grove_task_group_start(), _spawn(), _end()
 *	timeout(), timeout_at()         grove/timeout.h
 *	to_thread()                     grove_to_thread() in grove/threadpool.h
 *	sleep(), run()                  grove_sleep(), grove_run() in grove/hub.h
 *
 * To be cancelled means that every call in which the task would wait fails with ECANCELED.  A task that gives up because of that
 * returns grove_fail(ECANCELED), as asyncio's let the CancelledError pass; what it has to wait for even then belongs into
 * grove_defer() or between grove_shield_start() and grove_timeout_stop().
 *
 * A task group holds tasks that belong to a piece of code, and have ended when that is left:
 *
 *	grove_task_group *tg = grove_task_group_start();
 *	grove_task_group_spawn(tg, fetch, &a);
 *	grove_task_group_spawn(tg, fetch, &b);
 *	if (grove_task_group_end(tg) < 0) ...		// waited for both; errno is the first error
 *
 * When a task of the group ends with an error other than ECANCELED, the others are cancelled, and so is what the greenlet that
 * started the group does between start and end: its calls that would wait fail with ECANCELED.  When that greenlet is killed, or
 * a deadline around it is over, the tasks are cancelled at the end of the group, which waits for them all the same.  Groups nest.
 */
#ifndef GROVE_TASK_H
#define GROVE_TASK_H

#include <grove/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef grove_greenlet grove_task;

/*
 * grove_task_new - a task that runs @fn(@arg); it starts when others next have their turn
 *
 * Returns a handle with one reference, to be given back by grove_release(), or NULL with errno as grove_spawn().
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows asyncio.create_task.
 */
GROVE_API grove_task *grove_task_new(grove_fn *fn, void *arg);

/*
 * grove_task_cancel - cancel a task: it never starts, or every call in which it would wait fails with ECANCELED; see grove_kill()
 *
 * Does not wait for its end.  Returns 0, or -1 with errno ESRCH: it has ended; EINVAL: @t is no task.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows Task.cancel.
 */
GROVE_API int grove_task_cancel(grove_task *t);

/* grove_task_cancelled - has it ended with the error ECANCELED?   Parks: no.   Threads: any.   Follows Task.cancelled. */
GROVE_API bool grove_task_cancelled(const grove_task *t);

/*
 * grove_await - wait for the outcome of a task or future that is ours
 * @ret_value: written only on success; may be NULL
 *
 * Returns 0 with its value, or -1 with errno: the error it ended with, or
 *   ECANCELED  the caller was killed: then @aw was cancelled, and has ended
 *   ETIMEDOUT  a deadline around the call (grove/timeout.h) is over: likewise
 *   EDEADLK    @aw is the caller, or nobody is left who could end the wait (see grove_run)
 *   EINVAL     @aw is no task, greenlet or future
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows Python's await.
 */
GROVE_API int grove_await(grove_object *aw, void **ret_value);

/*
 * grove_wait_for - the same for at most @timeout: then @aw is cancelled, and has ended when the call returns
 *
 * Returns as grove_await(), and -1 with errno
 *   ETIMEDOUT  @timeout is over
 *   EAGAIN     @timeout is 0 and there is no outcome; @aw goes on
 *   EINVAL     @timeout is negative
 * Parks: yes, and beyond @timeout as long as @aw takes to end.   Threads: any.   Signals: not async-signal-safe.
 * Follows asyncio.wait_for.
 */
GROVE_API int grove_wait_for(grove_object *aw, void **ret_value, int64_t timeout);

/*
 * grove_shield - the same for something that goes on when the wait is broken off
 *
 * Returns as grove_wait_for(), with @aw untouched.
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows asyncio.shield.
 */
GROVE_API int grove_shield(grove_object *aw, void **ret_value, int64_t timeout);

#define GROVE_RETURN_ERRORS	2u	/* errors are results like others */

/*
 * grove_gather - wait for all of @n awaitables, and their values in the order of the list
 * @ret_values: room for @n, written only on success; may be NULL
 * @ret_errors: room for @n errno values, 0 for those that ended well; only with GROVE_RETURN_ERRORS, else NULL
 * @flags: 0: the first error ends the wait; the others go on.  GROVE_RETURN_ERRORS: every one is waited for
 *
 * When the wait is broken off - the caller is killed, or time is over -, all are cancelled and have ended when the call returns.
 * Returns how many ended with an error, 0 without GROVE_RETURN_ERRORS, or -1 with errno: the first error of one of them, or
 *   EAGAIN     @timeout is 0 and not all have ended; they go on
 *   ETIMEDOUT  time is over
 *   ECANCELED  the caller was killed
 *   EINVAL     something is no awaitable, or flags or @timeout make no sense
 *   ENOMEM     nothing was waited for
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows asyncio.gather.
 */
GROVE_API int grove_gather(grove_object *const *aws, size_t n, void **ret_values, int *ret_errors, int64_t timeout,
			   unsigned flags);

#define GROVE_ALL_COMPLETED	0
#define GROVE_FIRST_COMPLETED	1
#define GROVE_FIRST_EXCEPTION	2	/* the first that ends with an error other than ECANCELED, else all */

/*
 * grove_task_wait - wait for some of @n awaitables; all go on, whatever happens
 * @when: GROVE_FIRST_COMPLETED, GROVE_FIRST_EXCEPTION or GROVE_ALL_COMPLETED
 * @ret_done: room for @n pointers: those that have ended, in the order in which they did; may be NULL
 * @ret_pending: room for @n pointers: the others, in the order of the list; may be NULL
 *
 * Returns how many have ended, the others being pending; also when @timeout is over.  -1 with errno ECANCELED, EINVAL, ENOMEM,
 * EDEADLK; ETIMEDOUT only for a deadline around the call.
 * Parks: yes.   Threads: any.   Signals: not async-signal-safe.   Follows asyncio.wait.
 */
GROVE_API int grove_task_wait(grove_object *const *aws, size_t n, int when, int64_t timeout, grove_object **ret_done,
			      grove_object **ret_pending);

/*
 * grove_as_completed - go through @n awaitables in the order in which they end
 *
 *	grove_iwait *it = grove_as_completed(tasks, n);
 *	while ((t = grove_iwait_next(it, GROVE_FOREVER)))
 *		grove_await(t, &value);			// does not wait
 *	grove_iwait_free(it);
 *
 * Returns NULL with errno EINVAL (something is no awaitable), ENOMEM, ENOTSUP.
 * Parks: no; grove_iwait_next() does.   Threads: greenlets.   Signals: not async-signal-safe.   Follows asyncio.as_completed.
 */
GROVE_API grove_iwait *grove_as_completed(grove_object *const *aws, size_t n);

typedef struct grove_task_group grove_task_group;

/*
 * grove_task_group_start - begin a task group; grove_task_group_end() must follow in the same greenlet
 *
 * A group whose greenlet ends without that is cancelled.  Returns NULL with errno ENOMEM, or ENOTSUP on a native thread.
 * Parks: no.   Threads: greenlets.   Signals: not async-signal-safe.   Follows asyncio.TaskGroup, trio.open_nursery.
 */
GROVE_API grove_task_group *grove_task_group_start(void);

/*
 * grove_task_group_spawn - a task of the group that runs @fn(@arg); nobody asks for its value
 *
 * Also from the group's own tasks, as long as one is alive or the end has not begun to wait.
 * Returns 0, or -1 with errno as grove_spawn(), and ECANCELED: the group is cancelled.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows nursery.start_soon.
 */
GROVE_API int grove_task_group_spawn(grove_task_group *tg, grove_fn *fn, void *arg);

/* grove_task_group_create - the same with a handle, to be given back by grove_release(); NULL with errno.
 * Parks: no.   Threads: any.   Follows TaskGroup.create_task. */
GROVE_API grove_task *grove_task_group_create(grove_task_group *tg, grove_fn *fn, void *arg);

/*
 * grove_task_group_cancel - cancel all tasks of the group, and what the greenlet that started it does in it
 * @err: the error of grove_task_group_end(), an errno value; 0: it succeeds
 *
 * Also how the code between start and end says that it has failed.  Returns 0, or -1 with errno EALREADY: it is cancelled, by
 * this or by an error of a task; EINVAL.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows nursery.cancel_scope.cancel.
 */
GROVE_API int grove_task_group_cancel(grove_task_group *tg, int err);

/* grove_task_group_size - how many tasks of the group are alive.   Parks: no.   Threads: any. */
GROVE_API size_t grove_task_group_size(const grove_task_group *tg);

/*
 * grove_task_group_end - wait until all tasks of the group have ended, and free it
 *
 * Cancelled meanwhile, it cancels them, and waits on until they have ended.
 * Returns 0, or -1 with errno: the first error of a task, that of grove_task_group_cancel(), or what broke off the wait
 * (ECANCELED, ETIMEDOUT).  EINVAL, EPERM (the caller did not start it): the group goes on.
 * Parks: yes.   Threads: the greenlet that started it.   Signals: not async-signal-safe.   Follows TaskGroup.__aexit__.
 */
GROVE_API int grove_task_group_end(grove_task_group *tg);

#ifdef __cplusplus
}
#endif

#endif
