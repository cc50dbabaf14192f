/*
 * door.h - what the name doors (shim/) need of the runtime besides gr_call()
 *
 * libc's wrappers are cancellation points; doors stand in for them, so they must be too.  pthread_cancel() sends a signal only to
 * threads inside libc's own wrappers, so our door for it (shim/thread.c) tells us here, and a greenlet parked in a door is woken.
 */
#ifndef GR_DOOR_H
#define GR_DOOR_H

#include "base.h"
#include <pthread.h>

/* gr_call() as a cancellation point.  Does not return when the thread is cancelled: unwinding goes through it.  Parks as the call. */
GR_EXPORT long gr_call_cancel(long nr, long a, long b, long c, long d, long e, long f);

/* The same for @nr with a green call, which is made whether the program's calls are green or not.  On a greenlet, outside. */
long gr_call_green_cancel(long nr, long a, long b, long c, long d, long e, long f);

/* What these two, in gate.c, leave to door.c: not a greenlet's call, one that has been cancelled, or --audit. */
long gr_call_cancel_odd(bool green, long nr, long a, long b, long c, long d, long e, long f);

/* pthread_cancel(@thread) has succeeded. */
GR_EXPORT void gr_cancel_sent(pthread_t thread);

/* The calling thread has set its cancelability state. */
GR_EXPORT void gr_cancel_state(bool enabled);

#endif
