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

/* Deliver what is pending and unblocked for the current greenlet; called with carrier->inside set.
 * Returns how many handlers ran, one after the other; *ret_restart: the first one was installed with SA_RESTART (true when none ran). */
int gr_signal_deliver(bool *ret_restart);

/* Hand the signals that arrived while the runtime was inside to their greenlets, and wake those. */
void gr_signal_collect(void);
void gr_signal_collect_closed(void);		/* with everything blocked, and left so */

/* In the middle of a green call: what has come for the current greenlet is handled, and the call goes on. */
static inline void gr_signal_handle(void)
{
	bool restart;

	gr_carrier()->todo &= ~GR_TODO_SIGNAL;
	gr_signal_collect();
	gr_signal_deliver(&restart);
}

/* What is pending here for @g, and for the process; the first of @set pending for the current greenlet or the process, taken out. */
uint64_t gr_signal_pending_set(struct gr_greenlet *g);
uint64_t gr_signal_nobodys(void);
bool gr_signal_take(uint64_t set, siginfo_t *ret_info);

/* sigwait(): the signal, -EAGAIN at the deadline (0: it does not wait), -EINTR, -GR_EBROKEN; other errors: grove's signalfd cannot be made.  Parks: yes. */
long gr_signal_wait(uint64_t set, siginfo_t *ret_info, gr_time deadline);

/*
 * The program has a signalfd.  From then on, where gr_signal_shows(), a look at descriptors is to be made between gr_signal_show() and
 * gr_signal_take_back() of what it returned, and a signalfd to be read by gr_signal_read_fd(), so that they see what is pending for the caller.
 */
struct iovec;
void gr_signal_fd_made(void);
bool gr_signal_shows(void);
uint64_t gr_signal_show(int *ret_n);
void gr_signal_take_back(uint64_t set, int n);
long gr_signal_read_fd(int fd, const struct iovec *iov, int n);

/* The kernel's struct sigaction, and rt_sigaction(2) on the program's table */
struct gr_action {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};
long gr_signal_action(int sig, const struct gr_action *act, struct gr_action *old);

/* From now on GR_SIG_INTERRUPT is entered through us: for ticks (preempt.h) and for offload threads.  The program's use of it goes on. */
void gr_signal_own_action(void);

/* Timers aimed at one thread: before the timer is made (0, -EINVAL, -EAGAIN), after; the same two for those aimed at the process; when one is
 * set anew, and when it is deleted; how many expirations its last signal has missed, or -1: ask the kernel. */
int gr_signal_timer_begin(int sig);
void gr_signal_timer_made(int id, int sig, int tid);
int gr_signal_timer_room(void);
void gr_signal_timer_of_process(int id, int sig);
void gr_signal_timer_set(int id);
void gr_signal_timer_gone(int id);
int gr_signal_timer_overrun(int id);

/* What the kernel calls for every signal that has a handler, and for faults. */
void gr_signal_entry(int sig, siginfo_t *info, void *context);

/* A signal for the current greenlet is pending and unblocked */
static inline bool gr_signal_pending(void)
{
	const struct gr_carrier *c = gr_carrier();
	const struct gr_greenlet *g = c->current;

	return ((g->pending | g->claims | c->signals_spare) & ~g->sigmask) != 0;
}

/* Set the mask of the current greenlet. */
void gr_signal_set_mask(uint64_t mask);

/* The same until the green call returns; gr_call() puts the old one back after the handlers have run (ppoll, sigsuspend). */
void gr_signal_set_mask_until_return(uint64_t mask);
void gr_signal_restore_mask(void);

/* Block all, without a word to the kernel, for the few instructions until libc has cloned a thread. */
void gr_signal_block_for_clone(void);

/* The kernel is to block exactly those of @set that the current greenlet blocks, as long as it asks for itself: until _inexact(). */
void gr_signal_exact(uint64_t set);
void gr_signal_inexact(void);

/* While a child is made: it begins with everything blocked, or as its creator.  _inexact() ends that. */
void gr_signal_block_all(void);

/* Make the kernel's alternate stack that of @g; called when @g has just been switched to. */
void gr_signal_altstack(struct gr_greenlet *g);

/* @g, whose alternate stack that is, is about to be left: no signal may come before _altstack() if @g stands on it. */
void gr_signal_altstack_left(struct gr_greenlet *g);

/* The kernel has one of ours, which the program is not to see, until the program has set one itself. */
bool gr_signal_altstack_lent(void);

/*
 * A tick that switches, from within its handler.  _standing: the lent alternate stack that the caller runs on, or NULL.  Who switches
 * away sets carrier->parted, and .left_lent if it stands on one; whoever runs next calls _parted, which opens the mask and lends another.
 * _back: what the signal return is to set, and @l is free when it is done; all signals are blocked.
 */
struct lent;
struct lent *gr_signal_stack_standing(void);
void gr_signal_parted(void);
void gr_signal_stack_back(struct lent *l, ucontext_t *uc);

/* Before a signal return, all signals blocked: what is pending for the current greenlet comes at once when it is done, and what the
 * kernel is to block is set. */
void gr_signal_on_return(ucontext_t *uc);
void gr_signal_altstack_replaced(void);

/* Around a raw clone of a process: the child begins with the program's mask, and what that ignores. */
void gr_signal_clone_begins(void);
void gr_signal_clone_done(void);

/* execve(2), with the mask, and what is pending, that are the program's own.  -GR_ERESTART, if not @anyhow: something has come that the program
 * is to handle first. */
long gr_signal_exec(const long call[7], bool anyhow);

/* Greenlet lists changed: a new one inherits the mask; what was sent to a dead one is dropped.  The last: it does not live in a forked child. */
void gr_signal_born(struct gr_greenlet *g);
void gr_signal_dead(struct gr_greenlet *g);
void gr_signal_not_in_child(struct gr_greenlet *g);

/* It becomes one of grove's own, or is no longer: what is sent to the process is not for those. */
void gr_signal_service(struct gr_greenlet *g, bool service);

/* @g is used anew, with @mask; what is pending for it is forgotten.  Not for the current greenlet unless it goes on to park. */
void gr_signal_renew(struct gr_greenlet *g, uint64_t mask);

/* @g, which is not the current greenlet, blocks everything; what is pending for it is forgotten.  The kernel is not told. */
void gr_signal_close(struct gr_greenlet *g);

/* @g, a worker, the current one, has nothing to do until gr_signal_renew(); @close is to close all that rest. */
void gr_signal_rest(struct gr_greenlet *g, void (*close)(void));

/* Has the program a handler for a signal that may come from outside? */
bool gr_signal_any_handler(void);

/* Queue @sig for @g as tgkill(2) would; wakes it when it lets the signal in. 0 or -EAGAIN */
int gr_signal_send(struct gr_greenlet *g, int sig, const siginfo_t *info);

/* Calls by kernel threads of the program's that concern us: is it one, and making it. */
bool gr_signal_is_native_call(long nr, long a, long b);
long gr_signal_native(long nr, long a, long b, long d, long e);

/* Copy between the program's memory and ours where the pointer may be bad: 0 or -EFAULT, never a fault.  Built on our SIGSEGV entry. */
int gr_user_read(void *to, const void *from, size_t n);
int gr_user_write(void *to, const void *from, size_t n);
int gr_user_writable(uint32_t *word);		/* by writing it as it is, at once */

#endif
