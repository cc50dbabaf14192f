/*
 * signal_mask.c - masks: each greenlet's own, and what the kernel blocks for all of them
 *
 * The kernel blocks what every greenlet blocks, whoever runs: a signal to the process that somebody lets in is taken at once and handed
 * on.  So greenlets with different masks cost nothing when they are switched.  Some are never blocked there (NEEDED, timers'):
 * those are kept back here.  Only where the kernel itself asks what the caller blocks must it know: gr_signal_exact().
 */
#include "signal_parts.h"

static struct gr_tally open;		/* who lets what in; grove's own greenlets do not count */
static void (*close_idle)(void);	/* some that rest are counted */

uint64_t gr_signal_exact_now;

/* --- counting ------------------------------------------------------------------------------------------------------------- */

void gr_tally_add(struct gr_tally *t, uint64_t set)
{
	for (size_t i = 0; set && i < GR_LENGTH(t->planes); i++) {
		uint64_t carry = t->planes[i] & set;

		t->planes[i] ^= set;
		set = carry;
		if (i >= t->used)
			t->used = i + 1;
	}
}

void gr_tally_drop(struct gr_tally *t, uint64_t set)
{
	for (size_t i = 0; set && i < t->used; i++) {
		uint64_t borrow = ~t->planes[i] & set;

		t->planes[i] ^= set;
		set = borrow;
	}
}

uint64_t gr_tally_any(const struct gr_tally *t)
{
	uint64_t any = 0;

	for (size_t i = 0; i < t->used; i++)
		any |= t->planes[i];
	return any;
}

uint64_t gr_signal_let_in(void)
{
	return gr_tally_any(&open);
}

/* --- the kernel's --------------------------------------------------------------------------------------------------------- */

uint64_t gr_signal_kernels(void)
{
	if (GR_UNLIKELY(gr_signal_full))
		return ALL_SIGNALS & ~FAULTS;
	return ~(gr_tally_any(&open) | gr_signal_of_timers | NEEDED | UNBLOCKABLE) | gr_signal_held;
}

static void set_kernels(uint64_t mask)
{
	struct gr_carrier *c = gr_carrier();

	if (c->kernel_mask == mask)
		return;
	c->kernel_mask = mask;
	raw(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
}

void gr_signal_apply(void)
{
	uint64_t contested = gr_signal_waited() & gr_tally_any(&open);

	gr_signal_exact_now = 0;
	if (GR_UNLIKELY(contested != gr_signal_now_contested()))
		gr_signal_contested(contested);
	set_kernels(gr_signal_kernels());
}

void gr_signal_block_all(void)
{
	uint64_t all = ALL_SIGNALS;

	raw(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, 8);
	gr_carrier()->kernel_mask = all;
}

/* What has been pending arrives at once, and must not change that mask again: a child or a new program is to have it. */
void gr_signal_exact(uint64_t set)
{
	gr_signal_exact_now = set;
	gr_signal_held &= ~set;
	set_kernels((gr_signal_kernels() & ~set) | (gr_carrier()->current->sigmask & set));
}

void gr_signal_inexact(void)
{
	gr_signal_apply();
}

/* --- the greenlets' ------------------------------------------------------------------------------------------------------- */

/*
 * They are no longer like the main greenlet.  The kernel is not told here: the main greenlet was counted with the same mask, and it may be at
 * the end of a handler, where nothing may come in before the signal return.
 */
static void close_resting(void)
{
	void (*fn)(void) = close_idle;

	close_idle = NULL;
	fn();
}

/*
 * A worker between two greenlets lets nothing in.  To take it out of the counts and put it in again costs more than both switches.  But as
 * long as the main greenlet lets in the same, it makes no difference to any of them whether one more is counted: so it stays, and is
 * only taken out when the main greenlet's mask is about to change, by @close, which makes all that rest block everything.
 */
void gr_signal_rest(struct gr_greenlet *g, void (*close)(void))
{
	const struct gr_greenlet *main = gr_carrier()->main;

	if (GR_LIKELY(g->sigmask == main->sigmask && main->state != GR_DEAD && !main->service && !g->claims && gr_list_empty(&g->signals)))
		close_idle = close;
	else
		gr_signal_renew(g, ALL_SIGNALS);
}

void gr_signal_mask_of(struct gr_greenlet *g, uint64_t mask)
{
	uint64_t was = g->sigmask;

	mask &= ~UNBLOCKABLE;
	if (mask == was)
		return;
	if (GR_UNLIKELY(close_idle != NULL) && g == gr_carrier()->main)
		close_resting();
	g->sigmask = mask;
	if (!g->service) {
		gr_tally_add(&open, was & ~mask);
		gr_tally_drop(&open, mask & ~was);
	}
	gr_signal_mask_changed(g, was);
}

void gr_signal_set_mask(uint64_t mask)
{
	struct gr_carrier *c = gr_carrier();

	gr_signal_mask_of(c->current, mask);
	if (GR_UNLIKELY((c->current->pending & ~mask) != 0))
		gr_signal_fatal_first();
	gr_signal_apply();
	if (gr_signal_pending())
		c->todo |= GR_TODO_SIGNAL;
}

/*
 * libc's pthread_create() blocks everything while it clones, so that the new thread begins that way.  Where the others block a signal, too,
 * the kernel would have to be told, and told again when it is over: two system calls for each thread, half of all it costs.  It is not:
 * what comes in between is pending here, as always when the kernel lets a signal in that its greenlet blocks.  Only a default
 * action is taken at once; nobody can tell that from one that came before.  Any other change of a mask tells the kernel all.
 */
void gr_signal_block_for_clone(void)
{
	gr_signal_mask_of(gr_carrier()->current, ALL_SIGNALS);
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

void gr_signal_service(struct gr_greenlet *g, bool service)
{
	if (g->service == service)
		return;
	g->service = service;
	if (service)
		gr_tally_drop(&open, ~g->sigmask);
	else
		gr_tally_add(&open, ~g->sigmask);
	gr_signal_apply();
}

void gr_signal_born(struct gr_greenlet *g)
{
	g->sigmask = gr_carrier()->current->sigmask;
	gr_tally_add(&open, ~g->sigmask);
}

void gr_signal_dead(struct gr_greenlet *g)
{
	if (GR_UNLIKELY(close_idle != NULL) && g == gr_carrier()->main)
		close_resting();
	if (!g->service)
		gr_tally_drop(&open, ~g->sigmask);
	gr_signal_wait_ends(g);
	gr_signal_ended(g);
	gr_signal_apply();
}

/* The kernel is told with the next change that tells it. */
void gr_signal_close(struct gr_greenlet *g)
{
	gr_signal_mask_of(g, ALL_SIGNALS);	/* what was sent to the process goes on to others */
	gr_signal_ended(g);
}

void gr_signal_renew(struct gr_greenlet *g, uint64_t mask)
{
	if (GR_LIKELY(g->sigmask == (mask & ~UNBLOCKABLE) && gr_list_empty(&g->signals)))
		return;
	gr_signal_close(g);
	gr_signal_mask_of(g, mask);
	gr_signal_apply();
}

void gr_signal_mask_start(uint64_t mask)
{
	struct gr_carrier *c = gr_carrier();

	c->main->sigmask = c->kernel_mask = mask;
	gr_tally_add(&open, ~mask);
}

/* Only the current greenlet is left. */
void gr_signal_mask_fork_child(void)
{
	struct gr_greenlet *g = gr_carrier()->current;

	close_idle = NULL;
	open = (struct gr_tally){ 0 };
	if (!g->service)
		gr_tally_add(&open, ~g->sigmask);
}
