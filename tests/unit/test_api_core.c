/*
 * test_api_core.c - what the API does at the edges: kills in every kind of wait, unwinding, forked children, native threads, libraries that
 * come and go
 */
#include "api.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

/* --- a kill in each kind of wait ------------------------------------------------------------------------------------------------------ */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t sem;
static int pipe_fds[2];

static long in_sleep(void) { return grove_sleep(GROVE_SEC(100)); }
static long in_usleep(void) { return usleep(100000000); }
static long in_read(void) { char c; return read(pipe_fds[0], &c, 1); }
static long in_wait_read(void) { return grove_wait_read(pipe_fds[0], GROVE_FOREVER); }

static long in_poll(void)
{
	struct pollfd p = { .fd = pipe_fds[0], .events = POLLIN };

	return poll(&p, 1, 100000);
}

/* on an offload thread */
static long in_flock(void)
{
	int fd = open("/proc/self/exe", O_RDONLY), r = flock(fd, LOCK_EX), err = errno;

	close(fd);
	errno = err;
	return r;
}

static long in_run_forever(void) { return grove_run_forever(); }
static long in_sem_wait(void) { return sem_wait(&sem); }

static void unlock(void *m)
{
	pthread_mutex_unlock(m);
}

static long in_cond_wait(void)
{
	pthread_mutex_lock(&mutex);
	pthread_cleanup_push(unlock, &mutex);
	for (;;)
		pthread_cond_wait(&cond, &mutex);
	pthread_cleanup_pop(1);
	return 0;
}

/* not broken off: it takes it when it can have it */
static long in_mutex(void)
{
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
	return grove_yield();
}

static const struct row {
	const char *in;
	long (*fn)(void);
	const char *want;
} rows[] = {
	{ "grove_sleep",	in_sleep,	"ECANCELED deferred" },
	{ "usleep",		in_usleep,	"ECANCELED deferred" },
	{ "read",		in_read,	"ECANCELED deferred" },
	{ "grove_wait_read",	in_wait_read,	"ECANCELED deferred" },
	{ "poll",		in_poll,	"ECANCELED deferred" },
	{ "flock",		in_flock,	"ECANCELED deferred" },
	{ "grove_run_forever",	in_run_forever,	"ECANCELED deferred" },
	{ "sem_wait",		in_sem_wait,	"deferred" },
	{ "pthread_cond_wait",	in_cond_wait,	"deferred" },
	{ "a mutex",		in_mutex,	"ECANCELED deferred" },
};

static void deferred(void *arg)
{
	(void)arg;
	note("%s", grove_sleep(GROVE_MS(1)) == 0 ? "deferred" : "deferred, and not shielded");
}

static void *waits(void *arg)
{
	const struct row *row = arg;

	grove_defer(deferred, NULL);
	note("%s", row->fn() < 0 ? strerrorname_np(errno) : "success");
	return arg;
}

static void test_kill_in_each_wait(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	(void)state;
	flock(fd, LOCK_EX);
	for (size_t i = 0; i < GR_LENGTH(rows); i++) {
		grove_greenlet *g = grove_spawn(waits, (void *)&rows[i]);

		api_clear(NULL);
		if (rows[i].fn == in_mutex)
			pthread_mutex_lock(&mutex);
		grove_sleep(GROVE_MS(1));
		if (rows[i].fn == in_flock)
			usleep(20000);
		assert_int_equal(grove_kill(g, 0), 0);
		if (rows[i].fn == in_mutex)
			pthread_mutex_unlock(&mutex);
		assert_int_equal(grove_join(g, GROVE_FOREVER), 0);
		if (strcmp(api_log, rows[i].want) != 0 || grove_error(g) != ECANCELED)
			fail_msg("%s: %s instead of %s, error %d", rows[i].in, api_log, rows[i].want, grove_error(g));
		assert_int_equal(grove_kill(g, 0), -1);
		assert_int_equal(errno, ESRCH);
		grove_release(g);
	}
	assert_int_equal(pthread_mutex_lock(&mutex), 0);		/* everybody has let go of it */
	pthread_mutex_unlock(&mutex);
	close(fd);
}

static void *defers_at_length(void *arg)
{
	grove_defer(deferred, NULL);
	return arg;
}

static void test_kill_of_one_that_is_ending(void **state)
{
	grove_greenlet *g = grove_spawn(defers_at_length, NULL);

	(void)state;
	grove_yield();
	assert_true(grove_started(g));
	assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "deferred");
	assert_int_equal(grove_error(g), 0);
	grove_release(g);
}

/* --- unwinding -------------------------------------------------------------------------------------------------------------------------- */

static void *exits(void *arg)
{
	(void)arg;
	pthread_exit(NULL);
}

static void scopes_are_left(void *arg)
{
	(void)arg;
	note(gr_carrier()->current->scopes ? "a scope is left behind" : "no scope");
	note("%s", grove_sleep(GROVE_SEC(2)) == 0 ? "slept" : strerrorname_np(errno));
}

static void *exits_in_a_scope(void *arg)
{
	pthread_cleanup_push(scopes_are_left, NULL);
	grove_with_timeout(GROVE_SEC(1), exits, NULL, NULL);
	pthread_cleanup_pop(0);
	return arg;
}

static void test_unwinding_leaves_the_scope(void **state)
{
	grove_greenlet *g = grove_spawn(exits_in_a_scope, NULL);

	(void)state;
	assert_int_equal(grove_join(g, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "no scope slept");
	grove_release(g);
}

static void notes(void *arg)
{
	note("%s", (const char *)arg);
}

static void exits_here(void *arg)
{
	note("%s", (const char *)arg);
	pthread_exit(NULL);
}

static void *defers_an_exit(void *arg)
{
	grove_defer(notes, (void *)(uintptr_t)"last");
	grove_defer(exits_here, (void *)(uintptr_t)"exits");
	grove_defer(notes, (void *)(uintptr_t)"first");
	return arg;
}

static void test_all_deferred_run_though_one_exits(void **state)
{
	grove_greenlet *g = grove_spawn(defers_an_exit, (void *)7);
	void *value = NULL;

	(void)state;
	assert_int_equal(grove_get(g, &value, GROVE_FOREVER), 0);
	assert_ptr_equal(value, (void *)7);
	assert_string_equal(api_log, "first exits last");
	grove_release(g);
}

static void kills_itself(void *arg)
{
	(void)arg;
	grove_kill(grove_current(), 0);
	note("%s", grove_sleep(1) < 0 ? "killed" : "alive");
}

static void sleeps(void *arg)
{
	(void)arg;
	note("%s", grove_sleep(1) < 0 ? strerrorname_np(errno) : "slept");
}

static void test_callbacks_go_on(void **state)
{
	(void)state;
	assert_int_equal(grove_call_soon(exits_here, (void *)(uintptr_t)"exits"), 0);
	assert_int_equal(grove_call_soon(kills_itself, NULL), 0);
	assert_int_equal(grove_call_soon(sleeps, NULL), 0);
	grove_sleep(GROVE_MS(1));
	assert_string_equal(api_log, "exits killed slept");
}

/* The handler's own wait is not ended by what its greenlet waited for before. */
static void on_signal(int sig)
{
	char c;

	(void)sig;
	note("handler");
	note(read(pipe_fds[0], &c, 1) == 1 ? "read" : "nothing");
}

static void *stops_then_writes(void *arg)
{
	raise(SIGUSR2);			/* for the main thread, which lets it in */
	kill(getpid(), SIGUSR1);
	grove_sleep(GROVE_MS(1));
	grove_stop();
	grove_sleep(GROVE_MS(1));
	note("write");
	assert_int_equal(write(pipe_fds[1], "x", 1), 1);
	return arg;
}

static void test_a_turn_given_while_a_handler_waits(void **state)
{
	grove_greenlet *g;

	(void)state;
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, SIG_IGN);
	g = grove_spawn(stops_then_writes, NULL);
	assert_int_equal(grove_run_forever(), 0);
	assert_string_equal(api_log, "handler write read");
	signal(SIGUSR1, SIG_DFL);
	assert_int_equal(grove_join(g, GROVE_FOREVER), 0);
	grove_release(g);
}

/* --- locks left behind ----------------------------------------------------------------------------------------------------------------------- */

static void *locks(void *arg)
{
	return (void *)(intptr_t)pthread_mutex_lock(arg);
}

static void test_robust_mutex_of_an_ended_greenlet(void **state)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t m;

	(void)state;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&m, &attr);
	for (int i = 0; i < 3; i++) {
		grove_greenlet *g = grove_spawn(locks, &m);
		void *err;

		assert_int_equal(grove_get(g, &err, GROVE_SEC(1)), 0);
		assert_int_equal((intptr_t)err, i ? EOWNERDEAD : 0);
		if (i)
			pthread_mutex_consistent(&m);
		grove_release(g);
	}
	pthread_mutex_destroy(&m);
	pthread_mutexattr_destroy(&attr);
}

/* --- the end of a process, in forked children --------------------------------------------------------------------------------------------------- */

static void *ends_last(void *arg)
{
	grove_sleep(GROVE_MS(20));
	return write(pipe_fds[1], "l", 1) == 1 ? arg : NULL;
}

/* @arg: another greenlet goes on after this one */
static void *forks(void *arg)
{
	int pid = fork(), status = -1;

	if (pid == 0) {
		alarm(20);
		if (arg)
			grove_spawn_raw(ends_last, NULL);
		return NULL;
	}
	waitpid(pid, &status, 0);
	note("%d", status);
	return NULL;
}

static void test_forked_child_ends_with_its_last_greenlet(void **state)
{
	char c = 0;

	(void)state;
	for (intptr_t more = 0; more < 2; more++) {
		grove_greenlet *g = grove_spawn(forks, (void *)more);

		assert_int_equal(grove_join(g, GROVE_FOREVER), 0);
		grove_release(g);
	}
	assert_string_equal(api_log, "0 0");
	assert_int_equal(read(pipe_fds[0], &c, 1), 1);
	assert_int_equal(c, 'l');
}

static void *makes_child_object(void *arg)
{
	int pid = fork();

	if (pid == 0)
		_exit(0);
	grove_child_new(pid);
	return arg;
}

static gr_time (*real_clock)(void);

/* The main thread is gone, and grove's own greenlet for the child ends before the program's last one. */
static void test_last_greenlet_outlives_a_service(void **state)
{
	int pid = fork(), status = -1;
	char c = 0;

	(void)state;
	if (pid == 0) {
		alarm(20);
		gr_clock_source = real_clock;
		grove_spawn_raw(makes_child_object, NULL);
		grove_spawn_raw(ends_last, NULL);
		pthread_exit(NULL);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(read(pipe_fds[0], &c, 1), 1);
}

/* --- native threads ------------------------------------------------------------------------------------------------------------------------------ */

static void hook_exits(grove_greenlet *g, void *arg)
{
	(void)g;
	if (arg != grove_current())
		pthread_exit(NULL);
}

static void *nothing(void *arg)
{
	return arg;
}

static void *native_exit_in_call(void *arg)
{
	note("%s", grove_spawn(nothing, arg) ? "spawned" : strerrorname_np(errno));
	return NULL;
}

static void *native_waits(void *arg)
{
	char c;

	note("%s", grove_wait_read(pipe_fds[0], GROVE_FOREVER) == 0 ? "ready" : strerrorname_np(errno));
	note(read(pipe_fds[0], &c, 1) == 1 ? "read" : "nothing");
	return arg;
}

static void run_native(void *(*fn)(void *))
{
	pthread_t t;

	api_natives++;
	assert_int_equal(gr_native_thread(&t, NULL, fn, NULL), 0);
	raw(SYS_nanosleep, &(struct timespec){ .tv_nsec = 20000000 }, 0);
	grove_yield();
	assert_int_equal(grove_shutdown(GROVE_SEC(1)), 0);
	assert_int_equal(write(pipe_fds[1], "x", 1), 1);
	assert_int_equal(pthread_join(t, NULL), 0);
	api_natives--;
}

static void test_native_call_survives_a_shutdown(void **state)
{
	(void)state;
	run_native(native_waits);
	assert_string_equal(api_log, "ready read");
}

static void test_native_call_that_is_cut_short(void **state)
{
	char c;

	(void)state;
	grove_add_spawn_callback(hook_exits, grove_current());
	run_native(native_exit_in_call);
	grove_remove_spawn_callback(hook_exits, grove_current());
	assert_string_equal(api_log, "ECANCELED");
	assert_int_equal(read(pipe_fds[0], &c, 1), 1);
}

static int begin(void **state)
{
	assert_int_equal(pipe(pipe_fds), 0);
	sem_init(&sem, 0, 0);
	real_clock = gr_clock_source;
	return api_begin(state) || grove_patch();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		api_test(test_kill_in_each_wait),
		api_test(test_kill_of_one_that_is_ending),
		api_test(test_unwinding_leaves_the_scope),
		api_test(test_all_deferred_run_though_one_exits),
		api_test(test_callbacks_go_on),
		api_test(test_a_turn_given_while_a_handler_waits),
		api_test(test_robust_mutex_of_an_ended_greenlet),
		api_test(test_forked_child_ends_with_its_last_greenlet),
		api_test(test_last_greenlet_outlives_a_service),
		api_test(test_native_call_survives_a_shutdown),
		api_test(test_native_call_that_is_cut_short),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
