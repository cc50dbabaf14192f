/*
 * signal_stack.c - alternate stacks, a greenlet's own in the kernel's one place for them, and one that is lent
 *
 * Without an alternate stack the kernel cannot tell of a stack overflow.  As long as the program has never set one the kernel has ours,
 * and uses it for the default actions of signals that are entered through us, and for ticks, alone.  The program never sees it.
 *
 * A greenlet that a tick has switched out has left its signal frame there, so another one is lent when the next greenlet has arrived
 * (gr_signal_parted), and the first is free again with the signal return.  Signal frames lie about on all stacks, and each return sets the
 * alternate stack: ours are always made to set the one that is lent now.
 */
#include "signal_parts.h"
#include <sys/mman.h>

#define LENT_SIZE	(64u * 1024)
#define LENT_AT_ONCE	16u

struct lent {
	union {
		struct lent *next;	/* in spare */
		char stack[LENT_SIZE];
	};
};

static const stack_t none = { .ss_flags = SS_DISABLE };
static struct lent first __attribute__((aligned(64)));
static struct lent *lent;		/* what the kernel has now; NULL: the program has had one */
static struct lent *spare, *chunks;

bool gr_signal_altstack_lent(void)
{
	return lent != NULL;
}

static stack_t as_stack(struct lent *l)
{
	return (stack_t){ .ss_sp = l->stack, .ss_size = sizeof(l->stack) };
}

/* The first of a chunk is but a link to other chunks. */
static void make_spare(struct lent *chunk)
{
	for (size_t i = 1; i < LENT_AT_ONCE; i++)
		if (&chunk[i] != lent) {
			chunk[i].next = spare;
			spare = &chunk[i];
		}
}

static struct lent *take_spare(void)
{
	struct lent *l = spare;
	long p;

	if (!l) {
		p = raw(SYS_mmap, 0, LENT_AT_ONCE * sizeof(*l), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (raw_failed(p))
			return NULL;
		l = (struct lent *)p;
		l->next = chunks;
		chunks = l;
		make_spare(l);
		l = spare;
	}
	spare = l->next;
	return l;
}

struct lent *gr_signal_stack_standing(void)
{
	uintptr_t sp = (uintptr_t)__builtin_frame_address(0);

	return lent && sp - (uintptr_t)lent < sizeof(*lent) ? lent : NULL;
}

/* Nobody stands on the one that is lent: the place of who did is in @g's frames.  The mask was the tick's. */
void gr_signal_parted(void)
{
	struct gr_carrier *c = gr_carrier();
	struct lent *l;
	stack_t ss;

	c->parted = false;
	if (c->left_lent) {
		l = take_spare();
		ss = l ? as_stack(l) : none;
		lent = l;
		raw(SYS_sigaltstack, &ss, 0);
		if (!l)			/* no memory: without one, as if the program had had its own */
			gr_signal_altstack_replaced();
	}
	c->left_lent = false;
	gr_signal_apply();
}

/* The greenlets whose frames lay there are not here. */
void gr_signal_stack_fork_child(void)
{
	spare = NULL;
	if (lent != &first) {
		first.next = NULL;
		spare = &first;
	}
	for (struct lent *chunk = chunks; chunk; chunk = chunk->next)
		make_spare(chunk);
	gr_carrier()->parted = gr_carrier()->left_lent = false;
}

void gr_signal_stack_back(struct lent *l, ucontext_t *uc)
{
	if (lent)
		uc->uc_stack = as_stack(lent);
	else if (l)
		uc->uc_stack = gr_carrier()->current->altstack;
	if (l && l != lent) {
		l->next = spare;
		spare = l;
	}
}

unsigned long gr_signal_stack_flags(int sig, unsigned long flags)
{
	if (!lent)
		return flags;
	return gr_signal_has_handler(sig) ? flags & ~(unsigned long)SA_ONSTACK : flags | SA_ONSTACK;
}

void gr_signal_stack_start(void)
{
	struct gr_greenlet *main = gr_carrier()->main;
	stack_t ours = as_stack(&first);

	raw(SYS_sigaltstack, 0, &main->altstack);
	if ((main->altstack.ss_flags & SS_DISABLE) && raw(SYS_sigaltstack, &ours, 0) == 0)
		lent = &first;
}

void gr_signal_altstack_replaced(void)
{
	lent = NULL;
	gr_signal_own_action();
	for (int sig = 1; sig < GR_NSIG; sig++)
		if (gr_signal_entered(sig))
			gr_signal_set_kernel_action(sig);
}

/* With its stack pointer at @sp, is it in a handler, on its alternate stack? */
static bool on_its_own(const struct gr_greenlet *g, const void *sp)
{
	return !(g->altstack.ss_flags & SS_DISABLE) && (uintptr_t)sp - (uintptr_t)g->altstack.ss_sp < g->altstack.ss_size;
}

/* Until another one is set, a signal that finds us elsewhere is written over its frames. */
void gr_signal_altstack_left(struct gr_greenlet *g)
{
	struct gr_carrier *c = gr_carrier();

	if (c->parted || !on_its_own(g, __builtin_frame_address(0)))
		return;
	gr_signal_block_all();
	c->parted = true;
}

/*
 * The hub has none, but leaves what it finds, unless somebody's frames are on it, over which a signal in the hub would be written.
 * Setting one is refused while we stand on the other greenlet's; it is asked again at the next switch.
 */
void gr_signal_altstack(struct gr_greenlet *g)
{
	struct gr_carrier *c = gr_carrier();

	if (c->altstack_of == g || (g == c->hub && !on_its_own(c->altstack_of, c->altstack_of->sp)))
		return;
	if (raw(SYS_sigaltstack, &g->altstack, 0) == 0)
		c->altstack_of = g;
}

/*
 * A handler is about to run.  In its frame it finds the alternate stack of the program's.  SS_AUTODISARM: the kernel has forgotten the
 * stack until the signal return, and so must we, or it would be set again when the greenlet comes back from a wait in its handler.
 */
stack_t gr_signal_stack_enter(struct gr_greenlet *g, ucontext_t *uc)
{
	stack_t kernels = uc->uc_stack;

	if (lent)
		uc->uc_stack = (stack_t){ .ss_flags = 0 };		/* what the kernel shows where none was ever set */
	else if (g->altstack.ss_flags & (int)SS_AUTODISARM)
		g->altstack = none;
	return kernels;
}

static bool was_lent(const stack_t *ss)
{
	if (ss->ss_sp == first.stack)
		return true;
	for (struct lent *chunk = chunks; chunk; chunk = chunk->next)
		if ((uintptr_t)ss->ss_sp - (uintptr_t)chunk < LENT_AT_ONCE * sizeof(*chunk))
			return true;
	return false;
}

/* The signal return sets the stack in the frame, whatever the handler has set meanwhile. */
void gr_signal_stack_leave(struct gr_greenlet *g, ucontext_t *uc, const stack_t *kernels)
{
	if (lent) {
		uc->uc_stack = as_stack(lent);
		return;
	}
	if (was_lent(kernels))		/* it is the program's first */
		uc->uc_stack = g->altstack;
	if (gr_carrier()->altstack_of == g)
		g->altstack = uc->uc_stack;
}
