/*
 * test_limits.c - what is refused: no memory for stacks, no descriptor for the hub, allocations that fail one after the other in
 * every function that allocates, attributes that make no sense.  Nothing ends the process, and all works again afterwards.
 */
#include "api.h"
#include <sys/resource.h>
#include <sys/wait.h>

/* Runs @fn in a child, whose limits are its own; it passes by returning. */
static void in_child(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		fail_msg("line %d, signal %d", WEXITSTATUS(status) * 4, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

#define CHECK(cond) do { if (!(cond)) _exit(__LINE__ / 4 % 255 + 1); } while (0)

static void *naps(void *arg)
{
	grove_sleep(GROVE_MS(1));
	return arg;
}

static void *gives_back(void *arg)
{
	return arg;
}

/* --- no memory for stacks ------------------------------------------------------------------------------------------------------------ */

static size_t mapped(void)
{
	FILE *statm = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	CHECK(statm && fscanf(statm, "%lu", &pages) == 1);
	fclose(statm);
	return pages * 4096;
}

static void spawn_until_there_is_no_memory(void)
{
	static grove_greenlet *g[10000];
	size_t at_most = mapped() + (100u << 20), n = 0;
	struct rlimit limit = { at_most, at_most };

	CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
	while (n < 10000 && (g[n] = grove_spawn(naps, (void *)n)))
		n++;
	CHECK(n >= 100 && n < 10000);
	CHECK(errno == ENOMEM || errno == EAGAIN);
	CHECK(grove_spawn_raw(naps, NULL) < 0 && (errno == ENOMEM || errno == EAGAIN));
	CHECK(grove_joinall(g, n, 0, GROVE_FOREVER, GROVE_RAISE_ERROR) == (int)n);
	for (size_t i = 0; i < n; i++) {
		CHECK(grove_value(g[i]) == (void *)i);
		grove_release(g[i]);
	}
	g[0] = grove_spawn(naps, NULL);
	CHECK(g[0] && grove_join(g[0], GROVE_FOREVER) == 0);
	grove_release(g[0]);
}

static void test_no_memory_for_stacks(void **state)
{
	(void)state;
	in_child(spawn_until_there_is_no_memory);
}

/* --- no descriptors for the hub ------------------------------------------------------------------------------------------------------ */

static void begin_without_descriptors(void)
{
	int fd = dup(0);
	struct rlimit none = { (rlim_t)fd, (rlim_t)fd };
	void *value;

	CHECK(fd >= 0);
	close(fd);
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	for (int i = 0; i < 2; i++) {
		CHECK(!grove_spawn(naps, NULL) && errno == EMFILE);
		CHECK(grove_sleep(1) < 0 && errno == EMFILE);
		CHECK(grove_patch() < 0 && errno == EMFILE);
		CHECK(grove_to_thread(gives_back, NULL, &value, GROVE_FOREVER) < 0 && errno == EMFILE);
	}
}

static void test_no_descriptors_for_the_hub(void **state)
{
	(void)state;
	in_child(begin_without_descriptors);
}

static void descriptors_come_back(void)
{
	int fd = dup(0), top = fd + 8;
	struct rlimit few = { (rlim_t)top, (rlim_t)top };

	CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
	while (dup(0) >= 0)
		;
	CHECK(!grove_spawn(naps, NULL) && errno == EMFILE);
	for (int i = 1; i <= 5; i++)
		close(top - i);
	CHECK(grove_sleep(1) == 0);
	CHECK(grove_spawn_raw(naps, NULL) == 0);
	CHECK(grove_sleep(GROVE_MS(2)) == 0);
}

static void test_descriptors_come_back(void **state)
{
	(void)state;
	in_child(descriptors_come_back);
}

/* --- allocations that fail ----------------------------------------------------------------------------------------------------------- */

#ifndef __SANITIZE_ADDRESS__
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);

static int fail_in;		/* the allocation that fails, counted from now; 0: none */
static bool failed;

static bool may(void)
{
	if (fail_in == 0 || --fail_in > 0)
		return true;
	failed = true;
	errno = ENOMEM;
	return false;
}

void *malloc(size_t n)
{
	return may() ? __libc_malloc(n) : NULL;
}

void *calloc(size_t n, size_t size)
{
	return may() ? __libc_calloc(n, size) : NULL;
}

void *realloc(void *p, size_t n)
{
	return may() ? __libc_realloc(p, n) : NULL;
}

/* What is tried returns 0, or -1 with errno; in both cases all that it made is gone. */
static int with_events(void)
{
	grove_event *e = grove_event_new();
	int r = e ? grove_event_set(e) : -1;

	grove_event_free(e);
	return r;
}

static int with_semaphores(void)
{
	grove_semaphore *s = grove_semaphore_new(1);
	int r = s ? grove_semaphore_acquire(s, GROVE_FOREVER) : -1;

	grove_semaphore_free(s);
	return r;
}

static int with_conditions(void)
{
	grove_lock *lock = grove_lock_new();
	grove_condition *c = lock ? grove_condition_new(lock) : NULL;
	int r = c ? 0 : -1;

	grove_condition_free(c);
	grove_lock_free(lock);
	return r;
}

static int with_rwlocks(void)
{
	grove_rwlock *lock = grove_rwlock_new();
	int r = lock ? 0 : -1;

	grove_rwlock_free(lock);
	return r;
}

static int with_barriers(void)
{
	grove_barrier *b = grove_barrier_new(2);
	int r = b ? 0 : -1;

	grove_barrier_free(b);
	return r;
}

static int fill(grove_queue *q)
{
	int r = q ? 0 : -1;

	for (int i = 0; r == 0 && i < 100; i++)
		r = grove_queue_put(q, NULL, GROVE_FOREVER);
	grove_queue_free(q);
	return r;
}

static int with_queues(void)
{
	return fill(grove_queue_new(0));
}

static int with_bounded_queues(void)
{
	return fill(grove_queue_new(200));
}

static int with_priority_queues(void)
{
	return fill(grove_queue_new_priority(0, NULL));
}

static int with_channels(void)
{
	grove_channel *c = grove_channel_new(3);
	struct grove_case cases[64];
	int r = -1;

	for (int i = 0; i < 64; i++)
		cases[i] = (struct grove_case){ .channel = c, .op = GROVE_SEND };
	if (c)
		r = grove_select(cases, 64, GROVE_FOREVER) < 0 ? -1 : 0;
	grove_channel_free(c);
	return r;
}

static void ignores(grove_future *f, void *arg)
{
	(void)f;
	(void)arg;
}

static int with_futures(void)
{
	grove_future *f = grove_future_new(), *follower = f ? grove_future_new() : NULL;
	int r = follower ? grove_future_link(f, ignores, NULL) : -1, err;

	if (r == 0)
		r = grove_future_follow(follower, f);
	err = errno;
	if (f)
		grove_future_set(f, NULL);
	grove_yield();
	grove_yield();
	if (r == 0)
		assert_true(grove_future_ready(follower));
	grove_future_release(follower);
	grove_future_release(f);
	errno = err;
	return r;
}

static void linked(grove_greenlet *g, void *arg)
{
	(void)g;
	(void)arg;
}

static int spawned(grove_greenlet *g)
{
	int r = g ? grove_link(g, linked, NULL) : -1, err = errno;

	if (g)
		assert_int_equal(grove_join(g, GROVE_FOREVER), 0);
	grove_release(g);
	errno = err;
	return r;
}

static int with_spawn(void)
{
	return spawned(grove_spawn(naps, NULL));
}

static int with_spawn_later(void)
{
	return spawned(grove_spawn_later(GROVE_MS(1), naps, NULL));
}

static void nothing(void *arg)
{
	(void)arg;
}

static void *defers(void *arg)
{
	(void)arg;
	return grove_defer(nothing, NULL) < 0 ? grove_fail(errno) : NULL;
}

static int got(grove_greenlet *g)
{
	int r = g ? grove_get(g, NULL, GROVE_FOREVER) : -1, err = errno;

	grove_release(g);
	errno = err;
	return r;
}

static int with_defer(void)
{
	return got(grove_spawn(defers, NULL));
}

static void *sets_locals(void *arg)
{
	static grove_var *var;
	static grove_local *local;

	(void)arg;
	if (!var && !(var = grove_var_new("x", NULL)))
		return grove_fail(errno);
	if (!local && !(local = grove_local_new(NULL)))
		return grove_fail(errno);
	if (grove_var_set(var, &var, NULL) < 0 || grove_local_set(local, &local) < 0)
		return grove_fail(errno);
	return got(grove_spawn(gives_back, NULL)) < 0 ? grove_fail(errno) : NULL;
}

static int with_locals(void)
{
	return got(grove_spawn(sets_locals, NULL));
}

static void hooked(grove_greenlet *g, void *arg)
{
	(void)g;
	(void)arg;
}

static int with_hooks(void)
{
	int r = grove_add_spawn_callback(hooked, NULL);

	if (r == 0) {
		r = grove_add_end_callback(hooked, NULL);
		if (r == 0)
			grove_remove_end_callback(hooked, NULL);
		grove_remove_spawn_callback(hooked, NULL);
	}
	return r;
}

static int with_lists_of(int (*wait)(grove_object **list, size_t n))
{
	grove_object *list[40] = { NULL };
	size_t n = 0;
	int r, err;

	while (n < 40 && (list[n] = grove_spawn(naps, NULL)))
		n++;
	r = n == 40 ? wait(list, 40) : -1;
	err = errno;
	for (size_t i = 0; i < n; i++) {
		grove_join(list[i], GROVE_FOREVER);
		grove_release(list[i]);
	}
	errno = err;
	return r;
}

static int waits(grove_object **list, size_t n)
{
	return grove_wait(list, n, 0, GROVE_FOREVER, NULL) < 0 ? -1 : 0;
}

static int iterates(grove_object **list, size_t n)
{
	grove_iwait *it = grove_iwait_new(list, n);
	int r = it ? 0 : -1;

	while (it && grove_iwait_next(it, GROVE_FOREVER))
		;
	grove_iwait_free(it);
	return r;
}

static int gathers(grove_object **list, size_t n)
{
	return grove_gather(list, n, NULL, NULL, GROVE_FOREVER, GROVE_RETURN_ERRORS);
}

static int task_waits(grove_object **list, size_t n)
{
	return grove_task_wait(list, n, GROVE_ALL_COMPLETED, GROVE_FOREVER, NULL, NULL) < 0 ? -1 : 0;
}

static int joins(grove_object **list, size_t n)
{
	return grove_joinall((grove_greenlet *const *)list, n, 0, GROVE_FOREVER, 0) < 0 ? -1 : 0;
}

static int with_wait(void) { return with_lists_of(waits); }
static int with_iwait(void) { return with_lists_of(iterates); }
static int with_gather(void) { return with_lists_of(gathers); }
static int with_task_wait(void) { return with_lists_of(task_waits); }
static int with_joinall(void) { return with_lists_of(joins); }

static int with_task_groups(void)
{
	grove_task_group *tg = grove_task_group_start();
	int r = tg ? grove_task_group_spawn(tg, naps, NULL) : -1, err = errno;

	if (tg)
		grove_task_group_end(tg);
	errno = err;
	return r;
}

static int with_groups(void)
{
	grove_group *group = grove_group_new();
	int r = group ? grove_group_spawn_raw(group, naps, NULL) : -1, err = errno;

	if (group)
		assert_int_equal(grove_group_join(group, GROVE_FOREVER, 0), 0);
	grove_group_free(group);
	errno = err;
	return r;
}

static int with_pools(void)
{
	void *args[5] = { NULL }, *values[5];
	grove_pool *pool = grove_pool_new(2);
	int r = pool ? grove_pool_map(pool, naps, args, 5, values, GROVE_FOREVER) : -1, err = errno;

	if (pool)
		assert_int_equal(grove_pool_join(pool, GROVE_FOREVER), 0);
	assert_int_equal(grove_pool_free(pool), 0);
	errno = err;
	return r;
}

static int with_imap(void)
{
	void *args[5] = { NULL }, *value;
	grove_pool *pool = grove_pool_new(2);
	grove_imap *it = pool ? grove_pool_imap(pool, naps, args, 5, 0) : NULL;
	int r = -1, err = errno;

	if (it) {
		while ((r = grove_imap_next(it, &value, NULL, GROVE_FOREVER)) == 1)
			;
		err = errno;
	}
	assert_int_equal(grove_imap_free(it), 0);
	if (pool)
		assert_int_equal(grove_pool_join(pool, GROVE_FOREVER), 0);
	assert_int_equal(grove_pool_free(pool), 0);
	errno = err;
	return r;
}

static int with_apply_async(void)
{
	grove_pool *pool = grove_pool_new(2);
	int r = pool ? got(grove_pool_apply_async(pool, naps, NULL)) : -1, err = errno;

	if (pool)
		assert_int_equal(grove_pool_join(pool, GROVE_FOREVER), 0);
	assert_int_equal(grove_pool_free(pool), 0);
	errno = err;
	return r;
}

static void *yields(void *arg)
{
	grove_gen_yield(arg);
	return NULL;
}

static int with_generators(void)
{
	grove_generator *gen = grove_generator_new(yields, NULL), *cast = NULL;
	int r = gen ? 0 : -1, err;

	if (gen) {
		cast = grove_gen_next(gen, NULL) == 1 ? grove_cobroadcast_new(&gen, 1) : NULL;
		r = cast ? 0 : -1;
	}
	err = errno;
	grove_generator_free(cast);
	grove_generator_free(gen);
	errno = err;
	return r;
}

static int with_exit_stacks(void)
{
	grove_exit_stack *stack = grove_exit_stack_new();
	grove_context ctx = GROVE_CONTEXT(NULL, NULL, NULL);
	int r = stack ? 0 : -1, err;

	for (int i = 0; r == 0 && i < 20; i++)
		r = grove_exit_stack_push(stack, nothing, NULL);
	if (r == 0)
		r = grove_exit_stack_enter(stack, &ctx);
	err = errno;
	grove_exit_stack_free(stack);
	errno = err;
	return r;
}

static int puts_some(grove_stage *stage, void *arg)
{
	for (int i = 0; i < 5; i++)
		if (grove_stage_put(stage, arg, GROVE_FOREVER) < 0)
			return -1;
	return 0;
}

static int gets_all(grove_stage *stage, void *arg)
{
	int r;

	(void)arg;
	while ((r = grove_stage_get(stage, &arg, GROVE_FOREVER)) == 1)
		;
	return r;
}

static int with_pipelines(void)
{
	grove_pipeline *p = grove_pipeline_new(2, NULL);
	int r = p && grove_pipeline_add(p, puts_some, NULL) && grove_pipeline_add(p, gets_all, NULL) ? 0 : -1, err;

	if (r == 0)
		r = grove_pipeline_run(p, GROVE_FOREVER);
	err = errno;
	assert_int_equal(grove_pipeline_free(p), 0);
	errno = err;
	return r;
}

static bool called;

static void calls(void *arg)
{
	(void)arg;
	called = true;
}

static int with_call_soon(void)
{
	int r = grove_call_soon(calls, NULL);

	called = false;
	grove_yield();
	grove_yield();
	assert_true(r < 0 || called);
	return r;
}

static int with_children(void)
{
	grove_child *child = grove_child_new(getpid());

	grove_child_free(child);
	return child ? 0 : -1;
}

static int sees(const struct grove_info *info, void *arg)
{
	(void)info;
	(void)arg;
	return 0;
}

static int with_info(void)
{
	char *text = grove_format_run_info(GROVE_STACKS | GROVE_SERVICES);
	int r = text ? grove_each(GROVE_STACKS, sees, NULL) : -1;

	free(text);
	return r;
}

static void handles(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
	(void)fd;
	(void)peer;
	(void)len;
	(void)arg;
}

static int with_servers(void)
{
	grove_server *s = grove_server_new("unix:@grove-test-limits", handles, NULL, NULL);
	int r = s ? grove_server_start(s) : -1, err = errno;

	if (s)
		assert_int_equal(grove_server_stop(s, GROVE_SEC(1)), 0);
	assert_int_equal(grove_server_free(s), 0);
	errno = err;
	return r;
}

static int with_vars(void)
{
	grove_vars *vars = grove_vars_copy();
	int r = vars ? 0 : -1;

	grove_vars_free(vars);
	return r;
}

static const struct { const char *name; int (*fn)(void); } tries[] = {
	{ "events", with_events }, { "semaphores", with_semaphores }, { "conditions", with_conditions }, { "rwlocks", with_rwlocks },
	{ "barriers", with_barriers }, { "queues", with_queues }, { "bounded queues", with_bounded_queues },
	{ "priority queues", with_priority_queues }, { "channels", with_channels }, { "futures", with_futures }, { "spawn", with_spawn },
	{ "spawn_later", with_spawn_later }, { "defer", with_defer }, { "locals", with_locals }, { "hooks", with_hooks },
	{ "wait", with_wait }, { "iwait", with_iwait }, { "gather", with_gather }, { "task_wait", with_task_wait },
	{ "joinall", with_joinall }, { "task groups", with_task_groups }, { "groups", with_groups }, { "pools", with_pools },
	{ "imap", with_imap }, { "apply_async", with_apply_async }, { "generators", with_generators }, { "exit stacks", with_exit_stacks },
	{ "pipelines", with_pipelines }, { "call_soon", with_call_soon }, { "children", with_children }, { "info", with_info },
	{ "servers", with_servers }, { "vars", with_vars },
};

/* The first allocation fails, then the second, and so on, until none is left to fail. */
static void one_after_the_other(const char *name, int (*fn)(void))
{
	for (int k = 1;; k++) {
		int r, err;

		failed = false;
		fail_in = k;
		r = fn();
		err = errno;
		fail_in = 0;
		/* EAGAIN: pthread_create(3) calls it so */
		if (r < 0 && ((err != ENOMEM && err != EAGAIN) || !failed))
			fail_msg("%s: with allocation %d failing: %s", name, k, strerrorname_np(err));
		if (!failed)
			return;
		assert_true(k < 1000);
	}
}

static void test_allocations_fail(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		if (getenv("V"))
			fprintf(stderr, "%s\n", tries[i].name);
		one_after_the_other(tries[i].name, tries[i].fn);
		if (tries[i].fn() < 0)
			fail_msg("%s: do not work any more", tries[i].name);
	}
}
#endif

/* --- attributes ------------------------------------------------------------------------------------------------------------------------ */

static void test_attributes(void **state)
{
	static const struct { const char *what; struct grove_spawn_attr attr; int err; } rows[] = {
		{ "no size", { .size = 0 }, EINVAL },
		{ "too small", { .size = sizeof(struct grove_spawn_attr) - 1 }, EINVAL },
		{ "of another version", { .size = sizeof(struct grove_spawn_attr) + 8 }, EINVAL },
		{ "the least stack", { .size = sizeof(struct grove_spawn_attr), .stack_size = GROVE_STACK_MIN }, 0 },
		{ "a smaller one", { .size = sizeof(struct grove_spawn_attr), .stack_size = GROVE_STACK_MIN - 1 }, EINVAL },
		{ "an odd one", { .size = sizeof(struct grove_spawn_attr), .stack_size = GROVE_STACK_MIN + 1 }, 0 },
		{ "a stack of everything", { .size = sizeof(struct grove_spawn_attr), .stack_size = SIZE_MAX }, EINVAL },
		{ "a stack of half of it", { .size = sizeof(struct grove_spawn_attr), .stack_size = SIZE_MAX / 2 }, EINVAL },
		{ "a negative delay", { .size = sizeof(struct grove_spawn_attr), .delay = -1 }, EINVAL },
		{ "unknown flags", { .size = sizeof(struct grove_spawn_attr), .flags = 0x80 }, EINVAL },
		{ "reserved", { .size = sizeof(struct grove_spawn_attr), .reserved = 1 }, EINVAL },
	};
	const struct grove_spawn_attr vast = { .size = sizeof(vast), .stack_size = (size_t)1 << 46 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		grove_greenlet *g = grove_spawn_with(&rows[i].attr, gives_back, "x");

		if (rows[i].err ? g || errno != rows[i].err : !g)
			fail_msg("%s: %p, %s", rows[i].what, (void *)g, strerrorname_np(errno));
		assert_int_equal(rows[i].err ? 0 : grove_join(g, GROVE_FOREVER), 0);
		grove_release(g);
	}
	assert_null(grove_spawn_with(&vast, gives_back, NULL));
	assert_true(errno == ENOMEM || errno == EINVAL);
	assert_null(grove_spawn_with(NULL, gives_back, NULL));
	assert_int_equal(errno, EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		api_test(test_no_descriptors_for_the_hub),
		api_test(test_descriptors_come_back),
		api_test(test_attributes),
	};
	int n_failed = cmocka_run_group_tests(tests, api_begin, NULL);
#ifndef __SANITIZE_ADDRESS__	/* which has malloc() and the limits of memory for itself */
	const struct CMUnitTest no_memory[] = {
		api_test(test_no_memory_for_stacks),
		api_test(test_allocations_fail),
	};

	n_failed += cmocka_run_group_tests(no_memory, NULL, NULL);
#endif
	return n_failed;
}
