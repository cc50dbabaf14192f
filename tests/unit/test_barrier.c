/*
 * test_barrier.c - grove/barrier.h: barriers, and once
 */
#include "api.h"
#include <pthread.h>
#include <sys/wait.h>

static grove_barrier *barrier;

static void note_result(const char *name, int r)
{
	if (r == GROVE_BARRIER_SERIAL)
		note("%s serial", name);
	else if (r >= 0)
		note("%s %d", name, r);
	else
		note("%s %s", name, strerrorname_np(errno));
}

static void *comes(void *arg)
{
	note_result(arg, grove_barrier_wait(barrier, GROVE_FOREVER));
	return NULL;
}

static void *comes_for_10ms(void *arg)
{
	note_result(arg, grove_barrier_wait(barrier, GROVE_MS(10)));
	return NULL;
}

static void test_all_go_on(void **state)
{
	(void)state;
	barrier = grove_barrier_new(3);
	assert_int_equal(grove_barrier_parties(barrier), 3);
	for (int round = 0; round < 2; round++) {
		api_log[0] = '\0';
		grove_spawn_raw(comes, "a");
		grove_spawn_raw(comes, "b");
		grove_yield();
		assert_int_equal(grove_barrier_waiting(barrier), 2);
		note_result("main", grove_barrier_wait(barrier, 0));		/* does not have to wait */
		assert_int_equal(grove_barrier_waiting(barrier), 0);
		grove_yield();
		assert_string_equal(api_log, "main serial a 0 b 1");
	}
	assert_int_equal(grove_barrier_free(barrier), 0);
}

static void test_one_party(void **state)
{
	(void)state;
	barrier = grove_barrier_new(1);
	assert_int_equal(grove_barrier_wait(barrier, GROVE_FOREVER), GROVE_BARRIER_SERIAL);
	assert_int_equal(grove_barrier_wait(barrier, 0), GROVE_BARRIER_SERIAL);
	grove_barrier_free(barrier);
}

static void test_trying_does_not_break_it(void **state)
{
	(void)state;
	barrier = grove_barrier_new(2);
	assert_int_equal(grove_barrier_wait(barrier, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_barrier_waiting(barrier), 0);
	assert_false(grove_barrier_broken(barrier));
	grove_barrier_free(barrier);
}

static void test_broken_by_time(void **state)
{
	(void)state;
	barrier = grove_barrier_new(3);
	grove_spawn_raw(comes, "a");
	grove_spawn_raw(comes_for_10ms, "b");
	grove_sleep(GROVE_MS(20));
	assert_string_equal(api_log, "b ETIMEDOUT a EPIPE");
	assert_true(grove_barrier_broken(barrier));
	assert_int_equal(grove_wait((grove_object *[]){ barrier }, 1, 1, 0, NULL), 1);
	assert_int_equal(grove_barrier_wait(barrier, GROVE_FOREVER), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(grove_barrier_reset(barrier), 0);
	assert_false(grove_barrier_broken(barrier));
	assert_int_equal(grove_barrier_wait(barrier, 0), -1);
	assert_int_equal(errno, EAGAIN);
	grove_barrier_free(barrier);
}

static void test_broken_by_kill(void **state)
{
	grove_greenlet *g;

	(void)state;
	barrier = grove_barrier_new(3);
	grove_spawn_raw(comes, "a");
	g = grove_spawn(comes, "b");
	grove_yield();
	assert_int_equal(grove_barrier_free(barrier), -1);
	assert_int_equal(errno, EBUSY);
	grove_kill(g, GROVE_FOREVER);
	grove_yield();
	assert_string_equal(api_log, "b ECANCELED a EPIPE");
	assert_true(grove_barrier_broken(barrier));
	grove_release(g);
	grove_barrier_free(barrier);
}

/* The last one has come, and then one of those who waited is killed: it has its number. */
static void test_killed_too_late(void **state)
{
	grove_greenlet *g;

	(void)state;
	barrier = grove_barrier_new(2);
	g = grove_spawn(comes, "a");
	grove_yield();
	note_result("main", grove_barrier_wait(barrier, GROVE_FOREVER));
	grove_kill(g, GROVE_FOREVER);
	assert_string_equal(api_log, "main serial a 0");
	assert_false(grove_barrier_broken(barrier));
	grove_release(g);
	grove_barrier_free(barrier);
}

static void test_abort_and_reset(void **state)
{
	static const struct {
		int (*fn)(grove_barrier *);
		bool broken;
	} rows[] = {
		{ grove_barrier_abort, true },
		{ grove_barrier_reset, false },
	};

	(void)state;
	for (size_t i = 0; i < GR_LENGTH(rows); i++) {
		api_log[0] = '\0';
		barrier = grove_barrier_new(3);
		grove_spawn_raw(comes, "a");
		grove_spawn_raw(comes, "b");
		grove_yield();
		assert_int_equal(rows[i].fn(barrier), 0);
		assert_int_equal(grove_barrier_broken(barrier), rows[i].broken);
		assert_int_equal(grove_barrier_waiting(barrier), 0);
		grove_yield();
		assert_string_equal(api_log, "a EPIPE b EPIPE");
		grove_barrier_free(barrier);
	}
}

static void *native_comes(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)grove_barrier_wait(barrier, GROVE_FOREVER);
}

static void test_native_thread(void **state)
{
	pthread_t thread;
	void *result;

	(void)state;
	barrier = grove_barrier_new(2);
	api_natives++;
	assert_int_equal(pthread_create(&thread, NULL, native_comes, NULL), 0);
	while (grove_barrier_waiting(barrier) == 0)
		grove_yield();
	assert_int_equal(grove_barrier_wait(barrier, GROVE_FOREVER), GROVE_BARRIER_SERIAL);
	while (pthread_tryjoin_np(thread, &result) == EBUSY)
		grove_yield();
	api_natives--;
	assert_int_equal((intptr_t)result, 0);
	grove_barrier_free(barrier);
}

static void test_misuse(void **state)
{
	grove_event *other = grove_event_new();

	(void)state;
	barrier = grove_barrier_new(2);
	assert_null(grove_barrier_new(0));
	assert_int_equal(errno, EINVAL);
	assert_null(grove_barrier_new(GROVE_BARRIER_SERIAL));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_barrier_wait(NULL, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_barrier_wait(barrier, -1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_barrier_abort((grove_barrier *)other), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_barrier_reset(NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_barrier_free((grove_barrier *)other), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_barrier_free(NULL), 0);
	assert_int_equal(grove_barrier_parties(NULL), 0);
	assert_false(grove_barrier_broken(NULL));
	grove_event_free(other);
	grove_barrier_free(barrier);
}

/* --- once -------------------------------------------------------------------------------------------------------------------------------- */

static struct grove_once once;
static int runs;

static int again(void **state)
{
	once = (struct grove_once)GROVE_ONCE_INIT;
	runs = 0;
	return api_clear(state);
}

#define once_test(fn) cmocka_unit_test_setup_teardown(fn, again, api_nobody_left)

static int takes_5ms(void *arg)
{
	note("%s begins", (const char *)arg);
	runs++;
	if (grove_sleep(GROVE_MS(5)) < 0)
		return -1;
	note("%s ends", (const char *)arg);
	return 0;
}

static int fails_after_5ms(void *arg)
{
	note("%s begins", (const char *)arg);
	grove_sleep(GROVE_MS(5));
	errno = EIO;
	return -1;
}

static void *calls(void *arg)
{
	int r = grove_once_call(&once, takes_5ms, arg, GROVE_FOREVER);

	note("%s %s", (const char *)arg, r == 0 ? "done" : strerrorname_np(errno));
	return NULL;
}

static void *calls_in_vain(void *arg)
{
	int r = grove_once_call(&once, fails_after_5ms, arg, GROVE_FOREVER);

	note("%s %s", (const char *)arg, r == 0 ? "done" : strerrorname_np(errno));
	return NULL;
}

static void test_once(void **state)
{
	(void)state;
	assert_false(grove_once_done(&once));
	grove_spawn_raw(calls, "a");
	grove_spawn_raw(calls, "b");
	grove_yield();
	assert_int_equal(grove_once_call(&once, takes_5ms, "main", 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_once_call(&once, takes_5ms, "main", GROVE_MS(1)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	grove_sleep(GROVE_MS(10));
	assert_string_equal(api_log, "a begins a ends a done b done");
	assert_true(grove_once_done(&once));
	assert_int_equal(grove_once_call(&once, takes_5ms, "main", 0), 0);
	assert_int_equal(runs, 1);
}

static void test_the_next_takes_over(void **state)
{
	(void)state;
	grove_spawn_raw(calls_in_vain, "a");
	grove_spawn_raw(calls, "b");
	grove_spawn_raw(calls, "c");
	grove_sleep(GROVE_MS(20));
	assert_string_equal(api_log, "a begins a EIO b begins b ends b done c done");
}

static void test_failed_and_nobody_waits(void **state)
{
	(void)state;
	assert_int_equal(grove_once_call(&once, fails_after_5ms, "main", GROVE_FOREVER), -1);
	assert_int_equal(errno, EIO);
	assert_false(grove_once_done(&once));
	assert_int_equal(grove_once_call(&once, takes_5ms, "main", GROVE_FOREVER), 0);
	assert_true(grove_once_done(&once));
}

static void test_runner_is_killed(void **state)
{
	grove_greenlet *g = grove_spawn(calls, "a");

	(void)state;
	grove_spawn_raw(calls, "b");
	grove_yield();
	grove_kill(g, GROVE_FOREVER);
	grove_sleep(GROVE_MS(10));
	assert_string_equal(api_log, "a begins a ECANCELED b begins b ends b done");
	grove_release(g);
}

static void test_waiter_is_killed(void **state)
{
	grove_greenlet *g[2];

	(void)state;
	g[0] = grove_spawn(calls_in_vain, "a");
	g[1] = grove_spawn(calls, "b");
	grove_spawn_raw(calls, "c");
	grove_yield();
	grove_kill(g[1], GROVE_FOREVER);
	grove_sleep(GROVE_MS(20));
	assert_string_equal(api_log, "a begins b ECANCELED a EIO c begins c ends c done");
	grove_release(g[0]);
	grove_release(g[1]);
}

static int leaves(void *arg)
{
	(void)arg;
	grove_sleep(GROVE_MS(1));
	pthread_exit(NULL);
}

static void *calls_and_leaves(void *arg)
{
	grove_once_call(&once, leaves, arg, GROVE_FOREVER);
	note("not reached");
	return NULL;
}

static void test_runner_leaves(void **state)
{
	(void)state;
	grove_spawn_raw(calls_and_leaves, NULL);
	grove_spawn_raw(calls, "b");
	grove_sleep(GROVE_MS(20));
	assert_string_equal(api_log, "b begins b ends b done");
}

static int calls_itself(void *arg)
{
	return grove_once_call(&once, calls_itself, arg, GROVE_FOREVER);
}

static void test_within_itself(void **state)
{
	(void)state;
	assert_int_equal(grove_once_call(&once, calls_itself, NULL, GROVE_FOREVER), -1);
	assert_int_equal(errno, EDEADLK);
	assert_false(grove_once_done(&once));
}

/* The runner is not there in a forked child, nor is who waits. */
static void test_forked_child(void **state)
{
	int status, pid;

	(void)state;
	grove_spawn_raw(calls, "a");
	grove_spawn_raw(calls, "b");
	grove_yield();
	pid = fork();
	if (pid == 0)
		_exit(grove_once_call(&once, calls_itself, NULL, 0) == -1 && errno == EDEADLK ? 0 : 1);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	grove_sleep(GROVE_MS(20));
	assert_string_equal(api_log, "a begins a ends a done b done");
}

static pthread_t ran_in;

static int notes_thread(void *arg)
{
	(void)arg;
	ran_in = pthread_self();
	return 0;
}

static void *native_calls(void *arg)
{
	(void)arg;
	return grove_once_call(&once, notes_thread, NULL, GROVE_FOREVER) == 0 && pthread_equal(ran_in, pthread_self()) ? NULL : "wrong";
}

static void test_native_once(void **state)
{
	pthread_t thread;
	void *result;

	(void)state;
	api_natives++;
	assert_int_equal(pthread_create(&thread, NULL, native_calls, NULL), 0);
	while (pthread_tryjoin_np(thread, &result) == EBUSY)
		grove_yield();
	api_natives--;
	assert_null(result);
	assert_true(grove_once_done(&once));
}

static void test_once_misuse(void **state)
{
	struct grove_once bad = { { 0x0123456789abcdef } };

	(void)state;
	assert_int_equal(grove_once_call(NULL, takes_5ms, NULL, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_once_call(&once, NULL, NULL, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_once_call(&once, takes_5ms, NULL, -1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_once_call(&bad, takes_5ms, NULL, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_false(grove_once_done(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		api_test(test_all_go_on),
		api_test(test_one_party),
		api_test(test_trying_does_not_break_it),
		api_test(test_broken_by_time),
		api_test(test_broken_by_kill),
		api_test(test_killed_too_late),
		api_test(test_abort_and_reset),
		api_test(test_native_thread),
		api_test(test_misuse),
		once_test(test_once),
		once_test(test_the_next_takes_over),
		once_test(test_failed_and_nobody_waits),
		once_test(test_runner_is_killed),
		once_test(test_waiter_is_killed),
		once_test(test_runner_leaves),
		once_test(test_within_itself),
		once_test(test_forked_child),
		once_test(test_native_once),
		once_test(test_once_misuse),
	};

	return cmocka_run_group_tests(tests, api_begin, NULL);
}
