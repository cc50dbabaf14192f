/*
 * test_lock.c - grove/lock.h: recursive locks, condition variables, read-write locks
 */
#include "api.h"
#include <pthread.h>
#include <signal.h>

static grove_lock *lock;
static grove_condition *condition;
static grove_rwlock *rw;

static int setup(void **state)
{
	lock = grove_lock_new();
	condition = grove_condition_new(lock);
	rw = grove_rwlock_new();
	return lock && condition && rw ? api_clear(state) : -1;
}

static int teardown(void **state)
{
	if (grove_condition_free(condition) < 0 || grove_lock_free(lock) < 0 || grove_rwlock_free(rw) < 0)
		return -1;
	return api_nobody_left(state);
}

#define lock_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static const char *outcome(int r)
{
	return r >= 0 ? "ok" : strerrorname_np(errno);
}

/* --- locks ----------------------------------------------------------------------------------------------------------------------------- */

static void *locks(void *arg)
{
	int r = grove_lock_acquire(lock, GROVE_MS(10));

	note("%s %s", (const char *)arg, outcome(r));
	if (r == 0)
		grove_lock_release(lock);
	return NULL;
}

static void *keeps_for_5ms(void *arg)
{
	grove_lock_acquire(lock, GROVE_FOREVER);
	note("%s", (const char *)arg);
	grove_sleep(GROVE_MS(5));
	grove_lock_release(lock);
	return NULL;
}

static void *tries(void *arg)
{
	(void)arg;
	note("%s", outcome(grove_lock_try(lock)));
	note("%s", outcome(grove_lock_release(lock)));
	note("%u", grove_lock_depth(lock));
	return NULL;
}

static void test_recursion(void **state)
{
	(void)state;
	assert_false(grove_lock_locked(lock));
	assert_int_equal(grove_lock_release(lock), -1);
	assert_int_equal(errno, EPERM);
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(grove_lock_acquire(lock, GROVE_FOREVER), 0);
		assert_int_equal(grove_lock_depth(lock), i);
	}
	for (unsigned i = 3; i > 0; i--) {
		assert_true(grove_lock_locked(lock));
		assert_int_equal(grove_lock_release(lock), 0);
		assert_int_equal(grove_lock_depth(lock), i - 1);
	}
	assert_false(grove_lock_locked(lock));
}

static void *acquires(void *arg)
{
	grove_lock *l = arg;

	note("%s", grove_lock_try(l) == 0 ? "mine" : strerrorname_np(errno));
	return arg;
}

/* The next greenlet of the same worker is another one. */
static void test_an_owner_that_has_ended(void **state)
{
	grove_lock *abandoned = grove_lock_new();

	(void)state;
	for (int i = 0; i < 2; i++) {
		grove_greenlet *g = grove_spawn(acquires, abandoned);

		grove_join(g, GROVE_FOREVER);
		grove_release(g);
	}
	assert_string_equal(api_log, "mine EAGAIN");
	assert_int_equal(grove_lock_free(abandoned), -1);
	assert_int_equal(errno, EBUSY);
}

static void test_only_the_owner(void **state)
{
	(void)state;
	grove_lock_acquire(lock, GROVE_FOREVER);
	grove_spawn_raw(tries, NULL);
	grove_yield();
	assert_string_equal(api_log, "EAGAIN EPERM 0");
	assert_int_equal(grove_lock_free(lock), -1);
	assert_int_equal(errno, EBUSY);
	grove_lock_release(lock);
}

static void test_handed_over_in_order(void **state)
{
	(void)state;
	grove_lock_acquire(lock, GROVE_FOREVER);
	grove_spawn_raw(keeps_for_5ms, "a");
	grove_spawn_raw(keeps_for_5ms, "b");
	grove_yield();
	grove_lock_release(lock);
	assert_int_equal(grove_lock_try(lock), -1);		/* it is a's already */
	assert_int_equal(grove_lock_acquire(lock, GROVE_FOREVER), 0);
	note("main");
	assert_int_equal(took(), GR_MS(10));
	assert_string_equal(api_log, "a b main");
	grove_lock_release(lock);
}

static void test_lock_times_out(void **state)
{
	(void)state;
	grove_lock_acquire(lock, GROVE_FOREVER);
	grove_spawn_raw(locks, "a");
	grove_sleep(GROVE_MS(20));
	assert_string_equal(api_log, "a ETIMEDOUT");
	grove_lock_release(lock);
	assert_false(grove_lock_locked(lock));
}

static void test_killed_at_the_head(void **state)
{
	grove_greenlet *g;

	(void)state;
	grove_lock_acquire(lock, GROVE_FOREVER);
	g = grove_spawn(locks, "a");
	grove_spawn_raw(locks, "b");
	grove_yield();
	grove_kill(g, GROVE_FOREVER);
	grove_lock_release(lock);
	grove_yield();
	assert_string_equal(api_log, "a ECANCELED b ok");
	grove_release(g);
}

static void test_given_and_killed(void **state)
{
	grove_greenlet *g;

	(void)state;
	grove_lock_acquire(lock, GROVE_FOREVER);
	g = grove_spawn(locks, "a");
	grove_yield();
	grove_lock_release(lock);
	grove_kill(g, GROVE_FOREVER);
	assert_string_equal(api_log, "a ok");
	assert_false(grove_lock_locked(lock));
	grove_release(g);
}

static void test_lock_as_object(void **state)
{
	(void)state;
	assert_int_equal(grove_wait((grove_object *[]){ lock }, 1, 1, 0, NULL), 1);
	grove_spawn_raw(keeps_for_5ms, "a");
	grove_yield();
	assert_int_equal(grove_wait((grove_object *[]){ lock }, 1, 1, GROVE_FOREVER, NULL), 1);
	assert_int_equal(took(), GR_MS(5));
	assert_false(grove_lock_locked(lock));
}

static int at_once, most_at_once;

static void *native(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20; i++) {
		if (grove_lock_acquire(lock, GROVE_FOREVER) < 0 || grove_lock_acquire(lock, GROVE_FOREVER) < 0)
			return "cannot lock";
		if (grove_lock_depth(lock) != 2)
			return "is not the owner";
		at_once++;
		if (at_once > most_at_once)
			most_at_once = at_once;
		at_once--;
		if (grove_lock_release(lock) < 0 || grove_lock_release(lock) < 0)
			return "cannot release";
	}
	if (grove_lock_release(lock) == 0 || errno != EPERM)
		return "released what it had not";
	return NULL;
}

/* pthread_join() would keep everybody from running, those included whom the thread waits for. */
static const char *native_result(pthread_t thread)
{
	void *result;

	while (pthread_tryjoin_np(thread, &result) == EBUSY)
		grove_yield();
	return result;
}

static void test_native_owners(void **state)
{
	pthread_t threads[2];
	const char *wrong[2];

	(void)state;
	api_natives++;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, native, NULL), 0);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(grove_lock_acquire(lock, GROVE_FOREVER), 0);
		at_once++;
		grove_yield();
		at_once--;
		grove_lock_release(lock);
	}
	for (int i = 0; i < 2; i++)
		wrong[i] = native_result(threads[i]);
	api_natives--;
	assert_null(wrong[0]);
	assert_null(wrong[1]);
	assert_int_equal(most_at_once, 1);
	assert_false(grove_lock_locked(lock));
}

/* --- condition variables ----------------------------------------------------------------------------------------------------------------- */

static void *waits(void *arg)
{
	int r;

	grove_lock_acquire(lock, GROVE_FOREVER);
	grove_lock_acquire(lock, GROVE_FOREVER);
	r = grove_condition_wait(condition, GROVE_MS(10));
	note("%s %s %u", (const char *)arg, outcome(r), grove_lock_depth(lock));
	grove_lock_release(lock);
	grove_lock_release(lock);
	return NULL;
}

static void test_notify_in_order(void **state)
{
	(void)state;
	grove_spawn_raw(waits, "a");
	grove_spawn_raw(waits, "b");
	grove_spawn_raw(waits, "c");
	grove_yield();
	grove_lock_acquire(lock, GROVE_FOREVER);
	assert_int_equal(grove_condition_notify(condition, 0), 0);
	assert_int_equal(grove_condition_notify(condition, 1), 1);
	grove_yield();
	note("released");		/* nobody goes on before */
	grove_lock_release(lock);
	grove_yield();
	assert_string_equal(api_log, "released a ok 2");
	grove_lock_acquire(lock, GROVE_FOREVER);
	assert_int_equal(grove_condition_notify_all(condition), 2);
	assert_int_equal(grove_condition_notify_all(condition), 0);
	grove_lock_release(lock);
	grove_yield();
	assert_string_equal(api_log, "released a ok 2 b ok 2 c ok 2");
}

static void test_condition_times_out(void **state)
{
	(void)state;
	grove_lock_acquire(lock, GROVE_FOREVER);
	grove_lock_acquire(lock, GROVE_FOREVER);
	assert_int_equal(grove_condition_wait(condition, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_condition_wait(condition, GROVE_MS(7)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(took(), GR_MS(7));
	assert_int_equal(grove_lock_depth(lock), 2);
	grove_lock_release(lock);
	grove_lock_release(lock);
}

/* Somebody keeps the lock while the greenlet that waits is killed, and after its time. */
static void test_killed_waiter_owns_the_lock(void **state)
{
	grove_greenlet *g = grove_spawn(waits, "a");

	(void)state;
	grove_yield();
	grove_lock_acquire(lock, GROVE_FOREVER);
	assert_int_equal(grove_condition_free(condition), -1);
	assert_int_equal(errno, EBUSY);
	grove_kill(g, 0);
	grove_sleep(GROVE_MS(20));
	note("released");
	grove_lock_release(lock);
	grove_join(g, GROVE_FOREVER);
	assert_string_equal(api_log, "released a ECANCELED 2");
	grove_release(g);
}

static void test_killed_while_it_takes_the_lock_again(void **state)
{
	grove_greenlet *g = grove_spawn(waits, "a");

	(void)state;
	grove_yield();
	grove_lock_acquire(lock, GROVE_FOREVER);
	grove_condition_notify(condition, 1);
	grove_yield();			/* it stands in the line for the lock now */
	grove_kill(g, 0);
	grove_sleep(GROVE_MS(20));
	note("released");
	grove_lock_release(lock);
	grove_join(g, GROVE_FOREVER);
	assert_string_equal(api_log, "released a ok 2");
	grove_release(g);
}

/* The notification of one who was killed before it came is for the next. */
static void test_no_notification_is_lost(void **state)
{
	grove_greenlet *g = grove_spawn(waits, "a");

	(void)state;
	grove_spawn_raw(waits, "b");
	grove_yield();
	grove_kill(g, GROVE_FOREVER);
	grove_lock_acquire(lock, GROVE_FOREVER);
	assert_int_equal(grove_condition_notify(condition, 1), 1);
	grove_lock_release(lock);
	grove_yield();
	assert_string_equal(api_log, "a ECANCELED 2 b ok 2");
	grove_release(g);
}

static void test_needs_the_lock(void **state)
{
	(void)state;
	assert_int_equal(grove_condition_wait(condition, GROVE_FOREVER), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(grove_condition_notify(condition, 1), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(grove_condition_notify_all(condition), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(grove_lock_free(lock), -1);
	assert_int_equal(errno, EBUSY);		/* there is a condition variable */
}

static int fill;

static bool is_filled(void *arg)
{
	note("?");
	return fill >= (int)(intptr_t)arg;
}

static void *fills(void *arg)
{
	for (int i = 0; i < 3; i++) {
		grove_sleep((int64_t)(intptr_t)arg);
		grove_lock_acquire(lock, GROVE_FOREVER);
		fill++;
		grove_condition_notify_all(condition);
		grove_lock_release(lock);
	}
	return NULL;
}

static void test_wait_for(void **state)
{
	static const struct {
		int amount;
		int64_t timeout;
		int err;
		gr_time took;
		const char *log;
	} rows[] = {
		{ 0, 0, 0, 0, "?" },
		{ 1, 0, EAGAIN, 0, "?" },
		{ 2, GROVE_FOREVER, 0, GR_MS(20), "? ? ?" },
		{ 2, GROVE_MS(25), 0, GR_MS(20), "? ? ?" },
		{ 3, GROVE_MS(15), ETIMEDOUT, GR_MS(15), "? ? ?" },
	};

	(void)state;
	for (size_t i = 0; i < GR_LENGTH(rows); i++) {
		grove_greenlet *g = grove_spawn(fills, (void *)GROVE_MS(10));

		fill = 0;
		api_log[0] = '\0';
		api_began = api_clock;
		grove_lock_acquire(lock, GROVE_FOREVER);
		assert_int_equal(grove_condition_wait_for(condition, is_filled, (void *)(intptr_t)rows[i].amount, rows[i].timeout),
				 rows[i].err ? -1 : 0);
		if (rows[i].err)
			assert_int_equal(errno, rows[i].err);
		assert_int_equal(took(), rows[i].took);
		assert_string_equal(api_log, rows[i].log);
		grove_lock_release(lock);
		grove_join(g, GROVE_FOREVER);
		grove_release(g);
	}
}

static pthread_t asked_in;

static bool ask(void *arg)
{
	(void)arg;
	asked_in = pthread_self();
	return fill > 0;
}

static void *native_consumer(void *arg)
{
	(void)arg;
	if (grove_lock_acquire(lock, GROVE_FOREVER) < 0)
		return "cannot lock";
	if (grove_condition_wait_for(condition, ask, NULL, GROVE_FOREVER) < 0)
		return "cannot wait";
	if (!pthread_equal(asked_in, pthread_self()))
		return "the predicate ran elsewhere";
	if (grove_lock_depth(lock) != 1)
		return "does not own the lock";
	return grove_lock_release(lock) < 0 ? "cannot release" : NULL;
}

static void test_native_condition(void **state)
{
	pthread_t thread;

	(void)state;
	fill = 0;
	api_natives++;
	assert_int_equal(pthread_create(&thread, NULL, native_consumer, NULL), 0);
	for (int woken = 0; woken == 0; grove_yield()) {
		grove_lock_acquire(lock, GROVE_FOREVER);
		fill = 1;
		woken = asked_in ? 1 : 0;
		grove_condition_notify(condition, 1);
		grove_lock_release(lock);
	}
	assert_null(native_result(thread));
	api_natives--;
}

/* --- unwound out of the wait ----------------------------------------------------------------------------------------------------------- */

static void leaves(int sig)
{
	(void)sig;
	note("handler");
	pthread_exit(NULL);
}

static void owns_it(void *arg)
{
	(void)arg;
	note("depth %u", grove_lock_depth(lock));
	grove_lock_release(lock);
}

static void *is_unwound(void *arg)
{
	sigset_t usr1;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
	grove_lock_acquire(lock, GROVE_FOREVER);
	pthread_cleanup_push(owns_it, arg);
	grove_condition_wait(condition, GROVE_FOREVER);
	pthread_cleanup_pop(0);
	return NULL;
}

/* As with pthread_cond_wait(3): cleanup handlers find the lock owned. */
static void test_unwound_out_of_a_condition(void **state)
{
	struct sigaction sa = { .sa_handler = leaves }, old;
	grove_greenlet *g;
	sigset_t usr1;

	(void)state;
	sigaction(SIGUSR1, &sa, &old);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	g = grove_spawn(is_unwound, NULL);
	grove_yield();
	grove_lock_acquire(lock, GROVE_FOREVER);
	kill(getpid(), SIGUSR1);
	while (!api_log[0])
		grove_yield();
	note("released");
	grove_lock_release(lock);
	grove_join(g, GROVE_FOREVER);
	assert_string_equal(api_log, "handler released depth 1");
	grove_release(g);
	pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
	sigaction(SIGUSR1, &old, NULL);
}

/* --- read-write locks -------------------------------------------------------------------------------------------------------------------- */

static void *reads(void *arg)
{
	int r = grove_rwlock_rdlock(rw, GROVE_MS(10));

	note("%s %s", (const char *)arg, outcome(r));
	if (r == 0) {
		grove_sleep(GROVE_MS(1));
		grove_rwlock_unlock(rw);
	}
	return NULL;
}

static void *writes(void *arg)
{
	int r = grove_rwlock_wrlock(rw, GROVE_MS(10));

	note("%s %s", (const char *)arg, outcome(r));
	if (r == 0) {
		grove_sleep(GROVE_MS(1));
		grove_rwlock_unlock(rw);
	}
	return NULL;
}

static void test_who_may_hold_it(void **state)
{
	(void)state;
	assert_int_equal(grove_rwlock_unlock(rw), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(grove_rwlock_rdlock(rw, 0), 0);
	assert_int_equal(grove_rwlock_tryrdlock(rw), 0);
	assert_int_equal(grove_rwlock_trywrlock(rw), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_rwlock_free(rw), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(grove_rwlock_unlock(rw), 0);
	assert_int_equal(grove_rwlock_unlock(rw), 0);
	assert_int_equal(grove_rwlock_trywrlock(rw), 0);
	assert_int_equal(grove_rwlock_tryrdlock(rw), -1);
	assert_int_equal(errno, EDEADLK);
	assert_int_equal(grove_rwlock_wrlock(rw, GROVE_FOREVER), -1);
	assert_int_equal(errno, EDEADLK);
	assert_int_equal(grove_rwlock_unlock(rw), 0);
}

static void *unlocks(void *arg)
{
	(void)arg;
	note("%s", outcome(grove_rwlock_unlock(rw)));
	note("%s", outcome(grove_rwlock_tryrdlock(rw)));
	return NULL;
}

static void test_only_the_writer_unlocks(void **state)
{
	(void)state;
	grove_rwlock_wrlock(rw, GROVE_FOREVER);
	grove_spawn_raw(unlocks, NULL);
	grove_yield();
	assert_string_equal(api_log, "EPERM EAGAIN");
	grove_rwlock_unlock(rw);
}

static void test_in_the_order_of_coming(void **state)
{
	(void)state;
	grove_rwlock_rdlock(rw, GROVE_FOREVER);
	grove_spawn_raw(reads, "r1");
	grove_spawn_raw(writes, "w1");
	grove_spawn_raw(reads, "r2");
	grove_spawn_raw(reads, "r3");
	grove_spawn_raw(writes, "w2");
	grove_yield();
	assert_string_equal(api_log, "r1 ok");
	grove_sleep(GROVE_MS(2));
	note("unlock");
	grove_rwlock_unlock(rw);
	assert_int_equal(grove_rwlock_tryrdlock(rw), -1);
	grove_sleep(GROVE_MS(10));
	assert_string_equal(api_log, "r1 ok unlock w1 ok r2 ok r3 ok w2 ok");
}

/* A writer gives up, by its time or killed; the readers behind it waited only for it. */
static void test_a_writer_gives_up(void **state)
{
	grove_greenlet *g;

	(void)state;
	grove_rwlock_rdlock(rw, GROVE_FOREVER);
	g = grove_spawn(writes, "w");
	grove_spawn_raw(reads, "r1");
	grove_spawn_raw(reads, "r2");
	grove_yield();
	assert_string_equal(api_log, "");
	grove_kill(g, GROVE_FOREVER);
	grove_yield();
	assert_string_equal(api_log, "w ECANCELED r1 ok r2 ok");
	grove_release(g);
	grove_sleep(GROVE_MS(5));

	api_log[0] = '\0';
	grove_spawn_raw(writes, "w");
	grove_yield();
	grove_sleep(GROVE_MS(5));
	grove_spawn_raw(reads, "r");
	grove_sleep(GROVE_MS(8));
	assert_string_equal(api_log, "w ETIMEDOUT r ok");
	grove_rwlock_unlock(rw);
}

static void test_rwlock_as_object(void **state)
{
	(void)state;
	grove_rwlock_rdlock(rw, GROVE_FOREVER);
	assert_int_equal(grove_wait((grove_object *[]){ rw }, 1, 1, 0, NULL), 0);
	grove_rwlock_unlock(rw);
	assert_int_equal(grove_wait((grove_object *[]){ rw }, 1, 1, 0, NULL), 1);
}

static void *native_writer(void *arg)
{
	(void)arg;
	if (grove_rwlock_wrlock(rw, GROVE_FOREVER) < 0)
		return "cannot lock";
	if (grove_rwlock_wrlock(rw, GROVE_FOREVER) == 0 || errno != EDEADLK)
		return "is not known as the writer";
	return grove_rwlock_unlock(rw) < 0 ? "cannot unlock" : NULL;
}

static void test_native_writer(void **state)
{
	pthread_t thread;

	(void)state;
	api_natives++;
	grove_rwlock_rdlock(rw, GROVE_FOREVER);
	assert_int_equal(pthread_create(&thread, NULL, native_writer, NULL), 0);
	while (grove_rwlock_tryrdlock(rw) == 0)		/* until the writer waits */
		grove_rwlock_unlock(rw), grove_yield();
	grove_rwlock_unlock(rw);
	assert_null(native_result(thread));
	api_natives--;
}

/* --- misuse -------------------------------------------------------------------------------------------------------------------------------- */

static void test_misuse(void **state)
{
	(void)state;
	assert_int_equal(grove_lock_acquire((grove_lock *)rw, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_lock_acquire(lock, -1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_lock_release(NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_lock_free((grove_lock *)rw), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_lock_free(NULL), 0);
	assert_int_equal(grove_lock_depth(NULL), 0);
	assert_false(grove_lock_locked(NULL));
	assert_null(grove_condition_new((grove_lock *)rw));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_condition_wait((grove_condition *)lock, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_condition_wait(condition, -1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_condition_wait_for(condition, NULL, NULL, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_condition_wait_for(NULL, is_filled, NULL, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_condition_notify(NULL, 1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_condition_free((grove_condition *)lock), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_condition_free(NULL), 0);
	assert_int_equal(grove_rwlock_rdlock((grove_rwlock *)lock, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_rwlock_wrlock(rw, -1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_rwlock_unlock(NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_rwlock_free((grove_rwlock *)lock), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_rwlock_free(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		lock_test(test_recursion),
		lock_test(test_only_the_owner),
		lock_test(test_an_owner_that_has_ended),
		lock_test(test_handed_over_in_order),
		lock_test(test_lock_times_out),
		lock_test(test_killed_at_the_head),
		lock_test(test_given_and_killed),
		lock_test(test_lock_as_object),
		lock_test(test_native_owners),
		lock_test(test_notify_in_order),
		lock_test(test_condition_times_out),
		lock_test(test_killed_waiter_owns_the_lock),
		lock_test(test_killed_while_it_takes_the_lock_again),
		lock_test(test_no_notification_is_lost),
		lock_test(test_needs_the_lock),
		lock_test(test_wait_for),
		lock_test(test_native_condition),
		lock_test(test_unwound_out_of_a_condition),
		lock_test(test_who_may_hold_it),
		lock_test(test_only_the_writer_unlocks),
		lock_test(test_in_the_order_of_coming),
		lock_test(test_a_writer_gives_up),
		lock_test(test_rwlock_as_object),
		lock_test(test_native_writer),
		lock_test(test_misuse),
	};

	return cmocka_run_group_tests(tests, api_begin, NULL);
}
