/*
 * grove/hub.h - waiting for time and descriptors, callbacks, signals, libev, and running a program until it is done
 *
 * The hub is the event loop under all greenlets: a libev loop that waits in the kernel when nobody can run.  The runtime starts with
 * the first call of any function of grove's, on the thread that makes it; that thread is a greenlet from then on, the main one.
 * Should that not be the process's main thread, it stays until the process ends: to join it is to wait for ever.
 */
#ifndef GROVE_HUB_H
#define GROVE_HUB_H

#include <grove/greenlet.h>

struct ev_loop;

#ifdef __cplusplus
extern "C" {
#endif

/*
 * grove_patch - from now on libc's blocking calls are green in the whole process, whoever makes them: read, connect, sleep, poll,
 * getaddrinfo, waitpid ... park the greenlet that calls, and pthread_create() makes greenlets
 *
 * Without it, and not under grove(1), plain calls block everybody, pthreads are native threads, and only grove's own functions
 * park.  To be called early in main(), from the main thread.  Calling it again does nothing.
 * Returns 0, or -1 with errno ENOTSUP: libc's system calls could not be rewritten here; a line on standard error said why;
 * EMFILE, ENOMEM: no descriptors or memory for the hub.
 * Parks: no.   Threads: the main thread.   Follows gevent.monkey.patch_all.
 */
GROVE_API int grove_patch(void);

/* grove_is_patched - are libc's blocking calls green?   Parks: no.   Threads: any.   Follows gevent.monkey.is_module_patched. */
GROVE_API bool grove_is_patched(void);

/*
 * grove_sleep - park the calling greenlet for a while
 * @ns: nanoseconds; 0 lets every ready greenlet run once
 *
 * Returns 0 when @ns has passed, or -1 with errno
 *   ECANCELED  grove_kill() was aimed at this greenlet; part of @ns may be left
 *   ETIMEDOUT  a scope around it (grove/timeout.h) is over
 *   EINVAL     @ns is negative
 * Parks: yes.   Threads: any.   Follows gevent.sleep.
 */
GROVE_API int grove_sleep(int64_t ns);

/* grove_yield - let every ready greenlet run once.  0, or -1 with ECANCELED, ETIMEDOUT as grove_sleep.   Parks: for a turn.
 * Threads: any.   Follows gevent.sleep(0). */
GROVE_API int grove_yield(void);

/*
 * grove_preempt - let greenlets be interrupted that compute for longer than a slice while others want to run
 * @slice: nanoseconds of processor time; 0: never
 *
 * Greenlets of programs that call any function of grove's are cooperative: one goes on until it calls something that waits, and what it
 * shares with others needs no lock in between.  From this call on it may be interrupted at any instruction outside of grove's functions,
 * as a thread may, and what is shared needs locks.  Under grove(1) the option --preempt=MS does the same.
 * Returns 0, or -1 with errno EINVAL: @slice is negative, or more than an hour.
 * Parks: no.   Threads: any.   Signals: not async-signal-safe.
 */
GROVE_API int grove_preempt(int64_t slice);

/* grove_idle - wait until no other greenlet is ready to run.   0, or -1 as grove_sleep.   Parks: yes.   Threads: any.
 * Follows gevent.idle. */
GROVE_API int grove_idle(void);

#define GROVE_READ	1u
#define GROVE_WRITE	2u

/*
 * grove_wait_read, grove_wait_write - wait until @fd is ready for reading, or writing, as poll(2) understands it
 *
 * Returns 0, or -1 with errno: EBADF, EAGAIN (@timeout is 0 and it is not ready), ETIMEDOUT, ECANCELED, EINVAL.
 * grove_wait_either() waits for what @events says and returns which of them hold, GROVE_READ | GROVE_WRITE.
 * Parks: yes.   Threads: any.   Follows gevent.socket.wait_read, wait_write, wait_readwrite.
 */
GROVE_API int grove_wait_read(int fd, int64_t timeout);
GROVE_API int grove_wait_write(int fd, int64_t timeout);
GROVE_API int grove_wait_either(int fd, unsigned events, int64_t timeout);

/*
 * grove_loop - a libev loop for watchers of your own (ev_timer, ev_io, ev_async ...); NULL with errno ENOMEM, ENOTSUP
 *
 * Start and stop watchers from any greenlet.  Their callbacks run in a greenlet of their own, so they may call anything; while one
 * waits, the others do.  Never call ev_run() on it.  Watchers alone do not keep grove_run() running.  ev_child is for libev's default
 * loop only: see grove_child_new().
 * Parks: no.   Threads: greenlets.   Follows gevent's hub.loop.
 */
GROVE_API struct ev_loop *grove_loop(void);

/*
 * grove_call_soon - run @fn(@arg) in the greenlet for callbacks, after those that were asked for before
 *
 * One that waits makes the others wait.  Returns 0, or -1 with errno ENOMEM, EINVAL.
 * grove_call_soon_threadsafe() is the same for any native thread, without waiting for anything.
 * Parks: no.   Threads: greenlets; any.   Follows asyncio's loop.call_soon, loop.call_soon_threadsafe.
 */
GROVE_API int grove_call_soon(void (*fn)(void *), void *arg);
GROVE_API int grove_call_soon_threadsafe(void (*fn)(void *), void *arg);

typedef void grove_signal_fn(int sig, void *arg);

/*
 * grove_signal - run @fn(@sig, @arg) in a new greenlet each time signal @sig arrives; NULL: the default action again
 *
 * The function may do anything a greenlet may.  Signals that come in a burst may be told of once, as the kernel has it.
 * Returns 0, or -1 with errno EINVAL (no such signal, or not to be caught), ENOMEM.
 * Parks: no.   Threads: greenlets.   Follows gevent.signal_handler, loop.add_signal_handler.
 */
GROVE_API int grove_signal(int sig, grove_signal_fn *fn, void *arg);

/*
 * grove_run - run @main(@arg) in a greenlet until it ends, then shut down: see grove_shutdown()
 * @ret_value: its result, written only on success; may be NULL
 *
 * Returns 0, or -1 with errno: the error it ended with; EDEADLK: it waits for something that nobody is left to do - no other greenlet
 * runs, no time, descriptor, signal handler, native thread or call is being waited for -, and who waits for what was printed.
 * Every wait of the main greenlet fails so, also outside of grove_run().
 * Parks: yes.   Threads: the main greenlet.   Follows asyncio.run; gevent's LoopExit.
 */
GROVE_API int grove_run(grove_fn *main, void *arg, void **ret_value);

/*
 * grove_run_until - wait until @object is ready (grove/wait.h), and serve meanwhile
 * @object: a future, task, greenlet, event ...: any object of grove's
 *
 * Returns 0, or -1 with errno EDEADLK, ECANCELED, ETIMEDOUT (a scope around it), EINVAL.  It does not shut down.
 * Parks: yes.   Threads: the main greenlet.   Follows loop.run_until_complete.
 */
GROVE_API int grove_run_until(void *object);

/* grove_run_forever - serve until grove_stop(), which may come first, from any thread or greenlet.   0, or -1 with ECANCELED, EDEADLK.
 * Parks: yes.   Threads: the main greenlet; any.   Follows loop.run_forever, loop.stop. */
GROVE_API int grove_run_forever(void);
GROVE_API void grove_stop(void);

/*
 * grove_shutdown - kill what is left, and wait for it for at most @timeout
 *
 * Prints one line for each greenlet, other than the caller and grove's own, that was still alive: name, id, and what it waited for.
 * Returns how many there were, or -1 with errno ETIMEDOUT when some are alive even then.
 * Parks: yes.   Threads: the main greenlet.   Follows asyncio.run's cancelling of tasks.
 */
GROVE_API int grove_shutdown(int64_t timeout);

#ifdef __cplusplus
}
#endif

#endif
