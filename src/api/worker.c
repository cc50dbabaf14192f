/*
 * worker.c - making threads for greenlets, and keeping idle ones
 */
#include "worker.h"
#include "fiber.h"
#include "tls.h"
#include "../clock.h"
#include "../raw.h"
#include "../signal.h"
#include "../threads.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define IDLE_MAX	1024		/* are kept for ever, */
#define IDLE_LONGER	GR_SEC(2)	/* more of them only if they are needed within that time; after it */
#define END_AT_ONCE	256		/* end in a turn of the hub, */
#define END_EVERY	GR_MS(20)	/* and others have the processor in between */
#define TRIM_EVERY	128		/* greenlets after which a worker gives back what was used deep in its stack */
#define KEEP		(64u * 1024)	/* of its top */

/*
 * A burst of greenlets leaves as many workers.  To make a thread costs ten times what a spawn costs, and more to end it, so a burst that
 * comes again soon finds its workers there.  Those that nobody has needed for a while end, the oldest first: .unused is the least number
 * that were idle at any moment since the timer was set.
 */
static struct {
	struct gr_list idle;		/* the latest first: its stack is warm */
	unsigned n, unused;
	struct gr_timer timer;		/* set while there are more than IDLE_MAX */
} workers = { .idle = { &workers.idle, &workers.idle } };

/* Not the program's: no signal is for it, and it is not counted where it matters whether anybody is left. */
static void as_service(struct grove_greenlet *rec)
{
	rec->g->patched = true;
	gr_signal_service(rec->g, true);
	rec->counted = true;
	gr_carrier()->background++;
}

bool gr_worker_take(struct grove_greenlet *rec)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_worker *w;

	if (rec->stack_size != GROVE_STACK_SIZE || gr_list_empty(&workers.idle))
		return false;
	w = gr_list_first(&workers.idle, struct gr_worker, idle);
	gr_list_del(&w->idle);
	if (--workers.n < workers.unused)
		workers.unused = workers.n;
	w->rec = rec;
	gr_signal_service(w->g, false);
	gr_signal_renew(w->g, rec->sigmask);
	w->g->patched = false;
	memcpy(w->g->name, c->current->name, sizeof(w->g->name));
	rec->worker = w;
	rec->g = w->g;
	w->g->api = rec;
	c->background--;
	if (rec->service)
		as_service(rec);
	gr_wake(w->g, 0);
	return true;
}

static void trim(struct gr_worker *w)
{
	if (++w->served % TRIM_EVERY == 0 && w->g->own_size > KEEP)
		raw(SYS_madvise, w->g->own_lo, w->g->own_size - KEEP, MADV_DONTNEED);
}

/* Those that are idle: gr_signal_rest(). */
static void block_all(void)
{
	gr_list_each(it, &workers.idle)
		gr_signal_close(gr_container(it, struct gr_worker, idle)->g);
}

static void end_some(struct gr_timer *t);

/* false: no memory for it. */
static bool look_again_in(gr_time ns)
{
	struct gr_carrier *c = gr_carrier();

	workers.timer.fire = end_some;
	workers.timer.at = gr_deadline(ns);
	if (gr_timer_add(&c->timers, &workers.timer) < 0)
		return false;
	c->quiet_timers++;
	return true;
}

/* In the hub. */
static void end_some(struct gr_timer *t)
{
	(void)t;
	gr_carrier()->quiet_timers--;
	for (unsigned n = 0; n < END_AT_ONCE && workers.unused > IDLE_MAX; n++, workers.unused--) {
		struct gr_worker *w = gr_container(workers.idle.prev, struct gr_worker, idle);

		gr_list_del(&w->idle);
		workers.n--;
		w->surplus = true;
		gr_signal_renew(w->g, ~0ull);
		gr_wake(w->g, 0);
	}
	if (workers.unused > IDLE_MAX) {
		look_again_in(END_EVERY);
	} else if (workers.n > IDLE_MAX) {
		workers.unused = workers.n;
		look_again_in(IDLE_LONGER);
	}
}

/* Wait for the next greenlet; false: there are enough of us.  Inside. */
static bool wait_for_work(struct gr_worker *w)
{
	struct gr_carrier *c = gr_carrier();

	if (w->stack_size != GROVE_STACK_SIZE)
		return false;
	if (GR_UNLIKELY(workers.n >= IDLE_MAX) && !workers.timer.pos) {
		workers.unused = workers.n;
		if (!look_again_in(IDLE_LONGER))
			return false;
	}
	trim(w);
	gr_list_push_front(&workers.idle, &w->idle);
	workers.n++;
	c->background++;
	w->rec = NULL;
	gr_signal_rest(w->g, block_all);	/* a signal to the process is for somebody who runs */
	while (!w->rec && !w->surplus)
		gr_park("idle", GR_NEVER, 0);
	if (GR_LIKELY(!w->surplus))
		return true;
	c->background--;
	return false;
}

/* What the thread was given by its greenlet and would not forget by itself.  Inside. */
static void as_new(struct gr_greenlet *g)
{
	gr_break_reset(g);
	g->futex_told = g->hold = 0;
}

/* Would the process have ended by now if this thread ended?  Then it is time. */
static bool last_one(const struct gr_carrier *c, const struct gr_worker *w)
{
	return c->main->state == GR_DEAD && !gr_natives_left(c) && c->stats.alive - c->background <= !w->rec->counted;
}

/* Returns its end, up to which libc's block goes that begins at g->fs. */
static const char *note_stack(struct gr_greenlet *g)
{
	struct gr_stack stack;

	if (!gr_stack_at((void *)g->fs, &stack))
		return (const char *)g->fs;
	g->own_lo = (uintptr_t)stack.lo;
	g->own_size = stack.size;
	return (const char *)stack.lo + stack.size;
}

/* Robust mutexes that it has left locked: others are to be told that their owner has died. */
static bool leaves_locks(const struct gr_greenlet *g)
{
	const void *first;

	return g->robust && (gr_user_read(&first, g->robust, sizeof(first)) < 0 || first != g->robust);
}

/* Some of what a thread leaves behind is only seen to when it ends; and in a forked child the thread is what was the main thread there. */
static bool must_end(const struct gr_carrier *c, const struct gr_worker *w)
{
	return w->g == c->main || !(w->g->altstack.ss_flags & SS_DISABLE) || leaves_locks(w->g) || !gr_tls_renew(w->born);
}

static void *work(void *arg)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_worker w = { .g = c->current, .rec = arg, .stack_size = ((struct grove_greenlet *)arg)->stack_size };
	bool again;

	gr_enter();
	w.rec->worker = &w;
	w.rec->g = w.g;
	w.g->api = w.rec;
	gr_signal_set_mask(w.rec->sigmask);
	if (w.rec->service)
		as_service(w.rec);
	gr_leave_quietly();
	w.born = gr_tls_learn(note_stack(w.g));
	do {
		gr_greenlet_run(w.rec);
		if (last_one(c, &w))
			exit(0);		/* as libc does; it counts the idle ones, too */
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
		pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, NULL);
		pthread_testcancel();
		if (must_end(c, &w))
			return NULL;		/* libc ends the thread, and gr_greenlet_gone() tells of it */
		gr_enter();
		gr_greenlet_ended(w.rec);
		as_new(w.g);
		again = wait_for_work(&w);
		gr_leave_quietly();
	} while (again);
	return NULL;
}

static int make(pthread_t *thread, pthread_attr_t *attr, void *lo, struct grove_greenlet *rec)
{
	int err = pthread_attr_setstack(attr, lo, rec->stack_size);

	if (!err)
		err = pthread_attr_setdetachstate(attr, PTHREAD_CREATE_DETACHED);
	if (err)
		return err;
	gr_carrier()->current->next_clone = GR_CLONE_GREEN;
	err = pthread_create(thread, attr, work, rec);
	gr_carrier()->current->next_clone = GR_CLONE_USUAL;
	return err;
}

int gr_worker_new(struct grove_greenlet *rec)
{
	pthread_attr_t attr;
	pthread_t thread;
	void *lo;
	int err = -gr_thread_stack_new(rec->stack_size, GR_PAGE, &lo);

	if (err)
		return err;
	gr_fiber_clean(lo, rec->stack_size);
	err = pthread_attr_init(&attr);
	if (err) {
		gr_thread_released(lo);
		return err;
	}
	err = make(&thread, &attr, lo, rec);
	pthread_attr_destroy(&attr);
	if (err) {
		gr_thread_released(lo);
		return err;
	}
	gr_thread_detached(lo);
	return 0;
}

void gr_worker_fork_child(void)
{
	gr_list_init(&workers.idle);
	workers.n = workers.unused = 0;
	workers.timer.pos = 0;		/* the child's heap of timers is empty */
}
