/*
 * test_timeout.c - grove/timeout.h: scopes, shields, cancelling from outside; in grove's waits and in libc's
 */
#include "api.h"
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <time.h>

static void *sleeps_1s(void *arg)
{
	note("%s", grove_sleep(GROVE_SEC(1)) == 0 ? "slept" : strerrorname_np(errno));
	return arg;
}

/* --- one scope --------------------------------------------------------------------------------------------------------------------------- */

static void test_expires(void **state)
{
	struct grove_timeout t;

	(void)state;
	assert_int_equal(grove_timeout_start(&t, GROVE_MS(20)), 0);
	assert_true(grove_timeout_pending(&t));
	assert_int_equal(grove_sleep(GROVE_SEC(1)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(took(), GR_MS(20));
	assert_false(grove_timeout_pending(&t));
	assert_true(grove_timeout_expired(&t));
	assert_int_equal(grove_sleep(GROVE_SEC(1)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(grove_timeout_stop(&t), 1);
	assert_true(grove_timeout_expired(&t));
	assert_int_equal(grove_sleep(GROVE_MS(5)), 0);
	assert_int_equal(took(), GR_MS(25));
}

static void test_in_time(void **state)
{
	struct grove_timeout t;

	(void)state;
	grove_timeout_start(&t, GROVE_MS(20));
	assert_int_equal(grove_sleep(GROVE_MS(19)), 0);
	assert_int_equal(grove_timeout_stop(&t), 0);
	assert_false(grove_timeout_expired(&t));
	assert_int_equal(grove_sleep(GROVE_MS(19)), 0);
}

static void test_a_wait_that_ends_first_is_no_timeout(void **state)
{
	struct grove_timeout t;

	(void)state;
	grove_timeout_start(&t, GROVE_MS(20));
	assert_int_equal(grove_wait_read(STDERR_FILENO + 1000, GROVE_MS(1)), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(grove_sleep(GROVE_MS(20) - 1), 0);
	assert_int_equal(grove_timeout_stop(&t), 0);
}

static void test_reschedule(void **state)
{
	struct grove_timeout t;

	(void)state;
	grove_timeout_start(&t, GROVE_MS(20));
	grove_sleep(GROVE_MS(10));
	assert_int_equal(grove_timeout_reschedule(&t, GROVE_MS(50)), 0);
	assert_int_equal(grove_sleep(GROVE_SEC(1)), -1);
	assert_int_equal(took(), GR_MS(60));
	assert_int_equal(grove_timeout_reschedule(&t, GROVE_MS(50)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(grove_timeout_stop(&t), 1);
}

static void test_fail_at(void **state)
{
	struct grove_timeout t;

	(void)state;
	assert_int_equal(grove_fail_at(&t, grove_now() + GROVE_MS(5)), 0);
	assert_int_equal(grove_sleep(GROVE_SEC(1)), -1);
	assert_int_equal(grove_timeout_stop(&t), 1);
	assert_int_equal(took(), GR_MS(5));
}

static void test_misuse(void **state)
{
	struct grove_timeout t, never = { { 0 } };

	(void)state;
	assert_int_equal(grove_timeout_start(NULL, 1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_timeout_start(&t, -1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_timeout_stop(&never), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(grove_timeout_stop(NULL), -1);
	assert_int_equal(grove_timeout_cancel(&never), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(grove_timeout_start(&t, GROVE_FOREVER), 0);
	assert_int_equal(grove_timeout_start(&t, GROVE_FOREVER), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_timeout_stop(&t), 0);
	assert_int_equal(grove_timeout_stop(&t), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(grove_with_timeout(1, NULL, NULL, NULL), -1);
	assert_int_equal(errno, EINVAL);
}

/* --- scopes in scopes ---------------------------------------------------------------------------------------------------------------------- */

static void test_nested(void **state)
{
	static const struct row {
		int64_t outer, inner;
		int want_outer, want_inner;
		gr_time took;
	} rows[] = {
		{ GROVE_MS(10), GROVE_MS(30), 1, 0, GR_MS(10) },
		{ GROVE_MS(30), GROVE_MS(10), 0, 1, GR_MS(10) },
		{ GROVE_MS(10), GROVE_MS(10), 1, 1, GR_MS(10) },
		{ GROVE_FOREVER, GROVE_MS(10), 0, 1, GR_MS(10) },
		{ GROVE_MS(10), GROVE_FOREVER, 1, 0, GR_MS(10) },
		{ 0, GROVE_MS(10), 1, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < GR_LENGTH(rows); i++) {
		struct grove_timeout outer, inner;

		api_clear(NULL);
		grove_timeout_start(&outer, rows[i].outer);
		grove_timeout_start(&inner, rows[i].inner);
		assert_int_equal(grove_sleep(GROVE_SEC(1)), -1);
		assert_int_equal(errno, ETIMEDOUT);
		assert_int_equal(took(), rows[i].took);
		assert_int_equal(grove_timeout_stop(&inner), rows[i].want_inner);
		assert_int_equal(grove_timeout_stop(&outer), rows[i].want_outer);
	}
}

static void test_stopping_the_outer_stops_the_inner(void **state)
{
	struct grove_timeout outer, inner;

	(void)state;
	grove_timeout_start(&outer, GROVE_MS(10));
	grove_timeout_start(&inner, GROVE_MS(20));
	assert_int_equal(grove_timeout_stop(&outer), 0);
	assert_int_equal(grove_timeout_stop(&inner), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(grove_sleep(GROVE_MS(50)), 0);
}

static void test_shield(void **state)
{
	struct grove_timeout outer, shield, inner;

	(void)state;
	grove_timeout_start(&outer, GROVE_MS(10));
	grove_shield_start(&shield);
	assert_int_equal(grove_sleep(GROVE_MS(30)), 0);
	grove_timeout_start(&inner, GROVE_MS(5));
	assert_int_equal(grove_sleep(GROVE_MS(30)), -1);
	assert_int_equal(grove_timeout_stop(&inner), 1);
	assert_int_equal(grove_timeout_stop(&shield), 0);
	assert_int_equal(grove_sleep(GROVE_MS(30)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(grove_timeout_stop(&outer), 1);
	assert_int_equal(took(), GR_MS(35));
}

static void test_with_timeout(void **state)
{
	void *value = NULL;

	(void)state;
	assert_int_equal(grove_with_timeout(GROVE_MS(10), sleeps_1s, &value, &value), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_ptr_equal(value, &value);
	assert_int_equal(grove_with_timeout(GROVE_SEC(10), sleeps_1s, NULL, NULL), 0);
	assert_int_equal(grove_move_on_after(GROVE_MS(10), sleeps_1s, NULL, NULL), 1);
	assert_int_equal(grove_move_on_after(GROVE_SEC(10), sleeps_1s, NULL, NULL), 0);
	assert_string_equal(api_log, "ETIMEDOUT slept ETIMEDOUT slept");
}

/* --- from outside --------------------------------------------------------------------------------------------------------------------------- */

static void *scoped(void *arg)
{
	struct grove_timeout *t = arg;
	int r;

	grove_timeout_start(t, GROVE_SEC(10));
	note("%s", grove_sleep(GROVE_SEC(1)) == 0 ? "slept" : strerrorname_np(errno));
	note("%s", grove_sleep(GROVE_SEC(1)) == 0 ? "slept" : strerrorname_np(errno));
	r = grove_timeout_stop(t);
	note("%d", r);
	note("%s", grove_sleep(GROVE_SEC(1)) == 0 ? "slept" : strerrorname_np(errno));
	return NULL;
}

static void test_cancel_from_outside(void **state)
{
	struct grove_timeout t = { { 0 } };
	grove_greenlet *g = grove_spawn(scoped, &t);

	(void)state;
	grove_sleep(GROVE_MS(3));
	assert_int_equal(grove_timeout_cancel(&t), 0);
	grove_join(g, GROVE_FOREVER);
	assert_string_equal(api_log, "ECANCELED ECANCELED 2 slept");
	assert_true(grove_timeout_cancelled(&t));
	assert_false(grove_timeout_expired(&t));
	assert_int_equal(took(), GR_MS(3) + GR_SEC(1));
	grove_release(g);
}

/* --- libc's own calls ------------------------------------------------------------------------------------------------------------------------ */

static int fds[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t sem;

static int reads(void) { char c; return (int)read(fds[0], &c, 1); }
static int receives(void) { char c; return (int)recv(fds[0], &c, 1, 0); }
static int polls(void) { struct pollfd p = { .fd = fds[0], .events = POLLIN }; return poll(&p, 1, -1); }
static int sleeps(void) { return nanosleep(&(struct timespec){ 1, 0 }, NULL); }
static int waits_sem(void) { return sem_wait(&sem); }

static int waits_cond(void)
{
	int r;

	pthread_mutex_lock(&mutex);
	r = pthread_cond_wait(&cond, &mutex);
	pthread_mutex_unlock(&mutex);
	errno = r;
	return r ? -1 : 0;
}

static void *sleeping_thread(void *arg)
{
	sleep(1);
	return arg;
}

static int joins(void)
{
	static pthread_t thread;
	int r;

	if (!thread)
		pthread_create(&thread, NULL, sleeping_thread, NULL);
	r = pthread_join(thread, NULL);
	errno = r;
	return r ? -1 : 0;
}

static void test_libc(void **state)
{
	static const struct row {
		const char *name;
		int (*call)(void);
	} rows[] = {
		{ "read", reads }, { "recv", receives }, { "poll", polls }, { "nanosleep", sleeps }, { "sem_wait", waits_sem },
		{ "pthread_cond_wait", waits_cond }, { "pthread_join", joins },
	};

	(void)state;
	sem_init(&sem, 0, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	for (size_t i = 0; i < GR_LENGTH(rows); i++) {
		struct grove_timeout t;

		api_clear(NULL);
		grove_timeout_start(&t, GROVE_MS(7));
		if (rows[i].call() != -1 || errno != ETIMEDOUT || took() != GR_MS(7))
			fail_msg("%s: errno %d, after %ld ns", rows[i].name, errno, (long)took());
		if (grove_timeout_stop(&t) != 1)
			fail_msg("%s: not its own", rows[i].name);
	}
	assert_int_equal(joins(), 0);
	close(fds[0]);
	close(fds[1]);
	sem_destroy(&sem);
}

static void *reads_and_notes(void *arg)
{
	errno = 0;
	note("%d", reads());
	note("%s", strerrorname_np(errno));
	return arg;
}

static void test_kill_in_read(void **state)
{
	grove_greenlet *g = grove_spawn(reads_and_notes, NULL);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	grove_yield();
	assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "-1 ECANCELED");
	close(fds[0]);
	close(fds[1]);
	grove_release(g);
}

static int patched_begin(void **state)
{
	return api_begin(state) || grove_patch();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		api_test(test_expires),
		api_test(test_in_time),
		api_test(test_a_wait_that_ends_first_is_no_timeout),
		api_test(test_reschedule),
		api_test(test_fail_at),
		api_test(test_misuse),
		api_test(test_nested),
		api_test(test_stopping_the_outer_stops_the_inner),
		api_test(test_shield),
		api_test(test_with_timeout),
		api_test(test_cancel_from_outside),
		api_test(test_libc),
		api_test(test_kill_in_read),
	};

	return cmocka_run_group_tests(tests, patched_begin, NULL);
}
