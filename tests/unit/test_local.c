/*
 * Values per greenlet and when they are destroyed; variables that are inherited
 */
#include "api.h"
#include <grove/local.h>
#include <pthread.h>

static grove_local *local;
static grove_var *var;

static void destroyed(void *value)
{
	note("~%s", (char *)value);
}

/* --- locals ------------------------------------------------------------------------------------------------------------------------- */

static void *keeps(void *arg)
{
	assert_null(grove_local_get(local));
	assert_int_equal(grove_local_set(local, arg), 0);
	grove_sleep(GROVE_MS(1));
	note("%s", (char *)grove_local_get(local));
	return arg;
}

static void each_greenlet_has_its_own(void **state)
{
	grove_greenlet *list[2];

	(void)state;
	local = grove_local_new(destroyed);
	assert_int_equal(grove_local_set(local, "mine"), 0);
	list[0] = grove_spawn(keeps, "a");
	list[1] = grove_spawn(keeps, "b");
	assert_int_equal(grove_joinall(list, 2, 0, GROVE_FOREVER, 0), 2);
	assert_string_equal(api_log, "a ~a b ~b");
	assert_string_equal(grove_local_get(local), "mine");
	assert_int_equal(grove_local_free(local), 0);
	assert_string_equal(api_log, "a ~a b ~b ~mine");
	grove_release(list[0]);
	grove_release(list[1]);
}

static void *is_killed(void *arg)
{
	grove_local_set(local, arg);
	grove_sleep(GROVE_FOREVER);
	note("killed");
	return NULL;
}

static void *exits(void *arg)
{
	grove_local_set(local, arg);
	pthread_exit(NULL);
}

static void *takes_back(void *arg)
{
	grove_local_set(local, arg);
	grove_local_set(local, "other");
	grove_local_set(local, NULL);
	assert_null(grove_local_get(local));
	return NULL;
}

static const struct {
	const char *what;
	grove_fn *fn;
	bool kill;
	const char *log;
} ends[] = {
	{ "returns", keeps, false, "v ~v" },
	{ "is killed", is_killed, true, "killed ~v" },
	{ "pthread_exit", exits, false, "~v" },
	{ "takes it back", takes_back, false, "" },
};

static void destroyed_however_it_ends(void **state)
{
	(void)state;
	local = grove_local_new(destroyed);
	for (size_t i = 0; i < GR_LENGTH(ends); i++) {
		grove_greenlet *g = grove_spawn(ends[i].fn, "v");

		api_log[0] = '\0';
		grove_sleep(0);
		if (ends[i].kill)
			grove_kill(g, 0);
		grove_join(g, GROVE_FOREVER);
		grove_release(g);
		if (strcmp(api_log, ends[i].log))
			fail_msg("%s: %s", ends[i].what, api_log);
	}
	assert_int_equal(grove_local_free(local), 0);
}

/* Waits, and sets a value again, as destructors of pthread keys may. */
static void sets_again(void *value)
{
	grove_sleep(GROVE_MS(1));
	note("~%s", (char *)value);
	grove_local_set(local, value);
}

static void destructors_have_four_rounds(void **state)
{
	grove_greenlet *g;

	(void)state;
	local = grove_local_new(sets_again);
	g = grove_spawn(keeps, "x");
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
	assert_string_equal(api_log, "x ~x ~x ~x ~x");
	assert_int_equal(took(), GROVE_MS(5));
	assert_int_equal(grove_local_free(local), 0);
}

static void many_names(void **state)
{
	grove_local *many[50];

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (long i = 0; i < 50; i++) {
			many[i] = grove_local_new(NULL);
			assert_null(grove_local_get(many[i]));		/* nothing of the last round's */
			assert_int_equal(grove_local_set(many[i], (void *)(i + 1)), 0);
		}
		for (long i = 0; i < 50; i++)
			assert_int_equal((long)grove_local_get(many[i]), i + 1);
		for (long i = 0; i < 50; i++)
			assert_int_equal(grove_local_free(many[i]), 0);
	}
}

static void freed_while_others_have_values(void **state)
{
	grove_greenlet *list[2];

	(void)state;
	local = grove_local_new(destroyed);
	list[0] = grove_spawn(is_killed, "a");
	list[1] = grove_spawn(is_killed, "b");
	grove_sleep(0);
	assert_int_equal(grove_local_free(local), 0);
	assert_string_equal(api_log, "~a ~b");
	assert_int_equal(grove_killall(list, 2, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "~a ~b killed killed");
	grove_release(list[0]);
	grove_release(list[1]);
}

/* --- variables ------------------------------------------------------------------------------------------------------------------------- */

static void *shows(void *arg)
{
	note("%s%s", (char *)arg, (char *)grove_var_get(var));
	return NULL;
}

static void run(grove_greenlet *g)
{
	assert_int_equal(grove_join(g, GROVE_FOREVER), 0);
	grove_release(g);
}

static void *changes(void *arg)
{
	shows("child:");
	assert_int_equal(grove_var_set(var, arg, NULL), 0);
	run(grove_spawn(shows, "grandchild:"));
	return NULL;
}

static void variables_are_inherited_as_a_copy(void **state)
{
	struct grove_token token;

	(void)state;
	var = grove_var_new("user", "nobody");
	assert_string_equal(grove_var_name(var), "user");
	run(grove_spawn(shows, ""));
	assert_int_equal(grove_var_set(var, "ann", &token), 0);
	run(grove_spawn(changes, "bob"));
	shows("parent:");
	assert_int_equal(grove_var_reset(var, &token), 0);
	shows("reset:");
	assert_string_equal(api_log, "nobody child:ann grandchild:bob parent:ann reset:nobody");
	assert_int_equal(grove_var_reset(var, &token), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(grove_var_free(var), 0);
}

static void inherited_when_spawned_not_when_started(void **state)
{
	grove_greenlet *g;

	(void)state;
	var = grove_var_new(NULL, "nobody");
	assert_null(grove_var_name(var));
	grove_var_set(var, "early", NULL);
	g = grove_spawn_later(GROVE_MS(5), shows, "");
	grove_var_set(var, "late", NULL);
	run(g);
	assert_string_equal(api_log, "early");
	g = grove_spawn(shows, "never");		/* and never starts: what it inherited is given back */
	assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);
	grove_release(g);
	assert_int_equal(grove_var_free(var), 0);
}

static void tokens_nest(void **state)
{
	struct grove_token a, b;
	grove_var *other = grove_var_new("other", NULL);

	(void)state;
	var = grove_var_new("x", "0");
	grove_var_set(var, "1", &a);
	grove_var_set(other, "o", NULL);
	grove_var_set(var, "2", &b);
	assert_int_equal(grove_var_reset(other, &b), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_var_reset(var, &b), 0);
	assert_string_equal(grove_var_get(var), "1");
	assert_int_equal(grove_var_reset(var, &a), 0);
	assert_string_equal(grove_var_get(var), "0");
	assert_string_equal(grove_var_get(other), "o");
	assert_int_equal(grove_var_free(var), 0);
	assert_int_equal(grove_var_free(other), 0);
}

static void *resets(void *token)
{
	int r = grove_var_reset(var, token);

	note("%d:%s", r, strerrorname_np(errno));
	return NULL;
}

static void a_token_is_the_greenlets_own(void **state)
{
	struct grove_token token;

	(void)state;
	var = grove_var_new("x", "0");
	grove_var_set(var, "1", &token);
	run(grove_spawn(resets, &token));
	assert_string_equal(api_log, "-1:EINVAL");
	assert_int_equal(grove_var_free(var), 0);
}

static grove_vars *vars;

static void *in_vars(void *arg)
{
	shows("in:");
	assert_int_equal(grove_var_set(var, arg, NULL), 0);
	errno = 0;
	assert_int_equal(grove_vars_run(vars, shows, "", NULL), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(grove_vars_free(vars), -1);
	assert_int_equal(errno, EBUSY);
	return "result";
}

static void copies_of_all_variables(void **state)
{
	void *value;

	(void)state;
	var = grove_var_new("x", "0");
	grove_var_set(var, "1", NULL);
	vars = grove_vars_copy();
	grove_var_set(var, "2", NULL);
	assert_int_equal(grove_vars_run(vars, in_vars, "3", &value), 0);
	assert_string_equal(value, "result");
	shows("out:");
	assert_int_equal(grove_vars_run(vars, shows, "again:", NULL), 0);
	assert_string_equal(api_log, "in:1 out:2 again:3");
	assert_int_equal(grove_vars_free(vars), 0);
	assert_int_equal(grove_var_free(var), 0);
}

/* --- misuse ----------------------------------------------------------------------------------------------------------------------------- */

static void misuse(void **state)
{
	uint64_t other[8] = { 0 };
	struct grove_token token = { { 0 } };

	(void)state;
	for (int i = 0; i < 2; i++) {
		void *no = i ? other : NULL;

		errno = 0;
		assert_null(grove_local_get(no));
		assert_int_equal(errno, EINVAL);
		assert_int_equal(grove_local_set(no, "x"), -1);
		assert_int_equal(grove_local_free(no), i ? -1 : 0);
		assert_null(grove_var_get(no));
		assert_int_equal(grove_var_set(no, "x", NULL), -1);
		assert_int_equal(grove_var_reset(no, &token), -1);
		assert_int_equal(grove_var_free(no), i ? -1 : 0);
		assert_null(grove_var_name(no));
		assert_int_equal(grove_vars_run(no, shows, NULL, NULL), -1);
		assert_int_equal(grove_vars_free(no), i ? -1 : 0);
		assert_int_equal(errno, EINVAL);
	}
}

static void *native(void *arg)
{
	errno = 0;
	assert_null(grove_local_get(local));
	assert_int_equal(errno, EPERM);
	assert_int_equal(grove_local_set(local, arg), -1);
	assert_int_equal(errno, EPERM);
	assert_string_equal(grove_var_get(var), "usual");
	assert_int_equal(grove_var_set(var, arg, NULL), -1);
	assert_int_equal(errno, EPERM);
	assert_null(grove_vars_copy());
	assert_int_equal(errno, EPERM);
	grove_stop();
	return NULL;
}

static void native_threads_have_none(void **state)
{
	pthread_t thread;

	(void)state;
	local = grove_local_new(NULL);
	var = grove_var_new("x", "usual");
	grove_local_set(local, "mine");
	grove_var_set(var, "mine", NULL);
	api_natives++;
	assert_int_equal(pthread_create(&thread, NULL, native, NULL), 0);
	assert_int_equal(grove_run_forever(), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	api_natives--;
	assert_int_equal(grove_local_free(local), 0);
	assert_int_equal(grove_var_free(var), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		api_test(each_greenlet_has_its_own),
		api_test(destroyed_however_it_ends),
		api_test(destructors_have_four_rounds),
		api_test(many_names),
		api_test(freed_while_others_have_values),
		api_test(variables_are_inherited_as_a_copy),
		api_test(inherited_when_spawned_not_when_started),
		api_test(tokens_nest),
		api_test(a_token_is_the_greenlets_own),
		api_test(copies_of_all_variables),
		api_test(misuse),
		api_test(native_threads_have_none),
	};

	return cmocka_run_group_tests_name("local", tests, api_begin, NULL);
}
