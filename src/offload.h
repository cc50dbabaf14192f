/*
 * offload.h - kernel threads that make one blocking system call each, while the greenlet that wanted it is parked
 *
 * The threads are made with clone() by hand and run only raw.h code on small stacks of their own: no libc, no thread-local storage
 * beyond a dummy block, all signals blocked except the one used to interrupt them, and SIGSYS.  They exist only once something was
 * offloaded, grow on demand, and end after being idle for a while.  A result comes back over a lock-free list and an eventfd in the hub.
 *
 * A call made there is the process' own in all but what belongs to a kernel thread: signals that a call raises for its caller (SIGPIPE,
 * SIGXFSZ) are passed on to the greenlet; credentials, namespaces and seccomp filters are those the carrier had when the
 * thread was made, so who changes one of these calls gr_offload_retire() afterwards.
 */
#ifndef GR_OFFLOAD_H
#define GR_OFFLOAD_H

#include "base.h"
#include <signal.h>

/* The kernel's action for it is ours, and it is never blocked in the kernel; the program's own use of it goes through our table.
 * Not the last one, 64: that is valgrind's. */
#define GR_SIG_INTERRUPT	63

/* What a call gives on an offload thread where a seccomp filter answers it by SIGSYS (signal_native.c); the carrier makes it then. */
#define GR_ETRAPPED	600

/* Calls made at once, at most; others wait their turn.  Many may wait, because a wait on shared memory holds its thread for as long as it
 * likes; calls that end by themselves are counted apart, so that they are never stuck behind those. */
#define GR_OFFLOAD_WAITS	1024
#define GR_OFFLOAD_DISK		64
#define GR_OFFLOAD_MOST		30000		/* what GROVE_OFFLOAD_MAX may set them to */
#define GR_OFFLOAD_QUEUE	4096		/* calls of each kind without a thread; who comes when there are as many waits for room */
#define GR_OFFLOAD_AGAIN	GR_MS(20)	/* when to try again, where the kernel makes no more threads for us */
#define GR_OFFLOAD_PATIENCE	GR_MS(200)	/* and where there are as many as there may be, all of which may wait for what one in the queue is to do */

/*
 * gr_offload - make system call @nr on another kernel thread, park until it is done
 * Parks: yes.  Returns what the call returned; -GR_ERESTART when a signal for the calling greenlet interrupted it (the kernel
 * thread's call has then ended with EINTR; if it was just done, its result is returned instead); -GR_EBROKEN likewise (scope.h).
 * Where no thread can be made it waits until one can.
 */
long gr_offload(long nr, long a, long b, long c, long d, long e, long f);

/* The same with a time limit: -ETIMEDOUT when @deadline passes first and the call could be interrupted. */
long gr_offload_until(gr_time deadline, long nr, long a, long b, long c, long d, long e, long f);

/* The same for calls that a signal may end with EINTR for good, whatever SA_RESTART says (files that a server answers for): -EINTR is what the
 * kernel said, -GR_ERESTART is left for those that it would have made again. */
long gr_offload_exact(long nr, long a, long b, long c, long d, long e, long f);

/* For what must not be begun twice and may take for ever: closing a file that a server keeps.  The result, however long it takes. */
long gr_offload_deaf(long nr, long a, long b, long c, long d, long e, long f);

/* For calls that signals do not end in the kernel either (fsync, reading files): the result, however long it takes.  When no thread can be
 * made, the carrier makes the call itself. */
long gr_offload_nointr(long nr, long a, long b, long c, long d, long e, long f);

/* The eventfd of the hub's watcher fired: wake the greenlets whose calls are done.  Called by the hub. */
void gr_offload_done(void);

/* offload_try.c: make @call if it need not wait, and if it has a form that does not.  False: not made.  Has it such a form? */
bool gr_offload_try(const long call[7], long *ret);
bool gr_offload_can_try(const long call[7]);

/* Is there something for it to do?  Is any call under way? */
bool gr_offload_came(void);
bool gr_offload_busy(void);

/* Is the calling kernel thread one of these? */
bool gr_offload_is_thread(void);

/* fork child: the threads are not here. */
void gr_offload_reset(void);

/* Threads made before are not used again: setuid() and the like, capset, unshare, setns, a seccomp filter, PR_SET_NO_NEW_PRIVS. */
void gr_offload_retire(void);

/* Wait until all idle threads have ended.  True when there were any. */
bool gr_offload_end_idle(void);

struct gr_offload_stats {
	unsigned threads, idle, at_most;	/* now, idle now, most at once */
	unsigned queued, queued_at_most;	/* calls without a thread now; most of a kind at once */
	uint64_t calls;
};
void gr_offload_get_stats(struct gr_offload_stats *ret_stats);

/* The limits as the environment has them: GROVE_OFFLOAD_MAX. */
void gr_offload_start(char **env);

/* The limits, and how long an idle thread stays; tests change them, nobody else does. */
extern unsigned gr_offload_max[2], gr_offload_queue_max;
extern gr_time gr_offload_linger;

#endif
