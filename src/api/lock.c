/*
 * lock.c - recursive locks and their condition variables; read-write locks
 *
 * Owners are gr_asker()'s tokens.  A lock that is released is given: its next owner is written down before it runs.
 */
#include "greenlet.h"
#include "../clock.h"
#include <grove/lock.h>
#include <limits.h>
#include <stdlib.h>

struct grove_lock {
	struct gr_object object;	/* GR_RLOCK; ready: nobody owns it */
	uintptr_t owner;		/* or 0, and then nobody waits */
	unsigned depth;
	unsigned conditions;		/* made for it */
	unsigned returning;		/* in grove_condition_wait(): they will want it again */
	struct gr_list waiters;		/* struct waiter */
};

struct grove_condition {
	struct gr_object object;	/* GR_CONDITION; never ready */
	struct grove_lock *lock;
	struct gr_list waiters;		/* struct waiter */
};

/* Who waits for a lock, or at a condition to own its lock again. */
struct waiter {
	struct gr_turn turn;
	struct grove_lock *lock;
	struct grove_condition *condition;
	uintptr_t asker;
	unsigned depth;
};

/* --- locks ------------------------------------------------------------------------------------------------------------------------- */

grove_lock *grove_lock_new(void)
{
	grove_lock *lock = malloc(sizeof(*lock));

	if (!lock)
		return NULL;
	*lock = (grove_lock){ .owner = 0 };
	gr_object_init(&lock->object, GR_RLOCK, true);
	gr_list_init(&lock->waiters);
	return lock;
}

int grove_lock_free(grove_lock *lock)
{
	if (!lock)
		return 0;
	GR_ANYWHERE(-1, grove_lock_free, lock);
	if (!gr_is(lock, GR_RLOCK))
		return gr_fails(EINVAL);
	if (lock->owner || lock->conditions || lock->returning || !gr_list_empty(&lock->object.links))
		return gr_fails(EBUSY);
	lock->object.type = 0;
	free(lock);
	return 0;
}

static void own(struct grove_lock *lock, uintptr_t asker, unsigned depth)
{
	lock->owner = asker;
	lock->depth = depth;
	lock->object.ready = false;
}

/* The owner has done with it. */
static void pass_on(struct grove_lock *lock)
{
	struct gr_turn *turn = gr_first_turn(&lock->waiters);

	if (turn) {
		struct waiter *w = gr_container(turn, struct waiter, turn);

		own(lock, w->asker, w->depth);
		gr_give_turn(turn, 0);
		return;
	}
	lock->owner = 0;
	gr_object_set_ready(&lock->object, true);
}

static void unwound_from_lock(struct gr_turn *turn)
{
	if (!turn->given)
		return;
	gr_enter();
	pass_on(gr_container(turn, struct waiter, turn)->lock);
	gr_leave_quietly();
}

static int wait_for_lock(struct grove_lock *lock, uintptr_t asker, gr_time deadline)
{
	struct waiter w = { .turn.unwound = unwound_from_lock, .lock = lock, .asker = asker, .depth = 1 };

	return gr_wait_guarded(&lock->waiters, "lock", lock, deadline, &w.turn);
}

static int acquire(struct grove_lock *lock, gr_time deadline)
{
	uintptr_t asker = gr_asker();

	if (!lock->owner) {
		own(lock, asker, 1);
		return 0;
	}
	if (lock->owner != asker)
		return wait_for_lock(lock, asker, deadline);
	if (lock->depth == UINT_MAX)
		return -EOVERFLOW;
	lock->depth++;
	return 0;
}

int grove_lock_acquire(grove_lock *lock, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_lock_acquire, lock, timeout);
	if (!gr_is(lock, GR_RLOCK) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	gr_enter();
	return gr_leave(acquire(lock, deadline));
}

int grove_lock_try(grove_lock *lock)
{
	return grove_lock_acquire(lock, 0);
}

int grove_lock_release(grove_lock *lock)
{
	GR_ANYWHERE(-1, grove_lock_release, lock);
	if (!gr_is(lock, GR_RLOCK))
		return gr_fails(EINVAL);
	if (lock->owner != gr_asker())
		return gr_fails(EPERM);
	gr_enter();
	if (--lock->depth == 0)
		pass_on(lock);
	return gr_leave(0);
}

bool grove_lock_locked(const grove_lock *lock)
{
	return gr_is(lock, GR_RLOCK) && __atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE) != 0;
}

unsigned grove_lock_depth(grove_lock *lock)
{
	GR_ANYWHERE(0u, grove_lock_depth, lock);
	return gr_is(lock, GR_RLOCK) && lock->owner == gr_asker() ? lock->depth : 0;
}

/* --- condition variables ----------------------------------------------------------------------------------------------------------- */

grove_condition *grove_condition_new(grove_lock *lock)
{
	grove_condition *condition;

	GR_ANYWHERE((grove_condition *)NULL, grove_condition_new, lock);
	if (!gr_is(lock, GR_RLOCK))
		return gr_fails_null(EINVAL);
	condition = malloc(sizeof(*condition));
	if (!condition)
		return NULL;
	condition->lock = lock;
	gr_object_init(&condition->object, GR_CONDITION, false);
	gr_list_init(&condition->waiters);
	lock->conditions++;
	return condition;
}

int grove_condition_free(grove_condition *condition)
{
	if (!condition)
		return 0;
	GR_ANYWHERE(-1, grove_condition_free, condition);
	if (!gr_is(condition, GR_CONDITION))
		return gr_fails(EINVAL);
	if (!gr_list_empty(&condition->waiters) || !gr_list_empty(&condition->object.links))
		return gr_fails(EBUSY);
	condition->lock->conditions--;
	condition->object.type = 0;
	free(condition);
	return 0;
}

static int notify(struct grove_condition *condition, unsigned n)
{
	unsigned woken = 0;

	for (; woken < n && !gr_list_empty(&condition->waiters); woken++)
		gr_give_turn(gr_first_turn(&condition->waiters), 0);
	return (int)woken;
}

static int relock(struct grove_lock *lock, uintptr_t asker, unsigned depth);

/* On its way out the caller needs the lock all the same: its cleanup handlers will release it. */
static void unwound_from_relock(struct gr_turn *turn)
{
	struct waiter *w = gr_container(turn, struct waiter, turn);

	gr_enter();
	turn->g->hold = 0;
	if (turn->given)
		w->lock->returning--;
	else
		relock(w->lock, w->asker, w->depth);
	gr_leave_quietly();
}

/* Own the lock again, whatever the time, killed or not. */
static int relock(struct grove_lock *lock, uintptr_t asker, unsigned depth)
{
	struct waiter w = { .turn.unwound = unwound_from_relock, .lock = lock, .asker = asker, .depth = depth };
	struct gr_greenlet *g = gr_carrier()->current;
	uint8_t hold = g->hold;
	int r = 0;

	if (!lock->owner) {
		own(lock, asker, depth);
	} else {
		g->hold = GR_PARK_HOLD;
		r = gr_wait_guarded(&lock->waiters, "lock", lock, GR_NEVER, &w.turn);
		g->hold = hold;
	}
	lock->returning--;
	return r;
}

/* A notification that its receiver cannot act upon is for the next. */
static void unwound_from_condition(struct gr_turn *turn)
{
	struct waiter *w = gr_container(turn, struct waiter, turn);

	gr_enter();
	if (turn->given)
		notify(w->condition, 1);
	relock(w->lock, w->asker, w->depth);
	gr_leave_quietly();
}

static int wait_at(struct grove_condition *condition, gr_time deadline)
{
	struct grove_lock *lock = condition->lock;
	struct waiter w = { .turn.unwound = unwound_from_condition, .lock = lock, .condition = condition, .asker = lock->owner,
			    .depth = lock->depth };
	int r, again;

	if (deadline == GR_AT_ONCE)
		return -EAGAIN;
	lock->returning++;
	pass_on(lock);
	r = gr_wait_guarded(&condition->waiters, "condition", condition, deadline, &w.turn);
	again = relock(lock, w.asker, w.depth);
	return again < 0 ? again : r;
}

static int check(const struct grove_condition *condition)
{
	if (!gr_is(condition, GR_CONDITION))
		return EINVAL;
	return condition->lock->owner == gr_asker() ? 0 : EPERM;
}

int grove_condition_wait(grove_condition *condition, int64_t timeout)
{
	gr_time deadline;
	int err;

	GR_ANYWHERE(-1, grove_condition_wait, condition, timeout);
	err = gr_until(timeout, &deadline) ? check(condition) : EINVAL;
	if (err)
		return gr_fails(err);
	gr_enter();
	return gr_leave(wait_at(condition, deadline));
}

static int check_anywhere(const grove_condition *condition)
{
	int err;

	GR_ANYWHERE(-1, check_anywhere, condition);
	err = check(condition);
	return err ? gr_fails(err) : 0;
}

/* On a native thread, too, the predicate runs in the caller. */
int grove_condition_wait_for(grove_condition *condition, grove_predicate_fn *predicate, void *arg, int64_t timeout)
{
	int was = errno;
	gr_time deadline;

	if (!predicate || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	if (check_anywhere(condition) < 0)
		return -1;
	while (!predicate(arg)) {
		int64_t left = deadline == GR_NEVER || deadline == GR_AT_ONCE ? timeout : deadline - gr_now();

		if (left < 0 || (left == 0 && timeout > 0))
			return gr_fails(ETIMEDOUT);
		if (grove_condition_wait(condition, left) < 0) {
			if (errno != ETIMEDOUT || !predicate(arg))
				return -1;
			break;
		}
	}
	errno = was;
	return 0;
}

int grove_condition_notify(grove_condition *condition, unsigned n)
{
	int err;

	GR_ANYWHERE(-1, grove_condition_notify, condition, n);
	err = check(condition);
	if (err)
		return gr_fails(err);
	gr_enter();
	return gr_leave(notify(condition, n));
}

int grove_condition_notify_all(grove_condition *condition)
{
	return grove_condition_notify(condition, UINT_MAX);
}

/* --- read-write locks ---------------------------------------------------------------------------------------------------------------- */

struct grove_rwlock {
	struct gr_object object;	/* GR_RWLOCK; ready: nobody holds it */
	uintptr_t writer;		/* or 0 */
	unsigned readers;
	struct gr_list waiters;		/* struct rw_waiter; the first cannot have it now */
};

struct rw_waiter {
	struct gr_turn turn;
	struct grove_rwlock *lock;
	uintptr_t asker;
	bool writes;
};

grove_rwlock *grove_rwlock_new(void)
{
	grove_rwlock *lock = malloc(sizeof(*lock));

	if (!lock)
		return NULL;
	*lock = (grove_rwlock){ .writer = 0 };
	gr_object_init(&lock->object, GR_RWLOCK, true);
	gr_list_init(&lock->waiters);
	return lock;
}

int grove_rwlock_free(grove_rwlock *lock)
{
	if (!lock)
		return 0;
	GR_ANYWHERE(-1, grove_rwlock_free, lock);
	if (!gr_is(lock, GR_RWLOCK))
		return gr_fails(EINVAL);
	if (lock->writer || lock->readers || !gr_list_empty(&lock->waiters) || !gr_list_empty(&lock->object.links))
		return gr_fails(EBUSY);
	lock->object.type = 0;
	free(lock);
	return 0;
}

static bool can_have(const struct grove_rwlock *lock, bool writes)
{
	return !lock->writer && !(writes && lock->readers);
}

static void hold(struct grove_rwlock *lock, uintptr_t asker, bool writes)
{
	if (writes)
		lock->writer = asker;
	else
		lock->readers++;
	lock->object.ready = false;
}

/* Somebody unlocked it, or gave up waiting: whoever is first in line now, and those behind who fit, have their turn. */
static void let_in(struct grove_rwlock *lock)
{
	while (!gr_list_empty(&lock->waiters)) {
		struct rw_waiter *w = gr_container(gr_first_turn(&lock->waiters), struct rw_waiter, turn);

		if (!can_have(lock, w->writes))
			return;
		hold(lock, w->asker, w->writes);
		gr_give_turn(&w->turn, 0);
	}
	gr_object_set_ready(&lock->object, can_have(lock, true));
}

static void let_go(struct grove_rwlock *lock)
{
	if (lock->writer)
		lock->writer = 0;
	else
		lock->readers--;
	let_in(lock);
}

static void unwound_from_rwlock(struct gr_turn *turn)
{
	struct grove_rwlock *lock = gr_container(turn, struct rw_waiter, turn)->lock;

	gr_enter();
	if (turn->given)
		let_go(lock);
	else
		let_in(lock);
	gr_leave_quietly();
}

static int wait_in(struct grove_rwlock *lock, uintptr_t asker, bool writes, gr_time deadline)
{
	struct rw_waiter w = { .turn.unwound = unwound_from_rwlock, .lock = lock, .asker = asker, .writes = writes };
	int r = gr_wait_guarded(&lock->waiters, writes ? "writing" : "reading", lock, deadline, &w.turn);

	if (r < 0)
		let_in(lock);
	return r;
}

static int lock_it(struct grove_rwlock *lock, bool writes, gr_time deadline)
{
	uintptr_t asker = gr_asker();

	if (lock->writer == asker)
		return -EDEADLK;
	if (!gr_list_empty(&lock->waiters) || !can_have(lock, writes))
		return wait_in(lock, asker, writes, deadline);
	hold(lock, asker, writes);
	return 0;
}

int grove_rwlock_rdlock(grove_rwlock *lock, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_rwlock_rdlock, lock, timeout);
	if (!gr_is(lock, GR_RWLOCK) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	gr_enter();
	return gr_leave(lock_it(lock, false, deadline));
}

int grove_rwlock_wrlock(grove_rwlock *lock, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_rwlock_wrlock, lock, timeout);
	if (!gr_is(lock, GR_RWLOCK) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	gr_enter();
	return gr_leave(lock_it(lock, true, deadline));
}

int grove_rwlock_tryrdlock(grove_rwlock *lock)
{
	return grove_rwlock_rdlock(lock, 0);
}

int grove_rwlock_trywrlock(grove_rwlock *lock)
{
	return grove_rwlock_wrlock(lock, 0);
}

int grove_rwlock_unlock(grove_rwlock *lock)
{
	GR_ANYWHERE(-1, grove_rwlock_unlock, lock);
	if (!gr_is(lock, GR_RWLOCK))
		return gr_fails(EINVAL);
	if (lock->writer ? lock->writer != gr_asker() : !lock->readers)
		return gr_fails(EPERM);
	gr_enter();
	let_go(lock);
	return gr_leave(0);
}

/* --- for reports -------------------------------------------------------------------------------------------------------------------- */

struct gr_greenlet *gr_object_holder(const void *object)
{
	if (gr_is(object, GR_GREENLET))
		return ((const struct grove_greenlet *)object)->g;
	if (gr_is(object, GR_RLOCK))
		return gr_greenlet_of_asker(((const struct grove_lock *)object)->owner);
	if (gr_is(object, GR_RWLOCK))
		return gr_greenlet_of_asker(((const struct grove_rwlock *)object)->writer);
	return NULL;
}
