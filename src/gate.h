/*
 * gate.h - one way in for every system call: gr_call() looks the number up in the table and runs the green call, or passes through
 *
 * Doors call gr_call() with the number of the call they stand for; the gate (arch/<cpu>/gate.S, reached from libc's rewritten
 * `syscall` instructions) does the same with the registers it found.
 */
#ifndef GR_GATE_H
#define GR_GATE_H

#include "base.h"
#include <limits.h>

/* A green call's answer that means: make it the raw way, as if we were not there */
#define GR_CALL_RAW	LONG_MIN

/*
 * gr_call - make system call @nr the green way
 * Returns the result or -errno.  On a foreign kernel thread, in the hub, or inside the runtime: straight to the kernel.
 * Parks: if the call's row in calls.h says so.
 */
GR_EXPORT long gr_call(long nr, long a, long b, long c, long d, long e, long f);

/* The same for @nr with a green call, which is made whether the program's calls are green or not. */
long gr_call_green(long nr, long a, long b, long c, long d, long e, long f);

/* Run the handlers of signals that came for the current greenlet while the runtime was inside.  Called outside, when carrier->todo has
 * GR_TODO_SIGNAL; who sets carrier->inside by hand asks for that when he has cleared it. */
void gr_settle(void);

/* Patch the objects that are loaded now and are not patched yet; to be called at start and after dlopen().
 * Returns 0, or -errno when nothing could be patched (mprotect refused, no memory near the text). */
int gr_gate_patch(void);

struct gr_gate_stats {
	unsigned objects;	/* with at least one site */
	unsigned sites;		/* `syscall` instructions found */
	unsigned patched;
	unsigned kept;		/* left alone on purpose: the signal return */
	unsigned failed;	/* could not be moved aside; these calls block the carrier */
};
void gr_gate_get_stats(struct gr_gate_stats *ret_stats);

/* Switch everything on: carrier, signals, hub, gate.  Called by the shim at load.  @env: the environment, for GROVE_STATS.
 * 0 or -errno; where text cannot be rewritten a line says so, 0 is returned, and carrier->on stays false. */
GR_EXPORT int gr_init(char **env);

/* The same, but the program's calls that wait and its threads stay the kernel's (carrier->patched): for the API. */
int gr_init_unpatched(char **env);

#endif
