/*
 * test_greenlet.c - grove/greenlet.h: spawn, join, get, kill, throw, link, defer, names, hooks, thread-local variables
 */
#include "api.h"
#include "tools.h"
#include "signal.h"
#include "signal_parts.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

/* --- functions greenlets run ------------------------------------------------------------------------------------------------------- */

static void *gives_back(void *arg)
{
	return arg;
}

static void *sleeps(void *arg)
{
	int r = grove_sleep((int64_t)(intptr_t)arg);

	note("%s", r == 0 ? "slept" : strerrorname_np(errno));
	return arg;
}

static void *fails(void *arg)
{
	return grove_fail((int)(intptr_t)arg);
}

static void *stubborn(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++)
		note("%s", grove_sleep(GROVE_SEC(1)) == 0 ? "slept" : strerrorname_np(errno));
	return NULL;
}

/* --- spawn and join ------------------------------------------------------------------------------------------------------------------ */

static void test_spawn_get(void **state)
{
	grove_greenlet *g = grove_spawn(gives_back, (void *)42);
	void *value = NULL;

	(void)state;
	assert_non_null(g);
	assert_false(grove_started(g));
	assert_false(grove_ready(g));
	assert_int_equal(grove_get(g, &value, GROVE_FOREVER), 0);
	assert_ptr_equal(value, (void *)42);
	assert_true(grove_ready(g));
	assert_true(grove_successful(g));
	assert_true(grove_dead(g));
	assert_ptr_equal(grove_value(g), (void *)42);
	assert_int_equal(grove_error(g), 0);
	grove_release(g);
}

static void *notes_name(void *arg)
{
	note("%s", (const char *)arg);
	return NULL;
}

static void test_starts_in_order(void **state)
{
	static const char *const names[] = { "a", "b", "c" };
	grove_greenlet *g[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		g[i] = grove_spawn(notes_name, (void *)(uintptr_t)names[i]);
	note("spawned");
	assert_int_equal(grove_joinall(g, 3, 0, GROVE_FOREVER, 0), 3);
	assert_string_equal(api_log, "spawned a b c");
	for (int i = 0; i < 3; i++)
		grove_release(g[i]);
}

static void test_join_times_out(void **state)
{
	grove_greenlet *g = grove_spawn(sleeps, (void *)GROVE_MS(100));

	(void)state;
	assert_int_equal(grove_join(g, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(grove_join(g, GROVE_MS(30)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(took(), GR_MS(30));
	assert_int_equal(grove_join(g, GROVE_FOREVER), 0);
	assert_int_equal(took(), GR_MS(100));
	grove_release(g);
}

static void test_join_oneself(void **state)
{
	(void)state;
	assert_int_equal(grove_join(grove_current(), GROVE_FOREVER), -1);
	assert_int_equal(errno, EDEADLK);
}

static void test_misuse(void **state)
{
	struct grove_spawn_attr attr = { .size = 1 };
	int not_one = 0;

	(void)state;
	assert_null(grove_spawn(NULL, NULL));
	assert_int_equal(errno, EINVAL);
	assert_null(grove_spawn_with(&attr, gives_back, NULL));
	assert_int_equal(errno, EINVAL);
	attr = (struct grove_spawn_attr){ .size = sizeof(attr), .stack_size = 100 };
	assert_null(grove_spawn_with(&attr, gives_back, NULL));
	assert_int_equal(errno, EINVAL);
	assert_null(grove_spawn_later(-1, gives_back, NULL));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_join(NULL, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_join((grove_greenlet *)&not_one, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_join(grove_current(), -1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_kill(NULL, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(grove_throw(grove_current(), 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_true(grove_dead(NULL));
	assert_false(grove_ready(NULL));
	grove_release(NULL);
}

static void test_fail(void **state)
{
	grove_greenlet *g = grove_spawn(fails, (void *)EIO);
	void *value = &g;

	(void)state;
	assert_int_equal(grove_get(g, &value, GROVE_FOREVER), -1);
	assert_int_equal(errno, EIO);
	assert_ptr_equal(value, &g);
	assert_false(grove_successful(g));
	assert_int_equal(grove_error(g), EIO);
	grove_release(g);
}

static void *exits(void *arg)
{
	pthread_exit(arg);
}

static void test_pthread_exit(void **state)
{
	grove_greenlet *g = grove_spawn(exits, NULL);

	(void)state;
	assert_int_equal(grove_get(g, NULL, GROVE_FOREVER), -1);
	assert_int_equal(errno, ECANCELED);
	grove_release(g);
}

/* --- later ----------------------------------------------------------------------------------------------------------------------------- */

static void test_spawn_later(void **state)
{
	grove_greenlet *g = grove_spawn_later(GROVE_MS(70), gives_back, (void *)1);

	(void)state;
	assert_int_equal(grove_join(g, GROVE_FOREVER), 0);
	assert_int_equal(took(), GR_MS(70));
	assert_ptr_equal(grove_value(g), (void *)1);
	grove_release(g);
}

static void test_cancel_before_start(void **state)
{
	grove_greenlet *later = grove_spawn_later(GROVE_SEC(70), notes_name, "never"), *now = grove_spawn(notes_name, "never");

	(void)state;
	assert_int_equal(grove_kill(now, GROVE_FOREVER), 0);
	assert_int_equal(grove_kill(later, GROVE_FOREVER), 0);
	assert_int_equal(grove_error(later), ECANCELED);
	assert_int_equal(grove_error(now), ECANCELED);
	assert_int_equal(took(), 0);
	assert_string_equal(api_log, "");
	assert_int_equal(grove_kill(later, 0), -1);
	assert_int_equal(errno, ESRCH);
	grove_release(later);
	grove_release(now);
}

/* --- kill and throw -------------------------------------------------------------------------------------------------------------------- */

static void test_kill(void **state)
{
	grove_greenlet *g = grove_spawn(stubborn, NULL);

	(void)state;
	grove_yield();
	assert_true(grove_started(g));
	assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "ECANCELED ECANCELED ECANCELED");
	assert_int_equal(grove_error(g), ECANCELED);
	assert_int_equal(took(), 0);
	grove_release(g);
}

static void *shielded(void *arg)
{
	struct grove_timeout t;

	(void)arg;
	grove_shield_start(&t);
	note("%d", grove_sleep(GROVE_MS(50)));
	grove_timeout_stop(&t);
	note("%d", grove_sleep(GROVE_MS(50)));
	return NULL;
}

static void test_kill_times_out_at_a_shield(void **state)
{
	grove_greenlet *g = grove_spawn(shielded, NULL);

	(void)state;
	grove_yield();
	assert_int_equal(grove_kill(g, GROVE_MS(10)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(grove_join(g, GROVE_FOREVER), 0);
	assert_int_equal(took(), GR_MS(50));
	assert_string_equal(api_log, "0 -1");
	grove_release(g);
}

static void test_killall(void **state)
{
	grove_greenlet *g[4] = { grove_spawn(stubborn, NULL), NULL, grove_spawn(sleeps, (void *)GROVE_SEC(9)), grove_spawn(gives_back, NULL) };

	(void)state;
	grove_yield();
	assert_int_equal(grove_killall(g, 4, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "ECANCELED ECANCELED ECANCELED ECANCELED");
	for (int i = 0; i < 4; i++)
		grove_release(g[i]);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

static void cleaned(void *arg)
{
	note("%s", (const char *)arg);
}

static void *waits_for_cond(void *arg)
{
	pthread_mutex_lock(&mutex);
	pthread_cleanup_push(cleaned, "cleanup");
	for (;;)
		pthread_cond_wait(&cond, &mutex);
	pthread_cleanup_pop(0);
	return arg;
}

static void test_kill_in_a_condition_wait(void **state)
{
	grove_greenlet *g = grove_spawn(waits_for_cond, NULL);

	(void)state;
	grove_yield();
	assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "cleanup");
	assert_int_equal(grove_error(g), ECANCELED);
	pthread_mutex_unlock(&mutex);
	grove_release(g);
}

static void test_throw(void **state)
{
	grove_greenlet *g = grove_spawn(stubborn, NULL), *unborn = grove_spawn(stubborn, NULL);

	(void)state;
	assert_int_equal(grove_throw(unborn, EPROTO), 0);
	grove_yield();
	assert_int_equal(grove_throw(g, EXDEV), 0);
	assert_int_equal(grove_get(g, NULL, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "EXDEV slept slept");
	assert_int_equal(grove_get(unborn, NULL, GROVE_FOREVER), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(grove_throw(g, EIO), -1);
	assert_int_equal(errno, ESRCH);
	grove_release(g);
	grove_release(unborn);
}

/* --- joinall ----------------------------------------------------------------------------------------------------------------------------- */

static void test_joinall(void **state)
{
	static const struct row {
		size_t count;
		int64_t timeout;
		unsigned flags;
		int want, err;
		gr_time took;
	} rows[] = {
		{ 0, GROVE_FOREVER, 0, 4, 0, GR_MS(40) },
		{ 2, GROVE_FOREVER, 0, 2, 0, GR_MS(20) },
		{ 0, GROVE_MS(25), 0, 2, 0, GR_MS(25) },
		{ 0, GROVE_FOREVER, GROVE_RAISE_ERROR, -1, EIO, GR_MS(30) },
		{ 9, GROVE_FOREVER, 0, 4, 0, GR_MS(40) },
		{ 0, -1, 0, -1, EINVAL, 0 },
		{ 0, 0, 8, -1, EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < GR_LENGTH(rows); i++) {
		grove_greenlet *g[4] = { grove_spawn(sleeps, (void *)GROVE_MS(10)), grove_spawn(sleeps, (void *)GROVE_MS(20)),
					 grove_spawn_later(GROVE_MS(30), fails, (void *)EIO), grove_spawn(sleeps, (void *)GROVE_MS(40)) };

		api_clear(NULL);
		assert_int_equal(grove_joinall(g, 4, rows[i].count, rows[i].timeout, rows[i].flags), rows[i].want);
		if (rows[i].err)
			assert_int_equal(errno, rows[i].err);
		assert_int_equal(took(), rows[i].took);
		grove_killall(g, 4, GROVE_FOREVER);
		for (int k = 0; k < 4; k++)
			grove_release(g[k]);
	}
}

/* --- links, hooks, defer ------------------------------------------------------------------------------------------------------------------ */

static void linked(grove_greenlet *g, void *arg)
{
	note("%s:%d", (const char *)arg, grove_error(g));
}

static void test_links(void **state)
{
	grove_greenlet *good = grove_spawn(gives_back, NULL), *bad = grove_spawn(fails, (void *)EIO);

	(void)state;
	assert_int_equal(grove_link(good, linked, "always"), 0);
	assert_int_equal(grove_link_value(good, linked, "value"), 0);
	assert_int_equal(grove_link_error(good, linked, "error"), 0);
	assert_int_equal(grove_link_value(bad, linked, "value"), 0);
	assert_int_equal(grove_link_error(bad, linked, "error"), 0);
	assert_int_equal(grove_link(bad, linked, "gone"), 0);
	assert_int_equal(grove_unlink(bad, linked, "gone"), 0);
	assert_int_equal(grove_unlink(bad, linked, "gone"), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(grove_link(bad, NULL, NULL), -1);
	assert_int_equal(errno, EINVAL);
	grove_joinall((grove_greenlet *[]){ good, bad }, 2, 0, GROVE_FOREVER, 0);
	assert_int_equal(grove_link(good, linked, "late"), 0);
	grove_yield();
	grove_yield();
	assert_string_equal(api_log, "always:0 value:0 error:5 late:0");
	grove_release(good);
	grove_release(bad);
}

static void defers_sleep(void *arg)
{
	note("%s:%d", (const char *)arg, grove_sleep(GROVE_MS(5)));
}

static void *defers(void *arg)
{
	grove_defer(defers_sleep, "first");
	grove_defer(defers_sleep, "second");
	note("%d", grove_sleep(GROVE_SEC(1)));
	return arg;
}

static void test_defer(void **state)
{
	grove_greenlet *g = grove_spawn(defers, NULL);

	(void)state;
	assert_int_equal(grove_defer(defers_sleep, NULL), -1);
	assert_int_equal(errno, ESRCH);
	grove_yield();
	assert_int_equal(grove_kill(g, GROVE_FOREVER), 0);
	assert_string_equal(api_log, "-1 second:0 first:0");
	assert_int_equal(took(), GR_MS(10));
	grove_release(g);
}

static void hooked(grove_greenlet *g, void *arg)
{
	note("%s-%s", (const char *)arg, grove_name(g));
	if (grove_error(g))
		note("%s", strerrorname_np(grove_error(g)));
}

static void *fails_with_eio(void *arg)
{
	(void)arg;
	return grove_fail(EIO);
}

static void test_hooks(void **state)
{
	struct grove_spawn_attr attr = { .size = sizeof(attr), .name = "x" };
	grove_greenlet *g;

	(void)state;
	assert_int_equal(grove_add_spawn_callback(hooked, "spawn"), 0);
	assert_int_equal(grove_add_end_callback(hooked, "end"), 0);
	g = grove_spawn_with(&attr, notes_name, "runs");
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
	attr.name = "y";
	g = grove_spawn_with(&attr, fails_with_eio, NULL);
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
	attr.name = "new";
	g = grove_spawn_with(&attr, notes_name, "never");
	grove_kill(g, GROVE_FOREVER);
	grove_release(g);
	attr.name = "later";
	attr.delay = GROVE_SEC(1);
	g = grove_spawn_with(&attr, notes_name, "never");
	grove_kill(g, GROVE_FOREVER);
	grove_release(g);
	assert_int_equal(grove_remove_spawn_callback(hooked, "spawn"), 0);
	assert_int_equal(grove_remove_end_callback(hooked, "end"), 0);
	assert_int_equal(grove_remove_end_callback(hooked, "end"), -1);
	assert_int_equal(errno, ESRCH);
	assert_string_equal(api_log, "spawn-x runs end-x spawn-y end-y EIO spawn-new end-new ECANCELED "
				     "spawn-later end-later ECANCELED");
}

static void removes_both(grove_greenlet *g, void *arg)
{
	(void)g;
	note("%s", (const char *)arg);
	assert_int_equal(grove_remove_end_callback(removes_both, "a"), 0);
	assert_int_equal(grove_remove_end_callback(removes_both, "b"), 0);
}

static void test_a_hook_removes_the_next(void **state)
{
	grove_greenlet *g;

	(void)state;
	assert_int_equal(grove_add_end_callback(removes_both, "a"), 0);
	assert_int_equal(grove_add_end_callback(removes_both, "b"), 0);
	for (int i = 0; i < 2; i++) {
		g = grove_spawn(gives_back, NULL);
		grove_join(g, GROVE_FOREVER);
		grove_release(g);
	}
	assert_string_equal(api_log, "a");
	assert_int_equal(grove_remove_end_callback(removes_both, "b"), -1);
	assert_int_equal(errno, ESRCH);
}

/* --- who is who ----------------------------------------------------------------------------------------------------------------------------- */

static void *has_parent(void *arg)
{
	*(uint64_t *)arg = grove_parent_id(grove_current());
	return NULL;
}

static void test_identity(void **state)
{
	uint64_t parent = 0;
	grove_greenlet *g = grove_spawn(has_parent, &parent);

	(void)state;
	assert_true(grove_id(g) > grove_id(grove_current()) || grove_id(g) != grove_id(grove_current()));
	grove_join(g, GROVE_FOREVER);
	assert_int_equal(parent, grove_id(grove_current()));
	assert_int_equal(grove_set_name(g, "worker"), 0);
	assert_string_equal(grove_name(g), "worker");
	assert_string_equal(grove_name(grove_current()), "main");
	grove_release(g);
}

static void test_detached(void **state)
{
	struct grove_spawn_attr attr = { .size = sizeof(attr), .flags = GROVE_DETACHED };

	(void)state;
	errno = EIO;
	assert_null(grove_spawn_with(&attr, notes_name, "detached"));
	assert_int_equal(errno, 0);
	assert_int_equal(grove_spawn_raw(notes_name, "raw"), 0);
	grove_yield();
	assert_string_equal(api_log, "detached raw");
}

static void test_spawning_stack(void **state)
{
	grove_greenlet *g;
	void *where[8];

	(void)state;
	grove_track_spawning(true);
	g = grove_spawn(gives_back, NULL);
	grove_track_spawning(false);
	assert_true(grove_spawning_stack(g, where, 8) > 1);
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
}

/* --- as new -------------------------------------------------------------------------------------------------------------------------------- */

static __thread int initialised = 7, zero;
static pthread_key_t key;

static void *spoils(void *arg)
{
	assert_int_equal(initialised, 7);
	assert_int_equal(zero, 0);
	assert_int_equal(errno, 0);
	assert_null(pthread_getspecific(key));
	initialised = zero = 1;
	errno = EIO;
	if (arg)
		pthread_setspecific(key, arg);
	return (void *)pthread_self();
}

static void key_ends(void *value)
{
	note("%s", (const char *)value);
}

static void test_thread_variables_are_new(void **state)
{
	(void)state;
	pthread_key_create(&key, key_ends);
	for (int i = 0; i < 6; i++) {
		grove_greenlet *g = grove_spawn(spoils, i % 2 ? (void *)(uintptr_t)"destroyed" : NULL);

		assert_int_equal(grove_get(g, NULL, GROVE_FOREVER), 0);
		note("%d", i);
		grove_release(g);
	}
	assert_string_equal(api_log, "0 destroyed 1 2 destroyed 3 4 destroyed 5");
	pthread_key_delete(key);
}

static void *self(void *arg)
{
	grove_sleep(GROVE_MS(1));
	(void)arg;
	return (void *)pthread_self();
}

static void test_each_is_a_thread(void **state)
{
	grove_greenlet *a = grove_spawn(self, NULL), *b = grove_spawn(self, NULL);
	void *x, *y;

	(void)state;
	assert_int_equal(grove_get(a, &x, GROVE_FOREVER), 0);
	assert_int_equal(grove_get(b, &y, GROVE_FOREVER), 0);
	assert_ptr_not_equal(x, y);
	assert_ptr_not_equal(x, (void *)pthread_self());
	grove_release(a);
	grove_release(b);
}

static void *has_mask(void *arg)
{
	sigset_t mask;

	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	note("%s %d%d", (char *)arg, sigismember(&mask, SIGUSR1), sigismember(&mask, SIGUSR2));
	return NULL;
}

static void spawns_one(void *arg)
{
	grove_spawn_raw(has_mask, arg);
}

static void *spawns_for_a_native(void *arg)
{
	grove_release(grove_spawn(has_mask, arg));
	return NULL;
}

/* Grove's own greenlets, which have all signals blocked, have a part in most of these. */
static void test_signal_mask_is_inherited(void **state)
{
	struct grove_spawn_attr attr = { .size = sizeof(attr), .stack_size = GROVE_STACK_MIN, .delay = GROVE_MS(2), .flags = GROVE_DETACHED };
	sigset_t usr2, before;
	pthread_t thread;

	(void)state;
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &usr2, &before);
	grove_spawn_raw(has_mask, "at once");
	grove_release(grove_spawn_later(GROVE_MS(1), has_mask, "later"));
	grove_spawn_with(&attr, has_mask, "later, new thread");
	grove_sleep(GROVE_MS(3));
	grove_call_soon(spawns_one, "callback");
	grove_sleep(GROVE_MS(1));
	api_natives++;
	assert_int_equal(gr_native_thread(&thread, NULL, spawns_for_a_native, "native"), 0);
	while (pthread_tryjoin_np(thread, NULL))
		grove_yield();
	api_natives--;
	grove_yield();
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	assert_string_equal(api_log, "at once 01 later 01 later, new thread 01 callback 01 native 01");
}

/* --- the threads they run on ---------------------------------------------------------------------------------------------------------- */

static void *waits_for_event(void *arg)
{
	grove_event_wait(arg, GROVE_FOREVER);
	return NULL;
}

static void crowd(int n)
{
	grove_event *go = grove_event_new();
	grove_greenlet **g = calloc((size_t)n, sizeof(*g));

	for (int i = 0; i < n; i++)
		assert_non_null(g[i] = grove_spawn(waits_for_event, go));
	grove_yield();
	grove_event_set(go);
	assert_int_equal(grove_joinall(g, (size_t)n, 0, GROVE_FOREVER, 0), n);
	for (int i = 0; i < n; i++)
		grove_release(g[i]);
	free(g);
	grove_event_free(go);
}

/* A burst that comes again soon makes no new threads; what nobody needs for a while is given back, down to 1,024. */
static void test_workers_that_are_left_over_end(void **state)
{
	unsigned before = gr_carrier0.stats.alive, made;
	enum { MANY = 2500, KEPT = 1024 };

	(void)state;
	crowd(MANY);
	made = (unsigned)gr_carrier0.stats.made;
	grove_sleep(GROVE_SEC(1));
	assert_true(gr_carrier0.stats.alive >= MANY);
	crowd(MANY);
	assert_int_equal((unsigned)gr_carrier0.stats.made, made);
	grove_sleep(GROVE_SEC(10));
	assert_true(gr_carrier0.stats.alive >= KEPT);
	assert_true(gr_carrier0.stats.alive <= KEPT + before);
	crowd(MANY);			/* and again */
	grove_sleep(GROVE_SEC(10));
	assert_true(gr_carrier0.stats.alive <= KEPT + before);
}

static void *ends_well(void *arg)
{
	crowd(10);
	return arg;
}

/* A forked child has none of them, and makes its own. */
static void test_workers_left_over_and_a_fork(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	crowd(1500);
	pid = fork();
	if (pid == 0) {
		grove_greenlet *g = grove_spawn(ends_well, &status);
		void *value;

		_exit(gr_carrier0.stats.alive > 3 || grove_get(g, &value, GROVE_FOREVER) != 0 || value != &status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	grove_sleep(GROVE_SEC(10));
}

static volatile int usr2_count;

static void on_usr2(int sig)
{
	(void)sig;
	usr2_count++;
}

/* SIGUSR2, with the default action, would end the process. */
static void test_resting_workers_let_nothing_in(void **state)
{
	const struct timespec at_once = { 0 };
	sigset_t usr2, before, pending;

	(void)state;
	crowd(10);
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &usr2, &before);
	kill(getpid(), SIGUSR2);
	sigpending(&pending);
	assert_int_equal(sigismember(&pending, SIGUSR2), 1);
	crowd(20);				/* they inherit the mask */
	assert_int_equal(sigtimedwait(&usr2, NULL, &at_once), SIGUSR2);
	assert_int_equal(sigtimedwait(&usr2, NULL, &at_once), -1);
	signal(SIGUSR2, on_usr2);
	kill(getpid(), SIGUSR2);
	grove_yield();
	assert_int_equal(usr2_count, 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	assert_int_equal(usr2_count, 1);
	crowd(10);
	kill(getpid(), SIGUSR2);
	assert_int_equal(usr2_count, 2);
	signal(SIGUSR2, SIG_DFL);
}

/* As at the end of a handler on the main greenlet: its mask is put back, and the kernel blocks everything until the signal return. */
static void test_closing_resting_workers_opens_nothing(void **state)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *main = c->main;
	uint64_t usr2 = 1ull << (SIGUSR2 - 1), before = main->sigmask;
	uint32_t inside = c->inside;

	(void)state;
	gr_signal_set_mask(before | usr2);
	crowd(20);				/* they inherit the mask, and rest */
	c->inside = GR_INSIDE;
	gr_signal_block_all();
	gr_signal_mask_of(main, before);
	assert_true(c->kernel_mask == ~0ull);
	gr_signal_apply();
	assert_true(c->kernel_mask != ~0ull);
	c->inside = inside;
	gr_signal_set_mask(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		api_test(test_spawn_get),
		api_test(test_starts_in_order),
		api_test(test_join_times_out),
		api_test(test_join_oneself),
		api_test(test_misuse),
		api_test(test_fail),
		api_test(test_pthread_exit),
		api_test(test_spawn_later),
		api_test(test_cancel_before_start),
		api_test(test_kill),
		api_test(test_kill_times_out_at_a_shield),
		api_test(test_killall),
		api_test(test_kill_in_a_condition_wait),
		api_test(test_throw),
		api_test(test_joinall),
		api_test(test_links),
		api_test(test_defer),
		api_test(test_hooks),
		api_test(test_a_hook_removes_the_next),
		api_test(test_identity),
		api_test(test_detached),
		api_test(test_spawning_stack),
		api_test(test_thread_variables_are_new),
		api_test(test_each_is_a_thread),
		api_test(test_signal_mask_is_inherited),
		api_test(test_workers_left_over_and_a_fork),
		api_test(test_resting_workers_let_nothing_in),
		api_test(test_closing_resting_workers_opens_nothing),
	};
	const struct CMUnitTest workers[] = { api_test(test_workers_that_are_left_over_end) };	/* under ASan each ends with its greenlet */
	int n_failed = cmocka_run_group_tests(tests, api_begin, NULL);

	return n_failed + (UNDER_ASAN ? 0 : cmocka_run_group_tests(workers, NULL, NULL));
}
