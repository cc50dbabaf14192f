/*
 * grove/trace.h - switches between greenlets: being told of each, and asserting that code lets others run
 *
 *	struct grove_assert a;
 *	grove_assert_no_block(&a, GROVE_MS(10));
 *	handle(request);
 *	if (grove_assert_end(&a, &longest) == -1)		// EBUSY
 *		complain("held everybody up for %ld ms", longest / 1000000);
 *
 * Since greenlets run one at a time, code that computes for long, or that makes a call which blocks in the kernel, keeps all others
 * waiting.  Assertions find it.  They cost a clock read a switch while one is in force, and nothing otherwise; a trace function
 * likewise.
 */
#ifndef GROVE_TRACE_H
#define GROVE_TRACE_H

#include <grove/greenlet.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Lies in the caller's frame, belongs to the greenlet that started it, and must be ended before the frame is left. */
struct grove_assert {
	uint64_t opaque[8];
};

/*
 * grove_assert_switches - the code from here to grove_assert_end() lets others run, at least once
 *
 * To wait counts, and so does grove_yield(), whether or not another greenlet was ready.  Assertions nest.
 * Returns 0, or -1 with errno EINVAL (@a is NULL, or started), ENOTSUP (on a native thread).
 * Parks: no.   Threads: greenlets.   Follows gevent.util.assert_switches.
 */
GROVE_API int grove_assert_switches(struct grove_assert *a);

/*
 * grove_assert_no_block - the code from here to grove_assert_end() never runs for longer than @max nanoseconds without letting others run
 *
 * Returns 0, or -1 with errno as grove_assert_switches; EINVAL also when @max is negative.
 * Parks: no.   Threads: greenlets.   Follows gevent.util.assert_switches(max_blocking_time).
 */
GROVE_API int grove_assert_no_block(struct grove_assert *a, int64_t max);

/*
 * grove_assert_end - was it so?
 * @ret_longest: the longest time without letting others run, in nanoseconds, written if @a was in force; may be NULL
 *
 * Returns 0, or -1 with errno
 *   EBUSY   it was not so
 *   ESRCH   @a is not in force, or is another greenlet's
 * Parks: no.   Threads: the greenlet that started it.
 */
GROVE_API int grove_assert_end(struct grove_assert *a, int64_t *ret_longest);

#define GROVE_SWITCH	0u		/* the one that goes on does so in the ordinary way */
#define GROVE_THROW	1u		/* its wait was broken off: it was killed, thrown at, or a deadline is over */

/* A switch that is about to take place. */
struct grove_switch {
	size_t size;			/* of this struct, which may grow */
	int64_t at;			/* grove_now() */
	unsigned event;			/* GROVE_SWITCH, GROVE_THROW */
	int from_tid, to_tid;		/* 0: the hub, which waits for time and descriptors */
	grove_greenlet *from, *to;	/* NULL: the hub, or a pthread that has never called grove */
	const char *waits;		/* what .from is going to wait for; NULL: it only gives way, or ends */
};

typedef void grove_trace_fn(const struct grove_switch *s, void *arg);

/*
 * grove_settrace - call @fn(s, @arg) at every switch from now on, instead of the function before; NULL: none
 *
 * It is called in the midst of the switch, on the stack of .from, where functions of grove fail with ENOTSUP and no lock can be waited for:
 * it may do what a signal handler may do.  grove_now(), grove_id() and the structs are at its disposal.
 * Returns 0.
 * Parks: no.   Threads: any.   Follows greenlet.settrace.
 */
GROVE_API int grove_settrace(grove_trace_fn *fn, void *arg);

/* grove_gettrace - the function set, or NULL; @ret_arg: its argument, may be NULL.   Parks: no.   Threads: any.
 * Follows greenlet.gettrace. */
GROVE_API grove_trace_fn *grove_gettrace(void **ret_arg);

#ifdef __cplusplus
}
#endif

#endif
