/*
 * grove/greenlet.h - greenlets: spawn, join, get, kill, throw, link, defer
 *
 * A greenlet is a POSIX thread without a kernel thread: it has its own stack, errno, __thread and C++ thread_local variables,
 * pthread_self() and pthread locks, and runs until it waits.  The names and their meaning are gevent's (gevent.Greenlet).
 *
 * A greenlet ends with a result, the pointer that its function returns, or with an error, an errno value: by grove_fail(), by
 * being killed (ECANCELED), or by pthread_exit() or pthread_cancel() (ECANCELED).
 *
 * Handles are counted: grove_spawn() gives one reference, which grove_release() gives back; the record goes when the greenlet has ended
 * and nobody holds it any more.  Who does not want a handle says grove_spawn_raw().
 */
#ifndef GROVE_GREENLET_H
#define GROVE_GREENLET_H

#include <grove/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct grove_greenlet grove_greenlet;

/* For grove_spawn_with(); to be filled with zeros first.  size: sizeof(struct grove_spawn_attr), so that the struct can grow. */
struct grove_spawn_attr {
	size_t size;
	const char *name;		/* copied, at most 31 characters; NULL: "greenlet-<id>" */
	size_t stack_size;		/* bytes; 0: GROVE_STACK_SIZE */
	int64_t delay;			/* ns from now until it starts; grove_kill() before that means that it never does */
	unsigned flags;			/* GROVE_DETACHED or 0 */
	unsigned reserved;
};
#define GROVE_DETACHED		1u	/* nobody will ask how it ended: no handle is returned */
#define GROVE_STACK_SIZE	(256u * 1024)
#define GROVE_STACK_MIN		(32u * 1024)

/*
 * grove_spawn - make a greenlet that runs @fn(@arg); it starts when others next have their turn, after those made before it
 *
 * Returns a handle, or NULL with errno
 *   EINVAL   @fn is NULL
 *   EAGAIN   a million greenlets are alive, or a limit of the system is reached
 *   ENOMEM   no memory for its stack
 *   EMFILE   the first call of all only: no descriptors for the hub, which needs four
 *   ENOTSUP  libc's system calls could not be rewritten in this process; a line on standard error said why
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows gevent.spawn.
 */
GROVE_API grove_greenlet *grove_spawn(grove_fn *fn, void *arg);

/*
 * grove_spawn_later - the same, but it starts after @ns nanoseconds
 *
 * Killed before that, it never starts, and ends with ECANCELED.   EINVAL also when @ns is negative.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows gevent.spawn_later.
 */
GROVE_API grove_greenlet *grove_spawn_later(int64_t ns, grove_fn *fn, void *arg);

/*
 * grove_spawn_with - the same with attributes; a detached one gives no handle: the result is NULL with errno 0
 *
 * EINVAL also when @attr has a wrong size, a stack size under GROVE_STACK_MIN, a negative delay or unknown flags.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows pthread_attr_init(3).
 */
GROVE_API grove_greenlet *grove_spawn_with(const struct grove_spawn_attr *attr, grove_fn *fn, void *arg);

/*
 * grove_spawn_raw - a greenlet without a handle: nobody can wait for it or ask how it ended
 *
 * Returns 0, or -1 with errno as grove_spawn.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.   Follows gevent.spawn_raw.
 */
GROVE_API int grove_spawn_raw(grove_fn *fn, void *arg);

/* grove_ref - one reference more to @g, which is returned.   Parks: no.   Threads: any. */
GROVE_API grove_greenlet *grove_ref(grove_greenlet *g);

/* grove_release - give a reference back; the greenlet itself goes on.  NULL is allowed.   Parks: no.   Threads: any. */
GROVE_API void grove_release(grove_greenlet *g);

/*
 * grove_current - the calling greenlet; no reference is given
 *
 * The main thread and other pthreads under grove are greenlets too.  NULL on native threads.
 * Parks: no.   Threads: any.   Follows gevent.getcurrent.
 */
GROVE_API grove_greenlet *grove_current(void);

/*
 * grove_fail - the calling greenlet is to end with error @err (an errno value): return grove_fail(EIO);
 *
 * Returns NULL.  What counts is the last call before the greenlet's function returns; 0 takes it back.
 * Parks: no.   Threads: greenlets.   In gevent an exception that is not caught.
 */
GROVE_API void *grove_fail(int err);

/*
 * grove_join - wait until @g has ended
 *
 * Returns 0, or -1 with errno
 *   EAGAIN     @timeout is 0 and it has not ended
 *   ETIMEDOUT  @timeout is over
 *   EDEADLK    @g is the caller, or nobody is left who could end the wait (see grove_run)
 *   EINVAL     @g is no greenlet, or @timeout is negative
 * Parks: yes.   Threads: any.   Follows Greenlet.join.
 */
GROVE_API int grove_join(grove_greenlet *g, int64_t timeout);

#define GROVE_RAISE_ERROR	1u	/* stop at the first that ends with an error, and fail with it */

/*
 * grove_joinall - wait until @count of the @n greenlets in @list have ended; @count 0: all of them
 *
 * NULL entries count as ended.  Returns how many of them have ended: @count, or fewer when @timeout is over; -1 with errno when it was
 * broken off (ECANCELED, EDEADLK, ETIMEDOUT by a scope around it; EINVAL), or, with GROVE_RAISE_ERROR in @flags, when one ended with an error: that error.
 * Parks: yes.   Threads: any.   Follows gevent.joinall.
 */
GROVE_API int grove_joinall(grove_greenlet *const *list, size_t n, size_t count, int64_t timeout, unsigned flags);

/*
 * grove_get - wait until @g has ended, and its result
 * @ret_value: written only on success; may be NULL
 *
 * Returns 0, or -1 with errno: the error @g ended with, or as grove_join().  Who must tell the two apart asks grove_error() afterwards.
 * Parks: yes.   Threads: any.   Follows Greenlet.get.
 */
GROVE_API int grove_get(grove_greenlet *g, void **ret_value, int64_t timeout);

/* grove_value - the result of a greenlet that has ended well, else NULL.   Parks: no.   Threads: any.   Greenlet.value. */
GROVE_API void *grove_value(const grove_greenlet *g);

/* grove_error - the errno value a greenlet has ended with; 0: it ended well, or has not ended.  What it deferred and the end callbacks
 * see it already.   Parks: no.   Threads: any.   Greenlet.exception. */
GROVE_API int grove_error(const grove_greenlet *g);

/* grove_ready - has it ended?   Parks: no.   Threads: any.   Greenlet.ready. */
GROVE_API bool grove_ready(const grove_greenlet *g);

/* grove_successful - has it ended well?   Parks: no.   Threads: any.   Greenlet.successful. */
GROVE_API bool grove_successful(const grove_greenlet *g);

/* grove_started - has it begun to run, and not ended?   Parks: no.   Threads: any.   Greenlet.started. */
GROVE_API bool grove_started(const grove_greenlet *g);

/* grove_dead - as grove_ready(), and true also of NULL.   Parks: no.   Threads: any.   Greenlet.dead. */
GROVE_API bool grove_dead(const grove_greenlet *g);

/*
 * grove_kill - end a greenlet, and wait for its end for at most @timeout (0: do not wait)
 *
 * One that has not started never will.  Otherwise the call in which it waits fails with ECANCELED, and so does every other that
 * would wait, until its function has returned; then what it deferred runs.  One that waits for a condition variable, a POSIX
 * semaphore or a pthread is cancelled as by pthread_cancel(3), since these cannot report the error: cleanup handlers and C++
 * destructors run.  Waiting for a pthread mutex is not broken off, and a shield (grove/timeout.h) keeps it off while it lasts.
 * In gevent a GreenletExit that is raised in it.
 *
 * Returns 0 when it has ended or @timeout is 0, or -1 with errno
 *   ESRCH      it had ended already
 *   ETIMEDOUT  it goes on for longer than @timeout
 *   EINVAL     @g is no greenlet, or @timeout is negative
 * A greenlet that kills itself returns at once, and its next call that would wait fails.
 * Parks: yes.   Threads: any.   Follows Greenlet.kill.
 */
GROVE_API int grove_kill(grove_greenlet *g, int64_t timeout);

/*
 * grove_killall - kill all @n greenlets in @list, then wait for their ends for at most @timeout in all
 *
 * NULL entries and those that have ended are passed over.   Returns and errors as grove_kill, without ESRCH.
 * Parks: yes.   Threads: any.   Follows gevent.killall.
 */
GROVE_API int grove_killall(grove_greenlet *const *list, size_t n, int64_t timeout);

/*
 * grove_throw - the call in which @g waits, or else its next that would wait, fails with @err; once
 *
 * Thrown at a greenlet that has not started, it ends without running, with that error.
 * Returns 0, or -1 with errno: ESRCH it has ended; EINVAL @err is not an errno value (1 to 4095).
 * Parks: no.   Threads: any.   Follows greenlet.throw.
 */
GROVE_API int grove_throw(grove_greenlet *g, int err);

typedef void grove_link_fn(grove_greenlet *g, void *arg);

/*
 * grove_link - call @fn(@g, @arg) when @g has ended; at once in its turn when it has already
 *
 * Callbacks run one after another in a greenlet of their own, in the order in which they were linked.  One that waits makes the
 * others wait.  grove_link_value() calls only if it ended well, grove_link_error() only if not.
 * Returns 0, or -1 with errno EINVAL or ENOMEM.
 * Parks: no.   Threads: any.   Follows Greenlet.link, link_value, link_exception.
 */
GROVE_API int grove_link(grove_greenlet *g, grove_link_fn *fn, void *arg);
GROVE_API int grove_link_value(grove_greenlet *g, grove_link_fn *fn, void *arg);
GROVE_API int grove_link_error(grove_greenlet *g, grove_link_fn *fn, void *arg);

/* grove_unlink - take back what was linked with this @fn and @arg, and has not been called.  0, or -1 with ESRCH: there is no such link.
 * Parks: no.   Threads: any.   Greenlet.unlink. */
GROVE_API int grove_unlink(grove_greenlet *g, grove_link_fn *fn, void *arg);

/*
 * grove_defer - run @fn(@arg) when the calling greenlet ends, however it ends; the last deferred first
 *
 * They run in the greenlet itself, shielded: they may wait, also in one that was killed.  Returns 0, or -1 with errno ENOMEM,
 * EINVAL, or ESRCH on the main thread and on pthreads that grove_spawn() did not make.
 * Parks: no.   Threads: greenlets.   Follows Go's defer, for the whole greenlet; pthread_cleanup_push(3).
 */
GROVE_API int grove_defer(void (*fn)(void *), void *arg);

/* grove_set_name, grove_name - a name for traces, at most 31 characters of it are kept.   Parks: no.   Threads: any. */
GROVE_API int grove_set_name(grove_greenlet *g, const char *name);
GROVE_API const char *grove_name(const grove_greenlet *g);

/* grove_id - a small number, never used twice in a process; 1 is the main thread.   Parks: no.   Threads: any.
 * Greenlet.minimal_ident. */
GROVE_API uint64_t grove_id(const grove_greenlet *g);

/* grove_parent_id - the id of the greenlet that spawned it; 0: not known.   Parks: no.   Threads: any.   Greenlet.spawning_greenlet. */
GROVE_API uint64_t grove_parent_id(const grove_greenlet *g);

/*
 * grove_spawning_stack - where it was spawned: up to @n return addresses, as backtrace(3) gives them
 *
 * Kept only for greenlets spawned while grove_track_spawning(true) is in force, since it costs microseconds.  Returns how many.
 * Parks: no.   Threads: any.   Follows Greenlet.spawning_stack, GEVENT_TRACK_GREENLET_TREE.
 */
GROVE_API int grove_spawning_stack(const grove_greenlet *g, void **ret_addresses, int n);
GROVE_API void grove_track_spawning(bool on);

typedef void grove_hook_fn(grove_greenlet *g, void *arg);

/*
 * grove_add_spawn_callback, grove_add_end_callback - call @fn(g, @arg) for every greenlet of the process when it is spawned (by its
 * spawner) or has ended (in itself, before those who wait for it are woken; in the greenlet for callbacks if its delay was not over)
 *
 * They must not wait.  grove_error() tells the end callback how it ended.  Detached greenlets count too.  0, or -1 with EINVAL, ENOMEM; ESRCH: remove found no such pair.
 * Parks: no.   Threads: any.   Follows Greenlet.add_spawn_callback, remove_spawn_callback.
 */
GROVE_API int grove_add_spawn_callback(grove_hook_fn *fn, void *arg);
GROVE_API int grove_remove_spawn_callback(grove_hook_fn *fn, void *arg);
GROVE_API int grove_add_end_callback(grove_hook_fn *fn, void *arg);
GROVE_API int grove_remove_end_callback(grove_hook_fn *fn, void *arg);

#ifdef __cplusplus
}
#endif

#endif
