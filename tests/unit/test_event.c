/*
 * test_event.c - grove/event.h
 */
#include "api.h"
#include <fcntl.h>
#include <pthread.h>

static grove_event *event;

static int setup(void **state)
{
	event = grove_event_new();
	return event ? api_clear(state) : -1;
}

static int teardown(void **state)
{
	if (grove_event_free(event) < 0)
		return -1;
	return api_nobody_left(state);
}

#define event_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static void *waits(void *arg)
{
	int r = grove_event_wait(event, (int64_t)(intptr_t)arg);

	note("%s", r == 0 ? "set" : strerrorname_np(errno));
	return NULL;
}

static void *waits_by_name(void *arg)
{
	grove_event_wait(event, GROVE_FOREVER);
	note("%s", (const char *)arg);
	return NULL;
}

static void *sets_later(void *arg)
{
	grove_sleep((int64_t)(intptr_t)arg);
	grove_event_set(event);
	return NULL;
}

static void test_is_set(void **state)
{
	(void)state;
	assert_false(grove_event_is_set(event));
	assert_int_equal(grove_event_set(event), 0);
	assert_int_equal(grove_event_set(event), 0);
	assert_true(grove_event_is_set(event));
	assert_int_equal(grove_event_wait(event, 0), 0);
	assert_int_equal(grove_event_clear(event), 0);
	assert_int_equal(grove_event_clear(event), 0);
	assert_false(grove_event_is_set(event));
	assert_int_equal(grove_event_wait(event, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void test_waiting(void **state)
{
	static const struct {
		int64_t set_after, timeout;
		int want;
		gr_time took;
	} rows[] = {
		{ GROVE_MS(10), GROVE_FOREVER, 0, GR_MS(10) },
		{ GROVE_MS(10), GROVE_MS(50), 0, GR_MS(10) },
		{ GROVE_MS(50), GROVE_MS(10), ETIMEDOUT, GR_MS(10) },
	};

	(void)state;
	for (size_t i = 0; i < GR_LENGTH(rows); i++) {
		grove_greenlet *g = grove_spawn(sets_later, (void *)rows[i].set_after);

		api_began = api_clock;
		assert_int_equal(grove_event_wait(event, rows[i].timeout), rows[i].want ? -1 : 0);
		if (rows[i].want)
			assert_int_equal(errno, rows[i].want);
		assert_int_equal(took(), rows[i].took);
		grove_join(g, GROVE_FOREVER);
		grove_release(g);
		grove_event_clear(event);
	}
}

static void test_all_go_on_in_order_even_if_it_is_cleared_at_once(void **state)
{
	static const char *const names[] = { "a", "b", "c" };

	(void)state;
	for (int i = 0; i < 3; i++)
		grove_spawn_raw(waits_by_name, (void *)(uintptr_t)names[i]);
	grove_yield();
	grove_event_set(event);
	grove_event_clear(event);
	note("cleared");
	grove_sleep(1);
	assert_string_equal(api_log, "cleared a b c");
}

static void test_kill_while_waiting(void **state)
{
	grove_greenlet *g = grove_spawn(waits, (void *)GROVE_FOREVER);

	(void)state;
	grove_yield();
	assert_int_equal(grove_event_free(event), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "ECANCELED");
	grove_release(g);
}

static void test_deadline_around(void **state)
{
	struct grove_timeout t;

	(void)state;
	grove_timeout_start(&t, GROVE_MS(5));
	assert_int_equal(grove_event_wait(event, GROVE_SEC(1)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(took(), GR_MS(5));
	assert_int_equal(grove_timeout_stop(&t), 1);
}

static void test_nobody_is_left(void **state)
{
	int saved = dup(2), null = open("/dev/null", O_WRONLY), r, err;

	(void)state;
	dup2(null, 2);			/* it says there who waits for what */
	r = grove_event_wait(event, GROVE_FOREVER);
	err = errno;
	dup2(saved, 2);
	close(saved);
	close(null);
	assert_int_equal(r, -1);
	assert_int_equal(err, EDEADLK);
}

static void test_wait_for_objects(void **state)
{
	grove_event *other = grove_event_new();
	grove_object *both[] = { event, other }, *ready[2];

	(void)state;
	grove_spawn_raw(sets_later, (void *)GROVE_MS(10));
	assert_int_equal(grove_wait(both, 2, 1, GROVE_FOREVER, ready), 1);
	assert_ptr_equal(ready[0], event);
	assert_int_equal(grove_wait(both, 2, 2, GROVE_MS(10), ready), 1);
	grove_event_free(other);
}

static void *native(void *arg)
{
	grove_event *done = arg;

	grove_event_set(done);
	if (grove_event_wait(event, GROVE_FOREVER) == 0 && grove_event_wait(event, 0) == 0)
		grove_event_set(done);
	return NULL;
}

static void test_native_thread(void **state)
{
	grove_event *done = grove_event_new();
	pthread_t thread;

	(void)state;
	api_natives++;
	assert_int_equal(pthread_create(&thread, NULL, native, done), 0);
	assert_int_equal(grove_event_wait(done, GROVE_FOREVER), 0);
	grove_event_clear(done);
	grove_yield();
	grove_event_set(event);
	assert_int_equal(grove_event_wait(done, GROVE_FOREVER), 0);
	pthread_join(thread, NULL);
	api_natives--;
	grove_event_free(done);
}

static void test_misuse(void **state)
{
	grove_semaphore *other = grove_semaphore_new(1);

	(void)state;
	assert_int_equal(grove_event_free(NULL), 0);
	assert_int_equal(grove_event_set(NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_event_clear((grove_event *)other), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_event_wait((grove_event *)other, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_event_wait(event, -1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_event_free((grove_event *)other), -1);
	assert_int_equal(errno, EINVAL);
	assert_false(grove_event_is_set(NULL));
	grove_semaphore_free(other);
}

static void test_success_keeps_errno(void **state)
{
	(void)state;
	errno = ENOTTY;
	grove_event_set(event);
	grove_event_wait(event, GROVE_FOREVER);
	grove_event_clear(event);
	assert_int_equal(errno, ENOTTY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		event_test(test_is_set),
		event_test(test_waiting),
		event_test(test_all_go_on_in_order_even_if_it_is_cleared_at_once),
		event_test(test_kill_while_waiting),
		event_test(test_deadline_around),
		event_test(test_nobody_is_left),
		event_test(test_wait_for_objects),
		event_test(test_native_thread),
		event_test(test_misuse),
		event_test(test_success_keeps_errno),
	};

	return cmocka_run_group_tests(tests, api_begin, NULL);
}
