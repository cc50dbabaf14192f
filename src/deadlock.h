/*
 * deadlock.h - --deadlock: who waits for whom, when nobody can go on
 *
 * Looked at before the hub waits, at most once in GR_DEADLOCK_EVERY and only if anybody has run since the last time.  Two things are told, once
 * each: a cycle of locks whose holders wait for each other, which nothing from outside can undo; and that every greenlet waits for
 * another one, so that none is left to wake any: then a descriptor, a deadline, a signal that has a handler, a child, a native thread or memory
 * shared with others could still do it, and there must be none of these.  The program goes on waiting, as it would without grove.
 */
#ifndef GR_DEADLOCK_H
#define GR_DEADLOCK_H

#include "base.h"

#define GR_DEADLOCK_EVERY	GR_MS(100)

/* The hub is about to wait.  @no_timers: and not for a deadline.  May add one to carrier->timers, to look again. */
void gr_deadlock_look(bool no_timers);
void gr_deadlock_fork_child(void);

#endif
