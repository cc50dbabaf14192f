/*
 * threads.c - who owns which stack, and threads' names
 */
#include "threads.h"
#include "clock.h"
#include "gate.h"
#include "raw.h"
#include "sched.h"
#include "stack.h"
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

/* gr_slot.owner */
#define OWNER_THREAD	GR_BIT(0)
#define OWNER_DETACHED	GR_BIT(1)
#define OWNER_ENDED	GR_BIT(2)

#define FIRST_FRAMES	512u

/*
 * What libc lays out at the top of every thread's stack: its record, 2.3 KB, the thread-local variables, and room for those of libraries
 * that come later, of which GLIBC_TUNABLES may leave nothing.  The first frames follow.
 */
static size_t libc_block = 2 * GR_PAGE - FIRST_FRAMES;	/* the threads tell; usually it is somewhat more than a page */

static size_t used_at_once(void)
{
	return (libc_block + FIRST_FRAMES + GR_PAGE - 1) & ~(size_t)(GR_PAGE - 1);
}

#define FORGET_AFTER	GR_SEC(2)	/* stacks of a burst of threads, that nobody has needed meanwhile; */
#define FORGET_AT_ONCE	256		/* so many in a turn of the hub, */
#define FORGET_EVERY	GR_MS(20)	/* and others have the processor in between */

static struct gr_timer forget_timer;	/* set while stacks rest */

static void forget_some(struct gr_timer *t);

static bool forget_in(gr_time ns)
{
	struct gr_carrier *c = gr_carrier();

	forget_timer.fire = forget_some;
	forget_timer.at = gr_deadline(ns);
	if (gr_timer_add(&c->timers, &forget_timer) < 0)
		return false;
	c->quiet_timers++;
	return true;
}

/* In the hub.  Where the timer cannot be set again, the next stack that comes back sets it. */
static void forget_some(struct gr_timer *t)
{
	enum gr_rest rest = gr_stacks_forget(FORGET_AT_ONCE);

	(void)t;
	gr_carrier()->quiet_timers--;
	if (rest != GR_REST_NONE)
		forget_in(rest == GR_REST_MORE ? FORGET_EVERY : FORGET_AFTER);
}

static bool may_rest(void)
{
	return forget_timer.pos || forget_in(FORGET_AFTER);
}

/* The doors run outside the runtime; the pool and the lists are not to be seen half changed by a signal handler. */
static bool enter(struct gr_carrier *c)
{
	if (!gr_on_greenlet(c))
		return false;
	c->inside = GR_INSIDE;
	return true;
}

/* A signal that came meanwhile waits for the end of a green call: any will do. */
static void leave(struct gr_carrier *c)
{
	c->inside = GR_OUTSIDE;
	if (GR_UNLIKELY(c->todo & GR_TODO_SIGNAL))
		gr_settle();
}

/* Threads may stand on stacks that lie within others' (a local array), so being inside the slot is not enough. */
static bool find(const void *thread, struct gr_stack *ret_stack)
{
	return gr_stack_at(thread, ret_stack) && (ret_stack->slot->owner & OWNER_THREAD) &&
	       (ret_stack->slot->fs == (uintptr_t)thread || ret_stack->lo == thread);
}

void gr_thread_born(uintptr_t fs, const void *stack_top)
{
	struct gr_stack stack;
	size_t block;

	if (!gr_stack_at((const char *)stack_top - 1, &stack) || !(stack.slot->owner & OWNER_THREAD) || stack.slot->fs)
		return;
	stack.slot->fs = fs;
	block = (size_t)(stack.lo + stack.size - (const char *)stack_top);
	if (GR_UNLIKELY(block < libc_block))
		libc_block = block;
}

void gr_thread_gone(struct gr_greenlet *g)
{
	struct gr_stack stack;

	if (g->stack.slot)
		gr_stack_free(&g->stack);
	if (!find((void *)g->fs, &stack))
		return;
	stack.slot->owner |= OWNER_ENDED;
	if (stack.slot->owner & OWNER_DETACHED)
		gr_stack_free(&stack);
}

static void free_unless_mine(struct gr_stack *stack, void *mine)
{
	if ((stack->slot->owner & OWNER_THREAD) && stack->slot->fs != *(uintptr_t *)mine)
		gr_stack_free(stack);
}

/* The heap that the timer is in is about to be emptied. */
void gr_threads_fork_begins(void)
{
	forget_timer.pos = 0;
}

/* glibc has forgotten those threads by itself, whose records were in these stacks. */
void gr_threads_fork_child(void)
{
	gr_stack_each(free_unless_mine, &gr_carrier()->current->fs);
}

int gr_thread_stack_new(size_t size, size_t guard, void **ret_lo)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_stack stack;
	int r;

	if (!c->gated || !enter(c))
		return -ENOSYS;
	if (c->current->next_clone == GR_CLONE_NATIVE) {	/* nobody tells the pool when that thread is off its stack */
		leave(c);
		return -ENOSYS;
	}
	gr_stack_rests = may_rest;
	r = gr_stack_new(size, guard, &stack);
	if (r == 0) {
		gr_stack_expect(&stack, used_at_once());
		stack.slot->owner = OWNER_THREAD;
		stack.slot->fs = 0;
		stack.slot->asked_guard = guard;
		c->current->makes_thread = true;
		*ret_lo = stack.lo;
	}
	leave(c);
	return r;
}

void gr_thread_released(const void *thread)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_stack stack;

	if (!enter(c))
		return;
	c->current->makes_thread = false;	/* if it was never made */
	if (find(thread, &stack))
		gr_stack_free(&stack);
	leave(c);
}

void gr_thread_detached(const void *thread)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_stack stack;

	if (!enter(c))
		return;
	if (find(thread, &stack)) {
		stack.slot->owner |= OWNER_DETACHED;
		if (stack.slot->owner & OWNER_ENDED)
			gr_stack_free(&stack);
	}
	leave(c);
}

ptrdiff_t gr_thread_asked_guard(pthread_t thread)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_stack stack;
	ptrdiff_t guard = -1;

	if (!enter(c))
		return -1;
	if (find((void *)thread, &stack))
		guard = (ptrdiff_t)stack.slot->asked_guard;
	leave(c);
	return guard;
}

/* Only the main thread's name is the kernel's business: ours is its thread. */
bool gr_thread_set_name(pthread_t thread, const char name[GR_NAME_SIZE])
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *g;

	if (!enter(c))
		return false;
	g = gr_find_fs((uintptr_t)thread);
	if (g)
		memcpy(g->name, name, sizeof(g->name));
	if (g && g == c->main)
		raw(SYS_prctl, PR_SET_NAME, name);
	leave(c);
	return g != NULL;
}

bool gr_thread_get_name(pthread_t thread, char ret_name[GR_NAME_SIZE])
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *g;

	if (!enter(c))
		return false;
	g = gr_find_fs((uintptr_t)thread);
	if (g)
		memcpy(ret_name, g->name, sizeof(g->name));
	leave(c);
	return g != NULL;
}

bool gr_thread_is_green(pthread_t thread)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *g;

	if (!enter(c))
		return false;
	g = gr_find_fs((uintptr_t)thread);
	leave(c);
	return g && g != c->main;
}
