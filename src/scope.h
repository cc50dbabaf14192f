/*
 * scope.h - what ends a greenlet's waits from outside: deadlines that nest, kills and errors thrown at it
 *
 * A scope is a part of a greenlet's run with a deadline of its own (grove_timeout_start, Trio's cancel scope); scopes nest, the
 * innermost first in gr_greenlet.scopes.  Everything that gr_park() has to look at is one number, gr_greenlet.limit: the tightest
 * deadline that counts, or GR_BROKEN when something is to be told at once.  A park that is broken off returns -GR_EBROKEN, which
 * green calls hand upwards like any error; where a call ends (gate.c, api/) gr_break_error() makes an errno value of it.
 */
#ifndef GR_SCOPE_H
#define GR_SCOPE_H

#include "base.h"

struct gr_greenlet;

#define GR_BROKEN	INT64_MIN	/* gr_greenlet.limit: earlier than any deadline */
#define GR_EBROKEN	513		/* never leaves the runtime */

struct gr_scope {
	struct gr_scope *outer;
	struct gr_greenlet *g;		/* NULL: not entered */
	gr_time deadline;		/* or GR_NEVER */
	bool shield;			/* what lies outside of it does not get in */
	bool expired;			/* its deadline was what ended a wait, or passed before one */
	int cancelled;			/* an errno value: gr_scope_cancel() was called */
};

/* The current greenlet enters @s, whose deadline and shield are set; or leaves it, and what was not left within it. */
void gr_scope_enter(struct gr_scope *s);
void gr_scope_leave(struct gr_scope *s);

/*
 * A generator's body stops: the scopes that the current greenlet has entered within @base (NULL: within none) are in force no more, and nobody
 * can leave or cancel them meanwhile.  Returns the innermost, for gr_scopes_bring(), which enters them again, maybe in another greenlet.
 */
struct gr_scope *gr_scopes_take(struct gr_scope *base);
void gr_scopes_bring(struct gr_scope *innermost);

/* The body has ended: the same, without a look at scopes that it has not left, as their frames are gone. */
void gr_scopes_drop(struct gr_scope *base);

/* Change the deadline of a scope that the current greenlet has entered. */
void gr_scope_set_deadline(struct gr_scope *s, gr_time deadline);

/* Every wait in @s fails with @err from now on, the present one too. */
void gr_scope_cancel(struct gr_scope *s, int err);

/* Every wait of @g fails with ECANCELED from now on. */
void gr_break_kill(struct gr_greenlet *g);

/* The present wait of @g, or else the next, fails with @err; once. */
void gr_break_throw(struct gr_greenlet *g, int err);

/* Is @g in a shield, which kills do not get through? */
bool gr_break_shielded(const struct gr_greenlet *g);

/* The greenlet is used anew: nothing of the one before counts. */
void gr_break_reset(struct gr_greenlet *g);

/* A park of the current greenlet came to its limit: note which scopes are over.  Returns -GR_EBROKEN. */
int gr_break_expired(void);

/* Is there something to tell the current greenlet, deadlines that have passed meanwhile included?  Its errno value, negative, or 0. */
int gr_break_now(void);

/* The errno value, negative, that the current greenlet's broken call is to fail with; an error thrown is told once. */
int gr_break_error(void);

#endif
