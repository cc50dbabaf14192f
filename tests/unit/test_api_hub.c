/*
 * test_api_hub.c - grove/hub.h: sleeping, descriptors, libev watchers, callbacks, signals, native threads, running until done
 */
#include "api.h"
#include <ev.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <time.h>

static void *sleeps(void *arg)
{
	note("%s", grove_sleep((int64_t)(intptr_t)arg) == 0 ? "slept" : strerrorname_np(errno));
	return arg;
}

/* --- time ------------------------------------------------------------------------------------------------------------------------------------ */

static void test_sleep(void **state)
{
	(void)state;
	errno = EIO;
	assert_int_equal(grove_sleep(GROVE_MS(3)), 0);
	assert_int_equal(errno, EIO);
	assert_int_equal(took(), GR_MS(3));
	assert_int_equal(grove_sleep(-1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_sleep(0), 0);
	assert_int_equal(took(), GR_MS(3));
}

static void *yields(void *arg)
{
	for (int i = 0; i < 3; i++) {
		note("%s%d", (const char *)arg, i);
		grove_yield();
	}
	return NULL;
}

static void test_yield_and_idle(void **state)
{
	grove_greenlet *a = grove_spawn(yields, "a"), *b = grove_spawn(yields, "b");

	(void)state;
	assert_int_equal(grove_idle(), 0);
	note("idle");
	assert_string_equal(api_log, "a0 b0 a1 b1 a2 b2 idle");
	assert_true(grove_ready(a) && grove_ready(b));
	grove_release(a);
	grove_release(b);
}

static atomic_int spins_on;

static void *sets_it(void *arg)
{
	spins_on = 1;
	return arg;
}

/* Cooperative unless it is asked for: then a greenlet that spins lets the other set what it spins on. */
static void test_preempt(void **state)
{
	grove_greenlet *g = grove_spawn(sets_it, NULL);

	(void)state;
	assert_int_equal(grove_preempt(-1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_preempt(GROVE_SEC(3601)), -1);
	for (clock_t end = clock() + CLOCKS_PER_SEC / 10; clock() < end;)
		assert_int_equal(spins_on, 0);
	assert_int_equal(grove_preempt(GROVE_MS(1)), 0);
	while (!spins_on)
		continue;
	assert_int_equal(grove_join(g, GROVE_FOREVER), 0);
	grove_release(g);
	assert_int_equal(grove_preempt(0), 0);
	spins_on = 0;
	g = grove_spawn(sets_it, NULL);
	for (clock_t end = clock() + CLOCKS_PER_SEC / 10; clock() < end;)
		assert_int_equal(spins_on, 0);
	assert_int_equal(grove_join(g, GROVE_FOREVER), 0);
	grove_release(g);
}

static void *yields_until_killed(void *arg)
{
	while (grove_yield() == 0)
		;
	note("%s", strerrorname_np(errno));
	return arg;
}

static void test_kill_in_yield(void **state)
{
	grove_greenlet *g = grove_spawn(yields_until_killed, NULL);

	(void)state;
	grove_yield();
	assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "ECANCELED");
	grove_release(g);
}

/* --- descriptors --------------------------------------------------------------------------------------------------------------------------------- */

static void *writes_later(void *arg)
{
	grove_sleep(GROVE_MS(10));
	assert_int_equal(write(*(int *)arg, "x", 1), 1);
	return NULL;
}

static void test_wait_read(void **state)
{
	int p[2];
	grove_greenlet *g;

	(void)state;
	assert_int_equal(pipe(p), 0);
	g = grove_spawn(writes_later, &p[1]);
	assert_int_equal(grove_wait_read(p[0], 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_wait_read(p[0], GROVE_MS(5)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(grove_wait_write(p[1], GROVE_FOREVER), 0);
	assert_int_equal(grove_wait_read(p[0], GROVE_FOREVER), 0);
	assert_int_equal(took(), GR_MS(10));
	assert_int_equal(grove_wait_either(p[1], GROVE_READ | GROVE_WRITE, GROVE_FOREVER), GROVE_WRITE);
	assert_int_equal(grove_wait_either(p[1], 0, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_wait_either(p[1], 4, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_wait_read(-1, 0), -1);
	assert_int_equal(errno, EBADF);
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
	close(p[0]);
	assert_int_equal(grove_wait_either(p[1], GROVE_WRITE, GROVE_FOREVER), GROVE_WRITE);	/* an error counts as ready */
	close(p[1]);
}

static void *reads_blocking(void *arg)
{
	char c;

	note("%s", grove_wait_read(*(int *)arg, GROVE_FOREVER) < 0 ? strerrorname_np(errno) : "ready");
	return read(*(int *)arg, &c, 0) ? arg : NULL;
}

static void test_kill_while_waiting_for_a_descriptor(void **state)
{
	int p[2];
	grove_greenlet *g;

	(void)state;
	assert_int_equal(pipe(p), 0);
	g = grove_spawn(reads_blocking, &p[0]);
	grove_yield();
	assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "ECANCELED");
	grove_release(g);
	close(p[0]);
	close(p[1]);
}

/* --- the libev loop ---------------------------------------------------------------------------------------------------------------------------------- */

static void on_io(struct ev_loop *loop, struct ev_io *io, int events)
{
	char c;

	assert_int_equal(read(io->fd, &c, 1), 1);
	note("io%d", events);
	ev_io_stop(loop, io);
	grove_stop();
}

static void test_loop(void **state)
{
	struct ev_loop *loop = grove_loop();
	struct ev_io io;
	int p[2];
	grove_greenlet *g;

	(void)state;
	assert_non_null(loop);
	assert_ptr_equal(grove_loop(), loop);
	assert_int_equal(pipe(p), 0);
	ev_io_init(&io, on_io, p[0], EV_READ);
	ev_io_start(loop, &io);
	g = grove_spawn(writes_later, &p[1]);
	assert_int_equal(grove_run_forever(), 0);
	assert_string_equal(api_log, "io1");
	/* started while its greenlet waits */
	ev_io_start(loop, &io);
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(grove_run_forever(), 0);
	assert_string_equal(api_log, "io1 io1");
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
	close(p[0]);
	close(p[1]);
}

/* --- callbacks -------------------------------------------------------------------------------------------------------------------------------------------- */

static void called(void *arg)
{
	note("%s", (const char *)arg);
}

static void test_call_soon(void **state)
{
	(void)state;
	assert_int_equal(grove_call_soon(called, "a"), 0);
	assert_int_equal(grove_call_soon(called, "b"), 0);
	assert_int_equal(grove_call_soon_threadsafe(called, "c"), 0);
	assert_int_equal(grove_call_soon(NULL, NULL), -1);
	assert_int_equal(errno, EINVAL);
	note("asked");
	grove_sleep(GROVE_MS(1));
	assert_string_equal(api_log, "asked a b c");
}

static int wake_fd;

static void stops(void *arg)
{
	called(arg);
	grove_stop();
}

static void *native(void *arg)
{
	int64_t one = 1;

	assert_int_equal(grove_call_soon_threadsafe(called, "soon"), 0);
	assert_null(grove_current());
	errno = EIO;
	assert_int_equal(grove_sleep(0), 0);		/* carried out by a greenlet */
	assert_int_equal(errno, EIO);
	assert_int_equal(grove_sleep(-1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_join((grove_greenlet *)arg, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(write(wake_fd, &one, sizeof(one)), sizeof(one));
	assert_int_equal(grove_call_soon_threadsafe(stops, "stop"), 0);
	return NULL;
}

static void *waits_for_wake(void *arg)
{
	grove_wait_read(wake_fd, GROVE_FOREVER);
	note("woken");
	return arg;
}

static void test_native_threads(void **state)
{
	grove_greenlet *g;
	pthread_t thread;

	(void)state;
	wake_fd = eventfd(0, EFD_CLOEXEC);
	g = grove_spawn(waits_for_wake, NULL);
	api_natives++;
	gr_carrier()->outside++;		/* it is one of grove's own threads, which are known to come back only if that is said */
	assert_int_equal(gr_native_thread(&thread, NULL, native, g), 0);
	assert_int_equal(grove_run_forever(), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(grove_join(g, GROVE_FOREVER), 0);
	gr_carrier()->outside--;
	api_natives--;
	assert_true(!strcmp(api_log, "soon woken stop") || !strcmp(api_log, "soon stop woken"));
	grove_release(g);
	close(wake_fd);
}

/* --- signals ------------------------------------------------------------------------------------------------------------------------------------------------ */

static void on_signal(int sig, void *arg)
{
	grove_sleep(GROVE_MS(1));
	note("%s%d", (const char *)arg, sig == SIGUSR1);
	grove_stop();
}

static void test_signal(void **state)
{
	(void)state;
	assert_int_equal(grove_signal(SIGUSR1, on_signal, "usr"), 0);
	assert_int_equal(kill(getpid(), SIGUSR1), 0);
	assert_int_equal(grove_run_forever(), 0);
	assert_int_equal(kill(getpid(), SIGUSR1), 0);
	assert_int_equal(grove_run_forever(), 0);
	assert_string_equal(api_log, "usr1 usr1");
	assert_int_equal(grove_signal(SIGUSR1, NULL, NULL), 0);
	assert_int_equal(grove_signal(SIGKILL, on_signal, NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_signal(99, on_signal, NULL), -1);
	assert_int_equal(errno, EINVAL);
}

static void handler(int sig)
{
	(void)sig;
	note("handler");
}

static void *raises(void *arg)
{
	grove_sleep(GROVE_MS(1));
	kill(getpid(), SIGUSR2);
	return arg;
}

/* A handler runs while main waits, and the wait goes on. */
static void test_handler_does_not_end_a_wait(void **state)
{
	grove_greenlet *g = grove_spawn(raises, NULL);

	(void)state;
	signal(SIGUSR2, handler);
	assert_int_equal(grove_sleep(GROVE_MS(20)), 0);
	note("slept");
	assert_int_equal(took(), GR_MS(20));
	assert_string_equal(api_log, "handler slept");
	signal(SIGUSR2, SIG_DFL);
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
}

/* --- run ------------------------------------------------------------------------------------------------------------------------------------------------------ */

static void *main_greenlet(void *arg)
{
	grove_spawn_raw(sleeps, (void *)GROVE_SEC(100));
	grove_sleep(GROVE_MS(2));
	return arg;
}

/* Where standard error goes meanwhile */
static int capture_stderr(int *ret_saved)
{
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	*ret_saved = dup(STDERR_FILENO);
	dup2(p[1], STDERR_FILENO);
	close(p[1]);
	return p[0];
}

static const char *captured(int fd, int saved)
{
	static char text[4096];
	ssize_t n;

	dup2(saved, STDERR_FILENO);
	close(saved);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void test_run_reports_who_is_left(void **state)
{
	void *value = NULL;
	int saved, fd = capture_stderr(&saved);
	int r = grove_run(main_greenlet, &value, &value);
	const char *text = captured(fd, saved);

	(void)state;
	assert_int_equal(r, 0);
	assert_ptr_equal(value, &value);
	assert_string_equal(api_log, "ECANCELED");
	assert_non_null(strstr(text, "grove: left over: greenlet-"));
	assert_non_null(strstr(text, "sleep"));
	assert_int_equal(took(), GR_MS(2));
}

static void *fails(void *arg)
{
	return grove_fail((int)(intptr_t)arg);
}

static void test_run_until(void **state)
{
	grove_greenlet *g = grove_spawn(sleeps, (void *)GROVE_MS(5));

	(void)state;
	assert_int_equal(grove_run_until(g), 0);
	assert_string_equal(api_log, "slept");
	assert_int_equal(grove_run_until(NULL), -1);
	assert_int_equal(errno, EINVAL);
	grove_release(g);
}

static void test_run_fails(void **state)
{
	(void)state;
	assert_int_equal(grove_run(fails, (void *)EIO, NULL), -1);
	assert_int_equal(errno, EIO);
	assert_int_equal(grove_run(NULL, NULL, NULL), -1);
	assert_int_equal(errno, EINVAL);
}

static void *waits_for_main(void *arg)
{
	note("%s", grove_join(arg, GROVE_FOREVER) == 0 ? "ended" : strerrorname_np(errno));
	return NULL;
}

static void *waits_for_event(void *arg)
{
	grove_event_wait(arg, GROVE_FOREVER);
	return NULL;
}

/* More workers idle than are kept for ever: the time after which some of them end wakes nobody. */
static void test_would_block_forever_beside_idle_workers(void **state)
{
	enum { CROWD = 1200 };
	grove_event *go = grove_event_new();
	grove_group *all = grove_group_new();
	int saved, fd, err;

	(void)state;
	for (int i = 0; i < CROWD; i++)
		assert_non_null(grove_group_spawn(all, waits_for_event, go));
	grove_yield();
	grove_event_set(go);
	assert_int_equal(grove_group_join(all, GROVE_FOREVER, 0), 0);
	grove_event_clear(go);
	api_clear(state);
	fd = capture_stderr(&saved);
	err = grove_event_wait(go, GROVE_FOREVER) == -1 ? errno : 0;
	captured(fd, saved);
	assert_int_equal(err, EDEADLK);
	assert_int_equal(took(), 0);
	grove_group_free(all);
	grove_event_free(go);
}

static void test_would_block_forever(void **state)
{
	grove_greenlet *g = grove_spawn(waits_for_main, grove_current());
	int saved, fd = capture_stderr(&saved);
	int r = grove_join(g, GROVE_FOREVER), err = errno;
	const char *text = captured(fd, saved);

	(void)state;
	assert_int_equal(r, -1);
	assert_int_equal(err, EDEADLK);
	assert_non_null(strstr(text, "would block forever"));
	assert_non_null(strstr(text, "main (id 1)"));
	assert_non_null(strstr(text, "waits for greenlet main"));
	grove_kill(g, GROVE_FOREVER);
	grove_release(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		api_test(test_would_block_forever),
		api_test(test_would_block_forever_beside_idle_workers),
		api_test(test_sleep),
		api_test(test_yield_and_idle),
		api_test(test_preempt),
		api_test(test_kill_in_yield),
		api_test(test_wait_read),
		api_test(test_kill_while_waiting_for_a_descriptor),
		api_test(test_loop),
		api_test(test_call_soon),
		api_test(test_native_threads),
		api_test(test_signal),
		api_test(test_handler_does_not_end_a_wait),
		api_test(test_run_reports_who_is_left),
		api_test(test_run_until),
		api_test(test_run_fails),
	};

	return cmocka_run_group_tests(tests, api_begin, NULL);
}
