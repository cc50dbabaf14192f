/*
 * signal.h - program signals: every handler is entered through ours, which knows which greenlet a signal is for
 *
 * Owns the program's table of actions (the kernel holds ours), each greenlet's mask and pending signals.  A signal that arrives
 * while the runtime is inside, or that is meant for a greenlet that is not running, is queued on its greenlet, which is woken with
 * -EINTR if it is parked interruptibly; it is delivered for real (rt_tgsigqueueinfo to ourselves) when that greenlet runs.
 */
#ifndef GR_SIGNAL_H
#define GR_SIGNAL_H

#include "base.h"
#include "sched.h"

#define GR_SIGBIT(n)	(1ull << ((n) - 1))
#define GR_NSIG		65

int gr_signal_start(void);
void gr_signal_fork_child(void);

/* Deliver what is pending and unblocked for the current greenlet; called by gr_call() with carrier->inside clear.
 * Returns how many handlers ran; *ret_restart: the first one was installed with SA_RESTART (true when none ran). */
int gr_signal_deliver(bool *ret_restart);

/* A signal for the current greenlet is pending and unblocked */
bool gr_signal_pending(void);

/* Before switching to @g: make the kernel's mask its own.  The hub's mask blocks only what every greenlet blocks. */
void gr_signal_switch(struct gr_greenlet *g);

/* Set the mask of the current greenlet. */
void gr_signal_set_mask(uint64_t mask);

/* Greenlet lists changed: a new one inherits the mask; a dead one's pending signals are dropped. */
void gr_signal_born(struct gr_greenlet *g);
void gr_signal_dead(struct gr_greenlet *g);

/* Queue @sig for @g as tgkill(2) would; wakes it when it lets the signal in. 0 or -EAGAIN */
int gr_signal_send(struct gr_greenlet *g, int sig, const siginfo_t *info);

/* Copy between the program's memory and ours where the pointer may be bad: 0 or -EFAULT, never a fault.  Built on our SIGSEGV entry. */
int gr_user_read(void *to, const void *from, size_t n);
int gr_user_write(void *to, const void *from, size_t n);

#endif
