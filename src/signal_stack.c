/*
 * signal_stack.c - alternate stacks, a greenlet's own in the kernel's one place for them, and one that is lent
 *
 * Without an alternate stack the kernel cannot tell of a stack overflow.  As long as the program has never set one the kernel has ours,
 * and uses it for the default actions of signals that are entered through us, alone.  The program never sees it.
 */
#include "signal_parts.h"

#define ALTSTACK	(64u * 1024)

static const stack_t none = { .ss_flags = SS_DISABLE };
static char lent_stack[ALTSTACK] __attribute__((aligned(64)));
static bool lent;

bool gr_signal_altstack_lent(void)
{
	return lent;
}

unsigned long gr_signal_stack_flags(int sig, unsigned long flags)
{
	if (!lent)
		return flags;
	return gr_signal_has_handler(sig) ? flags & ~(unsigned long)SA_ONSTACK : flags | SA_ONSTACK;
}

void gr_signal_stack_start(void)
{
	stack_t ours = { .ss_sp = lent_stack, .ss_size = sizeof(lent_stack) };
	struct gr_greenlet *main = gr_carrier()->main;

	raw(SYS_sigaltstack, 0, &main->altstack);
	if (main->altstack.ss_flags & SS_DISABLE)
		lent = raw(SYS_sigaltstack, &ours, 0) == 0;
}

void gr_signal_altstack_replaced(void)
{
	lent = false;
	gr_signal_own_action();
	for (int sig = 1; sig < GR_NSIG; sig++)
		if (gr_signal_entered(sig))
			gr_signal_set_kernel_action(sig);
}

void gr_signal_altstack(struct gr_greenlet *g)
{
	struct gr_carrier *c = gr_carrier();

	/* refused while we stand on the other greenlet's alternate stack; asked again at the next switch */
	if (c->altstack_of != g && g != c->hub && raw(SYS_sigaltstack, &g->altstack, 0) == 0)
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

/* The signal return sets the stack in the frame, whatever the handler has set meanwhile. */
void gr_signal_stack_leave(struct gr_greenlet *g, ucontext_t *uc, const stack_t *kernels)
{
	if (lent) {
		uc->uc_stack = *kernels;
		return;
	}
	if (kernels->ss_sp == lent_stack)	/* it is the program's first */
		uc->uc_stack = g->altstack;
	if (gr_carrier()->altstack_of == g)
		g->altstack = uc->uc_stack;
}
