/*
 * barrier.c - barriers, and once
 */
#include "api.h"
#include <grove/barrier.h>
#include <stdlib.h>

struct grove_barrier {
	struct gr_object object;	/* GR_BARRIER; ready: it is broken */
	unsigned parties;
	unsigned waiting;		/* in the line */
	struct gr_list waiters;		/* struct waiter, in the order in which they came */
};

struct waiter {
	struct gr_turn turn;
	struct grove_barrier *barrier;
};

grove_barrier *grove_barrier_new(unsigned parties)
{
	grove_barrier *barrier;

	if (parties == 0 || parties >= GROVE_BARRIER_SERIAL)
		return gr_fails_null(EINVAL);
	barrier = malloc(sizeof(*barrier));
	if (!barrier)
		return NULL;
	*barrier = (grove_barrier){ .parties = parties };
	gr_object_init(&barrier->object, GR_BARRIER, false);
	gr_list_init(&barrier->waiters);
	return barrier;
}

int grove_barrier_free(grove_barrier *barrier)
{
	if (!barrier)
		return 0;
	GR_ANYWHERE(-1, grove_barrier_free, barrier);
	if (!gr_is(barrier, GR_BARRIER))
		return gr_fails(EINVAL);
	if (!gr_list_empty(&barrier->waiters) || !gr_list_empty(&barrier->object.links))
		return gr_fails(EBUSY);
	barrier->object.type = 0;
	free(barrier);
	return 0;
}

static void fail_all(struct grove_barrier *barrier, bool broken)
{
	barrier->waiting = 0;
	gr_give_all(&barrier->waiters, -EPIPE);
	gr_object_set_ready(&barrier->object, broken);
}

/* The last one has come. */
static void open_it(struct grove_barrier *barrier)
{
	int number = 0;

	barrier->waiting = 0;
	while (!gr_list_empty(&barrier->waiters))
		gr_give_turn(gr_first_turn(&barrier->waiters), number++);
}

static void unwound_from_barrier(struct gr_turn *turn)
{
	if (turn->given)
		return;
	gr_enter();
	fail_all(gr_container(turn, struct waiter, turn)->barrier, true);
	gr_leave_quietly();
}

static int come_to(struct grove_barrier *barrier, gr_time deadline)
{
	struct waiter w = { .turn.unwound = unwound_from_barrier, .barrier = barrier };
	int r;

	if (barrier->object.ready)
		return -EPIPE;
	if (gr_list_empty(&barrier->waiters))
		barrier->waiting = 0;		/* in a forked child those who waited are not there */
	if (barrier->waiting + 1 == barrier->parties) {
		open_it(barrier);
		return GROVE_BARRIER_SERIAL;
	}
	if (deadline == GR_AT_ONCE)
		return -EAGAIN;
	barrier->waiting++;
	r = gr_wait_guarded(&barrier->waiters, "barrier", barrier, deadline, &w.turn);
	if (!w.turn.given)
		fail_all(barrier, true);
	return r;
}

int grove_barrier_wait(grove_barrier *barrier, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_barrier_wait, barrier, timeout);
	if (!gr_is(barrier, GR_BARRIER) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	gr_enter();
	return gr_leave(come_to(barrier, deadline));
}

int grove_barrier_abort(grove_barrier *barrier)
{
	GR_ANYWHERE(-1, grove_barrier_abort, barrier);
	if (!gr_is(barrier, GR_BARRIER))
		return gr_fails(EINVAL);
	gr_enter();
	fail_all(barrier, true);
	return gr_leave(0);
}

int grove_barrier_reset(grove_barrier *barrier)
{
	GR_ANYWHERE(-1, grove_barrier_reset, barrier);
	if (!gr_is(barrier, GR_BARRIER))
		return gr_fails(EINVAL);
	gr_enter();
	fail_all(barrier, false);
	return gr_leave(0);
}

unsigned grove_barrier_parties(const grove_barrier *barrier)
{
	return gr_is(barrier, GR_BARRIER) ? barrier->parties : 0;
}

unsigned grove_barrier_waiting(const grove_barrier *barrier)
{
	return gr_is(barrier, GR_BARRIER) ? __atomic_load_n(&barrier->waiting, __ATOMIC_ACQUIRE) : 0;
}

bool grove_barrier_broken(const grove_barrier *barrier)
{
	return gr_is(barrier, GR_BARRIER) && __atomic_load_n(&barrier->object.ready, __ATOMIC_ACQUIRE);
}

/* --- once -------------------------------------------------------------------------------------------------------------------------- */

/*
 * NEW --first caller--> RUNNING --it is done--> DONE
 *                       RUNNING --it failed--> the next in line runs it, or NEW
 */
enum { NEW, RUNNING = 0x67724001, DONE = 0x67724002 };	/* the last two are values that nothing else has */

/* What lies in struct grove_once. */
struct once {
	uint32_t state;
	uint32_t forks;			/* of the process, when the runner began */
	uintptr_t runner;		/* gr_asker() */
	struct gr_list waiters;		/* struct once_waiter; initialised when the first caller comes */
};
_Static_assert(sizeof(struct once) <= sizeof(struct grove_once), "the opaque part must have room");

#define RUN	1			/* the result of a turn: run it yourself */

static struct once *inner(const struct grove_once *once)
{
	return (struct once *)(uintptr_t)once;
}

/* In a forked child, of all greenlets only the one that forked is still there to finish it. */
static bool runner_is_gone(const struct once *o)
{
	const struct gr_carrier *c = gr_carrier();

	return o->forks != c->forks && o->runner != (uintptr_t)c->main;
}

static int start_running(struct once *o, uintptr_t asker)
{
	o->state = RUNNING;
	o->runner = asker;
	o->forks = gr_carrier()->forks;
	return RUN;
}

/* It failed: the next one's turn. */
static void hand_on(struct once *o)
{
	struct gr_turn *next = gr_first_turn(&o->waiters);

	o->state = NEW;
	if (!next)
		return;
	start_running(o, (uintptr_t)next->value);
	gr_give_turn(next, RUN);
}

struct once_waiter {
	struct gr_turn turn;		/* .value: who asks */
	struct once *once;
};

static void unwound_from_once(struct gr_turn *turn)
{
	if (!turn->given || turn->result != RUN)
		return;
	gr_enter();
	hand_on(gr_container(turn, struct once_waiter, turn)->once);
	gr_leave_quietly();
}

static int wait_for_runner(struct once *o, uintptr_t asker, gr_time deadline)
{
	struct once_waiter w = { .turn = { .value = (void *)asker, .unwound = unwound_from_once }, .once = o };

	return gr_wait_guarded(&o->waiters, "once", o, deadline, &w.turn);
}

static int look(struct once *o, gr_time deadline)
{
	uintptr_t asker = gr_asker();

	if (!o->waiters.next)
		gr_list_init(&o->waiters);
	if (o->state == DONE)
		return 0;
	if (o->state == NEW || runner_is_gone(o))
		return start_running(o, asker);
	return o->runner == asker ? -EDEADLK : wait_for_runner(o, asker, deadline);
}

/* RUN: the caller is to run it.  0: it is done. */
static int begin(struct once *o, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, begin, o, timeout);
	if (!gr_until(timeout, &deadline) || (o->state != NEW && o->state != RUNNING && o->state != DONE))
		return gr_fails(EINVAL);
	gr_enter();
	return gr_leave(look(o, deadline));
}

static int end(struct once *o, bool done)
{
	GR_ANYWHERE(-1, end, o, done);
	gr_enter();
	if (done) {
		__atomic_store_n(&o->state, DONE, __ATOMIC_RELEASE);
		gr_give_all(&o->waiters, 0);
	} else {
		hand_on(o);
	}
	return gr_leave(0);
}

/* It failed, or its thread is being unwound. */
static void give_up(struct once **o)
{
	int was = errno;

	if (*o)
		end(*o, false);
	errno = was;
}

/* In the caller itself, native thread or not. */
static int run(struct once *o, grove_once_fn *fn, void *arg)
{
	struct once *mine __attribute__((cleanup(give_up))) = o;

	if (fn(arg) != 0)
		return -1;
	mine = NULL;
	return end(o, true);
}

int grove_once_call(struct grove_once *once, grove_once_fn *fn, void *arg, int64_t timeout)
{
	int r;

	if (!once || !fn)
		return gr_fails(EINVAL);
	if (GR_LIKELY(grove_once_done(once)))
		return 0;
	r = begin(inner(once), timeout);
	return r == RUN ? run(inner(once), fn, arg) : r;
}

bool grove_once_done(const struct grove_once *once)
{
	return once && __atomic_load_n(&inner(once)->state, __ATOMIC_ACQUIRE) == DONE;
}
