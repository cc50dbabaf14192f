/*
 * preempt.h - a greenlet that computes for longer than a slice gives way to others
 *
 * Owns a timer on the CPU time of the carrier, whose signal (GR_SIG_INTERRUPT) ticks once in a slice while a greenlet runs and another
 * is ready, or could become so by something from outside: a descriptor, a deadline, a call on an offload thread, a native thread.
 * A tick that finds a greenlet in its own code switches to the next from within the signal handler: the signal frame on the greenlet's
 * stack keeps all of its registers.  A tick that finds it in the runtime leaves a note for the end of the green call.
 *
 * CPU time stands still while the hub waits, so an idle program is never woken.  A program with one greenlet has no timer; nor has one
 * whose other greenlets wait for nothing but each other, until one is woken.
 */
#ifndef GR_PREEMPT_H
#define GR_PREEMPT_H

#include "base.h"
#include "sched.h"
#include <ucontext.h>

#define GR_SLICE	GR_MS(10)

/* Under the shim: the slice is GROVE_PREEMPT in milliseconds, 0 for never, if @env has it, else GR_SLICE. */
void gr_preempt_start(char **env);

/* The program uses the API: its greenlets are cooperative, unless the environment has said otherwise. */
void gr_preempt_cooperate(void);

/* From now on the slice is @slice; 0: greenlets are not interrupted.  Inside. */
void gr_preempt_ask(gr_time slice);

/* carrier->tick is GR_TICK_IDLE, and somebody may want to run while the current greenlet, or the next, computes. */
void gr_preempt_needed(struct gr_carrier *c);

/* The next tick is a whole slice from now. */
void gr_preempt_anew(struct gr_carrier *c);

/* Is @id the timer?  The program must not see it. */
bool gr_preempt_is_timer(int id);

/* Is this signal a tick?  If so, for own_entry() in signal.c: the kernel's context of the code it has interrupted, on the carrier. */
bool gr_preempt_is_tick(const siginfo_t *info);
void gr_preempt_tick(ucontext_t *uc);

/* At each tick @fn is called first, inside; @inside: it was so before.  Ticks then go on for as long as greenlets run.  For --audit. */
void gr_preempt_watch(void (*fn)(const ucontext_t *uc, bool inside));

/* No tick comes from now on, and none is pending: a new program image would die of it.  _go_on: there is none after all. */
void gr_preempt_pause(void);
void gr_preempt_go_on(void);

/* Timers are not inherited. */
void gr_preempt_fork_child(void);

#endif
