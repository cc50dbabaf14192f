/*
 * signal_parts.h - what the files of signal* share, and nobody else uses
 *
 *	signal.c		actions, the handler the kernel knows, delivery, start and fork
 *	signal_mask.c		masks of greenlets, and what the kernel blocks
 *	signal_queue.c		what is pending for whom, and what has arrived
 *	signal_timer.c		timers aimed at one thread
 *	signal_wait.c		sigwait() and the like; signalfd
 *	signal_stack.c		alternate stacks
 *	signal_native.c		kernel threads of the program's
 *
 * What is sent to a thread is pending on its greenlet.  What is sent to the process is pending in the kernel while every greenlet blocks it;
 * where one lets it in the kernel does, too, and it is pending here, claimed by the greenlet that was woken for it.  A claim moves on when
 * that blocks the signal or ends; what nobody has claimed is spare: for whoever lets it in and looks first.
 */
#ifndef GR_SIGNAL_PARTS_H
#define GR_SIGNAL_PARTS_H

#include "offload.h"
#include "raw.h"
#include "signal.h"
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>

#ifndef SA_RESTORER
#define SA_RESTORER	0x04000000	/* the kernel's; glibc keeps it to itself */
#endif
#ifndef SS_AUTODISARM
#define SS_AUTODISARM	(1u << 31)
#endif
#define ALL_SIGNALS	(~0ull)
#define UNBLOCKABLE	(GR_SIGBIT(SIGKILL) | GR_SIGBIT(SIGSTOP))
#define FAULTS		(GR_SIGBIT(SIGSEGV) | GR_SIGBIT(SIGBUS))	/* gr_user_read() lives by them */
#define OF_WRITERS	(GR_SIGBIT(SIGPIPE) | GR_SIGBIT(SIGXFSZ))	/* for the greenlet whose call raised them: it alone may block them */
#define NEEDED		(FAULTS | OF_WRITERS | GR_SIGBIT(GR_SIG_INTERRUPT))	/* never blocked in the kernel */
#define REALTIME	32		/* the first number of which more than one can be pending */

struct gr_pending {
	struct gr_list link;
	siginfo_t info;
};

/* For each signal, how many have it in their set: bit n of planes[i] is bit i of the count for signal n + 1. */
struct gr_tally {
	uint64_t planes[21];
	size_t used;			/* planes from there on have always been empty */
};
void gr_tally_add(struct gr_tally *t, uint64_t set);
void gr_tally_drop(struct gr_tally *t, uint64_t set);
uint64_t gr_tally_any(const struct gr_tally *t);	/* those with a count */

/* --- signal.c */
bool gr_signal_has_handler(int sig);
bool gr_signal_ignored(int sig);
bool gr_signal_entered(int sig);		/* the kernel has our handler for it */
struct gr_action gr_signal_get_action(int sig);
void gr_signal_set_kernel_action(int sig);
void gr_signal_fatal(int sig, const siginfo_t *info);		/* its default action ends this process, or stops it */
void gr_signal_fatal_first(void);	/* before the kernel lets in what is pending for the process: the thread's own comes before that */
bool gr_signal_is_fault(int sig, const siginfo_t *info);
void gr_signal_reset(int sig);
void gr_signal_contested(uint64_t set);
uint64_t gr_signal_now_contested(void);
bool gr_signal_mend_copy(ucontext_t *uc);		/* a fault in gr_user_copy() */

/* --- signal_mask.c */
void gr_signal_mask_of(struct gr_greenlet *g, uint64_t mask);	/* changes it, in the counts too; the kernel's: gr_signal_apply() */
uint64_t gr_signal_kernels(void);		/* what the kernel should block: what all greenlets block, but for those never blocked */
void gr_signal_apply(void);			/* make it so */
void gr_signal_mask_start(uint64_t mask);
void gr_signal_mask_fork_child(void);
uint64_t gr_signal_let_in(void);		/* those that some greenlet lets in */

/* --- signal_queue.c */
int gr_signal_queue(struct gr_greenlet *g, const siginfo_t *info);	/* 0 or -EAGAIN: no memory */
bool gr_signal_take_own(uint64_t set, siginfo_t *ret_info);		/* gr_signal_take() of what was sent to the current greenlet alone */
int gr_signal_to_process(const siginfo_t *info);			/* the same for whoever gr_signal_whose() says */
struct gr_greenlet *gr_signal_whose(const siginfo_t *info);		/* NULL: everyone blocks it */
void gr_signal_forget(int sig);
void gr_signal_forget_timer(int sig, int id);		/* of a timer that is aimed at a thread */
void gr_signal_forget_process_timer(int sig, int id);
void gr_signal_mask_changed(struct gr_greenlet *g, uint64_t was);	/* called with the new mask set */
void gr_signal_ended(struct gr_greenlet *g);
void gr_signal_nobodys_to_kernel(void);
extern bool gr_signal_full;			/* there is no room for arrivals: the kernel blocks everything until there is */
extern uint64_t gr_signal_held;			/* a timer's that have arrived: the kernel is to keep the next one until these are collected */
extern uint64_t gr_signal_exact_now;		/* of these the kernel blocks just what the current greenlet does, whatever arrives */
bool gr_signal_note(const siginfo_t *info, int tid);		/* from the handler: true: no more until the next gr_signal_collect() */
void gr_signal_queue_fork_child(struct gr_greenlet *self);
void gr_signal_forget_later(int sig);		/* from any thread */

/* --- signal_timer.c */
extern uint64_t gr_signal_of_timers;		/* ever used by timers aimed at a thread: never blocked in the kernel */
int gr_signal_timer_target(const siginfo_t *info);	/* whose timer has expired?  0: nobody's */
bool gr_signal_timer_merged(const siginfo_t *info);	/* its signal is pending already: one expiration more */
void gr_signal_timer_told(siginfo_t *info);	/* its signal is about to be seen by the program: with how many missed */
void gr_signal_timer_handled(const siginfo_t *info);	/* it is seen now: another may have been told of just before */
void gr_signal_timer_unqueued(const siginfo_t *info);
void gr_signal_timer_fork_child(void);

/* --- signal_wait.c */
uint64_t gr_signal_waited(void);		/* those for which a greenlet is parked in sigwait() */
void gr_signal_wait_ends(struct gr_greenlet *g);
void gr_signal_wait_fork_child(void);
bool gr_signal_wake_looker(struct gr_greenlet *g);	/* a signal it blocks is pending now: it may be waiting on a signalfd */
int gr_signal_lend(uint64_t set);

/* --- signal_stack.c */
stack_t gr_signal_stack_enter(struct gr_greenlet *g, ucontext_t *uc);
void gr_signal_stack_leave(struct gr_greenlet *g, ucontext_t *uc, const stack_t *kernels);
unsigned long gr_signal_stack_flags(int sig, unsigned long flags);	/* SA_ONSTACK as the kernel is to have it */
void gr_signal_stack_start(void);
void gr_signal_stack_fork_child(void);

/* --- signal_native.c */
void gr_signal_on_native(int sig, siginfo_t *info, ucontext_t *uc);
void gr_signal_native_fork_child(void);

#endif
