/*
 * test_semaphore.c - grove/semaphore.h
 */
#include "api.h"
#include <pthread.h>
#include <signal.h>

static grove_semaphore *sem;

static void *takes(void *arg)
{
	int r = grove_semaphore_acquire(sem, GROVE_FOREVER);

	note("%s %s", (const char *)arg, r == 0 ? "has it" : strerrorname_np(errno));
	return NULL;
}

static void *takes_for_a_while(void *arg)
{
	int r = grove_semaphore_acquire(sem, GROVE_MS(10));

	note("%s %s", (const char *)arg, r == 0 ? "has it" : strerrorname_np(errno));
	return NULL;
}

static void *releases_later(void *arg)
{
	grove_sleep((int64_t)(intptr_t)arg);
	grove_semaphore_release(sem);
	return NULL;
}

/* --- counting ------------------------------------------------------------------------------------------------------------------------ */

static void test_counts(void **state)
{
	(void)state;
	sem = grove_semaphore_new(2);
	assert_int_equal(grove_semaphore_value(sem), 2);
	assert_false(grove_semaphore_locked(sem));
	assert_int_equal(grove_semaphore_acquire(sem, GROVE_FOREVER), 0);
	assert_int_equal(grove_semaphore_try(sem), 0);
	assert_int_equal(grove_semaphore_value(sem), 0);
	assert_true(grove_semaphore_locked(sem));
	assert_int_equal(grove_semaphore_try(sem), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_semaphore_acquire(sem, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_semaphore_release_n(sem, 5), 0);
	assert_int_equal(grove_semaphore_value(sem), 5);
	assert_int_equal(grove_semaphore_release_n(sem, 0), 0);
	assert_int_equal(grove_semaphore_value(sem), 5);
	assert_int_equal(grove_semaphore_free(sem), 0);
}

static void test_too_many(void **state)
{
	static const struct {
		bool bounded;
		unsigned value, taken, released;
		int err;
	} rows[] = {
		{ true, 1, 1, 1, 0 },
		{ true, 1, 0, 1, ERANGE },
		{ true, 3, 2, 2, 0 },
		{ true, 3, 2, 3, ERANGE },
		{ true, 0, 0, 1, ERANGE },
		{ false, 1, 0, 1, 0 },
		{ false, GROVE_SEMAPHORE_MAX, 0, 1, EOVERFLOW },
		{ false, 1, 0, GROVE_SEMAPHORE_MAX - 1, 0 },
		{ false, 1, 0, GROVE_SEMAPHORE_MAX, EOVERFLOW },
		{ true, GROVE_SEMAPHORE_MAX, 0, 1, ERANGE },
	};

	(void)state;
	for (size_t i = 0; i < GR_LENGTH(rows); i++) {
		unsigned before;

		sem = rows[i].bounded ? grove_semaphore_new_bounded(rows[i].value) : grove_semaphore_new(rows[i].value);
		for (unsigned n = 0; n < rows[i].taken; n++)
			assert_int_equal(grove_semaphore_try(sem), 0);
		before = grove_semaphore_value(sem);
		assert_int_equal(grove_semaphore_release_n(sem, rows[i].released), rows[i].err ? -1 : 0);
		if (rows[i].err)
			assert_int_equal(errno, rows[i].err);
		assert_int_equal(grove_semaphore_value(sem), before + (rows[i].err ? 0 : rows[i].released));
		assert_int_equal(grove_semaphore_free(sem), 0);
	}
}

/* All its permits are out while somebody waits: giving one of them back goes to that one, a second one is too many. */
static void test_bounded_with_somebody_waiting(void **state)
{
	(void)state;
	sem = grove_semaphore_new_bounded(1);
	grove_semaphore_try(sem);
	grove_spawn_raw(takes, "a");
	grove_yield();
	assert_int_equal(grove_semaphore_release_n(sem, 2), -1);
	assert_int_equal(errno, ERANGE);
	assert_int_equal(grove_semaphore_release(sem), 0);
	grove_yield();
	assert_string_equal(api_log, "a has it");
	assert_int_equal(grove_semaphore_value(sem), 0);
	assert_int_equal(grove_semaphore_free(sem), 0);
}

/* --- waiting ------------------------------------------------------------------------------------------------------------------------- */

static void test_times(void **state)
{
	static const struct {
		int64_t release_after, timeout;
		int err;
		gr_time took;
	} rows[] = {
		{ GROVE_MS(10), GROVE_FOREVER, 0, GR_MS(10) },
		{ GROVE_MS(10), GROVE_MS(50), 0, GR_MS(10) },
		{ GROVE_MS(50), GROVE_MS(10), ETIMEDOUT, GR_MS(10) },
	};

	(void)state;
	for (size_t i = 0; i < GR_LENGTH(rows); i++) {
		grove_greenlet *g = grove_spawn(releases_later, (void *)rows[i].release_after);

		sem = grove_semaphore_new(0);
		api_began = api_clock;
		assert_int_equal(grove_semaphore_acquire(sem, rows[i].timeout), rows[i].err ? -1 : 0);
		if (rows[i].err)
			assert_int_equal(errno, rows[i].err);
		assert_int_equal(took(), rows[i].took);
		grove_join(g, GROVE_FOREVER);
		grove_release(g);
		assert_int_equal(grove_semaphore_value(sem), rows[i].err ? 1 : 0);
		grove_semaphore_free(sem);
	}
}

static void test_first_come_first_served(void **state)
{
	(void)state;
	sem = grove_semaphore_new(0);
	grove_spawn_raw(takes, "a");
	grove_spawn_raw(takes, "b");
	grove_spawn_raw(takes, "c");
	grove_yield();
	grove_semaphore_release(sem);
	assert_int_equal(grove_semaphore_try(sem), -1);		/* it is a's, who has not run yet */
	grove_yield();
	assert_string_equal(api_log, "a has it");
	grove_semaphore_release_n(sem, 3);
	grove_yield();
	assert_string_equal(api_log, "a has it b has it c has it");
	assert_int_equal(grove_semaphore_value(sem), 1);
	grove_semaphore_free(sem);
}

static void test_kill_while_waiting(void **state)
{
	grove_greenlet *g;

	(void)state;
	sem = grove_semaphore_new(0);
	g = grove_spawn(takes, "killed");
	grove_spawn_raw(takes, "next");
	grove_yield();
	assert_int_equal(grove_semaphore_free(sem), -1);
	assert_int_equal(errno, EBUSY);
	grove_kill(g, GROVE_FOREVER);
	grove_semaphore_release(sem);
	grove_yield();
	assert_string_equal(api_log, "killed ECANCELED next has it");
	grove_release(g);
	assert_int_equal(grove_semaphore_free(sem), 0);
}

/* Who was given a permit has it, whatever comes at the same moment. */
static void test_given_and_killed(void **state)
{
	grove_greenlet *g;

	(void)state;
	sem = grove_semaphore_new(0);
	g = grove_spawn(takes, "a");
	grove_yield();
	grove_semaphore_release(sem);
	grove_kill(g, 0);
	grove_join(g, GROVE_FOREVER);
	assert_string_equal(api_log, "a has it");
	assert_int_equal(grove_semaphore_value(sem), 0);
	grove_release(g);
	grove_semaphore_free(sem);
}

static void test_killed_and_then_given(void **state)
{
	grove_greenlet *g;

	(void)state;
	sem = grove_semaphore_new(0);
	g = grove_spawn(takes, "a");
	grove_yield();
	grove_kill(g, 0);
	grove_semaphore_release(sem);			/* a still stands in line, so it is a's */
	grove_join(g, GROVE_FOREVER);
	assert_string_equal(api_log, "a has it");
	assert_int_equal(grove_semaphore_value(sem), 0);
	grove_release(g);
	grove_semaphore_free(sem);
}

static void test_given_when_the_time_is_over(void **state)
{
	(void)state;
	sem = grove_semaphore_new(0);
	grove_spawn_raw(releases_later, (void *)GROVE_MS(10));
	grove_spawn_raw(takes_for_a_while, "a");
	grove_spawn_raw(takes_for_a_while, "b");
	grove_sleep(GROVE_MS(20));
	assert_string_equal(api_log, "a has it b ETIMEDOUT");
	assert_int_equal(grove_semaphore_value(sem), 0);
	grove_semaphore_free(sem);
}

static void test_wait_for_objects(void **state)
{
	(void)state;
	sem = grove_semaphore_new(0);
	grove_spawn_raw(releases_later, (void *)GROVE_MS(10));
	assert_int_equal(grove_wait((grove_object *[]){ sem }, 1, 1, GROVE_FOREVER, NULL), 1);
	assert_int_equal(took(), GR_MS(10));
	assert_int_equal(grove_semaphore_try(sem), 0);		/* waiting has taken nothing */
	assert_int_equal(grove_wait((grove_object *[]){ sem }, 1, 1, GROVE_MS(1), NULL), 0);
	grove_semaphore_free(sem);
}

/* --- unwound out of the wait ----------------------------------------------------------------------------------------------------------- */

static void leaves(int sig)
{
	(void)sig;
	note("handler");
	grove_sleep(GROVE_MS(1));		/* in which somebody else gives it a permit */
	pthread_exit(NULL);
}

static void *is_unwound(void *arg)
{
	sigset_t usr1;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
	return takes(arg);
}

static void test_unwound_when_it_was_given(void **state)
{
	struct sigaction sa = { .sa_handler = leaves }, old;
	grove_greenlet *g;
	sigset_t usr1;

	(void)state;
	sem = grove_semaphore_new(0);
	sigaction(SIGUSR1, &sa, &old);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	g = grove_spawn(is_unwound, "a");
	grove_spawn_raw(takes, "b");
	grove_yield();
	kill(getpid(), SIGUSR1);
	while (!api_log[0])
		grove_yield();
	grove_semaphore_release(sem);		/* to a, who is in the handler */
	grove_join(g, GROVE_FOREVER);
	grove_yield();
	assert_string_equal(api_log, "handler b has it");
	grove_release(g);
	grove_semaphore_free(sem);
	pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
	sigaction(SIGUSR1, &old, NULL);
}

/* --- others ---------------------------------------------------------------------------------------------------------------------------- */

static void *native(void *arg)
{
	grove_semaphore *there = arg;

	for (int i = 0; i < 50; i++) {
		grove_semaphore_acquire(sem, GROVE_FOREVER);
		grove_semaphore_release(there);
	}
	return NULL;
}

static void test_native_thread(void **state)
{
	grove_semaphore *back = grove_semaphore_new(0);
	pthread_t thread;

	(void)state;
	sem = grove_semaphore_new(0);
	api_natives++;
	assert_int_equal(pthread_create(&thread, NULL, native, back), 0);
	for (int i = 0; i < 50; i++) {
		grove_semaphore_release(sem);
		assert_int_equal(grove_semaphore_acquire(back, GROVE_FOREVER), 0);
	}
	pthread_join(thread, NULL);
	api_natives--;
	grove_semaphore_free(back);
	assert_int_equal(grove_semaphore_free(sem), 0);
}

static void test_misuse(void **state)
{
	grove_event *other = grove_event_new();

	(void)state;
	sem = (grove_semaphore *)other;
	assert_null(grove_semaphore_new(GROVE_SEMAPHORE_MAX + 1));
	assert_int_equal(errno, EINVAL);
	assert_null(grove_semaphore_new_bounded(GROVE_SEMAPHORE_MAX + 1));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_semaphore_acquire(NULL, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_semaphore_acquire(sem, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_semaphore_release(sem), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_semaphore_free(sem), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_semaphore_free(NULL), 0);
	assert_int_equal(grove_semaphore_value(NULL), 0);
	assert_false(grove_semaphore_locked(sem));
	sem = grove_semaphore_new(1);
	assert_int_equal(grove_semaphore_acquire(sem, -1), -1);
	assert_int_equal(errno, EINVAL);
	errno = ENOTTY;
	grove_semaphore_acquire(sem, GROVE_FOREVER);
	grove_semaphore_release(sem);
	assert_int_equal(errno, ENOTTY);
	grove_semaphore_free(sem);
	grove_event_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		api_test(test_counts),
		api_test(test_too_many),
		api_test(test_bounded_with_somebody_waiting),
		api_test(test_times),
		api_test(test_first_come_first_served),
		api_test(test_kill_while_waiting),
		api_test(test_given_and_killed),
		api_test(test_killed_and_then_given),
		api_test(test_given_when_the_time_is_over),
		api_test(test_wait_for_objects),
		api_test(test_unwound_when_it_was_given),
		api_test(test_native_thread),
		api_test(test_misuse),
	};

	return cmocka_run_group_tests(tests, api_begin, NULL);
}
