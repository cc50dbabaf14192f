/*
 * test_api_wait.c - grove/wait.h: several objects at once, one after another, child processes
 */
#include "api.h"
#include <signal.h>
#include <sys/wait.h>

static void *sleeps(void *arg)
{
	grove_sleep((int64_t)(intptr_t)arg);
	return arg;
}

static grove_object *three[3];

static int spawn_three(void **state)
{
	api_clear(state);
	three[0] = grove_spawn(sleeps, (void *)GROVE_MS(30));
	three[1] = grove_spawn(sleeps, (void *)GROVE_MS(10));
	three[2] = grove_spawn(sleeps, (void *)GROVE_MS(20));
	return 0;
}

static int end_three(void **state)
{
	grove_killall((grove_greenlet **)three, 3, GROVE_FOREVER);
	for (int i = 0; i < 3; i++)
		grove_release(three[i]);
	return api_nobody_left(state);
}

static int place(const grove_object *o)
{
	for (int i = 0; i < 3; i++)
		if (three[i] == o)
			return i;
	return -1;
}

static void test_all_in_order(void **state)
{
	grove_object *ready[3];

	(void)state;
	assert_int_equal(grove_wait(three, 3, 0, GROVE_FOREVER, ready), 3);
	assert_int_equal(took(), GR_MS(30));
	assert_int_equal(place(ready[0]), 1);
	assert_int_equal(place(ready[1]), 2);
	assert_int_equal(place(ready[2]), 0);
}

static void test_count_and_timeout(void **state)
{
	grove_object *ready[3];

	(void)state;
	assert_int_equal(grove_wait(three, 3, 1, GROVE_FOREVER, ready), 1);
	assert_int_equal(took(), GR_MS(10));
	assert_int_equal(grove_wait(three, 3, 0, GROVE_MS(15), ready), 2);
	assert_int_equal(took(), GR_MS(25));
	assert_int_equal(grove_wait(three, 3, 0, 0, NULL), 2);
}

static void test_a_scope_around_it(void **state)
{
	struct grove_timeout t;

	(void)state;
	grove_timeout_start(&t, GROVE_MS(15));
	assert_int_equal(grove_wait(three, 3, 0, GROVE_FOREVER, NULL), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(grove_joinall((grove_greenlet **)three, 3, 0, GROVE_FOREVER, 0), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(grove_timeout_stop(&t), 1);
	assert_int_equal(took(), GR_MS(15));
}

static void test_iwait(void **state)
{
	grove_iwait *it = grove_iwait_new(three, 3);
	grove_object *o;

	(void)state;
	assert_null(grove_iwait_next(it, GROVE_MS(5)));
	assert_int_equal(errno, ETIMEDOUT);
	while ((o = grove_iwait_next(it, GROVE_FOREVER)))
		note("%d", place(o));
	assert_int_equal(errno, 0);
	assert_string_equal(api_log, "1 2 0");
	grove_iwait_free(it);
}

static void *waits_for_all(void *arg)
{
	note("%d", grove_wait(three, 3, 0, GROVE_FOREVER, NULL));
	note("%s", strerrorname_np(errno));
	return arg;
}

static void test_killed_while_waiting(void **state)
{
	grove_greenlet *g = grove_spawn(waits_for_all, NULL);

	(void)state;
	grove_sleep(GROVE_MS(15));
	assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "-1 ECANCELED");
	grove_release(g);
}

static void test_misuse(void **state)
{
	long not_one[4] = { 0 };

	(void)state;
	assert_int_equal(grove_wait((grove_object *[]){ not_one }, 1, 0, 0, NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_wait(NULL, 1, 0, 0, NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_wait(NULL, 0, 0, GROVE_FOREVER, NULL), 0);
	assert_int_equal(grove_wait(three, 3, 0, -1, NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_null(grove_iwait_next(NULL, 0));
	assert_int_equal(errno, EINVAL);
	assert_null(grove_child_new(-1));
	assert_int_equal(errno, EINVAL);
}

/* --- children ------------------------------------------------------------------------------------------------------------------------------- */

static void test_child(void **state)
{
	int pipes[2], status;
	grove_object *ready[2];
	grove_child *child;
	grove_greenlet *g = grove_spawn(sleeps, (void *)GROVE_SEC(1000000));
	char c;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		close(pipes[1]);
		_exit(read(pipes[0], &c, 1) == 0 ? 7 : 1);
	}
	close(pipes[0]);
	child = grove_child_new(pid);
	assert_non_null(child);
	assert_int_equal(grove_wait((grove_object *[]){ child, g }, 2, 1, 0, ready), 0);
	close(pipes[1]);
	api_natives++;			/* the clock is to stand still while the child ends */
	assert_int_equal(grove_wait((grove_object *[]){ child, g }, 2, 1, GROVE_FOREVER, ready), 1);
	api_natives--;
	assert_ptr_equal(ready[0], child);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_int_equal(grove_child_free(child), 0);
	grove_kill(g, GROVE_FOREVER);
	grove_release(g);
}

/* A forked child has its own greenlets and its own hub; those of the parent are as if killed. */
static void test_api_in_a_forked_child(void **state)
{
	grove_greenlet *parents = grove_spawn(sleeps, (void *)GROVE_SEC(1)), *g;
	int status;
	pid_t pid;

	(void)state;
	grove_yield();
	pid = fork();
	if (pid == 0) {
		alarm(20);
		if (!grove_ready(parents) || grove_error(parents) != ECANCELED)
			_exit(2);
		g = grove_spawn(sleeps, (void *)GROVE_MS(10));
		if (!g || grove_get(g, NULL, GROVE_FOREVER) < 0)
			_exit(3);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(grove_join(parents, GROVE_FOREVER), 0);
	grove_release(parents);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_in_order, spawn_three, end_three),
		cmocka_unit_test_setup_teardown(test_count_and_timeout, spawn_three, end_three),
		cmocka_unit_test_setup_teardown(test_a_scope_around_it, spawn_three, end_three),
		cmocka_unit_test_setup_teardown(test_iwait, spawn_three, end_three),
		cmocka_unit_test_setup_teardown(test_killed_while_waiting, spawn_three, end_three),
		cmocka_unit_test_setup_teardown(test_misuse, spawn_three, end_three),
		api_test(test_child),
		api_test(test_api_in_a_forked_child),
	};

	return cmocka_run_group_tests(tests, api_begin, NULL);
}
