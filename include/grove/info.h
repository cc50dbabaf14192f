/*
 * grove/info.h - looking at greenlets: who is there, what each waits for and since when, and its C stack
 *
 *	grove_print_run_info(2, GROVE_STACKS);
 *
 * writes a tree of who spawned whom:
 *
 *	grove: 3 greenlets, 1 ready, 1 parked
 *	main (id 1): running
 *	|       grove_print_run_info+0x4f in libgrove.so.0
 *	|       main+0x4c in server
 *	`-- accept (id 3): waits for fd, 12.041 s
 *	    |       grove_wait_read+0x93 in libgrove.so.0
 *	    |       accept_loop+0x35 in server
 *	    `-- greenlet-7 (id 7): ready
 *	                handle+0x1f in server
 *
 * A frame of a function that is not exported is shown as an offset, which addr2line(1) resolves: 0x1234 in server.  Programs linked with
 * -rdynamic show all their names but those of static functions.
 */
#ifndef GROVE_INFO_H
#define GROVE_INFO_H

#include <grove/greenlet.h>

#ifdef __cplusplus
extern "C" {
#endif

enum grove_state {
	GROVE_STATE_DELAYED,		/* its delay is not over: grove_spawn_later() */
	GROVE_STATE_READY,		/* waits for its turn only */
	GROVE_STATE_RUNNING,		/* the caller of the function that looks */
	GROVE_STATE_PARKED		/* waits: see .waits */
};

/* What is known of a greenlet, or of a pthread that is one.  It grows at its end; size says how far it goes. */
struct grove_info {
	size_t size;
	grove_greenlet *greenlet;	/* NULL: a pthread that has never called grove */
	uint64_t id, parent;		/* 0: it has none, or none is known */
	int tid;			/* as gettid(2) has it; 0: it has no thread yet */
	enum grove_state state;
	const char *waits;		/* a word: "fd", "futex", "sleep", "semaphore" ...; NULL unless it is parked */
	const void *waits_on;		/* the object of grove's that it waits for, if it is one */
	const char *waits_on_kind;	/* what that is: "queue", "greenlet" ... */
	int64_t since;			/* grove_now() when it parked, to the precision of the hub's turns; 0 unless it is parked */
	size_t stack_size;		/* bytes; 0: not known */
	bool service;			/* one of grove's own */
	const char *name;
	void *const *stack;		/* with GROVE_STACKS: return addresses, the innermost first */
	int depth;			/* how many */
};

#define GROVE_STACKS	1u		/* the C stacks too; costs microseconds a greenlet */
#define GROVE_SERVICES	2u		/* grove's own greenlets too */

/*
 * grove_each - call @fn(info, @arg) for every greenlet that has not ended, in the order in which they were made
 * @flags: GROVE_STACKS, GROVE_SERVICES
 *
 * What @fn is shown is as it was when grove_each() was called, all at one moment; it is valid until @fn returns.  @fn may do
 * anything, wait too; when it does not return 0 no more are shown.
 *
 * Returns 0, or what @fn returned; -1 with errno
 *   EINVAL   @fn is NULL, or unknown flags
 *   ENOMEM
 * Parks: no.   Threads: any.   Follows gevent.util.GreenletTree.
 */
typedef int grove_each_fn(const struct grove_info *info, void *arg);
GROVE_API int grove_each(unsigned flags, grove_each_fn *fn, void *arg);

/*
 * grove_stack - the C stack of a greenlet as it is now: up to @n return addresses, the innermost first, as backtrace(3) gives them
 *
 * Returns how many; 0 for one that has not started, or has ended.  -1 with errno EINVAL.
 * Parks: no.   Threads: any.   Follows Greenlet.gr_frame.
 */
GROVE_API int grove_stack(const grove_greenlet *g, void **ret_addresses, int n);

/*
 * grove_format_run_info - the tree of all greenlets as text
 * @flags: as in grove_each()
 *
 * Returns a string for free(3), or NULL with errno EINVAL, ENOMEM.
 * Parks: no.   Threads: any.   Follows gevent.util.format_run_info.
 */
GROVE_API char *grove_format_run_info(unsigned flags);

/*
 * grove_print_run_info - write the same to descriptor @fd
 *
 * Returns 0, or -1 with errno EINVAL, ENOMEM, or as write(2).
 * Parks: as write(2) on @fd does.   Threads: any.   Follows gevent.util.print_run_info.
 */
GROVE_API int grove_print_run_info(int fd, unsigned flags);

#ifdef __cplusplus
}
#endif

#endif
