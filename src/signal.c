/*
 * signal.c - the one handler the kernel knows, and what is pending where
 *
 * A signal's way: kernel -> gr_signal_entry() -> either the program's handler at once, when it is for the greenlet that was interrupted in its
 * own code, or the list of arrivals.  gr_signal_collect() moves arrivals to the greenlet each is for and wakes that;
 * gr_signal_deliver(), on that greenlet, makes the kernel deliver it again, to ourselves, so that handler, siginfo and signal frame
 * are the kernel's own.  Handlers run with the mask the program asked for; gr_signal_entry() itself runs with everything blocked.
 */
#include "signal.h"
#include "arch/x86_64/arch.h"
#include "hub.h"
#include "offload.h"
#include "overflow.h"
#include "preempt.h"
#include "raw.h"
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>

#ifndef SA_RESTORER
#define SA_RESTORER	0x04000000	/* the kernel's; glibc keeps it to itself */
#endif
#define ALL_SIGNALS	(~0ull)
#define UNBLOCKABLE	(GR_SIGBIT(SIGKILL) | GR_SIGBIT(SIGSTOP))
#define NEEDED		(GR_SIGBIT(SIGSEGV) | GR_SIGBIT(SIGBUS))	/* never blocked in the kernel: gr_user_read() lives by them */
#define PENDING_MAX	16384		/* queued at once; beyond, real-time signals fail with EAGAIN as at RLIMIT_SIGPENDING */
#define ARRIVALS_MAX	4096		/* between two looks; memory is touched only as far as it is needed */
#define TIMERS_MAX	256		/* timers aimed at a thread, at once */
#define ALTSTACK	(64u * 1024)

struct pending {
	struct gr_list link;
	siginfo_t info;
};

/* A mask some greenlet has, and how many have it: the hub blocks what all of them block. */
struct mask_class {
	uint64_t mask;
	unsigned count;
};

static struct signals {
	struct gr_action actions[GR_NSIG];		/* as the program set them */
	struct pending nodes[PENDING_MAX];
	unsigned nodes_used;			/* nodes[] from there on have never been in use */
	struct gr_list free;
	siginfo_t arrivals[ARRIVALS_MAX];	/* ring: written by gr_signal_entry(), read by gr_signal_collect() */
	int arrivals_for[ARRIVALS_MAX];		/* tid, or 0: whoever lets it in */
	struct mask_class classes[16];		/* unused when count is 0 */
	unsigned odd_masks;			/* greenlets whose mask found no class: the hub then blocks nothing */
	uint64_t timer_signals;			/* of timers aimed at a thread: never blocked in the kernel, we queue them ourselves */
	struct { int id, tid; } timers[TIMERS_MAX];	/* tid 0: unused */
	int delivering;				/* the signal that gr_signal_deliver() has just sent the current greenlet, or 0 */
	bool altstack_lent;
	bool own_action;		/* the kernel has own_entry() for GR_SIG_INTERRUPT */
	char altstack[ALTSTACK] __attribute__((aligned(64)));
} s;

/* --- masks ---------------------------------------------------------------------------------------------------------------- */

static void class_add(uint64_t mask)
{
	struct mask_class *unused = NULL;

	for (size_t i = 0; i < GR_LENGTH(s.classes); i++) {
		if (s.classes[i].count && s.classes[i].mask == mask) {
			s.classes[i].count++;
			return;
		}
		if (!s.classes[i].count)
			unused = unused ? unused : &s.classes[i];
	}
	if (unused)
		*unused = (struct mask_class){ mask, 1 };
	else
		s.odd_masks++;
}

static void class_drop(uint64_t mask)
{
	for (size_t i = 0; i < GR_LENGTH(s.classes); i++)
		if (s.classes[i].count && s.classes[i].mask == mask) {
			s.classes[i].count--;
			return;
		}
	s.odd_masks--;
}

static uint64_t common_mask(void)
{
	uint64_t common = s.odd_masks ? 0 : ALL_SIGNALS;

	for (size_t i = 0; i < GR_LENGTH(s.classes); i++)
		if (s.classes[i].count)
			common &= s.classes[i].mask;
	return common;
}

/* What the kernel is to block where a greenlet blocks @mask */
static uint64_t blocked_for(uint64_t mask)
{
	return mask & ~(s.timer_signals | NEEDED | UNBLOCKABLE | GR_SIGBIT(GR_SIG_INTERRUPT));
}

static void kernel_mask(uint64_t mask)
{
	struct gr_carrier *c = gr_carrier();

	c->kernel_mask_for = mask;
	mask = blocked_for(mask);
	if (c->kernel_mask == mask)
		return;
	c->kernel_mask = mask;
	raw(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
}

void gr_signal_switch(struct gr_greenlet *g)
{
	kernel_mask(g == gr_carrier()->hub ? common_mask() : g->sigmask);
}

static void own_mask(struct gr_greenlet *g, uint64_t mask)
{
	if (g->sigmask == mask)
		return;
	class_drop(g->sigmask);
	class_add(mask);
	g->sigmask = mask;
}

void gr_signal_set_mask(uint64_t mask)
{
	struct gr_carrier *c = gr_carrier();

	mask &= ~UNBLOCKABLE;
	own_mask(c->current, mask);
	kernel_mask(mask);
	if (gr_signal_pending())
		c->todo |= GR_TODO_SIGNAL;
}

void gr_signal_set_mask_until_return(uint64_t mask)
{
	struct gr_greenlet *g = gr_carrier()->current;

	g->saved_mask = g->sigmask;
	g->restore_mask = 1;
	gr_signal_set_mask(mask);
}

void gr_signal_restore_mask(void)
{
	struct gr_greenlet *g = gr_carrier()->current;

	if (!g->restore_mask)
		return;
	g->restore_mask = 0;
	gr_signal_set_mask(g->saved_mask);
}

void gr_signal_altstack(struct gr_greenlet *g)
{
	struct gr_carrier *c = gr_carrier();

	/* refused while we stand on the other greenlet's alternate stack; asked again at the next switch */
	if (c->altstack_of != g && g != c->hub && raw(SYS_sigaltstack, &g->altstack, 0) == 0)
		c->altstack_of = g;
}

/* --- pending -------------------------------------------------------------------------------------------------------------- */

static bool has_handler(int sig)
{
	return s.actions[sig].handler != (void *)SIG_DFL && s.actions[sig].handler != (void *)SIG_IGN;
}

static bool ignored(int sig)
{
	if (s.actions[sig].handler == (void *)SIG_IGN)
		return true;
	return s.actions[sig].handler == (void *)SIG_DFL &&
	       (sig == SIGCHLD || sig == SIGURG || sig == SIGWINCH || sig == SIGCONT);
}

/* Of those in @set, the lowest number, in order of arrival among equals; NULL: none */
static struct pending *first_pending(struct gr_greenlet *g, uint64_t set)
{
	struct pending *best = NULL;

	gr_list_each(it, &g->signals) {
		struct pending *p = gr_container(it, struct pending, link);

		if ((set & GR_SIGBIT(p->info.si_signo)) && (!best || p->info.si_signo < best->info.si_signo))
			best = p;
	}
	return best;
}

/* The one to deliver next */
static struct pending *next_pending(struct gr_greenlet *g)
{
	return first_pending(g, ~g->sigmask);
}

bool gr_signal_pending(void)
{
	struct gr_greenlet *g = gr_carrier()->current;

	return GR_UNLIKELY(!gr_list_empty(&g->signals)) && next_pending(g) != NULL;
}

uint64_t gr_signal_pending_set(struct gr_greenlet *g)
{
	uint64_t set = 0;

	gr_list_each(it, &g->signals)
		set |= GR_SIGBIT(gr_container(it, struct pending, link)->info.si_signo);
	return set;
}

bool gr_signal_take(uint64_t set, siginfo_t *ret_info)
{
	struct pending *p = first_pending(gr_carrier()->current, set);

	if (!p)
		return false;
	*ret_info = p->info;
	gr_list_del(&p->link);
	gr_list_push(&s.free, &p->link);
	return true;
}

static struct pending *node_new(void)
{
	struct pending *p;

	if (gr_list_empty(&s.free))
		return s.nodes_used < PENDING_MAX ? &s.nodes[s.nodes_used++] : NULL;
	p = gr_list_first(&s.free, struct pending, link);
	gr_list_del(&p->link);
	return p;
}

int gr_signal_send(struct gr_greenlet *g, int sig, const siginfo_t *info)
{
	struct gr_carrier *c = gr_carrier();
	struct pending *p;
	bool let_in = !(g->sigmask & GR_SIGBIT(sig));

	if (let_in && ignored(sig))
		return 0;
	if (sig < 32 && (gr_signal_pending_set(g) & GR_SIGBIT(sig)))
		return 0;		/* as in the kernel, only one of each can be pending */
	p = node_new();
	if (!p)
		return sig < 32 ? 0 : -EAGAIN;
	p->info = *info;
	p->info.si_signo = sig;
	gr_list_push(&g->signals, &p->link);
	if (!let_in && !(g->waits_for & GR_SIGBIT(sig)))
		return 0;
	if (g == c->current)
		c->todo |= GR_TODO_SIGNAL;
	else if (g->park_flags & GR_PARK_INTR)
		gr_wake(g, -EINTR);
	return 0;
}

/* A signal to the process goes to the main thread if that lets it in, as the kernel would have it. */
static struct gr_greenlet *whose(int sig)
{
	struct gr_carrier *c = gr_carrier();
	uint64_t bit = GR_SIGBIT(sig);

	if (!(c->main->sigmask & bit) && c->main->state != GR_DEAD)
		return c->main;
	if (c->current != c->hub && c->current->state != GR_DEAD && !(c->current->sigmask & bit))
		return c->current;
	gr_list_each(it, &c->all) {
		struct gr_greenlet *g = gr_container(it, struct gr_greenlet, all);

		if (!g->service && !(g->sigmask & bit))
			return g;
	}
	return c->main->state != GR_DEAD || c->current == c->hub ? c->main : c->current;
}

void gr_signal_collect(void)
{
	struct gr_carrier *c = gr_carrier();

	while (c->signals_collected != c->signals_arrived) {
		unsigned i = c->signals_collected % ARRIVALS_MAX;
		struct gr_greenlet *g = s.arrivals_for[i] ? gr_find_tid(s.arrivals_for[i]) : NULL;
		int sig = s.arrivals[i].si_signo;

		gr_signal_send(g ? g : whose(sig), sig, &s.arrivals[i]);
		c->signals_collected++;
	}
}

/* --- the kernel's side ------------------------------------------------------------------------------------------------------ */

/* A signal that is now ignored is no longer pending anywhere. */
static void forget_pending(int sig)
{
	gr_list_each(it, &gr_carrier()->all) {
		struct gr_greenlet *g = gr_container(it, struct gr_greenlet, all);

		gr_list_each_safe(sit, &g->signals)
			if (gr_container(sit, struct pending, link)->info.si_signo == sig) {
				gr_list_del(sit);
				gr_list_push(&s.free, sit);
			}
	}
}

static void set_kernel_action(int sig, const struct gr_action *a)
{
	struct gr_action k = *a;

	if (sig == GR_SIG_INTERRUPT && s.own_action)
		return;
	if (has_handler(sig) || sig == SIGSEGV || sig == SIGBUS || (s.timer_signals & GR_SIGBIT(sig))) {
		k.handler = gr_signal_entry;
		k.flags = (a->flags | SA_SIGINFO | SA_RESTORER) & ~(unsigned long)(SA_RESETHAND | SA_NODEFER);
		k.mask = ALL_SIGNALS;
		if (!(a->flags & SA_RESTORER))
			k.restorer = (void (*)(void))gr_restorer;
		if (s.altstack_lent)
			k.flags = has_handler(sig) ? k.flags & ~(unsigned long)SA_ONSTACK : k.flags | SA_ONSTACK;
	}
	raw(SYS_rt_sigaction, sig, &k, 0, 8);
}

/*
 * Without an alternate stack the kernel cannot tell of a stack overflow.  As long as the program has never set one the kernel has ours,
 * and uses it for the default actions of SIGSEGV and SIGBUS alone.  The program never sees it.
 */
bool gr_signal_altstack_lent(void)
{
	return s.altstack_lent;
}

static void lend_altstack(void)
{
	stack_t ours = { .ss_sp = s.altstack, .ss_size = sizeof(s.altstack) };

	if (gr_carrier()->main->altstack.ss_flags & SS_DISABLE)
		s.altstack_lent = raw(SYS_sigaltstack, &ours, 0) == 0;
}

void gr_signal_altstack_replaced(void)
{
	s.altstack_lent = false;
	if (s.own_action)
		gr_signal_own_action();
	for (int sig = 1; sig < GR_NSIG; sig++)
		if (sig == SIGSEGV || sig == SIGBUS || (has_handler(sig) && (s.actions[sig].flags & SA_ONSTACK)))
			set_kernel_action(sig, &s.actions[sig]);
}

/*
 * The program's handler, on the stack and in the signal frame the kernel made.  Signals are blocked here, open in the handler.  In the
 * frame the handler finds the mask of its greenlet, and may change it; the signal return finds there what the kernel is to block.
 */
static void run_handler(int sig, siginfo_t *info, ucontext_t *uc)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *g = c->current;
	struct gr_action a = s.actions[sig];
	uint64_t all = ALL_SIGNALS, back = g->sigmask;
	stack_t kernels = uc->uc_stack;

	c->kernel_mask = ALL_SIGNALS;
	memcpy(&uc->uc_sigmask, &back, sizeof(back));
	if (s.altstack_lent)
		uc->uc_stack = (stack_t){ .ss_flags = 0 };
	if (a.flags & SA_RESETHAND) {
		s.actions[sig] = (struct gr_action){ .handler = (void *)SIG_DFL };
		set_kernel_action(sig, &s.actions[sig]);
	}
	own_mask(g, (back | a.mask | (a.flags & SA_NODEFER ? 0 : GR_SIGBIT(sig))) & ~UNBLOCKABLE);
	kernel_mask(g->sigmask);
	a.handler(sig, info, uc);
	raw(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, 8);
	memcpy(&back, &uc->uc_sigmask, sizeof(back));
	own_mask(g, back & ~UNBLOCKABLE);
	c->kernel_mask_for = g->sigmask;
	back = c->kernel_mask = blocked_for(back);
	memcpy(&uc->uc_sigmask, &back, sizeof(back));
	if (s.altstack_lent)		/* the signal return sets it */
		uc->uc_stack = kernels;
	if (gr_signal_pending())
		c->todo |= GR_TODO_SIGNAL;
}

/* A fault that the program has no handler for: as if we had never had one. */
static void default_action(int sig)
{
	struct gr_action dfl = { .handler = (void *)SIG_DFL };

	raw(SYS_rt_sigaction, sig, &dfl, 0, 8);
}

static bool is_fault(int sig, const siginfo_t *info)
{
	return (sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL || sig == SIGTRAP) && info->si_code > 0;
}

static void on_fault(int sig, siginfo_t *info, ucontext_t *uc)
{
	uintptr_t pc = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];

	if (pc >= (uintptr_t)gr_user_copy_begin && pc < (uintptr_t)gr_user_copy_end) {
		uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)gr_user_copy_fault;
		return;
	}
	if (has_handler(sig) && !(gr_carrier()->current->sigmask & GR_SIGBIT(sig))) {
		run_handler(sig, info, uc);
		return;
	}
	if (s.altstack_lent && !has_handler(sig))
		gr_overflow_tell((uintptr_t)info->si_addr, (uintptr_t)uc->uc_mcontext.gregs[REG_RSP]);
	default_action(sig);		/* the instruction faults again, now with the default action */
}

/* Whose timer has expired?  0: nobody's, an ordinary signal */
static int timer_target(const siginfo_t *info)
{
	if (info->si_code != SI_TIMER || !(s.timer_signals & GR_SIGBIT(info->si_signo)))
		return 0;
	for (size_t i = 0; i < TIMERS_MAX; i++)
		if (s.timers[i].tid && s.timers[i].id == info->si_timerid)
			return s.timers[i].tid;
	return 0;
}

/* A note for gr_signal_collect().  SIGPIPE and SIGXFSZ are the doing of the call that is being made, so of the current greenlet. */
static void note_arrival(struct gr_carrier *c, int sig, const siginfo_t *info, int tid)
{
	unsigned i = c->signals_arrived % ARRIVALS_MAX;

	if (c->signals_arrived - c->signals_collected == ARRIVALS_MAX)
		return;
	s.arrivals[i] = *info;
	s.arrivals[i].si_signo = sig;
	s.arrivals_for[i] = tid;
	if ((sig == SIGPIPE || sig == SIGXFSZ) && c->current != c->hub)
		s.arrivals_for[i] = c->current->tid;
	c->signals_arrived++;
	c->todo |= GR_TODO_SIGNAL;
	if (c->current == c->hub)
		gr_hub_kick();
}

static void arrive(struct gr_carrier *c, int sig, const siginfo_t *info, int tid)
{
	note_arrival(c, sig, info, tid);
	if (c->inside)
		return;
	c->inside = GR_INSIDE;
	gr_signal_collect();
	c->inside = GR_OUTSIDE;
}

/* On a kernel thread that is not ours, or in a vfork child, which runs in our memory: nothing of ours may be touched. */
static void on_foreign_thread(int sig, siginfo_t *info, ucontext_t *uc)
{
	if (has_handler(sig)) {
		s.actions[sig].handler(sig, info, uc);
		return;
	}
	default_action(sig);
	if (!is_fault(sig, info))
		raw(SYS_rt_tgsigqueueinfo, raw(SYS_getpid), raw(SYS_gettid), sig, info);
}

static bool is_for_current(struct gr_carrier *c, int sig)
{
	return !c->inside && !(c->current->sigmask & GR_SIGBIT(sig)) && whose(sig) == c->current;
}

/* One that is never blocked in the kernel */
static bool blocked_by_all(int sig)
{
	return ((s.timer_signals | GR_SIGBIT(GR_SIG_INTERRUPT)) & GR_SIGBIT(sig)) && (whose(sig)->sigmask & GR_SIGBIT(sig));
}

static void on_signal(struct gr_carrier *c, int sig, siginfo_t *info, ucontext_t *uc)
{
	int tid;

	if (s.delivering == sig) {
		s.delivering = 0;
		c->inside = GR_OUTSIDE;
		run_handler(sig, info, uc);
		c->inside = GR_INSIDE;
		return;
	}
	tid = timer_target(info);
	if (ignored(sig))
		return;
	if (tid || blocked_by_all(sig)) {
		arrive(c, sig, info, tid);
	} else if (!has_handler(sig)) {		/* hooked for faults only, or reset meanwhile */
		default_action(sig);
		raw(SYS_rt_tgsigqueueinfo, c->pid, c->tid, sig, info);
	} else if (is_for_current(c, sig)) {
		run_handler(sig, info, uc);
	} else {
		arrive(c, sig, info, 0);
	}
}

/* Which kernel thread this is only the kernel can say: between two greenlets the FS base is still, or already, another's. */
void gr_signal_entry(int sig, siginfo_t *info, void *context)
{
	struct gr_carrier *c = gr_carrier();
	bool cloned;

	if (raw(SYS_gettid) != c->tid) {
		on_foreign_thread(sig, info, context);
		return;
	}
	cloned = c->inside == GR_INSIDE_CLONE;		/* and we are the parent, in its own code or about to be */
	if (cloned)
		c->inside = GR_OUTSIDE;
	if (is_fault(sig, info))
		on_fault(sig, info, context);
	else
		on_signal(c, sig, info, context);
	if (cloned)
		c->inside = GR_INSIDE_CLONE;
}

/*
 * Signal GR_SIG_INTERRUPT: a tick of preempt.c, an offload thread's call to be broken off, or the program's own, for which the number is as
 * good as any other.  It comes with nothing blocked, since a tick may switch; the program's goes on as all of its signals do.
 */
static void own_entry(int sig, siginfo_t *info, void *context)
{
	struct gr_carrier *c = gr_carrier();
	uint64_t all = ALL_SIGNALS;
	bool carriers = raw(SYS_gettid) == c->tid;

	if (carriers && gr_preempt_is_tick(info)) {
		gr_preempt_tick(context);
	} else if (carriers) {
		raw(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, 8);
		gr_signal_entry(sig, info, context);
	} else if (!gr_offload_is_thread()) {
		on_foreign_thread(sig, info, context);
	} else if (info->si_code == SI_TKILL) {
		gr_interrupt_handler(sig, info, context);
	} else {
		raw(SYS_rt_tgsigqueueinfo, c->pid, c->tid, sig, info);
	}
}

void gr_signal_own_action(void)
{
	struct gr_action act = { .flags = SA_SIGINFO | SA_RESTORER | SA_RESTART | SA_NODEFER, .restorer = (void (*)(void))gr_restorer };

	act.handler = own_entry;
	if (!s.altstack_lent)
		act.flags |= SA_ONSTACK;
	raw(SYS_rt_sigaction, GR_SIG_INTERRUPT, &act, 0, 8);
	s.own_action = true;
}

int gr_signal_deliver(bool *ret_restart)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *g = c->current;
	struct pending *p;
	int ran = 0;

	*ret_restart = true;
	while ((p = next_pending(g)) != NULL) {
		siginfo_t info = p->info;
		int sig = info.si_signo;

		gr_list_del(&p->link);
		gr_list_push(&s.free, &p->link);
		if (ignored(sig))
			continue;
		if (has_handler(sig) && ran++ == 0)
			*ret_restart = (s.actions[sig].flags & SA_RESTART) != 0;
		s.delivering = has_handler(sig) ? sig : 0;
		raw(SYS_rt_tgsigqueueinfo, c->pid, c->tid, sig, &info);
		s.delivering = 0;
	}
	return ran;
}

/* --- start, fork, birth and death ------------------------------------------------------------------------------------------ */

void gr_signal_born(struct gr_greenlet *g)
{
	g->sigmask = gr_carrier()->current->sigmask;
	class_add(g->sigmask);
}

void gr_signal_dead(struct gr_greenlet *g)
{
	class_drop(g->sigmask);
	gr_list_splice(&s.free, &g->signals);
}

void gr_signal_renew(struct gr_greenlet *g, uint64_t mask)
{
	gr_list_splice(&s.free, &g->signals);
	own_mask(g, mask & ~UNBLOCKABLE);
}

/* Not those of faults, and not libc's own two. */
bool gr_signal_any_handler(void)
{
	for (int sig = 1; sig < GR_NSIG; sig++)
		if (has_handler(sig) && sig != SIGSEGV && sig != SIGBUS && sig != SIGILL && sig != SIGFPE && sig != SIGABRT && sig != SIGSYS &&
		    sig != 32 && sig != 33)
			return true;
	return false;
}

int gr_signal_start(void)
{
	struct gr_carrier *c = gr_carrier();

	gr_list_init(&s.free);
	for (int sig = 1; sig < GR_NSIG; sig++)
		raw(SYS_rt_sigaction, sig, 0, &s.actions[sig], 8);
	raw(SYS_rt_sigprocmask, SIG_SETMASK, 0, &c->kernel_mask, 8);
	c->main->sigmask = c->kernel_mask;
	c->kernel_mask_for = ALL_SIGNALS;	/* nobody's, as two of them cannot be blocked */
	class_add(c->main->sigmask);
	raw(SYS_sigaltstack, 0, &c->main->altstack);
	gr_overflow_start();
	lend_altstack();
	set_kernel_action(SIGSEGV, &s.actions[SIGSEGV]);
	set_kernel_action(SIGBUS, &s.actions[SIGBUS]);
	for (int sig = 1; sig < GR_NSIG; sig++)
		if (has_handler(sig))
			set_kernel_action(sig, &s.actions[sig]);
	return 0;
}

void gr_signal_fork_child(void)
{
	struct gr_greenlet *g = gr_carrier()->current;

	gr_list_splice(&s.free, &g->signals);	/* pending signals and timers are not inherited */
	memset(s.timers, 0, sizeof(s.timers));
	gr_carrier()->signals_collected = gr_carrier()->signals_arrived;
}

/* The new program inherits the mask, and must not find a tick pending. */
void gr_signal_exec_begins(void)
{
	struct gr_carrier *c = gr_carrier();

	c->kernel_mask = c->current->sigmask;
	raw(SYS_rt_sigprocmask, SIG_SETMASK, &c->kernel_mask, 0, 8);
}

void gr_signal_exec_failed(void)
{
	kernel_mask(gr_carrier()->current->sigmask);
}

/* --- the calls -------------------------------------------------------------------------------------------------------------- */

long gr_signal_action(int sig, const struct gr_action *act, struct gr_action *old)
{
	struct gr_action was, now;

	if (sig < 1 || sig >= GR_NSIG || (act && (sig == SIGKILL || sig == SIGSTOP)))
		return -EINVAL;
	if (act && gr_user_read(&now, act, sizeof(now)) < 0)
		return -EFAULT;
	was = s.actions[sig];
	if (act) {
		now.mask &= ~UNBLOCKABLE;
		s.actions[sig] = now;
		set_kernel_action(sig, &now);
		if (ignored(sig))
			forget_pending(sig);
	}
	return old ? gr_user_write(old, &was, sizeof(was)) : 0;
}

/*
 * A timer for one thread (SIGEV_THREAD_ID, which libc's SIGEV_THREAD uses too) is aimed at the carrier, the only thread the kernel knows;
 * its signal carries the timer's number, by which it is queued for the greenlet meant.
 */
int gr_signal_timer_begin(int sig)
{
	size_t used = 0;

	if (sig < 1 || sig >= GR_NSIG)
		return -EINVAL;
	for (size_t i = 0; i < TIMERS_MAX; i++)
		used += s.timers[i].tid != 0;
	if (used == TIMERS_MAX)
		return -EAGAIN;
	if (!(s.timer_signals & GR_SIGBIT(sig))) {
		s.timer_signals |= GR_SIGBIT(sig);
		set_kernel_action(sig, &s.actions[sig]);
		kernel_mask(gr_carrier()->current->sigmask);
	}
	return 0;
}

void gr_signal_timer_made(int id, int tid)
{
	for (size_t i = 0; i < TIMERS_MAX; i++)
		if (!s.timers[i].tid) {
			s.timers[i].id = id;
			s.timers[i].tid = tid;
			return;
		}
}

void gr_signal_timer_gone(int id)
{
	for (size_t i = 0; i < TIMERS_MAX; i++)
		if (s.timers[i].tid && s.timers[i].id == id)
			s.timers[i].tid = 0;
}

int gr_user_read(void *to, const void *from, size_t n)
{
	return gr_user_copy(to, from, n) ? -EFAULT : 0;
}

int gr_user_write(void *to, const void *from, size_t n)
{
	return gr_user_copy(to, from, n) ? -EFAULT : 0;
}
