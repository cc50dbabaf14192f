/*
 * greenlet.c - records of greenlets: spawning, ending, waiting for the end; what is asked about them is in greenlet_look.c
 */
#include "greenlet.h"
#include "hook.h"
#include "threadpool.h"
#include "worker.h"
#include "../clock.h"
#include "../raw.h"
#include "../stack.h"
#include <execinfo.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK		(64u * 1024)	/* records are carved from; never given back */
#define STACK_MAX	((size_t)1 << 40)
#define ERRNO_MAX	4095
#define TRACK_DEPTH	32

struct gr_list gr_greenlets = { &gr_greenlets, &gr_greenlets };
static struct gr_list free_records = { &free_records, &free_records };
static uint64_t last_id;
static bool tracks_spawning;

/* grove_defer() */
struct deferred {
	struct deferred *outer;
	void (*fn)(void *);
	void *arg;
};

/* --- records ------------------------------------------------------------------------------------------------------------------------ */

/* Inside; NULL: no memory. */
static struct grove_greenlet *record_new(void)
{
	struct grove_greenlet *rec;
	size_t size = sizeof(*rec);
	long p;

	__asm__("" : "+r"(size));		/* libc's memset() is faster than what compilers put in for a size that they know */
	if (gr_list_empty(&free_records)) {
		p = raw(SYS_mmap, 0, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (raw_failed(p))
			return NULL;
		rec = (struct grove_greenlet *)p;
		for (size_t i = 0; i < CHUNK / sizeof(*rec); i++)
			gr_list_push(&free_records, &rec[i].all);
	}
	rec = gr_list_first(&free_records, struct grove_greenlet, all);
	gr_list_del(&rec->all);
	memset(rec, 0, size);
	rec->refs = 1;
	rec->stack_size = GROVE_STACK_SIZE;
	rec->id = ++last_id;
	gr_object_init(&rec->object, GR_GREENLET, false);
	gr_list_init(&rec->joiners);
	gr_list_init(&rec->callbacks);
	gr_list_push(&gr_greenlets, &rec->all);
	return rec;
}

/* Inside.  True: it was the last reference; the caller calls forget() once it is outside. */
static bool unref(struct grove_greenlet *rec)
{
	return --rec->refs == 0;
}

static void forget(struct grove_greenlet *rec)
{
	free(rec->spawned_at);
	gr_enter();
	rec->object.type = 0;
	gr_list_del(&rec->all);
	gr_list_push_front(&free_records, &rec->all);
	gr_leave_quietly();
}

/* The last reference of an ended greenlet may go where free() must not be called. */
static void forget_inside(struct grove_greenlet *rec)
{
	rec->object.type = 0;
	gr_list_push_front(&free_records, &rec->all);
}

/* A public half for a pthread; inside.  NULL: no memory. */
static struct grove_greenlet *adopt(struct gr_greenlet *g)
{
	struct grove_greenlet *rec = record_new();

	if (rec) {
		rec->g = g;
		rec->life = GR_STARTED;
		g->api = rec;
	}
	return rec;
}

struct grove_greenlet *gr_self(void)
{
	struct gr_greenlet *g = gr_carrier()->current;
	struct grove_greenlet *rec = g->api;

	if (GR_LIKELY(rec != NULL))
		return rec;
	gr_enter();
	rec = adopt(g);
	gr_leave_quietly();
	if (!rec)
		errno = ENOMEM;
	return rec;
}

void gr_greenlet_adopt_main(void)
{
	struct gr_greenlet *main = gr_carrier()->main;

	gr_enter();
	if (!main->api && main->state != GR_DEAD)
		adopt(main);
	gr_leave_quietly();
}

grove_greenlet *grove_current(void)
{
	return gr_here() ? gr_self() : NULL;
}

grove_greenlet *grove_ref(grove_greenlet *g)
{
	GR_ANYWHERE((grove_greenlet *)NULL, grove_ref, g);
	if (!gr_is(g, GR_GREENLET))
		return gr_fails_null(EINVAL);
	g->refs++;
	return g;
}

static long release(grove_greenlet *g)
{
	GR_ANYWHERE(-1l, release, g);
	if (gr_is(g, GR_GREENLET) && unref(g))
		forget(g);
	return 0;
}

void grove_release(grove_greenlet *g)
{
	int was = errno;

	if (g)
		release(g);
	errno = was;
}

/* --- the end ------------------------------------------------------------------------------------------------------------------------- */

void gr_greenlet_ended(struct grove_greenlet *rec)
{
	struct gr_carrier *c = gr_carrier();

	if (rec->g)
		rec->g->api = NULL;
	rec->g = NULL;
	rec->worker = NULL;
	rec->life = GR_ENDED;
	if (rec->counted) {
		rec->counted = false;
		c->background--;
	}
	gr_give_all(&rec->joiners, 0);
	gr_links_ended(rec);
	gr_list_del(&rec->all);
	gr_object_set_ready(&rec->object, true);
	if (unref(rec))
		forget_inside(rec);
}

/* Of a record whose greenlet never got a thread, or whose thread is at its end. */
static void ends_with(struct grove_greenlet *rec, int err)
{
	rec->error = err;
	rec->value = NULL;
	gr_locals_drop(rec);
	gr_greenlet_ended(rec);
}

/* What was deferred runs shielded from whatever ended the greenlet; nothing from outside gets in any more. */
static void run_deferred(struct grove_greenlet *rec);

/* One of them has left by pthread_exit(3): the others run all the same. */
static void run_other_deferred(void *arg)
{
	run_deferred(arg);
}

static void run_one_deferred(struct grove_greenlet *rec)
{
	struct deferred d = *rec->deferred;

	free(rec->deferred);
	rec->deferred = d.outer;
	pthread_cleanup_push(run_other_deferred, rec);
	d.fn(d.arg);
	pthread_cleanup_pop(0);
}

static void run_deferred(struct grove_greenlet *rec)
{
	gr_enter();
	rec->life = GR_ENDING;
	gr_break_reset(rec->g);
	gr_leave_quietly();
	while (rec->deferred)
		run_one_deferred(rec);
	if (GR_UNLIKELY(rec->locals || rec->context))
		gr_locals_end(rec);
	if (GR_UNLIKELY(rec->spawned_at != NULL)) {
		free(rec->spawned_at);
		rec->spawned_at = NULL;
		rec->spawned_depth = 0;
	}
	if (GR_UNLIKELY(gr_end_hooks.first != NULL) && !rec->service && !rec->asker)
		gr_hooks_run(&gr_end_hooks, rec);
}

/* pthread_exit() or pthread_cancel(): the thread is being unwound. */
static void cut_short(void *arg)
{
	struct grove_greenlet *rec = arg;

	rec->error = ECANCELED;
	run_deferred(rec);
}

static void *run_function(struct grove_greenlet *rec)
{
	void *value;

	pthread_cleanup_push(cut_short, rec);
	value = rec->fn(rec->arg);
	pthread_cleanup_pop(0);
	return value;
}

void gr_greenlet_run(struct grove_greenlet *rec)
{
	void *value = NULL;

	if (GR_UNLIKELY(rec->killed)) {
		rec->error = rec->killed;
	} else {
		rec->life = GR_STARTED;
		value = run_function(rec);
		rec->error = rec->failing ? rec->failing : rec->g->killed ? ECANCELED : 0;
	}
	rec->value = rec->error ? NULL : value;
	run_deferred(rec);
}

void gr_greenlet_gone(struct gr_greenlet *g)
{
	struct grove_greenlet *rec = g->api;

	if (rec->life != GR_ENDING && !rec->error)	/* a pthread of the program's */
		rec->error = 0;
	gr_greenlet_ended(rec);
}

/* --- spawning ------------------------------------------------------------------------------------------------------------------------ */

static void start_soon(struct gr_soon *job);

/* A delayed greenlet for which there was no idle worker when its time came. */
struct start {
	struct gr_soon soon;
	struct grove_greenlet *rec;
};

/* Outside.  0, or an errno value: then it has ended with that. */
static int find_worker(struct grove_greenlet *rec)
{
	bool taken;
	int err;

	gr_enter();
	taken = gr_worker_take(rec);
	gr_leave_quietly();
	if (taken)
		return 0;
	err = gr_worker_new(rec);
	return err;
}

/* One that was delayed never gets a thread.  Outside, in the greenlet for callbacks. */
static void ends_unborn(struct grove_greenlet *rec, int err)
{
	if (rec->life != GR_NEW)
		return;
	rec->error = err;
	rec->life = GR_ENDING;
	gr_hooks_run(&gr_end_hooks, rec);
	gr_enter();
	ends_with(rec, err);
	gr_leave_quietly();
}

static void start_soon(struct gr_soon *job)
{
	struct start *s = gr_container(job, struct start, soon);
	struct grove_greenlet *rec = s->rec;
	int err = 0;

	free(s);
	if (rec->life == GR_NEW && !rec->killed)
		err = find_worker(rec);
	else
		err = rec->killed;
	if (!err)
		return;
	ends_unborn(rec, err);
}

static void delay_over(struct gr_timer *t)
{
	gr_greenlet_begin(gr_container(t, struct grove_greenlet, timer));
}

void gr_greenlet_begin(struct grove_greenlet *rec)
{
	struct start *s = rec->arg;

	rec->life = GR_NEW;
	rec->arg = s->rec;		/* where spawn() put the argument meanwhile */
	s->rec = rec;
	s->soon.fn = start_soon;
	gr_soon(&s->soon);
}

static int check_attr(const struct grove_spawn_attr *a)
{
	if (a->size != sizeof(*a) || a->delay < 0 || (a->flags & ~GROVE_DETACHED) || a->reserved)
		return EINVAL;
	return a->stack_size && (a->stack_size < GROVE_STACK_MIN || a->stack_size > STACK_MAX) ? EINVAL : 0;
}

static void note_spawner(struct grove_greenlet *rec)
{
	void *stack[TRACK_DEPTH];
	int n = backtrace(stack, TRACK_DEPTH);

	rec->spawned_at = n > 0 ? malloc((size_t)n * sizeof(*stack)) : NULL;
	if (!rec->spawned_at)
		return;
	memcpy(rec->spawned_at, stack, (size_t)n * sizeof(*stack));
	rec->spawned_depth = n;
}

/* Start the clock of a delayed one.  0, or an errno value. */
static int delay(struct grove_greenlet *rec, int64_t ns)
{
	struct start *s = malloc(sizeof(*s));
	int r;

	if (!s)
		return ENOMEM;
	s->rec = rec->arg;
	rec->arg = s;
	rec->life = GR_DELAYED;
	rec->timer.fire = delay_over;
	rec->timer.at = gr_deadline(ns);
	if (rec->timer.at == GR_NEVER)
		return 0;
	gr_enter();
	r = gr_timer_add(&gr_carrier()->timers, &rec->timer);
	gr_leave_quietly();
	if (r == 0)
		return 0;
	free(s);
	return -r;
}

/* The spawner's; what is spawned by callbacks, or for native threads, takes after the main greenlet. */
static uint64_t mask_to_inherit(void)
{
	struct gr_carrier *c = gr_carrier();

	return c->current->service && c->main->state != GR_DEAD ? c->main->sigmask : c->current->sigmask;
}

static struct grove_greenlet *spawn(const struct grove_spawn_attr *attr, grove_fn *fn, void *arg)
{
	static const struct grove_spawn_attr usual = { .size = sizeof(usual) };
	const struct grove_spawn_attr *a = attr ? attr : &usual;
	struct grove_greenlet *me = gr_carrier()->current->api, *rec;
	int err;

	gr_enter();
	rec = record_new();
	if (GR_UNLIKELY(!rec)) {
		gr_leave_quietly();
		return gr_fails_null(ENOMEM);
	}
	rec->fn = fn;
	rec->arg = arg;
	rec->parent = me ? me->id : 0;
	rec->sigmask = mask_to_inherit();
	rec->life = GR_NEW;
	rec->refs = a->flags & GROVE_DETACHED ? 2 : 3;		/* its own, ours until we return, the handle */
	if (a->stack_size)
		rec->stack_size = (a->stack_size + GR_PAGE - 1) & ~(size_t)(GR_PAGE - 1);
	gr_leave_quietly();
	if (GR_UNLIKELY(a->name != NULL))
		snprintf(rec->name, sizeof(rec->name), "%s", a->name);
	if (GR_UNLIKELY(me && me->context))
		gr_locals_inherit(rec);
	if (GR_UNLIKELY(tracks_spawning))
		note_spawner(rec);
	err = GR_UNLIKELY(a->delay) ? delay(rec, a->delay) : find_worker(rec);
	if (GR_UNLIKELY(err)) {
		rec->life = GR_ENDED;
		gr_locals_drop(rec);
		forget(rec);
		return gr_fails_null(err);
	}
	if (GR_UNLIKELY(gr_spawn_hooks.first != NULL))
		gr_hooks_run(&gr_spawn_hooks, rec);
	gr_enter();
	if (unref(rec))
		forget_inside(rec);
	gr_leave_quietly();
	return rec;
}

grove_greenlet *grove_spawn(grove_fn *fn, void *arg)
{
	GR_ANYWHERE((grove_greenlet *)NULL, grove_spawn, fn, arg);
	return fn ? spawn(NULL, fn, arg) : gr_fails_null(EINVAL);
}

grove_greenlet *grove_spawn_later(int64_t ns, grove_fn *fn, void *arg)
{
	struct grove_spawn_attr attr = { .size = sizeof(attr), .delay = ns };

	return grove_spawn_with(&attr, fn, arg);
}

grove_greenlet *grove_spawn_with(const struct grove_spawn_attr *attr, grove_fn *fn, void *arg)
{
	grove_greenlet *g;

	GR_ANYWHERE((grove_greenlet *)NULL, grove_spawn_with, attr, fn, arg);
	if (!fn || !attr || check_attr(attr))
		return gr_fails_null(EINVAL);
	g = spawn(attr, fn, arg);
	if (!g || !(attr->flags & GROVE_DETACHED))
		return g;
	errno = 0;
	return NULL;
}

int grove_spawn_raw(grove_fn *fn, void *arg)
{
	static const struct grove_spawn_attr detached = { .size = sizeof(detached), .flags = GROVE_DETACHED };

	GR_ANYWHERE(-1, grove_spawn_raw, fn, arg);
	if (!fn)
		return gr_fails(EINVAL);
	return spawn(&detached, fn, arg) ? 0 : -1;
}

static struct grove_greenlet *spawn_own(const char *name, grove_fn *fn, void *arg, bool service, uintptr_t asker)
{
	struct grove_greenlet *rec;
	int err;

	gr_enter();
	rec = record_new();
	gr_leave_quietly();
	if (!rec)
		return gr_fails_null(ENOMEM);
	rec->fn = fn;
	rec->arg = arg;
	rec->sigmask = mask_to_inherit();
	rec->life = GR_NEW;
	rec->service = service;
	rec->asker = asker;
	rec->refs = 2;
	snprintf(rec->name, sizeof(rec->name), "%s", name);
	err = find_worker(rec);
	if (!err)
		return rec;
	forget(rec);
	return gr_fails_null(err);
}

struct grove_greenlet *gr_spawn_service(const char *name, grove_fn *fn, void *arg)
{
	return spawn_own(name, fn, arg, true, 0);
}

int gr_spawn_for(uintptr_t asker, grove_fn *fn, void *arg)
{
	struct grove_greenlet *rec = spawn_own("", fn, arg, false, asker);

	grove_release(rec);
	return rec ? 0 : -1;
}

void grove_track_spawning(bool on)
{
	tracks_spawning = on;
}

int grove_spawning_stack(const grove_greenlet *g, void **ret_addresses, int n)
{
	GR_ANYWHERE(-1, grove_spawning_stack, g, ret_addresses, n);
	if (!gr_is(g, GR_GREENLET) || n < 0 || (n && !ret_addresses))
		return gr_fails(EINVAL);
	if (n > g->spawned_depth)
		n = g->spawned_depth;
	if (n)
		memcpy(ret_addresses, g->spawned_at, (size_t)n * sizeof(*ret_addresses));
	return n;
}

/* --- waiting for the end --------------------------------------------------------------------------------------------------------------- */

static void join_unwound(struct gr_turn *t)
{
	grove_release(t->value);
}

static int join(struct grove_greenlet *g, gr_time deadline)
{
	struct gr_turn turn = { .value = g, .unwound = join_unwound };
	int r;

	if (g->life == GR_ENDED)
		return 0;
	if (g->g == gr_carrier()->current)
		return -EDEADLK;
	g->refs++;
	r = gr_wait_guarded(&g->joiners, "greenlet", g, deadline, &turn);
	if (unref(g))
		forget_inside(g);
	return r;
}

int grove_join(grove_greenlet *g, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_join, g, timeout);
	if (!gr_is(g, GR_GREENLET) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	gr_enter();
	return gr_leave(join(g, deadline));
}

int grove_get(grove_greenlet *g, void **ret_value, int64_t timeout)
{
	gr_time deadline;
	int r;

	GR_ANYWHERE(-1, grove_get, g, ret_value, timeout);
	if (!gr_is(g, GR_GREENLET) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	gr_enter();
	r = join(g, deadline);
	if (r == 0 && g->error)
		r = -g->error;
	if (r == 0 && ret_value)
		*ret_value = g->value;
	return gr_leave(r);
}

/* --- what its function says of itself --------------------------------------------------------------------------------------------------- */

void *grove_fail(int err)
{
	struct grove_greenlet *rec = grove_current();

	if (err < 0 || err > ERRNO_MAX)
		err = EINVAL;
	if (rec)
		rec->failing = err;
	else
		gr_job_fail(err);
	return NULL;
}

int grove_defer(void (*fn)(void *), void *arg)
{
	struct grove_greenlet *rec = grove_current();
	struct deferred *d;

	if (!rec || !rec->fn)
		return gr_fails(ESRCH);
	if (!fn)
		return gr_fails(EINVAL);
	d = malloc(sizeof(*d));
	if (!d)
		return -1;
	*d = (struct deferred){ .outer = rec->deferred, .fn = fn, .arg = arg };
	rec->deferred = d;
	return 0;
}

/* --- fork ------------------------------------------------------------------------------------------------------------------------------- */

void gr_greenlet_fork_child(void)
{
	struct grove_greenlet *me = gr_carrier()->current->api;

	gr_worker_fork_child();
	gr_list_each_safe(it, &gr_greenlets) {
		struct grove_greenlet *rec = gr_container(it, struct grove_greenlet, all);

		if (rec == me)
			continue;
		rec->g = NULL;
		rec->worker = NULL;
		rec->life = GR_ENDED;
		rec->error = ECANCELED;
		rec->object.ready = true;
		gr_list_init(&rec->joiners);
		gr_list_init(&rec->callbacks);
		gr_list_init(&rec->object.links);
		gr_list_del(it);
	}
}
