/*
 * test_info.c - grove/info.h: who is there, what they wait for and since when, stacks, the tree
 */
#include "api.h"
#include <grove/generator.h>
#include <grove/info.h>
#include <pthread.h>

/* --- greenlets to be looked at ------------------------------------------------------------------------------------------------------- */

static void *sleeps(void *arg)
{
	grove_sleep((int64_t)(intptr_t)arg);
	return NULL;
}

static void *joins(void *arg)
{
	grove_join(arg, GROVE_FOREVER);
	return NULL;
}

static grove_greenlet *named(const char *name, grove_fn *fn, void *arg)
{
	struct grove_spawn_attr attr = { .size = sizeof(attr), .name = name };
	grove_greenlet *g = grove_spawn_with(&attr, fn, arg);

	assert_non_null(g);
	return g;
}

static void end(grove_greenlet *g)
{
	if (!grove_ready(g))
		assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);
	grove_release(g);
}

/* --- each ------------------------------------------------------------------------------------------------------------------------------ */

static int shows(const struct grove_info *info, void *arg)
{
	static const char *const states[] = { "delayed", "ready", "running", "parked" };

	(void)arg;
	assert_true(info->size >= sizeof(struct grove_info));
	if (!info->id)
		return 0;
	note("%s %s%s%s%s%s%s", info->name, states[info->state], info->waits ? " in " : "", info->waits ? info->waits : "",
	     info->waits_on_kind ? " of " : "", info->waits_on_kind ? info->waits_on_kind : "", info->service ? " service" : "");
	if (info->since)
		note("for %lld s", (long long)((grove_now() - info->since) / GR_SEC(1)));
	note("|");
	return 0;
}

static void test_each(void **state)
{
	(void)state;
	grove_sleep(1);			/* the hub has had a turn since the clock is ours */
	grove_greenlet *late = grove_spawn_later(GROVE_SEC(50), sleeps, NULL);
	grove_greenlet *asleep = named("asleep", sleeps, (void *)GROVE_SEC(100)), *joiner = named("joiner", joins, asleep), *ready;

	grove_set_name(late, "late");
	grove_sleep(GROVE_SEC(3));
	ready = named("ready", sleeps, NULL);
	errno = 4242;
	assert_int_equal(grove_each(0, shows, NULL), 0);
	assert_int_equal(errno, 4242);
	assert_string_equal(api_log, "main running | late delayed | asleep parked in sleep for 3 s | "
				     "joiner parked in greenlet of greenlet for 3 s | ready ready |");
	end(joiner);
	end(asleep);
	end(late);
	end(ready);
}

static int facts(const struct grove_info *info, void *arg)
{
	if (strcmp(info->name, "child") != 0)
		return 0;
	assert_ptr_equal(info->greenlet, arg);
	assert_int_equal(info->id, grove_id(arg));
	assert_int_equal(info->parent, grove_id(grove_current()));
	assert_true(info->tid != 0);
	assert_int_equal(info->stack_size, GROVE_STACK_SIZE);
	assert_int_equal(info->depth, 0);
	return 7;
}

static void test_facts_and_stopping(void **state)
{
	grove_greenlet *g = named("child", sleeps, (void *)GROVE_SEC(1));

	(void)state;
	grove_yield();
	assert_int_equal(grove_each(0, facts, g), 7);
	end(g);
}

static int waits_and_releases(const struct grove_info *info, void *arg)
{
	if (info->greenlet == arg) {
		end(arg);		/* its handle stays valid as long as it is being shown */
		assert_true(grove_ready(info->greenlet));
		assert_string_equal(info->name, "child");
	}
	return 0;
}

static void test_the_function_may_wait(void **state)
{
	grove_greenlet *g = named("child", sleeps, (void *)GROVE_SEC(1));

	(void)state;
	grove_sleep(GROVE_MS(1));
	assert_int_equal(grove_each(GROVE_STACKS, waits_and_releases, g), 0);
}

static int counts_services(const struct grove_info *info, void *arg)
{
	*(int *)arg += info->service;
	return 0;
}

static void test_services(void **state)
{
	int n = 0;

	(void)state;
	assert_int_equal(grove_each(0, counts_services, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(grove_each(GROVE_SERVICES, counts_services, &n), 0);
	assert_true(n > 0);
}

static void test_many(void **state)
{
	static grove_greenlet *g[1000];
	char *text;
	int lines = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		g[i] = grove_spawn(sleeps, (void *)GROVE_SEC(1));
	grove_sleep(GROVE_MS(1));
	text = grove_format_run_info(GROVE_STACKS);
	assert_non_null(text);
	for (char *at = text; (at = strstr(at, "waits for sleep")); at++)
		lines++;
	free(text);
	assert_int_equal(lines, 1000);
	assert_int_equal(grove_joinall(g, 1000, 0, GROVE_FOREVER, 0), 1000);
	for (int i = 0; i < 1000; i++)
		grove_release(g[i]);
}

/* --- stacks ---------------------------------------------------------------------------------------------------------------------------- */

/* Where one function of ours called the next */
static void *innermost_call, *middle_call, *outermost_call;

__attribute__((noinline)) static int64_t inner(int64_t ns)
{
	innermost_call = __builtin_return_address(0);
	grove_sleep(ns);
	return ns + 1;
}

__attribute__((noinline)) static int64_t middle(int64_t ns)
{
	middle_call = __builtin_return_address(0);
	return inner(ns) + 1;
}

__attribute__((noinline)) static void *outer(void *arg)
{
	int64_t r = middle((int64_t)(intptr_t)arg) + 1;

	outermost_call = outer;
	return (void *)(r + 1);
}

static int position(void *const *stack, int depth, const void *pc)
{
	for (int i = 0; i < depth; i++)
		if (stack[i] == pc)
			return i;
	return -1;
}

static void test_stack_of_a_parked_greenlet(void **state)
{
	grove_greenlet *g = grove_spawn(outer, (void *)GROVE_SEC(1));
	void *stack[64], *value;
	int depth, at;

	(void)state;
	assert_int_equal(grove_stack(g, stack, 64), 0);		/* not begun */
	grove_sleep(GROVE_MS(1));
	for (int i = 0; i < 3; i++) {
		depth = grove_stack(g, stack, 64);
		at = position(stack, depth, innermost_call);
		assert_true(at > 0);
		assert_ptr_equal(stack[at + 1], middle_call);
		assert_int_equal(grove_stack(g, stack, at + 1), at + 1);
		assert_ptr_equal(stack[at], innermost_call);
		assert_int_equal(grove_stack(g, NULL, 0), 0);
	}
	assert_int_equal(grove_get(g, &value, GROVE_FOREVER), 0);	/* and nothing has happened to it */
	assert_int_equal((intptr_t)value, GROVE_SEC(1) + 4);
	assert_int_equal(grove_stack(g, stack, 64), 0);
	grove_release(g);
}

__attribute__((noinline)) static int own_stack(void **stack)
{
	int depth = grove_stack(grove_current(), stack, 64);

	innermost_call = __builtin_return_address(0);
	return depth;
}

static void test_own_stack(void **state)
{
	void *stack[64];
	int depth = own_stack(stack);

	(void)state;
	assert_true(position(stack, depth, innermost_call) >= 0);
}

static void *body(void *arg)
{
	return outer(arg);
}

static void *consumer_call;

__attribute__((noinline)) static int next(grove_generator *gen)
{
	consumer_call = __builtin_return_address(0);
	return grove_gen_next(gen, NULL) + 1;
}

static void *consumes(void *arg)
{
	grove_generator *gen = grove_generator_new(body, arg);
	int r = next(gen);

	grove_generator_free(gen);
	return (void *)(intptr_t)r;
}

static void test_stack_with_a_generator(void **state)
{
	grove_greenlet *g = grove_spawn(consumes, (void *)GROVE_SEC(1));
	void *stack[64];
	int depth, inside, outside;

	(void)state;
	grove_sleep(GROVE_MS(1));
	depth = grove_stack(g, stack, 64);
	inside = position(stack, depth, middle_call);
	outside = position(stack, depth, consumer_call);
	assert_true(inside > 0);
	assert_true(outside > inside);
	end(g);
}

/* --- the tree ---------------------------------------------------------------------------------------------------------------------------- */

static void *parent(void *arg)
{
	grove_greenlet *g[2] = { named("first", sleeps, arg), named("second", joins, NULL) };

	grove_kill(g[1], GROVE_FOREVER);
	grove_release(g[1]);
	g[1] = named("third", sleeps, arg);
	grove_joinall(g, 2, 0, GROVE_FOREVER, 0);
	for (int i = 0; i < 2; i++)
		end(g[i]);
	return NULL;
}

/* Numbers that differ from run to run become # */
static const char *normal(const char *text)
{
	static char out[4096];
	size_t n = 0;

	for (const char *at = text; *at && n < sizeof(out) - 1;) {
		bool number = (at - text >= 4 && !strncmp(at - 4, "(id ", 4)) || (at - text >= 9 && !strncmp(at - 9, "greenlet ", 9));

		out[n++] = number ? '#' : *at;
		at += number ? strspn(at, "0123456789") : 1;
	}
	out[n] = '\0';
	return out;
}

static void test_tree(void **state)
{
	grove_greenlet *a = named("a", parent, (void *)GROVE_SEC(9)), *b = named("b", sleeps, (void *)GROVE_SEC(9)), *c;
	char *text;

	(void)state;
	grove_sleep(GROVE_MS(1500));
	c = named("c", joins, a);
	grove_yield();
	text = grove_format_run_info(0);
	assert_non_null(text);
	assert_string_equal(normal(text), "grove: 6 greenlets, 5 parked\n"
					  "main (id #): running\n"
					  "|-- a (id #): waits for objects, 1.500 s\n"
					  "|   |-- first (id #): waits for sleep, 1.500 s\n"
					  "|   `-- third (id #): waits for sleep, 1.500 s\n"
					  "|-- b (id #): waits for sleep, 1.500 s\n"
					  "`-- c (id #): waits for greenlet #, 0.000 s\n");
	free(text);
	end(c);
	end(b);
	end(a);
}

static void *chain(void *arg)
{
	grove_greenlet *g;

	if (arg == NULL)
		return NULL;
	g = grove_spawn(chain, (char *)arg - 1);
	grove_sleep(GROVE_SEC(1));
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
	return NULL;
}

static void test_a_long_chain(void **state)
{
	grove_greenlet *g = grove_spawn(chain, (void *)300);
	char *text;

	(void)state;
	grove_sleep(GROVE_MS(500));
	text = grove_format_run_info(0);
	assert_non_null(strstr(text, "grove: 301 greenlets"));
	free(text);
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
}

static void test_print(void **state)
{
	grove_greenlet *g = grove_spawn(outer, (void *)GROVE_SEC(1));
	char text[65536];
	int fds[2];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	grove_sleep(GROVE_MS(1));
	assert_int_equal(grove_print_run_info(fds[1], GROVE_STACKS), 0);
	n = read(fds[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "\nmain (id 1): running\n"));
	assert_non_null(strstr(text, " in test_info\n"));
	assert_int_equal(text[n - 1], '\n');
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(grove_print_run_info(-1, 0), -1);
	assert_int_equal(errno, EBADF);
	end(g);
}

static void *native(void *arg)
{
	*(char **)arg = grove_format_run_info(0);
	grove_stop();
	return (void *)(intptr_t)grove_stack(NULL, NULL, 0);
}

static void test_native_thread(void **state)
{
	char *text = NULL;
	pthread_t t;
	void *r;

	(void)state;
	api_natives++;
	assert_int_equal(pthread_create(&t, NULL, native, &text), 0);
	assert_int_equal(grove_run_forever(), 0);
	assert_non_null(text);
	assert_non_null(strstr(text, "main (id 1): waits for grove_stop"));
	free(text);
	while (pthread_tryjoin_np(t, &r) == EBUSY)
		grove_yield();
	assert_int_equal((intptr_t)r, -1);
	api_natives--;
}

static void test_misuse(void **state)
{
	int no_greenlet[32] = { 0 };
	void *stack[4];

	(void)state;
	assert_int_equal(grove_each(0, NULL, NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_each(64, shows, NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_null(grove_format_run_info(64));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_print_run_info(2, 64), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_stack(NULL, stack, 4), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_stack((grove_greenlet *)no_greenlet, stack, 4), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_stack(grove_current(), stack, -1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_stack(grove_current(), NULL, 4), -1);
	assert_int_equal(errno, EINVAL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		api_test(test_each),
		api_test(test_facts_and_stopping),
		api_test(test_the_function_may_wait),
		api_test(test_services),
		api_test(test_many),
		api_test(test_stack_of_a_parked_greenlet),
		api_test(test_own_stack),
		api_test(test_stack_with_a_generator),
		api_test(test_tree),
		api_test(test_a_long_chain),
		api_test(test_print),
		api_test(test_native_thread),
		api_test(test_misuse),
	};

	return cmocka_run_group_tests(tests, api_begin, NULL);
}
