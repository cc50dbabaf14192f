/*
 * test_group.c - grove/group.h: coming and going, join, kill, members
 */
#include "api.h"
#include <sys/wait.h>

static void *sleeps(void *arg)
{
	return grove_sleep(GROVE_MS((intptr_t)arg)) == 0 ? arg : grove_fail(errno);
}

static void *fails_after(void *arg)
{
	grove_sleep(GROVE_MS((intptr_t)arg));
	return grove_fail(EPROTO);
}

/* Takes its time after it was killed */
static void *lingers(void *arg)
{
	struct grove_timeout t = { { 0 } };

	if (grove_sleep(GROVE_SEC(100)) < 0) {
		grove_shield_start(&t);
		grove_sleep(GROVE_MS((intptr_t)arg));
		grove_timeout_stop(&t);
	}
	return NULL;
}

#define MS(n) ((void *)(intptr_t)(n))

static void test_join(void **state)
{
	grove_group *group = grove_group_new();

	(void)state;
	assert_int_equal(grove_group_join(group, 0, 0), 0);
	assert_int_equal(grove_group_spawn_raw(group, sleeps, MS(10)), 0);
	assert_int_equal(grove_group_spawn_raw(group, sleeps, MS(30)), 0);
	assert_int_equal(grove_group_size(group), 2);
	assert_int_equal(grove_group_join(group, 0, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_group_join(group, GROVE_MS(20), 0), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(grove_group_size(group), 1);
	assert_int_equal(grove_group_free(group), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(grove_group_join(group, GROVE_FOREVER, 0), 0);
	assert_int_equal(took(), GR_MS(30));
	assert_int_equal(grove_group_size(group), 0);
	assert_int_equal(grove_group_free(group), 0);
}

static void test_join_raises_the_first_error(void **state)
{
	grove_group *group = grove_group_new();

	(void)state;
	grove_group_spawn_raw(group, sleeps, MS(30));
	grove_group_spawn_raw(group, fails_after, MS(10));
	assert_int_equal(grove_group_join(group, GROVE_FOREVER, GROVE_RAISE_ERROR), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(took(), GR_MS(10));
	assert_int_equal(grove_group_join(group, GROVE_FOREVER, GROVE_RAISE_ERROR), 0);
	grove_group_spawn_raw(group, fails_after, MS(10));
	assert_int_equal(grove_group_join(group, GROVE_FOREVER, 0), 0);
	assert_int_equal(grove_group_free(group), 0);
}

static void test_add_and_discard(void **state)
{
	grove_group *a = grove_group_new(), *b = grove_group_new();
	grove_greenlet *g = grove_spawn(sleeps, MS(10)), *over = grove_spawn(sleeps, MS(0));

	(void)state;
	grove_join(over, GROVE_FOREVER);
	assert_int_equal(grove_group_add(a, over), 0);
	assert_int_equal(grove_group_size(a), 0);
	assert_int_equal(grove_group_add(a, g), 0);
	assert_int_equal(grove_group_add(a, g), 0);
	assert_int_equal(grove_group_add(b, g), 0);
	assert_int_equal(grove_group_size(a), 1);
	assert_true(grove_group_contains(a, g));
	assert_true(grove_group_contains(b, g));
	assert_false(grove_group_contains(a, over));
	assert_int_equal(grove_group_discard(a, g), 0);
	assert_int_equal(grove_group_discard(a, g), -1);
	assert_int_equal(errno, ESRCH);
	assert_false(grove_group_contains(a, g));
	assert_int_equal(grove_group_join(a, 0, 0), 0);
	assert_int_equal(grove_group_join(b, GROVE_FOREVER, 0), 0);
	assert_true(grove_successful(g));
	grove_release(g);
	grove_release(over);
	assert_int_equal(grove_group_free(a), 0);
	assert_int_equal(grove_group_free(b), 0);
}

static void test_members(void **state)
{
	grove_group *group = grove_group_new();
	grove_greenlet *g[3] = { 0 }, *list[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		g[i] = grove_group_spawn(group, sleeps, MS(10));
	assert_int_equal(grove_group_members(group, list, 2), 3);
	for (int i = 0; i < 2; i++) {
		assert_ptr_equal(list[i], g[i]);
		grove_release(list[i]);
	}
	assert_int_equal(grove_group_killone(group, g[1], GROVE_FOREVER), 0);
	assert_int_equal(grove_error(g[1]), ECANCELED);
	assert_int_equal(grove_group_killone(group, g[1], GROVE_FOREVER), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(grove_group_members(group, NULL, 0), 2);
	assert_int_equal(grove_group_join(group, GROVE_FOREVER, 0), 0);
	for (int i = 0; i < 3; i++)
		grove_release(g[i]);
	assert_int_equal(grove_group_free(group), 0);
}

static void test_kill(void **state)
{
	grove_group *group = grove_group_new();
	grove_greenlet *unborn;

	(void)state;
	for (int i = 0; i < 3; i++)
		grove_group_spawn_raw(group, sleeps, MS(1000));
	grove_yield();
	unborn = grove_group_spawn(group, sleeps, MS(0));
	assert_int_equal(grove_group_kill(group, GROVE_FOREVER), 0);
	assert_int_equal(took(), 0);
	assert_int_equal(grove_group_size(group), 0);
	assert_int_equal(grove_error(unborn), ECANCELED);
	grove_release(unborn);
	assert_int_equal(grove_group_kill(group, GROVE_FOREVER), 0);
	assert_int_equal(grove_group_free(group), 0);
}

static void *comes_later(void *arg)
{
	grove_sleep(GROVE_MS(5));
	grove_group_spawn_raw(arg, sleeps, MS(1000));
	return NULL;
}

static void test_kill_takes_who_comes_meanwhile(void **state)
{
	grove_group *group = grove_group_new();
	grove_greenlet *g = grove_spawn(comes_later, group);

	(void)state;
	grove_group_spawn_raw(group, lingers, MS(10));
	grove_yield();
	assert_int_equal(grove_group_kill(group, GROVE_MS(1)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(grove_group_kill(group, GROVE_FOREVER), 0);
	assert_int_equal(took(), GR_MS(10));
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
	assert_int_equal(grove_group_free(group), 0);
}

static void *joins(void *arg)
{
	note("%s", grove_group_join(arg, GROVE_FOREVER, 0) == 0 ? "joined" : strerrorname_np(errno));
	return NULL;
}

static void test_killed_while_joining(void **state)
{
	grove_group *group = grove_group_new();
	grove_greenlet *g = grove_spawn(joins, group), *member = grove_group_spawn(group, joins, group);

	(void)state;
	grove_join(member, GROVE_FOREVER);
	grove_group_spawn_raw(group, sleeps, MS(10));
	grove_yield();
	assert_string_equal(api_log, "EDEADLK joined");
	grove_release(g);
	g = grove_spawn(joins, group);
	grove_yield();
	grove_kill(g, GROVE_FOREVER);
	assert_string_equal(api_log, "EDEADLK joined ECANCELED");
	assert_int_equal(grove_group_join(group, GROVE_FOREVER, 0), 0);
	grove_release(g);
	grove_release(member);
	assert_int_equal(grove_group_free(group), 0);
}

static void test_as_an_object(void **state)
{
	grove_group *group = grove_group_new();
	grove_object *list[] = { group };

	(void)state;
	assert_int_equal(grove_wait(list, 1, 0, 0, NULL), 1);
	grove_group_spawn_raw(group, sleeps, MS(10));
	assert_int_equal(grove_wait(list, 1, 0, 0, NULL), 0);
	assert_int_equal(grove_wait(list, 1, 0, GROVE_FOREVER, NULL), 1);
	assert_int_equal(took(), GR_MS(10));
	assert_int_equal(grove_group_free(group), 0);
}

static void test_in_a_forked_child(void **state)
{
	grove_group *group = grove_group_new();
	int status, pid;

	(void)state;
	grove_group_spawn_raw(group, sleeps, MS(10));
	grove_yield();
	pid = fork();
	if (pid == 0)
		_exit(grove_group_size(group) == 0 && grove_group_join(group, 0, 0) == 0 && grove_group_free(group) == 0 ? 7 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_int_equal(grove_group_join(group, GROVE_FOREVER, 0), 0);
	assert_int_equal(grove_group_free(group), 0);
}

static void test_misuse(void **state)
{
	grove_group *group = grove_group_new();
	grove_greenlet *self = grove_current();

	(void)state;
	for (int i = 0; i < 2; i++) {
		grove_group *bad = i ? (void *)self : NULL;

		errno = 0;
		assert_int_equal(grove_group_add(bad, self), -1);
		assert_int_equal(errno, EINVAL);
		assert_int_equal(grove_group_discard(bad, self), -1);
		assert_null(grove_group_spawn(bad, sleeps, NULL));
		assert_int_equal(grove_group_spawn_raw(bad, sleeps, NULL), -1);
		assert_int_equal(grove_group_join(bad, 0, 0), -1);
		assert_int_equal(grove_group_kill(bad, 0), -1);
		assert_int_equal(grove_group_killone(bad, self, 0), -1);
		assert_int_equal(errno, EINVAL);
		assert_int_equal(grove_group_size(bad), 0);
		assert_false(grove_group_contains(bad, self));
		assert_int_equal(grove_group_members(bad, NULL, 0), 0);
	}
	assert_int_equal(grove_group_free(NULL), 0);
	assert_int_equal(grove_group_free((void *)self), -1);
	assert_int_equal(grove_group_add(group, NULL), -1);
	assert_null(grove_group_spawn(group, NULL, NULL));
	assert_int_equal(grove_group_join(group, -1, 0), -1);
	assert_int_equal(grove_group_join(group, 0, 77), -1);
	assert_int_equal(grove_group_members(group, NULL, 1), 0);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_group_free(group), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		api_test(test_join),
		api_test(test_join_raises_the_first_error),
		api_test(test_add_and_discard),
		api_test(test_members),
		api_test(test_kill),
		api_test(test_kill_takes_who_comes_meanwhile),
		api_test(test_killed_while_joining),
		api_test(test_as_an_object),
		api_test(test_in_a_forked_child),
		api_test(test_misuse),
	};

	return cmocka_run_group_tests(tests, api_begin, NULL);
}
