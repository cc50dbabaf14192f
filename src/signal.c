/*
 * signal.c - actions, the one handler the kernel knows, and delivery
 *
 * A signal's way: kernel -> gr_signal_entry() -> either the program's handler at once, when it is for the greenlet that was interrupted in its
 * own code, or the list of arrivals.  gr_signal_collect() moves arrivals to the greenlet each is for and wakes that;
 * gr_signal_deliver(), on that greenlet, makes the kernel deliver it again, to ourselves, so that handler, siginfo and signal frame
 * are the kernel's own.  Handlers run with the mask the program asked for; gr_signal_entry() itself runs with everything blocked.
 */
#include "signal_parts.h"
#include "arch/x86_64/arch.h"
#include "overflow.h"
#include "preempt.h"

/* as the kernel keeps them: what it does not know is taken out, so that programs can ask */
#define KNOWN_FLAGS	((unsigned long)(SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER | SA_RESETHAND) | \
			 SA_RESTORER | 0x800ul /* SA_EXPOSE_TAGBITS */)

#define OF_ITIMERS	(GR_SIGBIT(SIGALRM) | GR_SIGBIT(SIGVTALRM) | GR_SIGBIT(SIGPROF))
#define AT_ONCE		64		/* handlers run by one gr_signal_deliver() */

static struct signals {
	struct gr_action actions[GR_NSIG];	/* as the program set them */
	uint32_t lock;				/* atomic: of actions, once there are native threads */
	int delivering;				/* the signal that gr_signal_deliver() has just sent the current greenlet, or 0 */
	int delivering_code;			/* and what else is known of it */
	void *delivering_value;
	bool own_action;			/* the kernel has own_entry() for GR_SIG_INTERRUPT */
	uint64_t contested;			/* waited for by one greenlet, let in by another */
	bool exec;				/* in gr_signal_exec(), or a raw clone: what is ignored the kernel ignores */
	volatile int came;			/* in gr_signal_exec(): there is something to handle before the call */
	int lent;				/* signals pending in the kernel for that time, of the set below */
	uint64_t lent_set;
} s;

/* --- actions -------------------------------------------------------------------------------------------------------------- */

static void lock(void)
{
	while (gr_carrier()->natives && __atomic_exchange_n(&s.lock, 1, __ATOMIC_ACQUIRE))
		raw(SYS_sched_yield);
}

static void unlock(void)
{
	__atomic_store_n(&s.lock, 0, __ATOMIC_RELEASE);
}

struct gr_action gr_signal_get_action(int sig)
{
	struct gr_action a;

	lock();
	a = s.actions[sig];
	unlock();
	return a;
}

bool gr_signal_has_handler(int sig)
{
	return s.actions[sig].handler != (void *)SIG_DFL && s.actions[sig].handler != (void *)SIG_IGN;
}

bool gr_signal_ignored(int sig)
{
	if (s.actions[sig].handler == (void *)SIG_IGN)
		return true;
	return s.actions[sig].handler == (void *)SIG_DFL &&
	       (sig == SIGCHLD || sig == SIGURG || sig == SIGWINCH || sig == SIGCONT);
}

/* Must the kernel call us, whatever the program's action is? */
static bool is_hooked(int sig)
{
	uint64_t bit = GR_SIGBIT(sig);

	if (s.actions[sig].handler == (void *)SIG_IGN && (s.exec || (OF_WRITERS & bit)))
		return false;
	return ((FAULTS | OF_WRITERS | gr_signal_of_timers | s.contested) & bit) != 0;
}

/* While one greenlet waits for a signal and another lets it in, who gets it is for us to say, even if its action is the default one. */
void gr_signal_contested(uint64_t set)
{
	uint64_t changed = set ^ s.contested;

	s.contested = set;
	for (int sig = 1; sig < GR_NSIG; sig++)
		if ((changed & GR_SIGBIT(sig)) && !gr_signal_has_handler(sig))
			gr_signal_set_kernel_action(sig);
}

uint64_t gr_signal_now_contested(void)
{
	return s.contested;
}

bool gr_signal_entered(int sig)
{
	return gr_signal_has_handler(sig) || is_hooked(sig);
}

void gr_signal_set_kernel_action(int sig)
{
	struct gr_action k = s.actions[sig];

	if (sig == SIGKILL || sig == SIGSTOP)
		return;
	if (sig == GR_SIG_INTERRUPT && s.own_action && !s.exec) {
		gr_signal_own_action();
		return;
	}
	if (gr_signal_entered(sig)) {
		if (!(k.flags & SA_RESTORER))
			k.restorer = (void (*)(void))gr_restorer;
		k.handler = gr_signal_entry;
		k.flags = gr_signal_stack_flags(sig, (k.flags | SA_SIGINFO | SA_RESTORER) & ~(unsigned long)(SA_RESETHAND | SA_NODEFER));
		k.mask = ALL_SIGNALS;
		if (sig == SIGTTIN || sig == SIGTTOU)		/* a call on a terminal would send it again before the program's handler ran */
			k.flags &= ~(unsigned long)SA_RESTART;
	}
	raw(SYS_rt_sigaction, sig, &k, 0, 8);
}

/* As the kernel does it: flags and mask stay. */
void gr_signal_reset(int sig)
{
	s.actions[sig].handler = (void *)SIG_DFL;
	gr_signal_set_kernel_action(sig);
}

/* What it was; the new one, if @a.  With all signals blocked, since on a native thread a handler takes the lock. */
static struct gr_action exchange_action(int sig, const struct gr_action *a)
{
	uint64_t all = ALL_SIGNALS, mask;
	struct gr_action was;

	raw(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, 8);
	lock();
	was = s.actions[sig];
	if (a) {
		s.actions[sig] = *a;
		gr_signal_set_kernel_action(sig);
	}
	unlock();
	raw(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
	return was;
}

long gr_signal_action(int sig, const struct gr_action *act, struct gr_action *old)
{
	struct gr_action was, now;

	if (sig < 1 || sig >= GR_NSIG || (act && (sig == SIGKILL || sig == SIGSTOP)))
		return -EINVAL;
	if (act && gr_user_read(&now, act, sizeof(now)) < 0)
		return -EFAULT;
	if (act) {
		now.mask &= ~UNBLOCKABLE;
		now.flags &= KNOWN_FLAGS;
	}
	was = exchange_action(sig, act ? &now : NULL);
	if (act && gr_signal_ignored(sig)) {
		if (raw(SYS_gettid) == gr_carrier()->tid)
			gr_signal_forget(sig);
		else
			gr_signal_forget_later(sig);
	}
	return old ? gr_user_write(old, &was, sizeof(was)) : 0;
}

/* Not those of faults, and not libc's own two. */
bool gr_signal_any_handler(void)
{
	for (int sig = 1; sig < GR_NSIG; sig++)
		if (gr_signal_has_handler(sig) && sig != SIGSEGV && sig != SIGBUS && sig != SIGILL && sig != SIGFPE && sig != SIGABRT &&
		    sig != SIGSYS && sig != 32 && sig != 33)
			return true;
	return false;
}

/* --- handlers ------------------------------------------------------------------------------------------------------------- */

/* With everything blocked, outside.  What came just now is seen to as well: it may be the last for long, as the kernel keeps a timer's next. */
static bool more_pending(struct gr_carrier *c)
{
	if (c->signals_collected != c->signals_arrived) {
		c->inside = GR_INSIDE;
		gr_signal_collect_closed();
		c->inside = GR_OUTSIDE;
	}
	return gr_signal_pending();
}

/* What has become deliverable while we are in a signal frame, outside.  Leaves everything blocked, and the mask to go on with in the frame. */
static void deliver_more(struct gr_carrier *c, ucontext_t *uc)
{
	uint64_t mask;
	bool restart;

	while (more_pending(c)) {
		c->inside = GR_INSIDE;
		c->kernel_mask = ALL_SIGNALS;
		c->todo &= ~GR_TODO_SIGNAL;
		gr_signal_deliver(&restart);
		gr_signal_block_all();
		c->inside = GR_OUTSIDE;
	}
	mask = c->kernel_mask = gr_signal_kernels();
	memcpy(&uc->uc_sigmask, &mask, sizeof(mask));
}

/*
 * What is to interrupt a handler before its first instruction; leaves c->inside as @inside.  What comes between the last look and the way out
 * is seen to as well: the handler may wait for it without making a call, and of a timer's the kernel keeps the next.
 */
static void deliver_before(struct gr_carrier *c, uint32_t inside)
{
	bool restart;
	int n = 0;

	do {
		c->inside = GR_INSIDE;
		n += 1 + gr_signal_deliver(&restart);
		c->inside = inside;
	} while (GR_UNLIKELY(inside == GR_OUTSIDE && c->signals_collected != c->signals_arrived) && n < AT_ONCE);
}

/*
 * The program's handler, on the stack and in the signal frame the kernel made.  Signals are blocked here, open in the handler.  In the
 * frame the handler finds the mask of its greenlet, and may change it; the signal return finds there what the kernel is to block.
 * As in the kernel, what else is pending interrupts the handler before its first instruction: so the last one runs first.
 */
static void run_handler(int sig, siginfo_t *info, ucontext_t *uc, uint32_t inside)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *g = c->current;
	struct gr_action a = gr_signal_get_action(sig);
	uint64_t back = g->sigmask;
	uint32_t was = c->inside;
	stack_t kernels = gr_signal_stack_enter(g, uc);

	c->inside = GR_INSIDE;
	c->kernel_mask = ALL_SIGNALS;
	memcpy(&uc->uc_sigmask, &back, sizeof(back));
	if (a.flags & SA_RESETHAND)
		gr_signal_reset(sig);
	gr_signal_mask_of(g, back | a.mask | (a.flags & SA_NODEFER ? 0 : GR_SIGBIT(sig)));
	gr_signal_apply();
	deliver_before(c, inside);
	a.handler(sig, info, uc);
	gr_signal_block_all();
	c->inside = was;
	memcpy(&back, &uc->uc_sigmask, sizeof(back));
	gr_signal_mask_of(g, back);
	gr_signal_stack_leave(g, uc, &kernels);
	if (was == GR_OUTSIDE) {
		deliver_more(c, uc);
		return;
	}
	back = c->kernel_mask = gr_signal_kernels();
	memcpy(&uc->uc_sigmask, &back, sizeof(back));
	if (gr_signal_pending())
		c->todo |= GR_TODO_SIGNAL;
}

/*
 * Where the kernel will not queue a signal for us: no room (RLIMIT_SIGPENDING), or a filter of system calls.  Not inlined, since its
 * caller lies below every handler, also on the smallest of stacks.
 */
__attribute__((noinline)) static void run_handler_here(int sig, siginfo_t *info)
{
	ucontext_t uc;

	memset(&uc, 0, sizeof(uc));
	uc.uc_stack = gr_carrier()->current->altstack;
	gr_signal_block_all();
	run_handler(sig, info, &uc, GR_OUTSIDE);
	gr_carrier()->kernel_mask = ALL_SIGNALS;
	gr_signal_apply();
}

/* --- the kernel's side ---------------------------------------------------------------------------------------------------- */

/* As if we had never had one. */
static void default_action(int sig)
{
	struct gr_action dfl = { .handler = (void *)SIG_DFL };

	raw(SYS_rt_sigaction, sig, &dfl, 0, 8);
}

bool gr_signal_is_fault(int sig, const siginfo_t *info)
{
	return (sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL || sig == SIGTRAP || sig == SIGSYS) && info->si_code > 0;
}

/* Most faults come again when the instruction is made again, now with the default action; the last two do not. */
void gr_signal_fatal(int sig, const siginfo_t *info)
{
	default_action(sig);
	if (!gr_signal_is_fault(sig, info) || sig == SIGTRAP || sig == SIGSYS)
		raw(SYS_rt_tgsigqueueinfo, raw(SYS_getpid), raw(SYS_gettid), sig, info);
}

void gr_signal_fatal_first(void)
{
	struct gr_greenlet *g = gr_carrier()->current;
	siginfo_t info;

	for (int sig = 1; sig < GR_NSIG; sig++)
		if ((g->pending & ~g->sigmask & GR_SIGBIT(sig)) && !gr_signal_has_handler(sig) && !gr_signal_ignored(sig) &&
		    gr_signal_take_own(GR_SIGBIT(sig), &info)) {
			gr_signal_fatal(sig, &info);
			return;
		}
}

bool gr_signal_mend_copy(ucontext_t *uc)
{
	uintptr_t pc = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];

	if (pc < (uintptr_t)gr_user_copy_begin || pc >= (uintptr_t)gr_user_copy_end)
		return false;
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)gr_user_copy_fault;
	return true;
}

static void on_fault(int sig, siginfo_t *info, ucontext_t *uc)
{
	struct gr_carrier *c = gr_carrier();

	if (gr_signal_mend_copy(uc))
		return;
	if (gr_signal_has_handler(sig) && !(c->current->sigmask & GR_SIGBIT(sig))) {
		run_handler(sig, info, uc, c->inside);
		return;
	}
	if (gr_signal_altstack_lent() && !gr_signal_has_handler(sig))
		gr_overflow_tell((uintptr_t)info->si_addr, (uintptr_t)uc->uc_mcontext.gregs[REG_RSP]);
	gr_signal_fatal(sig, info);
}

/*
 * The thread it is meant for, or 0: the process.  SIGPIPE and SIGXFSZ are the doing of the call that is being made, so of the current one;
 * SIGTTIN and SIGTTOU are the process group's, but in the kernel, too, who makes the call sees them first.
 */
static int directed_to(struct gr_carrier *c, int sig, const siginfo_t *info)
{
	int tid = gr_signal_timer_target(info);

	if (tid)
		return tid;
	if (info->si_code == SI_TKILL)
		return c->main->tid;
	if (!c->inside || c->current == c->hub)
		return 0;
	if ((OF_WRITERS & GR_SIGBIT(sig)) && info->si_code == SI_USER && info->si_pid == c->pid)
		return c->current->tid;
	return (sig == SIGTTIN || sig == SIGTTOU) && info->si_code == SI_KERNEL ? c->current->tid : 0;
}

/*
 * A timer sends the next one as soon as the kernel has given us this one, where for a bare program one is pending until the handler begins.
 * One of a microsecond would leave no time for the handler: so the next one is to stay in the kernel.  Not where a timer is aimed at a thread:
 * there whoever waits for the number would find it, as the kernel knows one thread only.
 */
static uint64_t to_hold(const siginfo_t *info)
{
	bool timers = info->si_code == SI_TIMER || (info->si_code == SI_KERNEL && (OF_ITIMERS & GR_SIGBIT(info->si_signo)));

	return timers ? GR_SIGBIT(info->si_signo) & ~(NEEDED | gr_signal_of_timers) : 0;
}

static void set_frames_mask(struct gr_carrier *c, ucontext_t *uc, uint64_t mask)
{
	c->kernel_mask = mask;
	memcpy(&uc->uc_sigmask, &mask, sizeof(mask));
}

static void arrive(struct gr_carrier *c, const siginfo_t *info, int tid, ucontext_t *uc)
{
	bool full = gr_signal_note(info, tid);

	if (!c->inside) {
		bool closed = gr_signal_full || gr_signal_held;

		c->inside = GR_INSIDE;
		gr_signal_collect_closed();
		c->inside = GR_OUTSIDE;
		if (closed)
			set_frames_mask(c, uc, gr_signal_kernels());
		return;
	}
	if (GR_UNLIKELY(s.exec)) {
		s.came = true;
		gr_interrupt_handler(info->si_signo, NULL, uc);
	}
	gr_signal_held |= to_hold(info) & ~gr_signal_exact_now;
	if (full || gr_signal_held)
		set_frames_mask(c, uc, c->kernel_mask | ((full ? ALL_SIGNALS & ~FAULTS : gr_signal_held) & ~gr_signal_exact_now));
}

/*
 * Is it the one that we have just sent ourselves?  Another of the same number may come from outside just before: the value tells them apart,
 * which is what the kernel hands on untouched, and of two alike nobody knows which was first.
 */
static bool is_delivered(int sig, const siginfo_t *info)
{
	return s.delivering == sig && (sig < REALTIME || (info->si_code == s.delivering_code && info->si_ptr == s.delivering_value));
}

static void set_delivering(const siginfo_t *info)
{
	s.delivering_code = info->si_code;
	s.delivering_value = info->si_ptr;
	s.delivering = info->si_signo;
}

static void on_signal(struct gr_carrier *c, int sig, siginfo_t *info, ucontext_t *uc)
{
	struct gr_greenlet *who;
	bool lets_in;
	int tid;

	if (is_delivered(sig, info)) {
		s.delivering = 0;
		gr_signal_timer_handled(info);
		run_handler(sig, info, uc, GR_OUTSIDE);
		return;
	}
	tid = directed_to(c, sig, info);
	who = tid ? gr_find_tid(tid) : gr_signal_whose(info);
	lets_in = who && (!who->worker || who->api) && !(who->sigmask & GR_SIGBIT(sig));	/* a worker that rests is nobody */
	if (lets_in && !gr_signal_has_handler(sig) && !gr_signal_ignored(sig)) {
		gr_signal_fatal(sig, info);
	} else if (lets_in && who == c->current && !c->inside && gr_signal_has_handler(sig)) {
		gr_signal_timer_told(info);
		run_handler(sig, info, uc, GR_OUTSIDE);
	} else {
		arrive(c, info, tid, uc);
	}
	if (!c->inside && gr_signal_pending())
		deliver_more(c, uc);
}

/* Which kernel thread this is only the kernel can say: between two greenlets the FS base is still, or already, another's. */
void gr_signal_entry(int sig, siginfo_t *info, void *context)
{
	struct gr_carrier *c = gr_carrier();
	bool cloned;

	if (raw(SYS_gettid) != c->tid) {
		gr_signal_on_native(sig, info, context);
		return;
	}
	info->si_signo = sig;
	cloned = c->inside == GR_INSIDE_CLONE;		/* and we are the parent, in its own code or about to be */
	if (cloned)
		c->inside = GR_OUTSIDE;
	if (gr_signal_is_fault(sig, info))
		on_fault(sig, info, context);
	else
		on_signal(c, sig, info, context);
	if (cloned)
		c->inside = GR_INSIDE_CLONE;
}

/* A tick comes with nothing blocked, and switches.  With SS_AUTODISARM the kernel has forgotten the alternate stack until the return. */
static void tick(struct gr_carrier *c, ucontext_t *uc)
{
	struct gr_greenlet *g = c->current;
	stack_t armed = g->altstack;
	bool disarmed = !gr_signal_altstack_lent() && (armed.ss_flags & (int)SS_AUTODISARM);

	if (disarmed)
		g->altstack = (stack_t){ .ss_flags = SS_DISABLE };
	gr_preempt_tick(uc);
	if (disarmed)
		g->altstack = armed;
}

/*
 * Signal GR_SIG_INTERRUPT: a tick of preempt.c, an offload thread's call to be broken off, or the program's own, for which the number is as
 * good as any other.  The program's goes on as all of its signals do.
 */
static void own_entry(int sig, siginfo_t *info, void *context)
{
	struct gr_carrier *c = gr_carrier();
	bool carriers = raw(SYS_gettid) == c->tid;

	if (carriers && gr_preempt_is_tick(info)) {
		tick(c, context);
	} else if (carriers) {
		gr_signal_entry(sig, info, context);
	} else if (!gr_offload_is_thread()) {
		gr_signal_on_native(sig, info, context);
	} else if (info->si_code == SI_TKILL) {
		gr_interrupt_handler(sig, info, context);
	} else {
		raw(SYS_rt_tgsigqueueinfo, c->pid, c->tid, sig, info);
	}
}

void gr_signal_own_action(void)
{
	struct gr_action act = { .flags = SA_SIGINFO | SA_RESTORER | SA_RESTART, .restorer = (void (*)(void))gr_restorer, .mask = ALL_SIGNALS };

	act.handler = own_entry;
	if (!gr_signal_altstack_lent() || !gr_signal_has_handler(GR_SIG_INTERRUPT))	/* the program's handler is not for what we lend */
		act.flags |= SA_ONSTACK;
	raw(SYS_rt_sigaction, GR_SIG_INTERRUPT, &act, 0, 8);
	s.own_action = true;
}

/* --- delivery ------------------------------------------------------------------------------------------------------------- */

int gr_signal_deliver(bool *ret_restart)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *g = c->current;
	siginfo_t info;
	int ran = 0;

	*ret_restart = true;
	for (gr_signal_collect(); gr_signal_take(~g->sigmask, &info); gr_signal_collect()) {
		int sig = info.si_signo;

		if (gr_signal_ignored(sig))
			continue;
		if (gr_signal_has_handler(sig) && ran++ == 0)
			*ret_restart = (s.actions[sig].flags & SA_RESTART) != 0;
		gr_signal_apply();
		if (gr_signal_has_handler(sig))
			set_delivering(&info);
		if (raw(SYS_rt_tgsigqueueinfo, c->pid, c->tid, sig, &info) < 0 && s.delivering) {
			s.delivering = 0;
			run_handler_here(sig, &info);
		}
		if (s.delivering) {		/* so many have come that the kernel blocks all: it is the first to get in when there is room */
			gr_signal_collect();
			gr_signal_apply();
		}
		s.delivering = 0;
		if (ran == AT_ONCE) {		/* they come faster than they are handled: who was interrupted is to get on, too */
			c->todo |= GR_TODO_SIGNAL;
			break;
		}
	}
	return ran;
}

void gr_signal_on_return(ucontext_t *uc)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *g = c->current;
	uint64_t mask;
	siginfo_t info;

	c->todo &= ~GR_TODO_SIGNAL;
	if (c->signals_collected != c->signals_arrived)		/* since we were switched to */
		gr_signal_collect_closed();
	mask = gr_signal_kernels();
	while (gr_signal_take(~g->sigmask, &info)) {
		if (gr_signal_ignored(info.si_signo))
			continue;
		if (gr_signal_has_handler(info.si_signo))		/* it sees to the others */
			set_delivering(&info);
		if (raw(SYS_rt_tgsigqueueinfo, c->pid, c->tid, info.si_signo, &info) == 0)
			break;
		s.delivering = 0;
		gr_signal_queue(g, &info);			/* no room in the kernel: at the end of the next call */
		break;
	}
	if (!s.delivering && gr_signal_pending())
		c->todo |= GR_TODO_SIGNAL;
	c->kernel_mask = mask;
	memcpy(&uc->uc_sigmask, &mask, sizeof(mask));
}

/* --- start, fork, exec ---------------------------------------------------------------------------------------------------- */

int gr_signal_start(void)
{
	uint64_t mask;

	for (int sig = 1; sig < GR_NSIG; sig++)
		raw(SYS_rt_sigaction, sig, 0, &s.actions[sig], 8);
	raw(SYS_rt_sigprocmask, SIG_SETMASK, 0, &mask, 8);
	gr_signal_mask_start(mask);
	gr_overflow_start();
	gr_signal_stack_start();
	gr_signal_own_action();
	for (int sig = 1; sig < GR_NSIG; sig++)
		if (gr_signal_entered(sig))
			gr_signal_set_kernel_action(sig);
	gr_signal_apply();
	return 0;
}

void gr_signal_fork_child(void)
{
	gr_signal_queue_fork_child(gr_carrier()->current);
	gr_signal_wait_fork_child();
	gr_signal_timer_fork_child();
	gr_signal_native_fork_child();
	gr_signal_stack_fork_child();
	gr_signal_mask_fork_child();
	gr_signal_apply();
}

/* What the program ignores and we do not must be ignored by the kernel where a new program is to find it so. */
static void set_ignored(bool exec)
{
	s.exec = exec;
	for (int sig = 1; sig < GR_NSIG; sig++)
		if (s.actions[sig].handler == (void *)SIG_IGN && ((FAULTS | GR_SIGBIT(GR_SIG_INTERRUPT) | gr_signal_of_timers) & GR_SIGBIT(sig)))
			gr_signal_set_kernel_action(sig);
	if (!exec)
		gr_signal_own_action();
}

void gr_signal_clone_begins(void)
{
	set_ignored(true);
	gr_signal_exact(ALL_SIGNALS);
}

void gr_signal_clone_done(void)
{
	set_ignored(false);
	gr_signal_apply();
}

/* The new program inherits the mask, what is ignored, and what is pending for this thread and for the process. */
static void exec_begins(struct gr_carrier *c)
{
	gr_signal_block_all();		/* what comes from now on is the new program's */
	gr_signal_collect_closed();
	s.lent_set = c->current->sigmask;
	s.lent = gr_signal_lend(s.lent_set);
	gr_signal_nobodys_to_kernel();
	set_ignored(true);
	s.came = (c->current->pending & ~c->current->sigmask) != 0;
	gr_signal_exact(ALL_SIGNALS);
}

static void exec_failed(void)
{
	gr_signal_block_all();
	set_ignored(false);
	gr_signal_take_back(s.lent_set, s.lent);
}

/* Where the mask is open for the new program our handler may still be entered, and what it notes would be lost with our lists. */
long gr_signal_exec(const long call[7], bool anyhow)
{
	long r;

	exec_begins(gr_carrier());
	r = anyhow ? raw_syscall6(call[0], call[1], call[2], call[3], call[4], call[5], call[6]) : gr_raw_interruptible(&s.came, call);
	exec_failed();
	return r;
}

int gr_user_read(void *to, const void *from, size_t n)
{
	return gr_user_copy(to, from, n) ? -EFAULT : 0;
}

int gr_user_write(void *to, const void *from, size_t n)
{
	return gr_user_copy(to, from, n) ? -EFAULT : 0;
}

int gr_user_writable(uint32_t *word)
{
	return gr_user_touch(word) ? -EFAULT : 0;
}
