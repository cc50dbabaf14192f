/*
 * test_waits.c - every wait of locks, queues and channels, and everything that ends one from outside
 */
#include "api.h"
#include <pthread.h>
#include <signal.h>

static struct {
	grove_event *event, *never;
	grove_semaphore *sem;
	grove_lock *lock;
	grove_condition *condition;
	grove_rwlock *rw;
	grove_barrier *barrier;
	struct grove_once once;
	grove_queue *empty, *full;
	grove_channel *channel;
} o;

static bool is_false(void *arg)
{
	(void)arg;
	return false;
}

static int not_run(void *arg)
{
	(void)arg;
	note("run");
	return 0;
}

/* --- the waits; none of them succeeds ---------------------------------------------------------------------------------------------------- */

static int at_event(int64_t t) { return grove_event_wait(o.event, t); }
static int at_semaphore(int64_t t) { return grove_semaphore_acquire(o.sem, t); }
static int at_lock(int64_t t) { return grove_lock_acquire(o.lock, t); }
static int reading(int64_t t) { return grove_rwlock_rdlock(o.rw, t); }
static int writing(int64_t t) { return grove_rwlock_wrlock(o.rw, t); }
static int at_barrier(int64_t t) { return grove_barrier_wait(o.barrier, t); }
static int at_once(int64_t t) { return grove_once_call(&o.once, not_run, NULL, t); }
static int in_get(int64_t t) { return grove_queue_get(o.empty, NULL, t); }
static int in_peek(int64_t t) { return grove_queue_peek(o.empty, NULL, t); }
static int in_put(int64_t t) { return grove_queue_put(o.full, NULL, t); }
static int in_join(int64_t t) { return grove_queue_join(o.full, t); }
static int in_send(int64_t t) { return grove_channel_send(o.channel, NULL, t); }
static int in_recv(int64_t t) { return grove_channel_recv(o.channel, NULL, t); }
static int for_objects(int64_t t) { return grove_wait((grove_object *[]){ o.event, o.sem }, 2, 0, t, NULL) < 0 ? -1 : 0; }

/* The lock of conditions is another one, since who waits for them has it. */
static int at_condition(int64_t t)
{
	grove_lock *lock = grove_lock_new();
	grove_condition *condition = grove_condition_new(lock);
	int r, err;

	grove_lock_acquire(lock, GROVE_FOREVER);
	r = grove_condition_wait(condition, t);
	err = errno;
	if (grove_lock_release(lock) < 0 || grove_condition_free(condition) < 0 || grove_lock_free(lock) < 0)
		note("lock is lost");
	errno = err;
	return r;
}

static int for_predicate(int64_t t)
{
	grove_lock *lock = grove_lock_new();
	grove_condition *condition = grove_condition_new(lock);
	int r, err;

	grove_lock_acquire(lock, GROVE_FOREVER);
	r = grove_condition_wait_for(condition, is_false, NULL, t);
	err = errno;
	if (grove_lock_release(lock) < 0 || grove_condition_free(condition) < 0 || grove_lock_free(lock) < 0)
		note("lock is lost");
	errno = err;
	return r;
}

static int in_select(int64_t t)
{
	struct grove_case cases[] = {
		{ .channel = o.channel, .op = GROVE_RECV },
		{ .channel = o.channel, .op = GROVE_SEND },
		{ .channel = NULL, .op = GROVE_RECV },
	};

	return grove_select(cases, 3, t);
}

static const struct {
	const char *name;
	int (*fn)(int64_t);
} waits[] = {
	{ "event", at_event }, { "semaphore", at_semaphore }, { "lock", at_lock }, { "condition", at_condition },
	{ "predicate", for_predicate }, { "reading", reading }, { "writing", writing }, { "barrier", at_barrier }, { "once", at_once },
	{ "get", in_get }, { "peek", in_peek }, { "put", in_put }, { "join", in_join }, { "send", in_send }, { "recv", in_recv },
	{ "select", in_select },
};

/* --- what ends them ---------------------------------------------------------------------------------------------------------------------- */

static struct grove_timeout scope;

static void kills(grove_greenlet *g) { grove_kill(g, 0); }
static void throws(grove_greenlet *g) { grove_throw(g, EPROTO); }
static void cancels(grove_greenlet *g) { (void)g; grove_timeout_cancel(&scope); }

static const struct ending {
	const char *name;
	int64_t timeout, scope;		/* scope: 0 none, -1 a shield, else a deadline around the wait */
	void (*act)(grove_greenlet *);	/* after 3 ms */
	int err;
	gr_time took;
} endings[] = {
	{ "do not wait", 0, 0, NULL, EAGAIN, 0 },
	{ "negative", -1, 0, NULL, EINVAL, 0 },
	{ "timeout", GROVE_MS(10), 0, NULL, ETIMEDOUT, GR_MS(10) },
	{ "deadline around", GROVE_FOREVER, GROVE_MS(5), NULL, ETIMEDOUT, GR_MS(5) },
	{ "deadline around, later", GROVE_MS(5), GROVE_MS(10), NULL, ETIMEDOUT, GR_MS(5) },
	{ "scope is cancelled", GROVE_FOREVER, GROVE_FOREVER, cancels, ECANCELED, GR_MS(3) },
	{ "kill", GROVE_FOREVER, 0, kills, ECANCELED, GR_MS(3) },
	{ "throw", GROVE_FOREVER, 0, throws, EPROTO, GR_MS(3) },
	{ "kill, shielded", GROVE_MS(10), -1, kills, ETIMEDOUT, GR_MS(10) },
};

struct trial {
	int (*fn)(int64_t);
	const struct ending *ending;
	int r, err;
	gr_time took;
};

static void *tries(void *arg)
{
	struct trial *t = arg;
	gr_time began = api_clock;

	if (t->ending->scope < 0)
		grove_shield_start(&scope);
	else if (t->ending->scope)
		grove_timeout_start(&scope, t->ending->scope);
	t->r = t->fn(t->ending->timeout);
	t->err = errno;
	t->took = api_clock - began;
	if (t->ending->scope)
		grove_timeout_stop(&scope);
	return NULL;
}

static int waits_for_never(void *arg)
{
	(void)arg;
	return grove_event_wait(o.never, GROVE_FOREVER);
}

static void *keeps_once(void *arg)
{
	grove_once_call(&o.once, waits_for_never, NULL, GROVE_FOREVER);
	return arg;
}

static grove_greenlet *begin(void)
{
	grove_greenlet *keeper;

	o.event = grove_event_new();
	o.never = grove_event_new();
	o.sem = grove_semaphore_new(0);
	o.lock = grove_lock_new();
	o.rw = grove_rwlock_new();
	o.barrier = grove_barrier_new(2);
	o.once = (struct grove_once)GROVE_ONCE_INIT;
	o.empty = grove_queue_new(0);
	o.full = grove_queue_new(1);
	o.channel = grove_channel_new(0);
	grove_lock_acquire(o.lock, GROVE_FOREVER);
	grove_rwlock_wrlock(o.rw, GROVE_FOREVER);
	grove_queue_put(o.full, NULL, 0);
	keeper = grove_spawn(keeps_once, NULL);
	grove_yield();
	return keeper;
}

/* Nobody stands in any line. */
static void end(grove_greenlet *keeper)
{
	grove_kill(keeper, GROVE_FOREVER);
	grove_release(keeper);
	grove_lock_release(o.lock);
	grove_rwlock_unlock(o.rw);
	assert_int_equal(grove_event_free(o.event), 0);
	assert_int_equal(grove_event_free(o.never), 0);
	assert_int_equal(grove_semaphore_free(o.sem), 0);
	assert_int_equal(grove_lock_free(o.lock), 0);
	assert_int_equal(grove_rwlock_free(o.rw), 0);
	assert_int_equal(grove_barrier_free(o.barrier), 0);
	assert_int_equal(grove_queue_free(o.empty), 0);
	assert_int_equal(grove_queue_free(o.full), 0);
	assert_int_equal(grove_channel_free(o.channel), 0);
}

static void test_every_wait_ends(void **state)
{
	(void)state;
	for (size_t w = 0; w < GR_LENGTH(waits); w++) {
		for (size_t e = 0; e < GR_LENGTH(endings); e++) {
			struct trial t = { .fn = waits[w].fn, .ending = &endings[e] };
			grove_greenlet *keeper = begin(), *g = grove_spawn(tries, &t);

			grove_sleep(GROVE_MS(3));
			if (endings[e].act)
				endings[e].act(g);
			grove_join(g, GROVE_FOREVER);
			grove_release(g);
			if (t.r != -1 || t.err != endings[e].err || t.took != endings[e].took)
				fail_msg("%s, %s: %d, %s after %ld us", waits[w].name, endings[e].name, t.r, strerrorname_np(t.err),
					 (long)(t.took / 1000));
			end(keeper);
		}
	}
	assert_string_equal(api_log, "");
}

/* Killed before it comes to the wait */
static void *is_killed_first(void *arg)
{
	struct trial *t = arg;

	grove_kill(grove_current(), 0);
	return tries(t);
}

static void test_killed_before(void **state)
{
	static const struct ending kill_before = { "killed before", GROVE_FOREVER, 0, NULL, ECANCELED, 0 };

	(void)state;
	for (size_t w = 0; w < GR_LENGTH(waits); w++) {
		struct trial t = { .fn = waits[w].fn, .ending = &kill_before };
		grove_greenlet *keeper = begin(), *g = grove_spawn(is_killed_first, &t);

		grove_join(g, GROVE_FOREVER);
		grove_release(g);
		if (t.r != -1 || t.err != ECANCELED || t.took != 0)
			fail_msg("%s: %d, %s", waits[w].name, t.r, strerrorname_np(t.err));
		end(keeper);
	}
}

/* --- unwound out of the wait --------------------------------------------------------------------------------------------------------------- */

static volatile int in_handler;

static void leaves(int sig)
{
	(void)sig;
	in_handler = true;
	grove_sleep(GROVE_MS(1));		/* in which it may be given its turn */
	pthread_exit(NULL);
}

static void *is_unwound(void *arg)
{
	struct trial *t = arg;
	sigset_t usr1;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
	t->fn(GROVE_FOREVER);
	note("not unwound");
	return NULL;
}

static void give_lock(grove_greenlet *keeper) { (void)keeper; grove_lock_release(o.lock); }
static void give_rwlock(grove_greenlet *keeper) { (void)keeper; grove_rwlock_unlock(o.rw); }
static void give_permit(grove_greenlet *keeper) { (void)keeper; grove_semaphore_release(o.sem); }
static void give_room(grove_greenlet *keeper) { (void)keeper; grove_queue_get(o.full, NULL, 0); }
static void give_once(grove_greenlet *keeper) { grove_kill(keeper, GROVE_FOREVER); }
static void come_too(grove_greenlet *keeper) { (void)keeper; grove_barrier_wait(o.barrier, 0); }

static bool lock_is_free(void) { return grove_lock_try(o.lock) == 0; }
static bool rwlock_is_free(void) { return grove_rwlock_trywrlock(o.rw) == 0; }
static bool permit_is_there(void) { return grove_semaphore_value(o.sem) == 1; }
static bool item_is_in(void) { return grove_queue_size(o.full) == 1 && grove_queue_unfinished(o.full) == 2; }
static bool once_is_new(void) { return grove_once_call(&o.once, not_run, NULL, 0) == 0; }
static bool is_whole(void) { return !grove_barrier_broken(o.barrier); }
static bool is_broken(void) { return grove_barrier_broken(o.barrier); }

static const struct {
	int (*fn)(int64_t);
	void (*give)(grove_greenlet *keeper);	/* NULL: it is not given its turn */
	bool (*after)(void);
} unwindings[] = {
	{ at_lock, give_lock, lock_is_free }, { reading, give_rwlock, rwlock_is_free }, { writing, give_rwlock, rwlock_is_free },
	{ at_semaphore, give_permit, permit_is_there }, { in_put, give_room, item_is_in }, { at_once, give_once, once_is_new },
	{ at_barrier, come_too, is_whole }, { at_barrier, NULL, is_broken }, { at_event, NULL, NULL }, { at_lock, NULL, NULL },
	{ reading, NULL, NULL }, { writing, NULL, NULL }, { at_semaphore, NULL, NULL }, { in_put, NULL, NULL }, { in_get, NULL, NULL },
	{ in_peek, NULL, NULL }, { in_join, NULL, NULL }, { at_once, NULL, NULL }, { in_send, NULL, NULL }, { in_recv, NULL, NULL },
	{ in_select, NULL, NULL },
};

static void test_unwound(void **state)
{
	struct sigaction sa = { .sa_handler = leaves }, old;
	sigset_t usr1;

	(void)state;
	sigaction(SIGUSR1, &sa, &old);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	for (size_t i = 0; i < GR_LENGTH(unwindings); i++) {
		struct trial t = { .fn = unwindings[i].fn };
		grove_greenlet *keeper = begin(), *g = grove_spawn(is_unwound, &t);

		in_handler = false;
		grove_yield();
		kill(getpid(), SIGUSR1);
		while (!in_handler)
			grove_yield();
		if (unwindings[i].give)
			unwindings[i].give(keeper);
		grove_join(g, GROVE_FOREVER);
		grove_release(g);
		if (unwindings[i].after && !unwindings[i].after())
			fail_msg("row %zu", i);
		end(keeper);
	}
	assert_string_equal(api_log, "run");		/* by once_is_new() */
	pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
	sigaction(SIGUSR1, &old, NULL);
}

/* --- others ---------------------------------------------------------------------------------------------------------------------------- */

static void test_nobody_is_left(void **state)
{
	FILE *told = tmpfile();
	int saved = dup(2);

	(void)state;
	fflush(stderr);
	dup2(fileno(told), 2);		/* who waits for what is said there */
	for (size_t w = 0; w < GR_LENGTH(waits); w++) {
		grove_greenlet *keeper = begin();
		int r, err;

		grove_lock_release(o.lock);
		grove_rwlock_unlock(o.rw);
		if (waits[w].fn == at_lock || waits[w].fn == reading || waits[w].fn == writing) {	/* nobody else has them */
			grove_lock_acquire(o.lock, GROVE_FOREVER);
			grove_rwlock_wrlock(o.rw, GROVE_FOREVER);
			end(keeper);
			continue;
		}
		r = waits[w].fn(GROVE_FOREVER);
		err = errno;
		grove_lock_acquire(o.lock, GROVE_FOREVER);
		grove_rwlock_wrlock(o.rw, GROVE_FOREVER);
		if (r != -1 || err != EDEADLK)
			fail_msg("%s: %d, %s", waits[w].name, r, strerrorname_np(err));
		end(keeper);
	}
	dup2(saved, 2);
	close(saved);
	fclose(told);
}

static void test_waiting_for_objects(void **state)
{
	(void)state;
	for (size_t e = 0; e < GR_LENGTH(endings); e++) {
		struct trial t = { .fn = for_objects, .ending = &endings[e] };
		grove_greenlet *keeper = begin(), *g = grove_spawn(tries, &t);
		bool own_time = endings[e].timeout != GROVE_FOREVER && endings[e].err != EINVAL;

		grove_sleep(GROVE_MS(3));
		if (endings[e].act)
			endings[e].act(g);
		grove_join(g, GROVE_FOREVER);
		grove_release(g);
		assert_int_equal(t.took, endings[e].took);
		if (own_time)
			assert_int_equal(t.r, 0);		/* it says how many are ready: none */
		end(keeper);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		api_test(test_every_wait_ends),
		api_test(test_killed_before),
		api_test(test_unwound),
		api_test(test_nobody_is_left),
		api_test(test_waiting_for_objects),
	};

	return cmocka_run_group_tests(tests, api_begin, NULL);
}
