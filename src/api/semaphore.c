/*
 * semaphore.c - semaphores: permits go from who gives one back straight to who has waited longest
 */
#include "api.h"
#include <grove/semaphore.h>
#include <stdlib.h>

struct grove_semaphore {
	struct gr_object object;	/* GR_SEMAPHORE; ready: there is a permit */
	unsigned value;			/* permits; 0 while somebody waits */
	unsigned max;
	bool bounded;			/* max is what it began with */
	struct gr_list waiters;		/* struct waiter */
};

struct waiter {
	struct gr_turn turn;
	struct grove_semaphore *sem;
};

static grove_semaphore *make(unsigned value, unsigned max, bool bounded)
{
	grove_semaphore *sem;

	if (value > max)
		return gr_fails_null(EINVAL);
	sem = malloc(sizeof(*sem));
	if (!sem)
		return NULL;
	*sem = (grove_semaphore){ .value = value, .max = max, .bounded = bounded };
	gr_object_init(&sem->object, GR_SEMAPHORE, value > 0);
	gr_list_init(&sem->waiters);
	return sem;
}

grove_semaphore *grove_semaphore_new(unsigned value)
{
	return make(value, GROVE_SEMAPHORE_MAX, false);
}

grove_semaphore *grove_semaphore_new_bounded(unsigned value)
{
	return value > GROVE_SEMAPHORE_MAX ? gr_fails_null(EINVAL) : make(value, value, true);
}

int grove_semaphore_free(grove_semaphore *sem)
{
	if (!sem)
		return 0;
	GR_ANYWHERE(-1, grove_semaphore_free, sem);
	if (!gr_is(sem, GR_SEMAPHORE))
		return gr_fails(EINVAL);
	if (!gr_list_empty(&sem->waiters) || !gr_list_empty(&sem->object.links))
		return gr_fails(EBUSY);
	sem->object.type = 0;
	free(sem);
	return 0;
}

static inline void give(struct grove_semaphore *sem, unsigned n)
{
	for (; n && !gr_list_empty(&sem->waiters); n--)
		gr_give_turn(gr_first_turn(&sem->waiters), 0);
	sem->value += n;
	gr_object_set_ready(&sem->object, sem->value > 0);
}

static void unwound(struct gr_turn *turn)
{
	if (!turn->given)
		return;
	gr_enter();
	give(gr_container(turn, struct waiter, turn)->sem, 1);
	gr_leave_quietly();
}

static int wait_for_permit(struct grove_semaphore *sem, gr_time deadline)
{
	struct waiter w;		/* the rest is gr_wait_guarded()'s to set */

	w.turn.place.also = NULL;
	w.turn.unwound = unwound;
	w.sem = sem;
	return gr_wait_guarded(&sem->waiters, "semaphore", sem, deadline, &w.turn);
}

int grove_semaphore_acquire(grove_semaphore *sem, int64_t timeout)
{
	gr_time deadline;

	GR_ANYWHERE(-1, grove_semaphore_acquire, sem, timeout);
	if (!gr_is(sem, GR_SEMAPHORE) || !gr_until(timeout, &deadline))
		return gr_fails(EINVAL);
	gr_enter();
	if (sem->value == 0)
		return gr_leave(wait_for_permit(sem, deadline));
	sem->object.ready = --sem->value > 0;
	return gr_leave(0);
}

int grove_semaphore_try(grove_semaphore *sem)
{
	return grove_semaphore_acquire(sem, 0);
}

/* While somebody waits all permits are out. */
static int too_many(const struct grove_semaphore *sem, unsigned n)
{
	if (n <= sem->max - sem->value)
		return 0;
	return sem->bounded ? -ERANGE : -EOVERFLOW;
}

static inline int release(grove_semaphore *sem, unsigned n)
{
	int r;

	if (!gr_is(sem, GR_SEMAPHORE))
		return gr_fails(EINVAL);
	gr_enter();
	r = too_many(sem, n);
	if (r == 0)
		give(sem, n);
	return gr_leave(r);
}

int grove_semaphore_release_n(grove_semaphore *sem, unsigned n)
{
	GR_ANYWHERE(-1, grove_semaphore_release_n, sem, n);
	return release(sem, n);
}

int grove_semaphore_release(grove_semaphore *sem)
{
	GR_ANYWHERE(-1, grove_semaphore_release, sem);
	return release(sem, 1);
}

unsigned grove_semaphore_value(const grove_semaphore *sem)
{
	return gr_is(sem, GR_SEMAPHORE) ? __atomic_load_n(&sem->value, __ATOMIC_ACQUIRE) : 0;
}

bool grove_semaphore_locked(const grove_semaphore *sem)
{
	return gr_is(sem, GR_SEMAPHORE) && __atomic_load_n(&sem->value, __ATOMIC_ACQUIRE) == 0;
}
