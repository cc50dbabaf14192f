/*
 * overflow.c - a stack overflow is told of: whose stack, how large, and what makes it larger
 *
 * The process then dies of the signal, as it would have.  Called by the signal handler, on the alternate stack.
 */
#include "overflow.h"
#include "api/greenlet.h"
#include "raw.h"
#include "sched.h"
#include "stack.h"
#include <sys/auxv.h>
#include <sys/resource.h>

#define NEAR	(1ul << 20)		/* how far the stack pointer may have gone beyond the end: a large frame */

static uintptr_t main_top;		/* a little below the top of the main thread's stack */

void gr_overflow_start(void)
{
	main_top = getauxval(AT_EXECFN);
}

/* The fault is in the guard of a stack, and the stack pointer has run down that same stack. */
static bool in_pool(uintptr_t addr, uintptr_t sp, struct gr_stack *ret_stack)
{
	return gr_stack_is_guard((void *)addr) && gr_stack_at((void *)addr, ret_stack) && sp + NEAR > addr &&
	       sp < (uintptr_t)ret_stack->lo + ret_stack->size;
}

/* The kernel lets the main thread's stack grow up to the limit. */
static bool in_main(uintptr_t addr, uintptr_t sp, size_t *ret_size)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	raw(SYS_prlimit64, 0, RLIMIT_STACK, 0, &limit);
	*ret_size = limit.rlim_cur;
	return limit.rlim_cur != RLIM_INFINITY && addr < main_top && sp < main_top && sp + NEAR > addr && sp < addr + NEAR &&
	       main_top - addr + 4 * GR_PAGE > limit.rlim_cur;
}

static void put_greenlet(struct gr_line *l, const struct grove_greenlet *rec)
{
	gr_line_put(l, "greenlet ");
	if (rec->name[0]) {
		gr_line_put(l, rec->name);
		gr_line_put(l, " ");
	}
	gr_line_put(l, "(id ");
	gr_line_number(l, rec->id, 10);
}

static void put_thread(struct gr_line *l, const struct gr_greenlet *g)
{
	if (g == gr_carrier()->main) {
		gr_line_put(l, "the main thread");
		return;
	}
	if (g->api && g->api->worker) {
		put_greenlet(l, g->api);
	} else {
		gr_line_put(l, "thread ");
		gr_line_put(l, g->name);
		gr_line_put(l, " (tid ");
		gr_line_number(l, (uint64_t)g->tid, 10);
	}
	gr_line_put(l, ")");
}

static void say(const char *where, const struct gr_greenlet *g, size_t size, const char *remedy)
{
	struct gr_line l = { .used = 0 };

	gr_line_put(&l, "grove: stack overflow in ");
	gr_line_put(&l, where);
	put_thread(&l, g);
	gr_line_put(&l, ": its stack of ");
	gr_line_number(&l, size / 1024, 10);
	gr_line_put(&l, " KiB is full; ");
	gr_line_put(&l, remedy);
	gr_line_write(&l, 2);
}

void gr_overflow_tell(uintptr_t addr, uintptr_t sp)
{
	struct gr_greenlet *g = gr_carrier()->current;
	struct gr_stack stack;
	size_t size;

	if (in_pool(addr, sp, &stack)) {
		if (!stack.slot->owner)
			say("a generator run by ", g, stack.size, "grove_generator_new_with() makes larger ones");
		else if (g->api && g->api->worker)
			say("", g, stack.size, "grove_spawn_with() gives it more: stack_size");
		else
			say("", g, stack.size, "pthread_attr_setstacksize() gives it more, ulimit -s gives more to all");
	} else if (g == gr_carrier()->main && in_main(addr, sp, &size)) {
		say("", g, size, "ulimit -s gives it more");
	}
}
