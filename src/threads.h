/*
 * threads.h - pool stacks under the program's pthreads, and what else the kernel's threads know of themselves
 *
 * Our pthread_create() (shim/thread.c) hands glibc a stack of the pool as if the program had set one.  glibc keeps the thread's TLS
 * block in it, so it may go back only when glibc, too, is done with the thread:
 *
 *	new --clone--> running --exits--> ended --joined--> free           (or detached after it ended)
 *	                  `--detached--> running, detached --exits--> free
 *
 * A stack is found by its lowest address or, once the thread was cloned, by the thread's FS base, which is its pthread_t.
 */
#ifndef GR_THREADS_H
#define GR_THREADS_H

#include "base.h"
#include <pthread.h>

struct gr_greenlet;

/* --- for the runtime ---------------------------------------------------------------------------------------------------------- */

/* A thread was cloned: its TLS block and the top of its stack */
void gr_thread_born(uintptr_t fs, const void *stack_top);

/* @g has ended, and nobody stands on its stack any more; its pthread or own stack may be free now. */
void gr_thread_gone(struct gr_greenlet *g);

/* In a forked child, before the scheduler has forgotten the other threads */
void gr_threads_fork_begins(void);

/* After that: the stacks of all threads but the caller's are free, whoever would have joined them. */
void gr_threads_fork_child(void);

/* --- for shim/thread.c; all do nothing, or say that they did not, for threads that are not ours ------------------------------ */

/* 0 and the lowest address of @size usable bytes; -errno: no memory; -ENOSYS: let libc do it (not a greenlet, or no gate) */
GR_EXPORT int gr_thread_stack_new(size_t size, size_t guard, void **ret_lo);

/* By pthread_t, or by the lowest address of its stack: glibc has let go of it (joined, or never made), or will when it ends. */
GR_EXPORT void gr_thread_released(const void *thread);
GR_EXPORT void gr_thread_detached(const void *thread);

/* The guard size that pthread_create() was asked for, or -1: not on one of our stacks. */
GR_EXPORT ptrdiff_t gr_thread_asked_guard(pthread_t thread);

/* A living greenlet without a kernel thread of its own number: all but the main one */
GR_EXPORT bool gr_thread_is_green(pthread_t thread);

#define GR_NAME_SIZE 16

/* false: not a living greenlet */
GR_EXPORT bool gr_thread_set_name(pthread_t thread, const char name[GR_NAME_SIZE]);
GR_EXPORT bool gr_thread_get_name(pthread_t thread, char ret_name[GR_NAME_SIZE]);

#endif
