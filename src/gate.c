/*
 * gate.c - the table of green calls, and gr_call(), through which every door goes
 */
#include "gate.h"
#include "api/start.h"
#include "arch/x86_64/arch.h"
#include "audit.h"
#include "door.h"
#include "futex.h"
#include "green/green.h"
#include "hub.h"
#include "raw.h"
#include "sched.h"
#include "signal.h"
#include "start.h"
#include <errno.h>
#include <linux/sched.h>
#include <sys/syscall.h>

typedef long green_fn(long, long, long, long, long, long);

/* Rows have their own argument types; the psABI passes all of them in the same six registers. */
static green_fn *const table[GR_NR_CALLS] = {
#define ROW(kind, name, nr, function, file, test, how) [nr] = (green_fn *)(void (*)(void))function,
#include "green/calls.h"
};

/* Is the call the kernel's in programs that use the API without grove_patch(), but for grove's own greenlets? */
enum { WAITS_GREEN = 1, WAITS_OFFLOAD = 1, WAITS_OWN = 0, WAITS_NOTED = 0 };
static const uint8_t waits[GR_NR_CALLS] = {
#define ROW(kind, name, nr, function, file, test, how) [nr] = WAITS_##kind,
#include "green/calls.h"
};

/* Is there a green call for @nr, here and now?  Constructors of libraries may call before there is a greenlet. */
static bool is_green(const struct gr_carrier *c, long nr)
{
	return (unsigned long)nr < GR_NR_CALLS && table[nr] && (GR_LIKELY(c->patched) || !waits[nr] || (c->current && c->current->patched));
}

/* A futex call by a native thread, which may be about greenlets */
static bool native_futex(const struct gr_carrier *c, long nr)
{
	return GR_UNLIKELY(c->natives) && gr_futex_is_call(nr) && c->on && gr_fs_self() != c->current->fs;
}

/* The same about signals: the table of actions is ours, and so are greenlets' tids.  A process in our memory has a table of its own. */
static bool native_signal(const struct gr_carrier *c, long nr, long a, long b)
{
	return GR_UNLIKELY(c->natives) && gr_signal_is_native_call(nr, a, b) && c->on && gr_fs_self() != c->current->fs &&
	       (!c->vm_child || (int)raw(SYS_getpid) == c->pid);
}

/* Native threads are counted: those they make, and those that end. */
static void count_natives(struct gr_carrier *c, const struct gr_regs *regs)
{
	const struct clone_args *args = (void *)regs->rdi;
	long nr = (long)regs->rax;
	uint64_t flags = nr == SYS_clone ? regs->rdi : nr == SYS_clone3 && regs->rsi >= CLONE_ARGS_SIZE_VER0 ? args->flags : 0;

	if ((nr != SYS_exit && !(flags & CLONE_THREAD)) || !c->on || gr_fs_self() == c->current->fs || (int)raw(SYS_getpid) != c->pid)
		return;
	if (nr == SYS_exit)
		gr_api_native_ends();
	else
		__atomic_fetch_add(&c->native_threads, 1, __ATOMIC_SEQ_CST);
}

static bool makes_fd(long nr)
{
	return nr == SYS_epoll_create1 || nr == SYS_epoll_create || nr == SYS_timerfd_create || nr == SYS_eventfd2;
}

/* A descriptor made by a library in the hub; native threads make theirs meanwhile. */
static bool is_hidden(const struct gr_carrier *c, long nr)
{
	return GR_UNLIKELY(c->hide_new) && makes_fd(nr) && c->inside && c->current == c->hub && gr_fs_self() == c->hub->fs;
}

/* A clone has gone the raw way, and this is the first call after it: by the parent, or by a child that shares or copied our memory? */
static bool back_from_clone(struct gr_carrier *c)
{
	if ((int)raw(SYS_getpid) == c->pid) {
		gr_signal_clone_done();
		if (GR_UNLIKELY(c->audit))
			gr_audit_raw_done();
		c->inside = GR_OUTSIDE;
		return true;
	}
	if (c->clone_flags & CLONE_VM)
		return false;		/* runs raw until it execs or exits, and touches nothing of ours */
	gr_forked_child();
	c->inside = GR_OUTSIDE;
	return true;
}

static __attribute__((noinline)) bool on_greenlet_after_clone(struct gr_carrier *c)
{
	if (gr_on_greenlet(c))
		return (int)raw(SYS_getpid) == c->pid;
	return c->inside == GR_INSIDE_CLONE && c->on && gr_fs_self() == c->current->fs && back_from_clone(c);
}

static inline bool on_greenlet(struct gr_carrier *c)
{
	return GR_LIKELY(gr_on_greenlet(c) && !c->vm_child) || on_greenlet_after_clone(c);
}

static int deliver(struct gr_carrier *c, bool *ret_restart)
{
	int call, ran;

	if (GR_LIKELY(!c->audit))
		return gr_signal_deliver(ret_restart);
	call = gr_audit_pauses();
	ran = gr_signal_deliver(ret_restart);
	gr_audit_goes_on(call);
	return ran;
}

/* Who has computed, or copied much, has used up a slice; small calls are made in a moment, however many they are. */
static void let_others_run(struct gr_carrier *c)
{
	bool much = c->budget < 0 || (c->todo & GR_TODO_YIELD);

	c->budget = 1;
	if (much)
		gr_give_way();
	else
		gr_yield();
}

/* What the end of a green call has to see to: signals, restarts, turns for others.  Returns true when the call is to be made again. */
static bool finish(struct gr_carrier *c, long *r)
{
	struct gr_greenlet *me = c->current;
	bool restart = true, cancelled;
	bool masked = me->restore_mask;
	uint64_t mask = me->saved_mask;
	int ran = 0;

	me->restore_mask = 0;		/* ours to see to: a handler may make such a call itself, or never come back */
	if (c->budget <= 0 || (c->todo & GR_TODO_YIELD))
		let_others_run(c);
	if (c->todo & GR_TODO_SIGNAL) {
		c->todo &= ~GR_TODO_SIGNAL;
		gr_signal_collect();
		ran = deliver(c, &restart);
	}
	if (masked)
		gr_signal_set_mask(mask);
	if (*r != -GR_ERESTART)
		return false;
	cancelled = me->in_door && me->cancel && !me->cancel_off;	/* the door acts on that before it tries again */
	if ((ran == 0 || restart) && !cancelled)
		return true;
	*r = -EINTR;
	return false;
}

/* The arguments of a call, the last one first, as they lie in struct gr_regs. */
#define ARGS(v)		(v)[5], (v)[4], (v)[3], (v)[2], (v)[1], (v)[0]

static inline __attribute__((always_inline)) long plain_call(struct gr_carrier *c, long nr, const long *v)
{
	struct gr_greenlet *me = c->current;
	unsigned parks = me->parks;
	long r;

	c->inside = GR_INSIDE;
	c->stats.calls[nr]++;
	do {
		r = table[nr](ARGS(v));
		if (GR_UNLIKELY(r == GR_CALL_RAW))
			return r;		/* carrier->inside is as the call wants it: nobody else may run now */
	} while (GR_UNLIKELY(--c->budget <= 0 || c->todo || me->restore_mask || r == -GR_ERESTART) && finish(c, &r));
	if (GR_UNLIKELY(r == -GR_EBROKEN))
		r = gr_break_error();
	c->stats.parked[nr] += me->parks != parks;
	c->inside = GR_OUTSIDE;
	if (GR_UNLIKELY(c->todo & GR_TODO_SIGNAL))		/* came between the look at it and now */
		gr_settle();
	return r;
}

/* May this call let others run? */
static bool yields(long nr)
{
	return (unsigned long)nr < GR_NR_CALLS && (waits[nr] || gr_futex_is_call(nr));
}

static __attribute__((noinline, cold)) long audited_call(struct gr_carrier *c, long nr, const long *v)
{
	int outer;
	long r;

	c->inside = GR_INSIDE;
	outer = gr_audit_begin(nr, yields(nr));
	r = plain_call(c, nr, v);
	if (r == GR_CALL_RAW) {
		gr_audit_goes_raw(nr, outer);
		return r;
	}
	c->inside = GR_INSIDE;
	gr_audit_end(nr, outer);
	c->inside = GR_OUTSIDE;
	if (c->todo & GR_TODO_SIGNAL)
		gr_settle();
	return r;
}

static inline __attribute__((always_inline)) long green_call(struct gr_carrier *c, long nr, const long *v)
{
	if (GR_UNLIKELY(c->audit))
		return audited_call(c, nr, v);
	return plain_call(c, nr, v);
}

static bool waits_for_events(long nr)
{
	return nr == SYS_epoll_wait || nr == SYS_epoll_pwait || nr == SYS_epoll_pwait2;
}

static bool audits_hub(struct gr_carrier *c)
{
	return c->inside == GR_INSIDE && c->current == c->hub && gr_fs_self() == c->hub->fs;
}

static bool audits_greenlet(struct gr_carrier *c)
{
	return gr_on_greenlet(c) && !c->vm_child;
}

/* The kernel's calls, by the hub's libraries and by greenlets; but for their beginnings and ends the latter are outside. */
static __attribute__((noinline, cold)) long audited_raw(struct gr_carrier *c, long nr, long a, long b, long d, long e, long f, long g)
{
	bool hub = audits_hub(c);
	int outer = 0;
	long r;

	if (!hub && !audits_greenlet(c))
		return raw_syscall6(nr, a, b, d, e, f, g);
	c->inside = GR_INSIDE;
	if (hub && waits_for_events(nr))
		gr_audit_hub_waits();
	else
		outer = gr_audit_begin(nr, yields(nr));
	c->inside = hub ? GR_INSIDE : GR_OUTSIDE;
	r = raw_syscall6(nr, a, b, d, e, f, g);
	c->inside = GR_INSIDE;
	if (hub && waits_for_events(nr))
		gr_audit_hub_waited();
	else
		gr_audit_end(nr, outer);
	if (hub)
		return r;
	c->inside = GR_OUTSIDE;
	if (c->todo & GR_TODO_SIGNAL)
		gr_settle();
	return r;
}

static bool is_audited(struct gr_carrier *c)
{
	return GR_UNLIKELY(c->audit) && (audits_hub(c) || audits_greenlet(c));
}

static long kernels_call(struct gr_carrier *c, long nr, long a, long b, long d, long e, long f, long g)
{
	if (GR_UNLIKELY(c->audit))
		return audited_raw(c, nr, a, b, d, e, f, g);
	return raw_syscall6(nr, a, b, d, e, f, g);
}

void gr_settle(void)
{
	struct gr_carrier *c = gr_carrier();

	while (c->todo & GR_TODO_SIGNAL) {
		long none = 0;

		c->inside = GR_INSIDE;
		finish(c, &none);
		c->inside = GR_OUTSIDE;
	}
}

long gr_call(long nr, long a, long b, long d, long e, long f, long g)
{
	struct gr_carrier *c = gr_carrier();
	long r;

	if (GR_LIKELY(is_green(c, nr) && on_greenlet(c))) {
		r = green_call(c, nr, (long[]){ g, f, e, d, b, a });
		if (GR_LIKELY(r != GR_CALL_RAW))
			return r;
	}
	if (GR_UNLIKELY(native_futex(c, nr)))
		return gr_futex_native_call(nr, a, b, d, e, f, g);
	if (GR_UNLIKELY(native_signal(c, nr, a, b)))
		return gr_signal_native(nr, a, b, d, e);
	r = kernels_call(c, nr, a, b, d, e, f, g);
	if (GR_UNLIKELY(is_hidden(c, nr)))
		r = gr_hub_hide(nr, r);
	return r;
}

long gr_call_green(long nr, long a, long b, long d, long e, long f, long g)
{
	struct gr_carrier *c = gr_carrier();

	return on_greenlet(c) ? green_call(c, nr, (long[]){ g, f, e, d, b, a }) : gr_call(nr, a, b, d, e, f, g);
}

/* Through a name door: in its own copy of plain_call(), as seven arguments are not passed on for nothing.  No clone comes this way, so there is
 * no GR_CALL_RAW. */
static inline __attribute__((always_inline)) long door_call(struct gr_carrier *c, long nr, long a, long b, long d, long e, long f, long g)
{
	struct gr_greenlet *me = c->current;
	uint8_t outer = me->in_door;
	long r;

	me->in_door = 1;
	r = plain_call(c, nr, (long[]){ g, f, e, d, b, a });
	me->in_door = outer;
	return r;
}

static bool is_plain(const struct gr_carrier *c)
{
	return GR_LIKELY(!c->current->cancel && !c->audit);
}

static bool was_cancelled(const struct gr_carrier *c, long r)
{
	return GR_UNLIKELY(r == -EINTR && c->current->cancel && !c->current->cancel_off);
}

/* @green: the call is, whether the program's calls are or not */
static inline __attribute__((always_inline)) long call_cancel(bool green, long nr, long a, long b, long d, long e, long f, long g)
{
	struct gr_carrier *c = gr_carrier();
	long r;

	if (GR_UNLIKELY(!(green || is_green(c, nr)) || !on_greenlet(c) || !is_plain(c)))
		return gr_call_cancel_odd(green, nr, a, b, d, e, f, g);
	r = door_call(c, nr, a, b, d, e, f, g);
	return was_cancelled(c, r) ? gr_call_cancel_odd(green, nr, a, b, d, e, f, g) : r;
}

long gr_call_cancel(long nr, long a, long b, long d, long e, long f, long g)
{
	return call_cancel(false, nr, a, b, d, e, f, g);
}

long gr_call_green_cancel(long nr, long a, long b, long d, long e, long f, long g)
{
	return call_cancel(true, nr, a, b, d, e, f, g);
}

_Static_assert(offsetof(struct gr_regs, rdi) == offsetof(struct gr_regs, r9) + 5 * sizeof(long), "the arguments in one row");

struct gr_gate_result gr_gate_dispatch(struct gr_regs *regs)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *me = c->current;
	struct gr_regs *outer;
	long nr = (long)regs->rax, r;

	if (GR_UNLIKELY(!is_green(c, nr) || !on_greenlet(c))) {
		if (GR_UNLIKELY(c->natives) && (nr == SYS_exit || nr == SYS_clone || nr == SYS_clone3))
			count_natives(c, regs);
		if (!is_audited(c) && !is_hidden(c, nr) && !native_futex(c, nr) && !native_signal(c, nr, (long)regs->rdi, (long)regs->rsi))
			return (struct gr_gate_result){ .raw = 1 };
		return (struct gr_gate_result){ .ret = gr_call(nr, (long)regs->rdi, (long)regs->rsi, (long)regs->rdx,
							       (long)regs->r10, (long)regs->r8, (long)regs->r9) };
	}
	outer = me->regs;		/* a signal handler's call within a call */
	me->regs = regs;
	r = green_call(c, nr, (const long *)&regs->r9);
	me->regs = outer;
	return (struct gr_gate_result){ .ret = r, .raw = r == GR_CALL_RAW };
}

static struct gr_patch_stats patch_stats;

int gr_gate_patch(void)
{
	int r;

	for (size_t nr = 0; nr < GR_NR_CALLS; nr++)
		gr_gate_green[nr] = table[nr] != NULL || (gr_carrier()->audit && nr != SYS_rt_sigreturn);
	r = gr_patch_loaded(&patch_stats);
	if (GR_UNLIKELY(patch_stats.failed && !gr_carrier()->ungated)) {
		gr_carrier()->ungated = true;
		gr_futex_wake_all();		/* to wait in the kernel from now on, if there are native threads */
	}
	return r;
}

void gr_gate_get_stats(struct gr_gate_stats *ret_stats)
{
	*ret_stats = (struct gr_gate_stats){ patch_stats.objects, patch_stats.sites, patch_stats.patched, patch_stats.kept,
					     patch_stats.failed };
}
