/*
 * preempt.c - the timer, and the switch from within its handler
 */
#include "preempt.h"
#include "arch/x86_64/arch.h"
#include "clock.h"
#include "hub.h"
#include "offload.h"
#include "raw.h"
#include "share.h"
#include "signal.h"
#include <string.h>
#include <time.h>

static struct preempt {
	gr_time slice;			/* 0: nobody is interrupted, though there may be ticks for .watch */
	int timer;			/* the kernel's number for it, if made */
	bool made;
	bool asked;			/* the slice is what somebody wants it to be */
	void (*watch)(const ucontext_t *uc, bool inside);
} p;

/* --- the timer --------------------------------------------------------------------------------------------------------------- */

static long make_timer(struct gr_carrier *c)
{
	struct sigevent ev;

	memset(&ev, 0, sizeof(ev));
	ev.sigev_notify = SIGEV_THREAD_ID;
	ev.sigev_signo = GR_SIG_INTERRUPT;
	ev.sigev_value.sival_ptr = &p;
	ev._sigev_un._tid = c->tid;
	gr_signal_own_action();
	return raw(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &ev, &p.timer);
}

static long set_timer(gr_time interval)
{
	struct itimerspec at;

	gr_to_timespec(interval, &at.it_interval);
	at.it_value = at.it_interval;
	return raw(SYS_timer_settime, p.timer, 0, &at, 0);
}

bool gr_preempt_is_timer(int id)
{
	return p.made && id == p.timer;
}

static gr_time every(void)
{
	return p.slice ? p.slice : GR_SLICE;
}

void gr_preempt_needed(struct gr_carrier *c)
{
	long r = 0;

	if (!p.made)
		r = make_timer(c);
	if (r == 0) {
		p.made = true;
		r = set_timer(every());
	}
	c->tick = r == 0 ? GR_TICK_ON : GR_TICK_OFF;
	if (r < 0) {
		p.slice = 0;
		gr_warn("no timer for threads that compute (is the limit of pending signals, ulimit -i, exhausted?): one that does keeps the "
			"others waiting", r);
	}
}

void gr_preempt_anew(struct gr_carrier *c)
{
	if (c->tick == GR_TICK_ON)
		set_timer(every());
}

static void rest(struct gr_carrier *c, uint8_t tick)
{
	if (c->tick == GR_TICK_ON)
		set_timer(0);
	c->tick = tick;
}

static void set_slice(gr_time slice)
{
	struct gr_carrier *c = gr_carrier();

	rest(c, GR_TICK_OFF);
	p.slice = slice;
	if (p.watch || (slice && c->stats.alive > 1))
		gr_preempt_needed(c);
	else if (slice)
		c->tick = GR_TICK_ALONE;
}

void gr_preempt_ask(gr_time slice)
{
	p.asked = true;
	set_slice(slice);
}

void gr_preempt_cooperate(void)
{
	if (!p.asked)
		set_slice(0);
}

void gr_preempt_pause(void)
{
	struct gr_carrier *c = gr_carrier();

	if (c->tick == GR_TICK_ON)
		rest(c, GR_TICK_IDLE);
}

void gr_preempt_go_on(void)
{
	struct gr_carrier *c = gr_carrier();

	if (c->tick == GR_TICK_IDLE)
		gr_preempt_needed(c);
}

void gr_preempt_watch(void (*fn)(const ucontext_t *uc, bool inside))
{
	p.watch = fn;
	set_slice(p.slice);
}

/* --- a tick ------------------------------------------------------------------------------------------------------------------ */

bool gr_preempt_is_tick(const siginfo_t *info)
{
	return info->si_code == SI_TIMER && info->si_ptr == &p;
}

/* Could anyone but the current greenlet want to run before that wakes somebody? */
static bool others_may_run(struct gr_carrier *c)
{
	return p.watch || gr_others_ready() || c->natives || c->outside || gr_hub_expects();
}

/*
 * The signal frame keeps all of the greenlet's registers, vector ones too.  Signals are blocked in the handler, so that none of the
 * program's handlers runs on the stack that was lent for it; what is pending afterwards comes with the signal return.
 */
static void give_way(struct gr_carrier *c, ucontext_t *uc)
{
	struct gr_greenlet *me = c->current;
	struct gr_regs *regs = me->regs;
	struct lent *lent = gr_signal_stack_standing();

	c->inside = GR_INSIDE;
	gr_arch_keep_pkru(uc);
	me->regs = NULL;
	c->kernel_mask = ~0ull;
	c->parted = true;
	c->left_lent = lent != NULL;
	c->stats.preempted++;
	gr_give_way();
	c->parted = c->left_lent = false;	/* nobody else has run */
	me->regs = regs;
	gr_signal_block_all();
	gr_signal_stack_back(lent, uc);
	gr_signal_on_return(uc);
	c->inside = GR_OUTSIDE;
}

/* Signals are blocked in the handler. */
static void show(struct gr_carrier *c, const ucontext_t *uc)
{
	uint32_t was = c->inside;

	if (was == GR_OUTSIDE)
		c->inside = GR_INSIDE;
	p.watch(uc, was != GR_OUTSIDE);
	c->inside = was;
}

void gr_preempt_tick(ucontext_t *uc)
{
	struct gr_carrier *c = gr_carrier();

	if (GR_UNLIKELY(p.watch != NULL))
		show(c, uc);
	if (!p.slice || c->tick != GR_TICK_ON || c->current == c->hub || gr_share_spares(c, p.slice))
		return;
	if (c->inside) {
		__atomic_fetch_or(&c->todo, GR_TODO_YIELD, __ATOMIC_RELAXED);
		return;
	}
	if (!others_may_run(c))
		rest(c, c->stats.alive > 1 ? GR_TICK_IDLE : GR_TICK_ALONE);
	else if (gr_others_ready() || gr_hub_due())
		give_way(c, uc);
}

/* --- start, fork ---------------------------------------------------------------------------------------------------------------- */

void gr_preempt_start(char **env)
{
	static const char name[] = "GROVE_PREEMPT=";
	gr_time slice = GR_SLICE;

	for (; env && *env; env++)
		if (strncmp(*env, name, sizeof(name) - 1) == 0) {
			p.asked = true;
			slice = 0;
			for (const char *s = *env + sizeof(name) - 1; *s >= '0' && *s <= '9' && slice < GR_SEC(3600); s++)
				slice = 10 * slice + GR_MS(*s - '0');
		}
	set_slice(slice);
}

void gr_preempt_fork_child(void)
{
	struct gr_carrier *c = gr_carrier();

	p.made = false;
	c->tick = p.slice ? GR_TICK_ALONE : GR_TICK_OFF;
	if (p.watch)
		gr_preempt_needed(c);
}
