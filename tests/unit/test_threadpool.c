/*
 * test_threadpool.c - grove/threadpool.h: jobs on kernel threads.  The clock stands still while they run; order is made by gates.
 */
#include "api.h"
#include "asan.h"
#include "api/threadpool.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#define VALUE	((void *)42)

/* A gate a job waits at until the test opens it; in the kernel, as foreign code would. */
struct gate {
	int fds[2];
	int entered, passed;		/* atomic */
};

static void gate_init(struct gate *g)
{
	*g = (struct gate){ .entered = 0 };
	assert_int_equal(pipe(g->fds), 0);
}

static void gate_open(struct gate *g, int n)
{
	while (n--)
		assert_int_equal(raw(SYS_write, g->fds[1], "x", 1), 1);
}

static void gate_free(struct gate *g)
{
	close(g->fds[0]);
	close(g->fds[1]);
}

static void *passes(void *arg)
{
	struct gate *g = arg;
	char c;

	__atomic_fetch_add(&g->entered, 1, __ATOMIC_SEQ_CST);
	raw(SYS_read, g->fds[0], &c, 1);
	return (void *)(intptr_t)__atomic_add_fetch(&g->passed, 1, __ATOMIC_SEQ_CST);
}

static void until_entered(struct gate *g, int n)
{
	while (__atomic_load_n(&g->entered, __ATOMIC_SEQ_CST) < n)
		grove_yield();
}

static void *doubles(void *arg)
{
	return (char *)arg + (intptr_t)arg;
}

static void *tells_its_thread(void *arg)
{
	*(long *)arg = raw(SYS_gettid);
	return grove_current();
}

static void *fails(void *arg)
{
	return grove_fail((int)(intptr_t)arg);
}

static void *exits(void *arg)
{
	pthread_exit(arg);
}

static void test_apply(void **state)
{
	grove_threadpool *pool = grove_threadpool_new(2);
	void *value = NULL;
	long tid = 0;

	(void)state;
	assert_int_equal(grove_threadpool_size(pool), 0);
	assert_int_equal(grove_threadpool_apply(pool, doubles, VALUE, &value, GROVE_FOREVER), 0);
	assert_ptr_equal(value, (void *)84);
	assert_int_equal(grove_threadpool_apply(pool, tells_its_thread, &tid, &value, GROVE_FOREVER), 0);
	assert_null(value);
	assert_true(tid != 0 && tid != raw(SYS_gettid));
	assert_int_equal(grove_threadpool_size(pool), 1);
	assert_int_equal(grove_threadpool_apply(pool, fails, (void *)EPROTO, &value, GROVE_FOREVER), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(grove_threadpool_apply(pool, exits, NULL, &value, GROVE_FOREVER), -1);
	assert_int_equal(errno, ECANCELED);
	assert_int_equal(grove_threadpool_apply(pool, doubles, VALUE, &value, GROVE_FOREVER), 0);
	assert_int_equal(grove_threadpool_apply(pool, doubles, VALUE, &value, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_threadpool_free(pool), 0);
}

static void test_to_thread(void **state)
{
	void *value = NULL;

	(void)state;
	assert_int_equal(grove_to_thread(doubles, VALUE, &value, GROVE_FOREVER), 0);
	assert_ptr_equal(value, (void *)84);
	assert_non_null(grove_threadpool_default());
	assert_ptr_equal(grove_threadpool_default(), grove_threadpool_default());
	assert_int_equal(grove_threadpool_free(grove_threadpool_default()), 0);
}

static void *applies(void *arg)
{
	void *value;
	int r = grove_to_thread(passes, arg, &value, GROVE_FOREVER);

	note("%s", r == 0 ? "passed" : strerrorname_np(errno));
	return NULL;
}

static void test_others_go_on(void **state)
{
	struct gate gate;
	grove_greenlet *g;

	(void)state;
	gate_init(&gate);
	g = grove_spawn(applies, &gate);
	until_entered(&gate, 1);
	note("others");
	gate_open(&gate, 1);
	grove_join(g, GROVE_FOREVER);
	assert_string_equal(api_log, "others passed");
	grove_release(g);
	gate_free(&gate);
}

static void test_at_most_so_many_in_order(void **state)
{
	grove_threadpool *pool = grove_threadpool_new(2);
	grove_future *f[4];
	struct gate gate;

	(void)state;
	gate_init(&gate);
	for (int i = 0; i < 4; i++)
		f[i] = grove_threadpool_spawn(pool, passes, &gate);
	until_entered(&gate, 2);
	assert_int_equal(grove_threadpool_size(pool), 2);
	assert_int_equal(grove_threadpool_count(pool), 4);
	assert_int_equal(grove_threadpool_join(pool, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_threadpool_free(pool), -1);
	assert_int_equal(errno, EBUSY);
	gate_open(&gate, 1);
	until_entered(&gate, 3);
	assert_int_equal(gate.entered, 3);
	gate_open(&gate, 3);
	assert_int_equal(grove_threadpool_join(pool, GROVE_FOREVER), 0);
	for (int i = 0; i < 4; i++) {
		assert_true(grove_future_successful(f[i]));
		grove_future_release(f[i]);
	}
	assert_int_equal(grove_threadpool_count(pool), 0);
	assert_int_equal(grove_threadpool_free(pool), 0);
	gate_free(&gate);
}

static void test_cancel(void **state)
{
	grove_threadpool *pool = grove_threadpool_new(1);
	grove_future *f[3];
	struct gate gate;

	(void)state;
	gate_init(&gate);
	for (int i = 0; i < 3; i++)
		f[i] = grove_threadpool_spawn(pool, passes, &gate);
	until_entered(&gate, 1);
	assert_int_equal(grove_future_cancel(f[1]), 0);
	assert_int_equal(grove_future_cancel(f[0]), 0);		/* it runs: only its result is dropped */
	grove_future_release(f[0]);
	gate_open(&gate, 2);
	assert_int_equal(grove_future_get(f[2], NULL, GROVE_FOREVER), 0);
	assert_int_equal(grove_threadpool_join(pool, GROVE_FOREVER), 0);
	assert_int_equal(gate.passed, 2);
	assert_true(grove_future_cancelled(f[1]));
	grove_future_release(f[1]);
	grove_future_release(f[2]);
	assert_int_equal(grove_threadpool_free(pool), 0);
	gate_free(&gate);
}

static void test_who_waits_may_leave(void **state)
{
	struct gate gate;
	grove_greenlet *g;

	(void)state;
	gate_init(&gate);
	g = grove_spawn(applies, &gate);
	until_entered(&gate, 1);
	assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "ECANCELED");
	assert_int_equal(gate.passed, 0);
	gate_open(&gate, 1);
	assert_int_equal(grove_threadpool_join(grove_threadpool_default(), GROVE_FOREVER), 0);
	assert_int_equal(gate.passed, 1);
	grove_release(g);
	gate_free(&gate);
}

/* The clock does not jump while a job is at work. */
static void *makes_time_pass(void *arg)
{
	while (grove_yield() == 0)
		api_clock += GR_MS(1);
	return arg;
}

/* Each wait gives up in time; the job goes on, and what has not begun is taken back. */
static void test_timeouts(void **state)
{
	grove_threadpool *pool = grove_threadpool_new(1);
	struct grove_timeout deadline;
	struct gate gate;
	void *args[2] = { &gate, &gate }, *value = &gate;
	grove_greenlet *time = grove_spawn(makes_time_pass, NULL);
	grove_future *f;

	(void)state;
	gate_init(&gate);
	assert_int_equal(grove_threadpool_apply(pool, passes, &gate, &value, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_threadpool_join(pool, 0), 0);		/* nothing was run */
	f = grove_threadpool_spawn(pool, passes, &gate);
	until_entered(&gate, 1);
	assert_int_equal(grove_threadpool_join(pool, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_threadpool_join(pool, GROVE_MS(10)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(grove_future_get(f, &value, GROVE_MS(10)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(grove_threadpool_apply(pool, passes, &gate, &value, GROVE_MS(10)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(grove_threadpool_map(pool, passes, args, 2, NULL, GROVE_MS(10)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	grove_timeout_start(&deadline, GROVE_MS(10));
	assert_int_equal(grove_threadpool_apply(pool, passes, &gate, &value, GROVE_FOREVER), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(grove_timeout_stop(&deadline), 1);
	assert_ptr_equal(value, &gate);
	assert_int_equal(grove_threadpool_kill(pool, GROVE_MS(10)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	gate_open(&gate, 1);
	assert_int_equal(grove_future_get(f, &value, GROVE_FOREVER), 0);
	assert_int_equal(gate.passed, 1);
	grove_future_release(f);
	assert_int_equal(grove_threadpool_kill(pool, GROVE_FOREVER), 0);
	assert_int_equal(grove_threadpool_free(pool), 0);
	grove_kill(time, GROVE_FOREVER);
	grove_release(time);
	gate_free(&gate);
}

static void test_map(void **state)
{
	grove_threadpool *pool = grove_threadpool_new(3);
	enum { N = 600 };		/* more than the ring holds */
	void *args[N], *values[N];

	(void)state;
	for (int i = 0; i < N; i++)
		args[i] = (void *)(intptr_t)i;
	assert_int_equal(grove_threadpool_map(pool, doubles, args, N, values, GROVE_FOREVER), 0);
	for (int i = 0; i < N; i++)
		assert_int_equal((intptr_t)values[i], 2 * i);
	args[1] = (void *)EPROTO;
	assert_int_equal(grove_threadpool_map(pool, fails, args, 2, values, GROVE_FOREVER), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(grove_threadpool_map(pool, doubles, NULL, 0, NULL, 0), 0);
	assert_int_equal(grove_threadpool_map(pool, doubles, args, 2, values, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_threadpool_join(pool, GROVE_FOREVER), 0);
	assert_in_range(grove_threadpool_size(pool), 1, 3);
	assert_int_equal(grove_threadpool_free(pool), 0);
}

static void *kills_pool(void *arg)
{
	note("%s", grove_threadpool_kill(arg, GROVE_FOREVER) == 0 ? "killed" : strerrorname_np(errno));
	return NULL;
}

static void test_kill(void **state)
{
	grove_threadpool *pool = grove_threadpool_new(2);
	grove_future *f[5];
	grove_greenlet *g, *h;
	struct gate gate;

	(void)state;
	gate_init(&gate);
	for (int i = 0; i < 5; i++)
		f[i] = grove_threadpool_spawn(pool, passes, &gate);
	until_entered(&gate, 2);
	assert_int_equal(grove_threadpool_kill(pool, 0), 0);
	for (int i = 2; i < 5; i++)
		assert_true(grove_future_cancelled(f[i]));
	g = grove_spawn(kills_pool, pool);
	h = grove_spawn(kills_pool, pool);
	grove_yield();
	assert_int_equal(grove_kill(h, GROVE_FOREVER), 0);
	note("open");
	gate_open(&gate, 2);
	grove_join(g, GROVE_FOREVER);
	assert_string_equal(api_log, "ECANCELED open killed");
	assert_int_equal(gate.passed, 2);
	assert_int_equal(grove_threadpool_size(pool), 0);
	for (int i = 0; i < 5; i++)
		grove_future_release(f[i]);
	assert_int_equal(grove_threadpool_apply(pool, doubles, VALUE, NULL, GROVE_FOREVER), 0);	/* it can be used again */
	assert_int_equal(grove_threadpool_free(pool), 0);
	grove_release(g);
	grove_release(h);
	gate_free(&gate);
}

/* A thread that leaves is not followed by another because of a job that runs: who waits for the end would wait until that one is bored. */
static void test_kill_while_one_is_idle(void **state)
{
	grove_threadpool *pool = grove_threadpool_new(2);
	grove_future *f;
	grove_greenlet *g;
	struct gate gate;
	struct timespec began, now;

	(void)state;
	gate_init(&gate);
	f = grove_threadpool_spawn(pool, passes, &gate);
	until_entered(&gate, 1);
	assert_int_equal(grove_threadpool_apply(pool, doubles, VALUE, NULL, GROVE_FOREVER), 0);
	g = grove_spawn(kills_pool, pool);
	while (grove_threadpool_size(pool) == 2)
		grove_yield();
	for (int i = 0; i < 100; i++)
		grove_yield();
	assert_int_equal(grove_threadpool_size(pool), 1);
	clock_gettime(CLOCK_MONOTONIC, &began);
	gate_open(&gate, 1);
	grove_join(g, GROVE_FOREVER);
	clock_gettime(CLOCK_MONOTONIC, &now);
	assert_in_range(now.tv_sec - began.tv_sec, 0, 5);
	assert_string_equal(api_log, "killed");
	assert_int_equal(grove_threadpool_free(pool), 0);
	grove_future_release(f);
	grove_release(g);
	gate_free(&gate);
}

static void test_maxsize(void **state)
{
	grove_threadpool *pool = grove_threadpool_new(1);
	struct gate gate;

	(void)state;
	gate_init(&gate);
	for (int i = 0; i < 3; i++)
		grove_future_release(grove_threadpool_spawn(pool, passes, &gate));
	until_entered(&gate, 1);
	assert_int_equal(grove_threadpool_set_maxsize(pool, 3), 0);
	assert_int_equal(grove_threadpool_maxsize(pool), 3);
	until_entered(&gate, 3);
	assert_int_equal(grove_threadpool_size(pool), 3);
	assert_int_equal(grove_threadpool_set_maxsize(pool, 1), 0);
	gate_open(&gate, 3);
	assert_int_equal(grove_threadpool_join(pool, GROVE_FOREVER), 0);
	while (grove_threadpool_size(pool) > 1)
		grove_yield();
	assert_int_equal(grove_threadpool_apply(pool, doubles, VALUE, NULL, GROVE_FOREVER), 0);
	assert_int_equal(grove_threadpool_size(pool), 1);
	assert_int_equal(grove_threadpool_free(pool), 0);
	gate_free(&gate);
}

/* A thread that is about to end for boredom as a job comes: somebody else must do it. */
static void test_idle_threads_end(void **state)
{
	grove_threadpool *pool = grove_threadpool_new(1);

	(void)state;
	gr_threadpool_linger = 1000;
	for (int i = 0; i < 300; i++) {
		assert_int_equal(grove_threadpool_apply(pool, doubles, VALUE, NULL, GROVE_FOREVER), 0);
		for (int yields = 0; yields < i % 50; yields++)
			grove_yield();
	}
	while (grove_threadpool_size(pool))
		grove_yield();
	gr_threadpool_linger = GR_SEC(10);
	assert_int_equal(grove_threadpool_free(pool), 0);
}

/* --- what a job is ---------------------------------------------------------------------------------------------------------- */

static void *tells_its_mask(void *arg)
{
	pthread_sigmask(SIG_SETMASK, NULL, arg);
	return NULL;
}

static void test_signals_are_blocked(void **state)
{
	sigset_t mask;

	(void)state;
	assert_int_equal(grove_to_thread(tells_its_mask, &mask, NULL, GROVE_FOREVER), 0);
	assert_true(sigismember(&mask, SIGTERM));
	assert_true(sigismember(&mask, SIGALRM));
	assert_false(sigismember(&mask, SIGSEGV));
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	assert_false(sigismember(&mask, SIGTERM));
}

static void *uses_grove(void *arg)
{
	grove_greenlet *g = grove_spawn(doubles, arg);
	void *value = NULL;

	grove_get(g, &value, GROVE_FOREVER);
	grove_release(g);
	return value;
}

static void test_jobs_may_use_grove(void **state)
{
	void *value = NULL;

	(void)state;
	assert_int_equal(grove_to_thread(uses_grove, VALUE, &value, GROVE_FOREVER), 0);
	assert_ptr_equal(value, (void *)84);
}

static bool new_thread_works(grove_threadpool *pool)
{
	void *value = NULL;

	forked_child();
	return grove_threadpool_apply(pool, doubles, VALUE, &value, GROVE_FOREVER) == 0 && value == (void *)84;
}

static void test_in_a_forked_child(void **state)
{
	grove_threadpool *pool = grove_threadpool_new(1);
	grove_future *running, *waiting;
	struct gate gate;
	int status, pid;

	(void)state;
	gate_init(&gate);
	running = grove_threadpool_spawn(pool, passes, &gate);
	waiting = grove_threadpool_spawn(pool, passes, &gate);
	until_entered(&gate, 1);
	pid = fork();
	if (pid == 0)
		_exit(grove_future_cancelled(running) && grove_future_cancelled(waiting) && grove_threadpool_size(pool) == 0 &&
		      new_thread_works(pool) && grove_threadpool_free(pool) == 0 ? 7 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	gate_open(&gate, 2);
	assert_int_equal(grove_threadpool_join(pool, GROVE_FOREVER), 0);
	grove_future_release(running);
	grove_future_release(waiting);
	assert_int_equal(grove_threadpool_free(pool), 0);
	gate_free(&gate);
}

static void *many_small_ones(void *arg)
{
	for (intptr_t i = 0; i < 300; i++) {
		void *value = NULL;

		assert_int_equal(grove_threadpool_apply(arg, doubles, (void *)i, &value, GROVE_FOREVER), 0);
		assert_int_equal((intptr_t)value, 2 * i);
	}
	return NULL;
}

static void test_many(void **state)
{
	grove_threadpool *pool = grove_threadpool_new(4);
	grove_greenlet *g[8];

	(void)state;
	for (int i = 0; i < 8; i++)
		g[i] = grove_spawn(many_small_ones, pool);
	grove_joinall(g, 8, 0, GROVE_FOREVER, 0);
	for (int i = 0; i < 8; i++)
		grove_release(g[i]);
	assert_int_equal(grove_threadpool_free(pool), 0);
}

static void test_misuse(void **state)
{
	grove_threadpool *pool = grove_threadpool_new(1);
	grove_greenlet *self = grove_current();
	void *args[1] = { NULL };

	(void)state;
	assert_null(grove_threadpool_new(0));
	assert_null(grove_threadpool_new(5000));
	assert_int_equal(errno, EINVAL);
	for (int i = 0; i < 2; i++) {
		grove_threadpool *bad = i ? (void *)self : NULL;

		errno = 0;
		assert_null(grove_threadpool_spawn(bad, doubles, NULL));
		assert_int_equal(errno, EINVAL);
		assert_int_equal(grove_threadpool_apply(bad, doubles, NULL, NULL, GROVE_FOREVER), -1);
		assert_int_equal(grove_threadpool_map(bad, doubles, args, 1, NULL, GROVE_FOREVER), -1);
		assert_int_equal(grove_threadpool_join(bad, 0), -1);
		assert_int_equal(grove_threadpool_kill(bad, 0), -1);
		assert_int_equal(grove_threadpool_set_maxsize(bad, 1), -1);
		assert_int_equal(errno, EINVAL);
		assert_int_equal(grove_threadpool_size(bad), 0);
		assert_int_equal(grove_threadpool_maxsize(bad), 0);
		assert_int_equal(grove_threadpool_count(bad), 0);
	}
	assert_int_equal(grove_threadpool_free(NULL), 0);
	assert_int_equal(grove_threadpool_free((void *)self), -1);
	assert_null(grove_threadpool_spawn(pool, NULL, NULL));
	assert_int_equal(grove_threadpool_apply(pool, NULL, NULL, NULL, GROVE_FOREVER), -1);
	assert_int_equal(grove_threadpool_apply(pool, doubles, NULL, NULL, -1), -1);
	assert_int_equal(grove_threadpool_map(pool, doubles, NULL, 1, NULL, GROVE_FOREVER), -1);
	assert_int_equal(grove_threadpool_set_maxsize(pool, 0), -1);
	assert_int_equal(grove_threadpool_join(pool, -1), -1);
	assert_int_equal(grove_to_thread(NULL, NULL, NULL, GROVE_FOREVER), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_threadpool_free(pool), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		api_test(test_apply),
		api_test(test_to_thread),
		api_test(test_others_go_on),
		api_test(test_at_most_so_many_in_order),
		api_test(test_cancel),
		api_test(test_who_waits_may_leave),
		api_test(test_timeouts),
		api_test(test_map),
		api_test(test_kill),
		api_test(test_kill_while_one_is_idle),
		api_test(test_maxsize),
		api_test(test_idle_threads_end),
		api_test(test_signals_are_blocked),
		api_test(test_jobs_may_use_grove),
		api_test(test_in_a_forked_child),
		api_test(test_many),
		api_test(test_misuse),
	};

	return cmocka_run_group_tests(tests, api_begin, NULL);
}
