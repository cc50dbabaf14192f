/*
 * audit.h - --audit: what has held the carrier for too long is told, once for each place it was called from
 *
 * Held by a system call: from its beginning, or from where it went on after a park, until it parks or is done.  Of that time counts what the
 * kernel thread slept in the call, and what it computed there; not what it stood in the kernel's run queue, since that is the machine's
 * doing, and not what a page fault took that had to read a disk.  A call that nobody but its caller could be held up by does not count.
 * Held by computing: by the processor time of the greenlet since it last made a call that lets others run, or parked.
 *
 * What is not over after a second is told while it lasts, by a kernel thread (watchdog.c); it also sees system calls that are not made
 * through the gate.
 *
 * Off (carrier->audit is false) it costs one predicted branch in each green call.
 */
#ifndef GR_AUDIT_H
#define GR_AUDIT_H

#include "base.h"
#include "sched.h"

#define GR_AUDIT_CALL		GR_MS(10)
#define GR_AUDIT_COMPUTES	GR_MS(100)
#define GR_AUDIT_STILL		GR_SEC(1)	/* a call that lasts longer is told of before it is done */

/* GROVE_AUDIT=MS[,MS]: the bounds for calls and for computing; GROVE_DEADLOCK=1.  Either sets .audit or .deadlock of the carrier. */
void gr_audit_start(char **env);
void gr_audit_go(void);			/* signals are ours from now on */
void gr_audit_fork_child(void);

/* Around a system call of the current greenlet's, inside.  _begin() returns what _end() is given.  @yields: it lets others run. */
int gr_audit_begin(long nr, bool yields);
void gr_audit_end(long nr, int outer);

/* Signal handlers of the program's run before the call's end, and have run: their time is not the call's. */
int gr_audit_pauses(void);
void gr_audit_goes_on(int call);

/* The call goes the raw way instead, and _raw_done() is called when its caller, not its child, makes the next one. */
void gr_audit_goes_raw(long nr, int outer);
void gr_audit_raw_done(void);

/* The hub is about to ask the kernel for what has come, and has done so. */
void gr_audit_hub_waits(void);
void gr_audit_hub_waited(void);

/* No kernel thread of the audit's is left when this returns; another is made when time has passed.  True: there was one. */
bool gr_watchdog_end(void);

/* --- what audit.c and watchdog.c share ------------------------------------------------------------------------------------------ */

struct gr_watched {
	uint32_t steps;			/* counted up with each switch, and where a call begins and ends */
	uint32_t calls;			/* the carrier is in a system call that is measured: its number + 1, or 0 */
	uint32_t hub_waits;
	uint32_t asleep;		/* futex: the watchdog has found the hub waiting for long */
	gr_time call_max;
};
extern struct gr_watched gr_watched;

void gr_watchdog_start(void);		/* if there is none */
void gr_watchdog_wake(void);
void gr_watchdog_fork_child(void);

/* Has this not been told yet?  From now on it has. */
bool gr_audit_is_new(uint64_t what);

#endif
