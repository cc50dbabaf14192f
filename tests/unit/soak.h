/*
 * soak.h - a crowd of greenlets that does random things with everything public, and what must hold afterwards
 *
 * Includes nothing but grove.h and libc, so that the same steps run in a unit test (test_soak.c), and in a plain program on the real
 * clock.  Nobody may lose or double anything, errors are documented ones, all that was begun ends, and everything can be freed.
 *
 * soak() makes a few objects of each kind, and actors, each of which takes one random step after another.  Steps may lie within others: in
 * a scope, under a shield, while a lock is held.  The caller kills actors, throws at them, and puts others in their place.
 */
#ifndef TEST_SOAK_H
#define TEST_SOAK_H

#include <errno.h>
#include <fcntl.h>
#include <grove.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct soak {
	uint32_t seed;
	int rounds;			/* of what the caller does to the actors */
	int natives;			/* threads that use the API meanwhile; needs the real clock */
	bool forks;
	bool real;			/* the clock is: with jobs of thread pools */
	int (*native_thread)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
};

#define ACTORS	24
#define SOME	3
#define DEEP	3
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* An item of a queue, channel or pipeline */
struct item {
	struct item *next;
	int put, got;			/* how often it was put with success, and got */
};

static struct {
	struct soak how;
	uint32_t random;
	const char *step;		/* for people */
	volatile int stop;
	int alive;			/* functions that have begun and not ended */
	unsigned long steps;
	struct item *items;
	grove_greenlet *actors[ACTORS];

	grove_event *event[SOME];
	grove_semaphore *sem[SOME];
	int held[SOME];
	grove_lock *lock[SOME];
	int inside[SOME];
	grove_condition *condition[SOME];
	grove_rwlock *rw[SOME];
	int readers[SOME], writers[SOME];
	grove_barrier *barrier;
	int barrier_passed, barrier_serial;
	grove_queue *queue[SOME];
	grove_channel *channel[SOME];
	grove_group *group;
	grove_pool *pool[2];
	grove_threadpool *threads;
	grove_local *local;
	int locals;
	grove_var *var;
	int links_made, links_run;
	int soon_made, soon_run;
	int signals;
	int pair[2];
	long written, read;
} k;

/* --- what fails -------------------------------------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 1, 2))) static _Noreturn void broken(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "soak: seed %u, step %lu (%s): ", k.how.seed, k.steps, k.step ? k.step : "");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

#define must(cond) ((cond) ? (void)0 : broken("line %d: %s (errno %s)", __LINE__, #cond, strerrorname_np(errno)))

static bool may_fail(bool failed, int line, const char *what, const int *errors)
{
	if (!failed)
		return true;
	if (errno == ETIMEDOUT || errno == ECANCELED || errno == EPROTO)	/* EPROTO is what is thrown */
		return false;
	while (*errors)
		if (errno == *errors++)
			return false;
	broken("line %d: %s: %s", line, what, strerrorname_np(errno));
}

/* Did @call succeed?  If not, it is by what may end any wait, or by one of the errors named. */
#define may(call, ...) may_fail((long)(call) == -1, __LINE__, #call, (const int[]){ __VA_ARGS__ __VA_OPT__(, ) 0 })
#define may_null(call, ...) may_fail((call) == NULL, __LINE__, #call, (const int[]){ __VA_ARGS__ __VA_OPT__(, ) 0 })

/* --- chance ------------------------------------------------------------------------------------------------------------------------------ */

static uint32_t below(uint32_t n)
{
	uint32_t r = __atomic_load_n(&k.random, __ATOMIC_RELAXED) * 1664525 + 1013904223;

	__atomic_store_n(&k.random, r, __ATOMIC_RELAXED);
	return (uint32_t)((uint64_t)(r >> 8) * n >> 24);
}

static bool one_in(uint32_t n)
{
	return below(n) == 0;
}

/* Who is within something of others' must not wait for ever. */
static int64_t some_time(int depth)
{
	switch (below(5)) {
	case 0: return 0;
	case 1: return depth == 0 && !k.stop ? GROVE_FOREVER : GROVE_US(10);
	case 2: return GROVE_US(below(1000));
	default: return GROVE_US(below(50));
	}
}

static void count(int *n, int by)
{
	__atomic_add_fetch(n, by, __ATOMIC_SEQ_CST);
}

/* --- greenlets --------------------------------------------------------------------------------------------------------------------------- */

static void step(int depth);

static void has_ended(void *arg)
{
	(void)arg;
	count(&k.alive, -1);
}

static void begun(void)
{
	count(&k.alive, 1);
	must(grove_defer(has_ended, NULL) == 0);
}

/* A short life: its result is the argument. */
static void *lives(void *arg)
{
	begun();
	if (one_in(2))
		grove_sleep(some_time(1));
	if (one_in(3))
		step(2);
	if (one_in(5))
		return grove_fail(EIO);
	return arg;
}

static void *exits(void *arg)
{
	begun();
	grove_sleep(GROVE_US(below(20)));
	pthread_exit(arg);
}

static void *waits_on(void *arg)
{
	begun();
	switch (below(4)) {
	case 0: grove_event_wait(k.event[below(SOME)], some_time(0)); break;
	case 1: grove_condition_wait(k.condition[below(SOME)], some_time(0)); break;
	default: grove_sleep(GROVE_US(below(200)));
	}
	return arg;
}

static grove_greenlet *child(void *arg)
{
	struct grove_spawn_attr attr = { .size = sizeof(attr), .name = "child" };
	grove_greenlet *g;

	switch (below(6)) {
	case 0: g = grove_spawn_later(GROVE_US(below(100)), lives, arg); break;
	case 1: g = grove_spawn(waits_on, arg); break;
	case 2: g = grove_spawn(exits, arg); break;
	case 3:
		attr.stack_size = one_in(2) ? 64 * 1024 : 1024 * 1024;
		attr.delay = one_in(2) ? GROVE_US(below(50)) : 0;
		g = grove_spawn_with(&attr, lives, arg);
		break;
	default: g = grove_spawn(lives, arg);
	}
	must(g);
	return g;
}

/* Everything that was begun here ends here. */
static void bury(grove_greenlet **list, size_t n)
{
	struct grove_timeout shield;

	must(grove_shield_start(&shield) == 0);
	if (one_in(2))
		grove_killall(list, n, 0);
	for (size_t i = 0; i < n; i++) {
		if (!list[i])
			continue;
		if (grove_join(list[i], GROVE_MS(1)) < 0) {
			must(errno == ETIMEDOUT);
			if (grove_kill(list[i], GROVE_SEC(20)) < 0 && errno != ESRCH) {
				grove_print_run_info(2, GROVE_STACKS);
				broken("%s does not end: %s", grove_name(list[i]), strerrorname_np(errno));
			}
		}
		must(grove_ready(list[i]) && !grove_started(list[i]));
		must(grove_successful(list[i]) == !grove_error(list[i]));
		grove_release(list[i]);
	}
	must(grove_timeout_stop(&shield) == 0);
}

static void linked(grove_greenlet *g, void *arg)
{
	must(grove_ready(g));
	(void)arg;
	count(&k.links_run, 1);
}

static void step_children(int depth)
{
	grove_greenlet *g[8] = { NULL };
	size_t n = 1 + below(7);
	void *value;

	for (size_t i = 0; i < n; i++) {
		if (one_in(8))
			continue;
		g[i] = child((void *)(i + 1));
		if (one_in(4)) {
			must(grove_link(g[i], linked, NULL) == 0);
			count(&k.links_made, 1);
			if (one_in(4) && grove_unlink(g[i], linked, NULL) == 0)
				count(&k.links_made, -1);
		}
	}
	for (int i = (int)below(4); i > 0; i--) {
		grove_greenlet *one = g[below((uint32_t)n)];
		grove_greenlet *extra;

		switch (below(7)) {
		case 0: may(grove_joinall(g, n, below((uint32_t)n + 1), some_time(depth), one_in(2) ? GROVE_RAISE_ERROR : 0), EIO); break;
		case 1: may(grove_killall(g, n, some_time(depth)), EAGAIN); break;
		case 2: if (one) may(grove_kill(one, some_time(depth)), ESRCH, EAGAIN); break;
		case 3: if (one) may(grove_throw(one, EPROTO), ESRCH); break;
		case 4: if (one) may(grove_join(one, some_time(depth)), EAGAIN); break;
		case 5:
			if (one && may(grove_get(one, &value, some_time(depth)), EAGAIN, EIO))
				must(value == grove_value(one));
			break;
		default:
			if (!one)
				break;
			extra = grove_ref(one);
			grove_yield();
			grove_release(extra);
		}
	}
	bury(g, n);
}

static void step_detached(int depth)
{
	struct grove_spawn_attr attr = { .size = sizeof(attr), .flags = GROVE_DETACHED, .delay = one_in(2) ? GROVE_US(below(50)) : 0 };

	(void)depth;
	errno = EIO;
	if (one_in(2))
		must(grove_spawn_with(&attr, lives, NULL) == NULL && errno == 0);
	else
		must(grove_spawn_raw(one_in(2) ? lives : waits_on, NULL) == 0);
}

static void step_sleep(int depth)
{
	(void)depth;
	switch (below(4)) {
	case 0: may(grove_yield()); break;
	case 1: may(grove_sleep(0)); break;
	case 2: if (depth == 0 && one_in(8)) may(grove_idle()); break;
	default: may(grove_sleep(GROVE_US(below(100))));
	}
}

/* --- scopes ------------------------------------------------------------------------------------------------------------------------------ */

static void *cancels(void *scope)
{
	begun();
	if (grove_sleep(GROVE_US(below(30))) == 0)
		grove_timeout_cancel(*(struct grove_timeout **)scope);
	return NULL;
}

static void step_scope(int depth)
{
	struct grove_timeout t = { { 0 } }, *named = &t;
	int64_t time = one_in(4) ? GROVE_FOREVER : GROVE_US(below(100));
	grove_greenlet *g = NULL;
	int r;

	must(grove_timeout_start(&t, time) == 0);
	if (one_in(3))
		must(g = grove_spawn(cancels, &named));
	step(depth + 1);
	if (one_in(4))
		may(grove_timeout_reschedule(&t, GROVE_US(below(100))));
	if (one_in(4))
		step(depth + 1);
	if (g)
		bury(&g, 1);
	r = grove_timeout_stop(&t);
	must(r >= 0 && r <= 2);
	must(grove_timeout_cancelled(&t) == (r == 2) && (grove_timeout_expired(&t) == (r == 1) || r == 2));	/* it may be both */
	must(grove_timeout_stop(&t) == -1 && errno == ESRCH);
}

static void step_shield(int depth)
{
	struct grove_timeout t = { { 0 } };

	must(grove_shield_start(&t) == 0);
	step(depth + 1);
	must(grove_timeout_stop(&t) == 0);
}

static void *steps_on(void *depth)
{
	step((int)(intptr_t)depth);
	return depth;
}

static void step_with_timeout(int depth)
{
	void *value = NULL;

	if (one_in(2))
		may(grove_with_timeout(GROVE_US(below(100)), steps_on, (void *)(intptr_t)(depth + 1), &value));
	else
		must(grove_move_on_after(GROVE_US(below(100)), steps_on, (void *)(intptr_t)(depth + 1), &value) >= 0);
	must(value == (void *)(intptr_t)(depth + 1));
}

/* --- synchronisation --------------------------------------------------------------------------------------------------------------------- */

static void step_event(int depth)
{
	grove_event *e = k.event[below(SOME)];

	switch (below(3)) {
	case 0: must(grove_event_set(e) == 0); break;
	case 1: must(grove_event_clear(e) == 0); break;
	default: may(grove_event_wait(e, some_time(depth)), EAGAIN);
	}
}

static void step_semaphore(int depth)
{
	uint32_t i = below(SOME);

	if (one_in(10)) {		/* SOME - 1 is bounded: all its permits are there only when nobody holds one */
		must(grove_semaphore_value(k.sem[i]) <= i + 1);
		return;
	}
	if (!(one_in(4) ? may(grove_semaphore_try(k.sem[i]), EAGAIN) : may(grove_semaphore_acquire(k.sem[i], some_time(depth)), EAGAIN)))
		return;
	count(&k.held[i], 1);
	must(k.held[i] <= (int)i + 1);
	step(depth + 1);
	count(&k.held[i], -1);
	must(grove_semaphore_release(k.sem[i]) == 0);
}

static bool is_lucky(void *arg)
{
	(void)arg;
	return one_in(3);
}

static void step_lock(int depth)
{
	uint32_t i = below(SOME);
	unsigned depth_before = grove_lock_depth(k.lock[i]);

	if (!may(grove_lock_acquire(k.lock[i], some_time(depth)), EAGAIN))
		return;
	must(grove_lock_depth(k.lock[i]) == depth_before + 1);
	must(k.inside[i] == (int)depth_before);
	k.inside[i]++;
	switch (below(4)) {
	case 0: step(depth + 1); break;
	case 1: must(grove_condition_notify(k.condition[i], below(3)) >= 0); break;
	case 2: must(grove_condition_notify_all(k.condition[i]) >= 0); break;
	default:
		k.inside[i] = 0;
		if (one_in(2))
			may(grove_condition_wait(k.condition[i], some_time(1)), EAGAIN);
		else
			may(grove_condition_wait_for(k.condition[i], is_lucky, NULL, some_time(1)), EAGAIN);
		must(grove_lock_depth(k.lock[i]) == depth_before + 1 && k.inside[i] == 0);
		k.inside[i] = (int)depth_before + 1;
	}
	must(k.inside[i] == (int)depth_before + 1);
	k.inside[i]--;
	must(grove_lock_release(k.lock[i]) == 0);
}

static void step_rwlock(int depth)
{
	uint32_t i = below(SOME);

	if (one_in(3)) {
		if (!may(grove_rwlock_wrlock(k.rw[i], some_time(depth)), EAGAIN, EDEADLK))
			return;
		count(&k.writers[i], 1);
		must(k.writers[i] == 1 && k.readers[i] == 0);
		step(depth + 1);
		must(k.writers[i] == 1 && k.readers[i] == 0);
		count(&k.writers[i], -1);
	} else {
		if (!may(grove_rwlock_rdlock(k.rw[i], some_time(depth)), EAGAIN, EDEADLK))
			return;
		count(&k.readers[i], 1);
		must(k.writers[i] == 0);
		step(depth + 1);
		must(k.writers[i] == 0);
		count(&k.readers[i], -1);
	}
	must(grove_rwlock_unlock(k.rw[i]) == 0);
}

static void step_barrier(int depth)
{
	int r;

	if (one_in(8) || grove_barrier_broken(k.barrier)) {
		must((one_in(4) ? grove_barrier_abort(k.barrier) : grove_barrier_reset(k.barrier)) == 0);
		return;
	}
	r = grove_barrier_wait(k.barrier, some_time(depth));
	if (may(r, EAGAIN, EPIPE)) {
		k.barrier_passed++;
		k.barrier_serial += r == GROVE_BARRIER_SERIAL;
	}
}

struct once {
	struct grove_once once;
	int done;
};

static int does_once(void *arg)
{
	struct once *o = arg;

	must(o->done == 0);
	if (grove_sleep(GROVE_US(below(20))) < 0)
		return -1;
	if (one_in(3))
		return errno = EIO, -1;
	return o->done++, 0;
}

static void *calls_once(void *arg)
{
	struct once *o = arg;

	begun();
	if (may(grove_once_call(&o->once, does_once, o, GROVE_US(below(100))), EAGAIN, EIO))
		must(o->done == 1 && grove_once_done(&o->once));
	return NULL;
}

static void step_once(int depth)
{
	struct once o = { .once = GROVE_ONCE_INIT };
	grove_greenlet *g[4];

	(void)depth;
	for (size_t i = 0; i < COUNT(g); i++)
		must(g[i] = grove_spawn(calls_once, &o));
	if (one_in(2))
		grove_kill(g[below(COUNT(g))], 0);
	may(grove_joinall(g, COUNT(g), 0, some_time(1), 0));
	bury(g, COUNT(g));
	must(grove_once_done(&o.once) == (o.done == 1));
}

/* --- queues and channels ----------------------------------------------------------------------------------------------------------------- */

static struct item *new_item(void)
{
	struct item *it = calloc(1, sizeof(*it));

	must(it);
	it->next = __atomic_load_n(&k.items, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&k.items, &it->next, it, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
	return it;
}

static void has_put(struct item *it)
{
	count(&it->put, 1);
}

static void has_got(struct item *it)
{
	must(__atomic_add_fetch(&it->got, 1, __ATOMIC_SEQ_CST) == 1);
}

static void step_queue(int depth)
{
	uint32_t i = below(SOME);
	grove_queue *q = k.queue[i];
	struct item *it = NULL;
	void *many[4];
	ssize_t n;

	switch (below(9)) {
	case 0: case 1: case 2:
		it = new_item();
		if (may(grove_queue_put(q, it, some_time(depth)), EAGAIN))
			has_put(it);
		break;
	case 3:
		it = new_item();
		if (may(i == 2 ? grove_queue_put_priority(q, it, below(9), some_time(depth)) : grove_queue_put_nowait(q, it), EAGAIN))
			has_put(it);
		break;
	case 4: case 5:
		if (may(grove_queue_get(q, (void **)&it, some_time(depth)), EAGAIN)) {
			has_got(it);
			must(grove_queue_task_done(q) == 0);
		}
		break;
	case 6:
		n = grove_queue_drain(q, many, 1 + below(4));
		must(n >= 0);
		while (n-- > 0) {
			has_got(many[n]);
			must(grove_queue_task_done(q) == 0);
		}
		break;
	case 7: may(grove_queue_peek(q, NULL, some_time(depth)), EAGAIN); break;
	default: may(grove_queue_join(q, some_time(1)), EAGAIN);
	}
}

static void *puts_until_shut(void *arg)
{
	begun();
	for (int i = 0; i < 20; i++) {
		struct item *it = new_item();

		if (!may(grove_queue_put(arg, it, GROVE_FOREVER), EPIPE))
			return NULL;
		has_put(it);
		if (grove_yield() < 0)
			return NULL;
	}
	return NULL;
}

static void *gets_until_shut(void *arg)
{
	struct item *it;

	begun();
	while (may(grove_queue_get(arg, (void **)&it, GROVE_FOREVER), EPIPE)) {
		has_got(it);
		must(grove_queue_task_done(arg) == 0);
		if (grove_yield() < 0)
			return NULL;
	}
	return NULL;
}

static int by_address(const void *a, const void *b)
{
	return a < b ? -1 : a > b;
}

static void step_private_queue(int depth)
{
	size_t bound = 1 + below(4);
	grove_queue *q = one_in(3) ? grove_queue_new_lifo(bound) : one_in(2) ? grove_queue_new_priority(bound, by_address) :
		grove_queue_new(bound);
	grove_greenlet *g[5];
	struct item *it;

	(void)depth;
	must(q);
	for (size_t i = 0; i < COUNT(g); i++)
		must(g[i] = grove_spawn(one_in(2) ? puts_until_shut : gets_until_shut, q));
	may(grove_sleep(GROVE_US(below(20))));
	if (one_in(3))
		grove_kill(g[below(COUNT(g))], 0);
	may(grove_yield());
	must(grove_queue_shutdown(q, false) == 0);
	bury(g, COUNT(g));
	while (grove_queue_get_nowait(q, (void **)&it) == 0) {
		has_got(it);
		must(grove_queue_task_done(q) == 0);
	}
	must(errno == EPIPE && grove_queue_unfinished(q) == 0 && grove_queue_join(q, 0) == 0);
	must(grove_queue_free(q) == 0);
}

static void step_channel(int depth)
{
	grove_channel *c = k.channel[below(SOME)];
	struct item *it = NULL;

	if (one_in(2)) {
		it = new_item();
		if (may(grove_channel_send(c, it, some_time(depth)), EAGAIN))
			has_put(it);
	} else if (may(grove_channel_recv(c, (void **)&it, some_time(depth)), EAGAIN)) {
		has_got(it);
	}
}

static void step_select(int depth)
{
	struct grove_case cases[12];
	size_t n = 1 + below(COUNT(cases));
	int r;

	for (size_t i = 0; i < n; i++) {
		cases[i] = (struct grove_case){ .channel = one_in(8) ? NULL : k.channel[below(SOME)], .op = one_in(2) ? GROVE_SEND : GROVE_RECV };
		if (cases[i].op == GROVE_SEND)
			cases[i].item = new_item();
	}
	r = grove_select(cases, n, some_time(depth));
	if (!may(r, EAGAIN))
		return;
	must(r < (int)n && cases[r].channel && cases[r].error == 0);
	if (cases[r].op == GROVE_SEND)
		has_put(cases[r].item);
	else
		has_got(cases[r].item);
}

static void *ranges(void *arg)
{
	struct item *it;

	begun();
	while (may(grove_channel_recv(arg, (void **)&it, GROVE_FOREVER), EPIPE))
		has_got(it);
	return NULL;
}

static void *sends(void *arg)
{
	struct grove_case c = { .channel = arg, .op = GROVE_SEND };
	int r;

	begun();
	for (int i = 0; i < 5; i++) {
		c.item = new_item();
		r = grove_select(&c, 1, GROVE_FOREVER);
		if (!may(r) || c.error)
			return NULL;
		has_put(c.item);
	}
	return NULL;
}

static void step_private_channel(int depth)
{
	grove_channel *c = grove_channel_new(below(3));
	grove_greenlet *g[5];
	struct item *it;

	(void)depth;
	must(c);
	for (size_t i = 0; i < COUNT(g); i++)
		must(g[i] = grove_spawn(one_in(2) ? sends : ranges, c));
	may(grove_sleep(GROVE_US(below(20))));
	if (one_in(3))
		grove_kill(g[below(COUNT(g))], 0);
	must(grove_channel_close(c) == 0);
	bury(g, COUNT(g));
	while (grove_channel_recv(c, (void **)&it, 0) == 0)
		has_got(it);
	must(errno == EPIPE && grove_channel_free(c) == 0);
}

/* --- wait -------------------------------------------------------------------------------------------------------------------------------- */

static grove_object *some_object(void)
{
	uint32_t i = below(SOME);
	grove_object *const all[] = { k.event[i], k.sem[i], k.lock[i], k.rw[i], k.barrier, k.queue[i], k.channel[i], k.group, k.pool[i % 2],
		k.condition[i] };

	return all[below(COUNT(all))];
}

static void step_wait(int depth)
{
	grove_object *list[10], *ready[10], *o;
	grove_greenlet *g[2] = { child(NULL), child(NULL) };
	grove_future *f = grove_future_new();
	size_t n = 3 + below(8);
	grove_iwait *it;
	int r;

	must(f);
	for (size_t i = 3; i < n; i++)
		list[i] = some_object();
	list[0] = g[0], list[1] = g[1], list[2] = f;
	if (one_in(2)) {
		if (one_in(2))
			grove_future_set(f, NULL);
		r = grove_wait(list, n, below((uint32_t)n + 1), some_time(1), one_in(2) ? ready : NULL);
		if (may(r))
			must(r <= (int)n);
	} else {
		must(it = one_in(4) ? grove_as_completed(list, 3) : grove_iwait_new(list, n));
		for (r = 0; (o = grove_iwait_next(it, some_time(1))); r++) {
			if (one_in(4))
				break;
			if (one_in(8))
				step(depth + 1);
		}
		must(r <= (int)n);
		if (!o && errno)
			may(-1, EAGAIN);
		grove_iwait_free(it);
	}
	grove_future_release(f);
	bury(g, 2);
}

/* --- futures and tasks --------------------------------------------------------------------------------------------------------------------*/

static void future_linked(grove_future *f, void *arg)
{
	(void)f;
	(void)arg;
	count(&k.links_run, 1);
}

static void *sets(void *arg)
{
	begun();
	grove_sleep(GROVE_US(below(30)));
	if (one_in(3))
		may(grove_future_set_error(arg, EIO), EALREADY);
	else if (one_in(5))
		may(grove_future_cancel(arg), EALREADY);
	else
		may(grove_future_set(arg, arg), EALREADY);
	grove_future_release(arg);
	return arg;
}

static void step_future(int depth)
{
	grove_future *f = grove_future_new(), *follower = grove_future_new();
	void *value = NULL;

	must(f && follower);
	must(grove_future_follow(follower, f) == 0);
	for (int i = (int)below(3); i >= 0; i--)
		must(grove_spawn_raw(sets, grove_future_ref(f)) == 0);
	if (one_in(2)) {
		must(grove_future_link(f, future_linked, NULL) == 0);
		count(&k.links_made, 1);
		if (one_in(4) && grove_future_unlink(f, future_linked, NULL) == 0)
			count(&k.links_made, -1);
	}
	if (one_in(3))
		grove_future_release(follower), follower = NULL;
	if (may(grove_future_get(f, &value, some_time(depth)), EAGAIN, EIO))
		must(value == f && grove_future_value(f) == f);
	if (follower && one_in(2))
		may(grove_future_wait(follower, some_time(depth)), EAGAIN);
	if (follower && grove_future_successful(follower))
		must(grove_future_value(follower) == f);
	grove_future_release(follower);
	grove_future_release(f);
}

static void step_tasks(int depth)
{
	grove_object *aws[5], *done[5], *pending[5];
	grove_greenlet *g[5];
	void *values[5], *value = NULL;
	int errors[5], r;
	size_t n = 1 + below(5);

	for (size_t i = 0; i < n; i++)
		aws[i] = g[i] = grove_task_new(lives, (void *)(i + 1));
	if (one_in(4))
		may(grove_task_cancel(g[0]), ESRCH);
	switch (below(6)) {
	case 0: if (may(grove_await(aws[0], &value), EIO)) must(value == (void *)1); break;
	case 1: if (may(grove_wait_for(aws[0], &value, some_time(depth)), EIO, EAGAIN)) must(value == (void *)1); break;
	case 2: if (may(grove_shield(aws[0], &value, some_time(depth)), EIO, EAGAIN)) must(value == (void *)1); break;
	case 3:
		if (may(grove_gather(aws, n, values, NULL, some_time(depth), 0), EIO, EAGAIN))
			for (size_t i = 0; i < n; i++)
				must(values[i] == (void *)(i + 1));
		break;
	case 4:
		r = grove_gather(aws, n, values, errors, some_time(depth), GROVE_RETURN_ERRORS);
		if (may(r, EAGAIN))
			for (size_t i = 0; i < n; i++)
				must(errors[i] == grove_error(g[i]) && (errors[i] || values[i] == (void *)(i + 1)));
		break;
	default:
		r = grove_task_wait(aws, n, (int)below(3), some_time(depth), done, pending);
		if (may(r))
			for (int i = 0; i < r; i++)
				must(grove_ready(done[i]));
	}
	bury(g, n);
}

static void *spawns_into(void *tg)
{
	begun();
	if (one_in(2))
		may(grove_task_group_spawn(tg, lives, NULL), EIO);
	grove_sleep(GROVE_US(below(20)));
	return one_in(4) ? grove_fail(EIO) : NULL;
}

static void step_task_group(int depth)
{
	grove_task_group *tg = grove_task_group_start();
	grove_task *t = NULL;

	must(tg);
	for (int i = (int)below(4); i > 0; i--)
		may(grove_task_group_spawn(tg, one_in(2) ? lives : spawns_into, tg), EIO);
	if (one_in(3))
		may_null(t = grove_task_group_create(tg, lives, NULL), EIO);
	if (one_in(2))
		step(depth + 1);
	if (one_in(8))
		may(grove_task_group_cancel(tg, one_in(2) ? EIO : 0), EALREADY);
	may(grove_task_group_end(tg), EIO);
	if (t)
		must(grove_ready(t));
	grove_release(t);
}

/* --- groups and pools -------------------------------------------------------------------------------------------------------------------- */

static void step_group(int depth)
{
	grove_group *own = one_in(2) ? grove_group_new() : NULL, *group = own ? own : k.group;
	grove_greenlet *g[3], *members[4];
	size_t n;

	for (size_t i = 0; i < COUNT(g); i++) {
		g[i] = child(NULL);
		may(grove_group_add(group, g[i]));
	}
	must(grove_group_spawn_raw(group, lives, NULL) == 0);
	switch (below(6)) {
	case 0: may(grove_group_join(group, some_time(1), one_in(2) ? GROVE_RAISE_ERROR : 0), EAGAIN, EIO, EDEADLK); break;
	case 1: may(grove_group_killone(group, g[0], some_time(1)), ESRCH, EAGAIN); break;
	case 2: may(grove_group_discard(group, g[1]), ESRCH); break;
	case 3: may(grove_group_kill(group, some_time(1)), EAGAIN, EDEADLK); break;
	case 4: step(depth + 1); break;
	default:
		n = grove_group_members(group, members, COUNT(members));
		for (size_t i = 0; i < n && i < COUNT(members); i++)
			grove_release(members[i]);
	}
	bury(g, COUNT(g));
	if (own) {
		struct grove_timeout shield;

		must(grove_shield_start(&shield) == 0);
		must(grove_group_kill(own, GROVE_SEC(20)) == 0);
		must(grove_group_free(own) == 0);
		grove_timeout_stop(&shield);
	}
}

static bool gives_ten(void *state, void **ret_arg)
{
	int *n = state;

	if (one_in(3))
		grove_yield();
	*ret_arg = (void *)(intptr_t)(*n + 1);
	return (*n)++ < 10;
}

static void use_imap(grove_pool *pool, int depth)
{
	void *args[] = { (void *)1, (void *)2, (void *)3, (void *)4, (void *)5, (void *)6, (void *)7, (void *)8, (void *)9, (void *)10 };
	int flags = one_in(2) ? GROVE_UNORDERED : 0, made = 0, seen = 0, error, r;
	struct grove_timeout shield;
	grove_imap *it;
	void *value;

	if (one_in(2))
		it = grove_pool_imap_from(pool, lives, gives_ten, &made, below(5), (unsigned)flags);
	else if (flags)
		it = grove_pool_imap_unordered(pool, lives, args, COUNT(args), below(5));
	else
		it = grove_pool_imap(pool, lives, args, COUNT(args), below(5));
	must(it);
	for (int i = 0; i < 12; i++) {
		r = grove_imap_next(it, &value, &error, some_time(depth));
		if (r == 0)
			break;
		if (!may(r, EAGAIN))
			continue;
		must(error || (value >= (void *)1 && value <= (void *)10));
		must(flags || error || value == (void *)(intptr_t)(seen + 1));
		seen++;
		if (one_in(8))
			break;
	}
	must(seen <= 10);
	must(grove_shield_start(&shield) == 0);
	must(grove_imap_free(it) == 0);
	grove_timeout_stop(&shield);
}

static void step_pool(int depth)
{
	grove_pool *own = one_in(3) ? grove_pool_new(1 + below(3)) : NULL, *pool = own ? own : k.pool[below(2)];
	void *args[] = { (void *)1, (void *)2, (void *)3, (void *)4, (void *)5 }, *values[5], *value;
	struct grove_timeout shield;
	grove_greenlet *g = NULL;

	switch (below(9)) {
	case 0: may_null(g = grove_pool_spawn(pool, lives, NULL, some_time(1)), EAGAIN); break;
	case 1: may(grove_pool_spawn_raw(pool, lives, NULL, some_time(1)), EAGAIN); break;
	case 2: may(grove_pool_apply(pool, lives, NULL, &value, some_time(1)), EAGAIN, EIO); break;
	case 3: must(g = grove_pool_apply_async(pool, lives, NULL)); break;
	case 4: may(grove_pool_map(pool, lives, args, 5, values, some_time(1)), EAGAIN, EIO); break;
	case 5: must(g = grove_pool_map_async(pool, lives, args, 5, values)); break;
	case 6: may(grove_pool_wait_available(pool, some_time(1)), EAGAIN); break;
	case 7: g = child(NULL); may(grove_pool_add(pool, g, some_time(1)), EAGAIN); break;
	default: use_imap(pool, 1);
	}
	must(grove_group_size(pool) <= grove_pool_max(pool));
	if (one_in(4))
		step(depth + 1);
	if (one_in(12) || own)
		may(grove_pool_kill(pool, some_time(1)), EAGAIN, EDEADLK);
	bury(&g, 1);
	if (own) {
		must(grove_shield_start(&shield) == 0);
		must(grove_pool_kill(own, GROVE_SEC(20)) == 0);
		must(grove_pool_free(own) == 0);
		grove_timeout_stop(&shield);
	}
}

/* --- thread pools, natives --------------------------------------------------------------------------------------------------------------- */

static void *job(void *arg)
{
	struct item *it;

	switch (below(7)) {
	case 0:
		it = new_item();
		if (may(grove_queue_put(k.queue[1], it, 0), EAGAIN))
			has_put(it);
		break;
	case 1:
		if (may(grove_queue_get(k.queue[below(SOME)], (void **)&it, 0), EAGAIN))
			has_got(it);
		break;
	case 2: must(grove_event_set(k.event[below(SOME)]) == 0); break;
	case 3: must(grove_call_soon_threadsafe(has_ended, (count(&k.alive, 1), NULL)) == 0); break;
	case 4: return grove_fail(EIO);
	case 5: may(grove_sleep(GROVE_US(below(50)))); break;
	default:
		for (volatile int i = 0; i < 2000; i++)
			;
	}
	return arg;
}

static void step_threads(int depth)
{
	void *args[] = { (void *)1, (void *)2, (void *)3 }, *values[3], *value;
	grove_threadpool *own, *pool;
	struct grove_timeout shield;
	grove_future *f;

	if (!k.how.real || !one_in(3))		/* a clock that jumps does not know of threads that hold a lock of malloc() */
		return step_sleep(depth);
	own = one_in(6) ? grove_threadpool_new(1 + below(3)) : NULL;
	pool = own ? own : k.threads;
	switch (below(5)) {
	case 0: if (may(grove_to_thread(job, pool, &value, some_time(1)), EAGAIN, EIO)) must(value == pool); break;
	case 1: if (may(grove_threadpool_apply(pool, job, pool, &value, some_time(1)), EAGAIN, EIO)) must(value == pool); break;
	case 2:
		if (may(grove_threadpool_map(pool, job, args, 3, values, some_time(1)), EAGAIN, EIO))
			must(values[0] == (void *)1 && values[2] == (void *)3);
		break;
	case 3: may(grove_threadpool_join(pool, some_time(1)), EAGAIN); break;
	default:
		must(f = grove_threadpool_spawn(pool, job, pool));
		if (one_in(3))
			may(grove_future_cancel(f), EALREADY);
		else if (one_in(2))
			may(grove_future_get(f, NULL, some_time(1)), EAGAIN, EIO);
		grove_future_release(f);
	}
	if (!own)
		return;
	must(grove_shield_start(&shield) == 0);
	must(one_in(2) ? grove_threadpool_kill(own, GROVE_SEC(20)) == 0 : grove_threadpool_join(own, GROVE_SEC(20)) == 0);
	must(grove_threadpool_free(own) == 0);
	grove_timeout_stop(&shield);
}

static void native_step(void)
{
	uint32_t i = below(SOME);
	struct item *it;
	grove_greenlet *g;
	grove_future *f;

	switch (below(8)) {
	case 0:
		if (may(grove_semaphore_acquire(k.sem[i], GROVE_US(below(100))), EAGAIN)) {
			count(&k.held[i], 1);
			must(__atomic_load_n(&k.held[i], __ATOMIC_SEQ_CST) <= (int)i + 1);
			count(&k.held[i], -1);
			must(grove_semaphore_release(k.sem[i]) == 0);
		}
		break;
	case 1:
		if (may(grove_lock_acquire(k.lock[i], GROVE_US(below(100))), EAGAIN)) {
			must(k.inside[i]++ == 0);
			may(grove_sleep(0));
			must(k.inside[i]-- == 1);
			must(grove_lock_release(k.lock[i]) == 0);
		}
		break;
	case 2:
		it = new_item();
		if (may(grove_queue_put(k.queue[i], it, GROVE_US(below(100))), EAGAIN))
			has_put(it);
		break;
	case 3:
		if (may(grove_queue_get(k.queue[i], (void **)&it, GROVE_US(below(100))), EAGAIN)) {
			has_got(it);
			must(grove_queue_task_done(k.queue[i]) == 0);
		}
		break;
	case 4:
		it = new_item();
		if (may(grove_channel_send(k.channel[i], it, GROVE_US(below(100))), EAGAIN))
			has_put(it);
		break;
	case 5:
		must(g = grove_spawn(lives, NULL));
		may(grove_join(g, GROVE_US(below(100))), EAGAIN);
		may(grove_kill(g, GROVE_SEC(20)), ESRCH);
		must(grove_ready(g));
		grove_release(g);
		break;
	case 6:
		must(f = grove_future_new());
		must(grove_spawn_raw(sets, grove_future_ref(f)) == 0);
		may(grove_future_get(f, NULL, GROVE_US(below(100))), EAGAIN, EIO);
		grove_future_release(f);
		break;
	default:
		may(grove_pool_apply(k.pool[0], lives, NULL, NULL, GROVE_US(below(100))), EAGAIN, EIO);
	}
}

static void *native(void *arg)
{
	while (!k.stop)
		native_step();
	return arg;
}

/* --- generators, contexts, locals, pipelines --------------------------------------------------------------------------------------------- */

static void *body(void *arg)
{
	for (long i = 1; i <= 5; i++) {
		if (one_in(3))
			grove_sleep(some_time(1));
		if (one_in(10))
			step(2);
		if (grove_gen_yield((void *)i))
			continue;
		if (errno == ECANCELED)
			return NULL;
		if (errno && one_in(2))
			return grove_gen_fail(errno);
	}
	return arg;
}

static void *outer_body(void *arg)
{
	grove_generator *inner = grove_generator_new(body, arg);
	int r;

	must(inner);
	r = grove_gen_yield_from(inner, &arg);
	if (r < 0)
		r = errno;
	must(grove_generator_free(inner) == 0);
	return r ? grove_gen_fail(r) : arg;
}

static void *endless(void *arg)
{
	for (;;)
		grove_gen_yield(arg);
	return NULL;
}

static void *consumes(void *gen)
{
	void *value;

	begun();
	for (int i = 0; i < 3; i++)
		may(grove_gen_next(gen, &value), EBUSY, EIO);
	return NULL;
}

static void step_generator(int depth)
{
	grove_generator *gen = grove_generator_new(one_in(3) ? outer_body : one_in(5) ? endless : body, NULL);
	grove_greenlet *g = NULL;
	struct grove_timeout shield;
	void *value;

	must(gen);
	if (one_in(3))
		must(g = grove_spawn(consumes, gen));
	for (int i = (int)below(7); i > 0; i--)
		switch (below(6)) {
		case 0: may(grove_gen_send(gen, gen, &value), EBUSY, EINVAL, EIO); break;
		case 1: may(grove_gen_throw(gen, EIO, &value), EBUSY, EIO); break;
		case 2: may(grove_gen_close(gen), EBUSY, EIO); break;
		case 3: step(depth + 1); break;
		default: may(grove_gen_next(gen, &value), EBUSY, EIO);
		}
	if (g)
		bury(&g, 1);
	must(grove_shield_start(&shield) == 0);
	must(grove_generator_free(gen) == 0);
	grove_timeout_stop(&shield);
}

static int enters(grove_context *ctx)
{
	if (grove_sleep(GROVE_US(below(10))) < 0)
		return -1;
	++*(int *)ctx->arg;
	return 0;
}

static int leaves(grove_context *ctx, int err)
{
	(void)err;
	must(grove_sleep(GROVE_US(below(10))) == 0);		/* shielded */
	--*(int *)ctx->arg;
	return 0;
}

static void *around(void *arg)
{
	++*(int *)arg;
	grove_gen_yield(arg);
	--*(int *)arg;
	return NULL;
}

static void pushed(void *arg)
{
	--*(int *)arg;
}

static void step_context(int depth)
{
	int n = 0;
	grove_context c = GROVE_CONTEXT(enters, leaves, &n), d = { 0 };
	grove_exit_stack *stack;

	must(grove_context_from(&d, around, &n) == 0);
	GROVE_WITH(&c) {
		must(n == 1);
		GROVE_WITH(&d) {
			must(n == 2);
			step(depth + 1);
			if (one_in(3))
				break;
		}
		must(n == 1);
	}
	must(n == 0);
	must(stack = grove_exit_stack_new());
	if (one_in(2))
		may(grove_exit_stack_enter(stack, &c));
	n++;
	must(grove_exit_stack_push(stack, pushed, &n) == 0);
	if (one_in(2))
		step(depth + 1);
	must(grove_exit_stack_close(stack, 0) == 0 && n == 0);
	must(grove_exit_stack_free(stack) == 0);
}

static void local_destroyed(void *value)
{
	(void)value;
	grove_sleep(0);
	count(&k.locals, -1);
}

static void *reads_var(void *arg)
{
	begun();
	must(grove_var_get(k.var) == arg);
	return NULL;
}

static void *sets_var(void *arg)
{
	must(grove_var_set(k.var, arg, NULL) == 0);
	step(2);
	must(grove_var_get(k.var) == arg);
	return NULL;
}

static void step_locals(int depth)
{
	void *before = grove_var_get(k.var);
	struct grove_token token;
	grove_greenlet *g;
	grove_vars *vars;

	if (!grove_local_get(k.local)) {
		count(&k.locals, 1);
		must(grove_local_set(k.local, &k) == 0);
	}
	must(grove_var_set(k.var, &token, &token) == 0);
	must(g = grove_spawn(reads_var, &token));
	step(depth + 1);
	must(grove_local_get(k.local) == &k && grove_var_get(k.var) == &token);
	must(vars = grove_vars_copy());
	must(grove_vars_run(vars, sets_var, &vars, NULL) == 0);
	must(grove_vars_free(vars) == 0);
	must(grove_var_get(k.var) == &token);
	must(grove_var_reset(k.var, &token) == 0 && grove_var_get(k.var) == before);
	bury(&g, 1);
}

static void dropped(void *value)
{
	has_got(value);
}

static int source(grove_stage *stage, void *arg)
{
	(void)arg;
	for (int i = 0; i < 6; i++) {
		struct item *it = new_item();

		if (!may(grove_stage_put(stage, it, GROVE_FOREVER), EPIPE))
			return -1;
		has_put(it);
	}
	return one_in(8) ? errno = EIO, -1 : 0;
}

static int filter(grove_stage *stage, void *arg)
{
	void *value;
	int r;

	(void)arg;
	while ((r = grove_stage_get(stage, &value, GROVE_FOREVER)) == 1) {
		grove_sleep(GROVE_US(below(5)));
		if (one_in(40))
			return has_got(value), errno = EIO, -1;
		if (grove_stage_put(stage, value, GROVE_FOREVER) < 0)
			return has_got(value), -1;
	}
	return r;
}

static int sink(grove_stage *stage, void *arg)
{
	int max = one_in(4) ? 3 : 100, r = 0;
	void *value;

	(void)arg;
	while (max-- > 0 && (r = grove_stage_get(stage, &value, GROVE_FOREVER)) == 1)
		has_got(value);
	return r < 0 ? -1 : 0;
}

static void step_pipeline(int depth)
{
	grove_pipeline *p = grove_pipeline_new(1 + below(3), dropped);
	struct grove_timeout shield;
	grove_stage *s;

	must(p && grove_pipeline_add(p, source, NULL));
	must(s = grove_pipeline_add(p, filter, NULL));
	must(grove_stage_workers(s, 1 + below(3)) == 0);
	must(grove_pipeline_add(p, sink, NULL));
	if (one_in(2)) {
		may(grove_pipeline_run(p, some_time(1)), EIO, EAGAIN);
	} else {
		must(grove_pipeline_start(p) == 0);
		step(depth + 1);
		may(grove_pipeline_wait(p, some_time(1)), EIO, EAGAIN);
		must(grove_shield_start(&shield) == 0);
		must(grove_pipeline_kill(p, GROVE_SEC(20)) == 0 || errno == ESRCH);
		grove_timeout_stop(&shield);
	}
	must(grove_pipeline_free(p) == 0);
}

/* --- callbacks, signals, descriptors, processes ------------------------------------------------------------------------------------------ */

static void soon(void *arg)
{
	(void)arg;
	count(&k.soon_run, 1);
}

static void step_soon(int depth)
{
	(void)depth;
	count(&k.soon_made, 1);
	must((one_in(2) ? grove_call_soon(soon, NULL) : grove_call_soon_threadsafe(soon, NULL)) == 0);
}

/* It calls what nobody should in a handler, but raise() is a place like any other. */
static void handler(int sig)
{
	uint32_t i = below(SOME);
	int err = errno;

	(void)sig;
	k.signals++;
	if (grove_semaphore_try(k.sem[i]) == 0)
		must(grove_semaphore_release(k.sem[i]) == 0);
	if (one_in(3))
		may(grove_sleep(GROVE_US(below(5))));
	must(grove_event_set(k.event[i]) == 0);
	errno = err;
}

static void step_signal(int depth)
{
	int before = k.signals;

	(void)depth;
	raise(SIGUSR1);
	if (one_in(4))
		step(depth + 1);
	must(k.signals > before);
}

static void step_descriptors(int depth)
{
	char b[64];
	int side = (int)below(2);
	ssize_t n;

	switch (below(4)) {
	case 0: may(grove_wait_either(k.pair[side], GROVE_READ | GROVE_WRITE, some_time(1)), EAGAIN); break;
	case 1:
		if (may(grove_wait_read(k.pair[side], some_time(depth)), EAGAIN))
			if ((n = recv(k.pair[side], b, 1 + below(sizeof(b)), MSG_DONTWAIT)) > 0)
				k.read += n;
		break;
	default:
		if (may(grove_wait_write(k.pair[side], some_time(1)), EAGAIN))
			if ((n = send(k.pair[side], b, 1 + below(sizeof(b)), MSG_DONTWAIT)) > 0)
				k.written += n;
	}
}

static void *reads_pipe(void *arg)
{
	int fd = (int)(intptr_t)arg;
	long sum = 0;
	char b[100];
	ssize_t n;

	begun();
	for (;;) {
		if (!may(grove_wait_read(fd, GROVE_FOREVER)))
			break;
		n = read(fd, b, sizeof(b));
		if (n == 0)
			break;
		if (n < 0 && (errno == ECANCELED || errno == ETIMEDOUT || errno == EPROTO))
			break;
		must(n > 0 || errno == EAGAIN);
		sum += n > 0 ? n : 0;
	}
	close(fd);
	return (void *)sum;
}

static void step_pipe(int depth)
{
	long put = 0, at_most = 1 + below(300);
	struct grove_timeout shield;
	grove_greenlet *g;
	void *got = NULL;
	char b[64] = { 0 };
	int p[2];
	ssize_t n;

	(void)depth;
	must(pipe2(p, O_CLOEXEC | O_NONBLOCK) == 0);
	must(g = grove_spawn(reads_pipe, (void *)(intptr_t)p[0]));
	must(grove_shield_start(&shield) == 0);
	while (put < at_most) {
		must(grove_wait_write(p[1], GROVE_SEC(1)) == 0);
		n = write(p[1], b, sizeof(b));
		must(n > 0);
		put += n;
		if (one_in(2))
			grove_yield();
	}
	close(p[1]);
	must(grove_get(g, &got, GROVE_SEC(20)) == 0 && (long)got == put);
	grove_timeout_stop(&shield);
	grove_release(g);
}

static void step_info(int depth)
{
	(void)depth;
	if (one_in(8)) {
		char *text = grove_format_run_info(one_in(2) ? GROVE_STACKS | GROVE_SERVICES : 0);

		must(text);
		free(text);
	}
}

/* Calls of libc's that may be green */
static void *echoes(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char b[16];
	ssize_t n;

	begun();
	while ((n = read(fd, b, sizeof(b))) > 0)
		if (write(fd, b, (size_t)n) != n)
			break;
	must(n >= 0 || errno == ECANCELED || errno == EPROTO);
	close(fd);
	return NULL;
}

static void step_green_calls(int depth)
{
	struct grove_timeout shield;
	grove_greenlet *g;
	char b[16] = { 0 };
	int pair[2];

	if (!grove_is_patched())
		return step_sleep(depth);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	must(g = grove_spawn(echoes, (void *)(intptr_t)pair[0]));
	must(grove_shield_start(&shield) == 0);
	for (int i = (int)below(4); i > 0; i--) {
		size_t n = 1 + below(sizeof(b));

		must(write(pair[1], b, n) == (ssize_t)n);
		must(recv(pair[1], b, n, MSG_WAITALL) == (ssize_t)n);
	}
	grove_timeout_stop(&shield);
	if (one_in(3))
		may(grove_throw(g, EPROTO), ESRCH);
	shutdown(pair[1], SHUT_WR);
	if (one_in(2))
		may(grove_join(g, some_time(1)), EAGAIN);
	bury(&g, 1);
	close(pair[1]);
}

/* In the midst of waits, greenlets are unwound; whom they were given something in that moment must not have it. */
static void *waits_to_be_unwound(void *arg)
{
	uint32_t i = below(SOME);
	struct item *it;
	grove_object *o;

	begun();
	pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, NULL);
	for (int n = 0; n < 20; n++)
		switch (below(9)) {
		case 0:
			if (grove_semaphore_acquire(k.sem[i], GROVE_US(50)) == 0)
				must(grove_semaphore_release(k.sem[i]) == 0);
			break;
		case 1:
			if (grove_lock_acquire(k.lock[i], GROVE_US(50)) == 0)
				must(grove_lock_release(k.lock[i]) == 0);
			break;
		case 2:
			if (grove_rwlock_wrlock(k.rw[i], GROVE_US(50)) == 0)
				must(grove_rwlock_unlock(k.rw[i]) == 0);
			break;
		case 3:
			if (grove_rwlock_rdlock(k.rw[i], GROVE_US(50)) == 0)
				must(grove_rwlock_unlock(k.rw[i]) == 0);
			break;
		case 4:
			it = new_item();
			if (grove_queue_put(k.queue[i], it, GROVE_US(50)) == 0)
				has_put(it);
			break;
		case 5:
			if (grove_queue_get(k.queue[i], (void **)&it, GROVE_US(50)) == 0)
				has_got(it);
			break;
		case 6:
			it = new_item();
			if (grove_channel_send(k.channel[i], it, GROVE_US(50)) == 0)
				has_put(it);
			break;
		case 7:
			o = some_object();
			grove_wait(&o, 1, 0, GROVE_US(50), NULL);
			break;
		default:
			grove_pool_apply(k.pool[i % 2], lives, NULL, NULL, GROVE_US(50));
		}
	return arg;
}

static void *notes_self(void *arg)
{
	*(pthread_t *)arg = pthread_self();
	return waits_to_be_unwound(NULL);
}

static void step_unwound(int depth)
{
	pthread_t thread = 0;
	grove_greenlet *g = grove_spawn(notes_self, &thread);

	(void)depth;
	must(g);
	grove_sleep(GROVE_US(below(100)));
	if (thread && !grove_ready(g))
		pthread_cancel(thread);
	bury(&g, 1);
}

static void arrives(int sig, void *arg)
{
	must(sig == SIGUSR2);
	begun();
	count(arg, 1);
	step(2);
}

static void step_signal_greenlet(int depth)
{
	static int arrived;

	(void)depth;
	if (one_in(3))
		must(grove_signal(SIGUSR2, arrives, &arrived) == 0 && kill(getpid(), SIGUSR2) == 0);
}

static bool puts_some(grove_pipeline *p)
{
	for (int i = 0; i < 3; i++) {
		struct item *it = new_item();

		if (!may(grove_pipeline_put(p, it, GROVE_US(below(100))), EPIPE, EIO, EAGAIN))
			return false;
		has_put(it);
	}
	return true;
}

static void step_open_pipeline(int depth)
{
	grove_pipeline *p = grove_pipeline_new(1 + below(3), dropped);
	struct grove_timeout shield;
	void *value = NULL;

	must(p && grove_pipeline_add(p, filter, NULL) && grove_pipeline_add(p, filter, NULL));
	must(grove_pipeline_open(p, GROVE_PIPELINE_IN | GROVE_PIPELINE_OUT) == 0 && grove_pipeline_start(p) == 0);
	puts_some(p);
	if (one_in(2))
		step(depth + 1);
	if (one_in(2))
		must(grove_pipeline_close(p) == 0);
	while (may(grove_pipeline_get(p, &value, GROVE_US(below(100))), EIO, EAGAIN, EPIPE) && value)
		has_got(value), value = NULL;
	must(grove_shield_start(&shield) == 0);
	must(grove_pipeline_kill(p, GROVE_SEC(20)) == 0 || errno == ESRCH);
	grove_timeout_stop(&shield);
	must(grove_pipeline_free(p) == 0);
}

/* A forked child has everything but the others. */
static _Noreturn void child_process(void)
{
	grove_greenlet *g = grove_spawn(waits_on, NULL);
	grove_channel *c = grove_channel_new(1);
	void *value = NULL;

	k.stop = true;
	k.how.real = false;		/* no kernel threads: ASan does not know whose stacks libc gives them in a child */
	close(k.pair[0]);
	close(k.pair[1]);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, k.pair) == 0);
	must(g && c);
	grove_sleep(GROVE_US(5));
	for (int i = 0; i < 5; i++)
		step(1);
	must(grove_channel_send(c, g, 0) == 0 && grove_channel_recv(c, &value, 0) == 0 && value == g);
	bury(&g, 1);
	_exit(42);
}

static void step_fork(int depth)
{
	struct grove_timeout shield;
	grove_child *child;
	int status = 0;
	pid_t pid;

	if (!k.how.forks || !one_in(20))
		return step_sleep(depth);
	pid = fork();
	must(pid >= 0);
	if (pid == 0)
		child_process();
	must(child = grove_child_new(pid));
	must(grove_shield_start(&shield) == 0);
	must(grove_wait((grove_object *[]){ child }, 1, 0, GROVE_SEC(1000000), NULL) == 1);
	must(waitpid(pid, &status, 0) == pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 42)
		broken("a forked child ended with status %#x", (unsigned)status);
	must(grove_child_free(child) == 0);
	grove_timeout_stop(&shield);
}

/* --- the crowd --------------------------------------------------------------------------------------------------------------------------- */

#define STEP(name) { #name, step_##name }
static const struct {
	const char *name;
	void (*fn)(int);
} steps[] = {
	STEP(children), STEP(detached), STEP(sleep), STEP(scope), STEP(shield), STEP(with_timeout), STEP(event), STEP(semaphore), STEP(lock),
	STEP(rwlock), STEP(barrier), STEP(once), STEP(queue), STEP(queue), STEP(private_queue), STEP(channel), STEP(select),
	STEP(private_channel), STEP(wait), STEP(future), STEP(tasks), STEP(task_group), STEP(group), STEP(pool), STEP(threads),
	STEP(generator), STEP(context), STEP(locals), STEP(pipeline), STEP(soon), STEP(signal), STEP(descriptors), STEP(pipe), STEP(info),
	STEP(fork), STEP(green_calls), STEP(unwound), STEP(signal_greenlet), STEP(open_pipeline),
};

static void step(int depth)
{
	uint32_t i = below(COUNT(steps));

	if (depth > DEEP)
		i = 2;
	k.steps++;
	k.step = steps[i].name;
	steps[i].fn(depth);
}

static void *acts(void *arg)
{
	int canceled = 0;

	begun();
	while (!k.stop && canceled < 3) {
		errno = 0;
		step(0);
		if (grove_yield() < 0)
			canceled += errno == ECANCELED;
	}
	return arg;
}

static void soak_make(void)
{
	for (unsigned i = 0; i < SOME; i++) {
		must(k.event[i] = grove_event_new());
		must(k.sem[i] = i == SOME - 1 ? grove_semaphore_new_bounded(i + 1) : grove_semaphore_new(i + 1));
		must(k.lock[i] = grove_lock_new());
		must(k.condition[i] = grove_condition_new(k.lock[i]));
		must(k.rw[i] = grove_rwlock_new());
		must(k.channel[i] = grove_channel_new(i));
	}
	must(k.queue[0] = grove_queue_new(3));
	must(k.queue[1] = grove_queue_new_lifo(2));
	must(k.queue[2] = grove_queue_new_priority(4, NULL));
	must(k.barrier = grove_barrier_new(3));
	must(k.group = grove_group_new());
	must(k.pool[0] = grove_pool_new(1));
	must(k.pool[1] = grove_pool_new(3));
	must(k.threads = grove_threadpool_new(3));
	must(k.local = grove_local_new(local_destroyed));
	must(k.var = grove_var_new("soak", NULL));
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, k.pair) == 0);
	must(sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = handler }, NULL) == 0);
}

static void soak_empty(void)
{
	struct item *it;
	char b[4096];
	ssize_t n;

	for (unsigned i = 0; i < SOME; i++) {
		while (grove_queue_get_nowait(k.queue[i], (void **)&it) == 0)
			has_got(it);
		while (grove_channel_recv(k.channel[i], (void **)&it, 0) == 0)
			has_got(it);
		must(grove_semaphore_value(k.sem[i]) == i + 1 && k.held[i] == 0);
		must(!grove_lock_locked(k.lock[i]) && k.inside[i] == 0 && k.readers[i] == 0 && k.writers[i] == 0);
		while ((n = recv(k.pair[i % 2], b, sizeof(b), MSG_DONTWAIT)) > 0)
			k.read += n;
	}
	must(k.read == k.written);
	must(k.barrier_passed == 3 * k.barrier_serial);
	must(k.links_made == k.links_run);
	must(k.soon_made == k.soon_run);
	must(k.locals == 0);
	while ((it = k.items)) {
		if (it->put != it->got)
			broken("an item was put %d times, and got %d times", it->put, it->got);
		k.items = it->next;
		free(it);
	}
}

static void soak_free(void)
{
	for (unsigned i = 0; i < SOME; i++) {
		must(grove_event_free(k.event[i]) == 0);
		must(grove_semaphore_free(k.sem[i]) == 0);
		must(grove_condition_free(k.condition[i]) == 0);
		must(grove_lock_free(k.lock[i]) == 0);
		must(grove_rwlock_free(k.rw[i]) == 0);
		must(grove_channel_free(k.channel[i]) == 0);
		must(grove_queue_free(k.queue[i]) == 0);
	}
	must(grove_barrier_free(k.barrier) == 0);
	must(grove_group_free(k.group) == 0);
	must(grove_pool_free(k.pool[0]) == 0 && grove_pool_free(k.pool[1]) == 0);
	must(grove_threadpool_free(k.threads) == 0);
	must(grove_local_free(k.local) == 0);
	must(grove_var_free(k.var) == 0);
	close(k.pair[0]);
	close(k.pair[1]);
	signal(SIGUSR1, SIG_DFL);
	must(grove_signal(SIGUSR2, NULL, NULL) == 0);
}

static void disturb(uint32_t i)
{
	switch (below(3)) {
	case 0: may(grove_kill(k.actors[i], 0), ESRCH); break;
	case 1: may(grove_throw(k.actors[i], EPROTO), ESRCH); break;
	default: break;
	}
	if (!grove_ready(k.actors[i]))
		return;
	grove_release(k.actors[i]);
	must(k.actors[i] = grove_spawn(acts, NULL));
}

static bool unfinished(void)
{
	return k.alive || grove_threadpool_count(k.threads) || grove_group_size(k.group) || grove_group_size(k.pool[0]) ||
		grove_group_size(k.pool[1]) || k.links_made != k.links_run || k.soon_made != k.soon_run;
}

/* Whoever still is about ends by himself, or after the kill. */
static void soak_end(void)
{
	k.stop = true;
	if (grove_killall(k.actors, ACTORS, GROVE_SEC(20)) < 0) {
		grove_print_run_info(2, GROVE_STACKS);
		broken("actors do not end");
	}
	for (size_t i = 0; i < ACTORS; i++)
		grove_release(k.actors[i]);
	for (int i = 0; i < 2000 && (i < 2 || unfinished()); i++) {
		for (unsigned e = 0; e < SOME; e++)		/* waits_on() */
			grove_event_set(k.event[e]);
		grove_sleep(GROVE_MS(1));
	}
	if (k.alive) {
		grove_print_run_info(2, GROVE_STACKS);
		broken("%d are left", k.alive);
	}
	must(grove_threadpool_kill(k.threads, GROVE_SEC(20)) == 0);
	must(grove_threadpool_join(grove_threadpool_default(), GROVE_SEC(20)) == 0);
}

__attribute__((unused)) static void soak(const struct soak *how)
{
	pthread_t threads[8];

	memset(&k, 0, sizeof(k));
	k.how = *how;
	k.random = how->seed;
	soak_make();
	for (size_t i = 0; i < ACTORS; i++)
		must(k.actors[i] = grove_spawn(acts, NULL));
	for (int i = 0; i < how->natives; i++)
		must(how->native_thread(&threads[i], NULL, native, NULL) == 0);
	for (int i = 0; i < how->rounds; i++) {
		must(grove_sleep(GROVE_US(below(300))) == 0);
		disturb(below(ACTORS));
	}
	k.stop = true;
	for (int i = 0; i < how->natives; i++)
		while (pthread_tryjoin_np(threads[i], NULL))
			must(grove_sleep(GROVE_US(100)) == 0);
	soak_end();
	soak_empty();
	soak_free();
}

#endif
