/*
 * test_offload.c - calls on real kernel threads: results, breaking off at every moment, threads that come and go
 *
 * Links: offload.c clone.S clock.c.  Greenlets are fake, and so is their clock; it jumps only when no result comes for a while.
 */
#include "fake_sched.h"
#include "arch/x86_64/arch.h"
#include "offload.h"
#include "hub.h"
#include "tools.h"
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

/* --- the hub's part ---------------------------------------------------------------------------------------------------------------- */

static int kick_fd = -1;
static int patience = 5000;		/* ms without a result until the clock jumps */
static int raised;

int gr_hub_kick_fd(void)
{
	return kick_fd;
}

int gr_hub_start(void)
{
	static struct gr_greenlet hub;

	gr_carrier0.hub = &hub;
	if (kick_fd < 0)
		kick_fd = eventfd(0, EFD_CLOEXEC);
	return 0;
}

int gr_signal_send(struct gr_greenlet *g, int sig, const siginfo_t *info)
{
	(void)g;
	assert_int_equal(info->si_signo, sig);
	raised = sig;
	return 0;
}

void gr_signal_own_action(void)
{
	struct sigaction act = { .sa_sigaction = gr_interrupt_handler, .sa_flags = SA_SIGINFO | SA_RESTART };

	assert_int_equal(sigaction(GR_SIG_INTERRUPT, &act, NULL), 0);
}

static bool fetch_results(void)
{
	struct pollfd p = { kick_fd, POLLIN, 0 };
	uint64_t n;

	if (poll(&p, 1, patience) != 1 || read(kick_fd, &n, sizeof(n)) != sizeof(n))
		return false;
	gr_offload_done();
	return true;
}

static void start(void)
{
	fake_start();
	fake_idle = fetch_results;
	patience = 5000;
}

static int run(void)
{
	fake_idle = fake_count ? fetch_results : NULL;
	for (;;) {
		int parked = 0;

		/* like fake_run(), but a program without anybody parked does not wait for results */
		while (!gr_list_empty(&gr_carrier0.ready)) {
			struct fake *f = fake_of(gr_list_first(&gr_carrier0.ready, struct gr_greenlet, run));

			gr_list_del(&f->g.run);
			f->g.state = GR_RUNNING;
			gr_carrier0.current = &f->g;
			swapcontext(&fake_main, &f->context);
		}
		for (int i = 0; i < fake_count; i++)
			parked += fakes[i].g.state == GR_PARKED;
		if (!parked || (!fetch_results() && !fake_jump()))
			return parked;
		if (gr_others_ready())
			patience = 5000;	/* once time has passed, only results count */
	}
}

static struct gr_offload_stats stats(void)
{
	struct gr_offload_stats s;

	gr_offload_get_stats(&s);
	return s;
}

static int kernel_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n - 2;
}

/* Threads that were told to end, or are bored, do so soon. */
static void await_threads(int n)
{
	for (int i = 0; i < 500 && kernel_threads() != n; i++)
		usleep(10000);
	assert_int_equal(kernel_threads(), n);
}

/* --- results ------------------------------------------------------------------------------------------------------------------------- */

static int pipes[FAKE_MAX][2];

static void read_one(void *arg)
{
	int *p = arg;
	char c = 0, s[8];
	long r = gr_offload(SYS_read, p[0], (long)&c, 1, 0, 0, 0);

	snprintf(s, sizeof(s), "%c%ld", c, r);
	fake_note(s);
}

static void write_all(void *unused)
{
	(void)unused;
	assert_int_equal(gr_offload(SYS_read, -1, 0, 0, 0, 0, 0), -EBADF);
	assert_int_equal(gr_offload(SYS_getpid, 0, 0, 0, 0, 0, 0), getpid());
	for (int i = 0; i < 10; i++)
		assert_int_equal(write(pipes[i][1], "x", 1), 1);
}

static void test_results(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < 10; i++) {
		assert_int_equal(pipe2(pipes[i], O_CLOEXEC), 0);
		fake_go("reader", read_one, pipes[i]);
	}
	fake_go("writer", write_all, NULL);
	assert_int_equal(run(), 0);
	assert_string_equal(fake_log, "x1 x1 x1 x1 x1 x1 x1 x1 x1 x1");
	assert_int_equal(stats().at_most, 11);
	assert_int_equal(stats().idle, stats().threads);
}

/* one after the other: one thread does */
static void many_calls(void *unused)
{
	uint64_t before = stats().calls;

	(void)unused;
	gr_offload_retire();
	for (int i = 0; i < 1000; i++)
		assert_int_equal(gr_offload(SYS_getppid, 0, 0, 0, 0, 0, 0), getppid());
	assert_int_equal(stats().threads, 1);
	assert_int_equal(stats().calls - before, 1000);
}

static void test_reuse(void **state)
{
	(void)state;
	start();
	fake_go("a", many_calls, NULL);
	assert_int_equal(run(), 0);
	await_threads(2);
}

/* --- breaking off ---------------------------------------------------------------------------------------------------------------------- */

static void note_number(long r)
{
	char s[24];

	snprintf(s, sizeof(s), "%ld", r);
	fake_note(s);
}

static void read_until(void *arg)
{
	int *p = arg;
	char c;

	note_number(gr_offload_until(fake_clock + GR_SEC(9), SYS_read, p[0], (long)&c, 1, 0, 0, 0));
}

static void read_stubborn(void *arg)
{
	int *p = arg;
	char c;

	note_number(gr_offload_nointr(SYS_read, p[0], (long)&c, 1, 0, 0, 0));
}

static void signal_first(void *unused)
{
	(void)unused;
	usleep(1000);
	fake_signal(&fakes[0].g);
}

static void kill_first(void *unused)
{
	(void)unused;
	gr_wake(&fakes[0].g, -GR_EBROKEN);
}

static void write_late(void *unused)
{
	(void)unused;
	fake_signal(&fakes[0].g);
	for (int i = 0; i < 5; i++)
		gr_yield();
	usleep(2000);
	assert_int_equal(write(pipes[0][1], "x", 1), 1);
}

static const struct row {
	const char *when;
	void (*reader)(void *);
	void (*other)(void *);
	int patience;
	long want;
} rows[] = {
	{ "time passes",                  read_until, NULL, 20, -ETIMEDOUT },
	{ "a signal",                     read_until, signal_first, 5000, -GR_ERESTART },
	{ "killed",                       read_until, kill_first, 5000, -GR_EBROKEN },
	{ "signals do not end this one",  read_stubborn, write_late, 5000, 1 },
};

static void test_breaking_off(void **state)
{
	(void)state;
	for (size_t i = 0; i < GR_LENGTH(rows); i++) {
		char want[24];

		start();
		patience = rows[i].patience;
		fake_go("reader", rows[i].reader, pipes[0]);
		if (rows[i].other)
			fake_go("other", rows[i].other, NULL);
		assert_int_equal(run(), 0);
		snprintf(want, sizeof(want), "%ld", rows[i].want);
		if (strcmp(fake_log, want))
			fail_msg("%s: got %s, want %s", rows[i].when, fake_log, want);
	}
}

/* A signal and a byte race, with every delay between them: the byte is read, or still there. */
enum { RACES = 3000 };
static int race_result;

static void race_read(void *unused)
{
	char c;

	(void)unused;
	race_result = (int)gr_offload(SYS_read, pipes[0][0], (long)&c, 1, 0, 0, 0);
}

static void race_signal(void *arg)
{
	int round = *(int *)arg;

	for (volatile int i = 0; i < round % 500 * 20; i++)
		;
	if (round & 1)
		assert_int_equal(write(pipes[0][1], "x", 1), 1);
	fake_signal(&fakes[0].g);
	if (!(round & 1))
		assert_int_equal(write(pipes[0][1], "x", 1), 1);
}

static void test_races(void **state)
{
	unsigned interrupted = 0;

	(void)state;
	for (int i = 0; i < RACES; i++) {
		struct pollfd p = { pipes[0][0], POLLIN, 0 };
		char c;

		start();
		fake_go("reader", race_read, NULL);
		fake_go("signaller", race_signal, &i);
		assert_int_equal(run(), 0);
		if (race_result == 1) {
			assert_int_equal(poll(&p, 1, 0), 0);
		} else {
			assert_int_equal(race_result, -GR_ERESTART);
			assert_int_equal(read(pipes[0][0], &c, 1), 1);
			interrupted++;
		}
	}
	assert_true(interrupted < RACES);
}

/* --- limits, and the end of threads ------------------------------------------------------------------------------------------------------- */

static void write_pipes(void *unused)
{
	(void)unused;
	assert_int_equal(stats().threads, 3);
	assert_int_equal(gr_offload_nointr(SYS_getpid, 0, 0, 0, 0, 0, 0), getpid());	/* not behind the readers */
	fake_signal(&fakes[9].g);		/* still in the queue */
	gr_yield();
	fake_note("|");
	for (int i = 0; i < 9; i++)
		assert_int_equal(write(pipes[i][1], "x", 1), 1);
}

static void test_limit(void **state)
{
	(void)state;
	gr_offload_retire();
	await_threads(1);
	gr_offload_reset();		/* as if in a new process: counts begin anew */
	gr_offload_max[0] = 3;
	start();
	for (int i = 0; i < 10; i++)
		fake_go("reader", i == 9 ? read_until : read_one, pipes[i]);
	fake_go("writer", write_pipes, NULL);
	assert_int_equal(run(), 0);
	assert_string_equal(fake_log, "-512 | x1 x1 x1 x1 x1 x1 x1 x1 x1");
	assert_int_equal(stats().at_most, 4);
	gr_offload_max[0] = GR_OFFLOAD_WAITS;
}

/* Two are made, three wait in the queue, five for room in it. */
static void look_at_queue(void *unused)
{
	(void)unused;
	assert_int_equal(stats().threads, 2);
	assert_int_equal(stats().queued, 3);
	fake_signal(&fakes[9].g);		/* still in line */
	fake_signal(&fakes[4].g);		/* in the queue: there is room for another */
	gr_yield();
	assert_int_equal(stats().queued, 3);
	fake_note("|");
	for (int i = 0; i < 10; i++)
		assert_int_equal(write(pipes[i][1], "x", 1), 1);
}

static void test_queue(void **state)
{
	(void)state;
	gr_offload_retire();
	await_threads(1);
	gr_offload_reset();
	gr_offload_max[0] = 2;
	gr_offload_queue_max = 3;
	start();
	for (int i = 0; i < 10; i++)
		fake_go("reader", i == 9 || i == 4 ? read_until : read_one, pipes[i]);
	fake_go("looker", look_at_queue, NULL);
	assert_int_equal(run(), 0);
	assert_string_equal(fake_log, "-512 -512 | x1 x1 x1 x1 x1 x1 x1 x1");
	assert_int_equal(stats().queued, 0);
	assert_int_equal(stats().queued_at_most, 3);
	gr_offload_max[0] = GR_OFFLOAD_WAITS;
	gr_offload_queue_max = GR_OFFLOAD_QUEUE;
	for (int i = 4; i < 10; i += 5)
		assert_int_equal(read(pipes[i][0], &(char){ 0 }, 1), 1);
}

/* No memory for their stacks, as there may be no more processes for this user. */
static struct rlimit memory;

static void no_threads(bool none)
{
	struct rlimit r = memory;

	if (none)
		r.rlim_cur = 4096;
	assert_int_equal(setrlimit(RLIMIT_AS, &r), 0);
}

/* A call that ends by itself is made here; one that may wait does so until there can be a thread. */
static void disk_meanwhile(void *unused)
{
	(void)unused;
	assert_int_equal(gr_offload_nointr(SYS_getpid, 0, 0, 0, 0, 0, 0), getpid());
	assert_int_equal(stats().threads, 0);
	fake_note("|");
	no_threads(false);
	assert_int_equal(write(pipes[0][1], "x", 1), 1);
	assert_int_equal(write(pipes[1][1], "x", 1), 1);
}

/* What can be tried is, again and again. */
static int locked[4];

static void lock_it(void *unused)
{
	(void)unused;
	assert_int_equal(gr_offload(SYS_flock, locked[1], LOCK_EX, 0, 0, 0, 0), 0);
	fake_note("locked");
}

static void unlock_it(void *unused)
{
	(void)unused;
	fake_note("unlocking");
	assert_int_equal(flock(locked[0], LOCK_UN), 0);
}

static void test_tries(void **state)
{
	char name[] = "/tmp/grove-offload-XXXXXX";

	(void)state;
	gr_offload_retire();
	await_threads(1);
	gr_offload_reset();
	locked[0] = mkstemp(name);
	locked[1] = open(name, O_RDWR | O_CLOEXEC);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(flock(locked[0], LOCK_EX), 0);
	assert_int_equal(getrlimit(RLIMIT_AS, &memory), 0);
	start();
	fake_go("a", lock_it, NULL);
	fake_go("b", unlock_it, NULL);
	no_threads(true);
	patience = 50;
	assert_int_equal(run(), 0);
	assert_string_equal(fake_log, "unlocking locked");
	assert_int_equal(stats().at_most, 0);
	no_threads(false);
	patience = 5000;
	close(locked[0]);
	close(locked[1]);
}

/* The only thread waits for what is done when the one in the queue has its own. */
static void lock_other(void *unused)
{
	(void)unused;
	assert_int_equal(gr_offload(SYS_flock, locked[3], LOCK_EX, 0, 0, 0, 0), 0);
	fake_note("other");
	assert_int_equal(flock(locked[0], LOCK_UN), 0);
}

static void unlock_other(void *unused)
{
	(void)unused;
	assert_int_equal(stats().queued, 1);
	fake_note("unlocking");
	assert_int_equal(flock(locked[2], LOCK_UN), 0);
}

static void test_order_of_queue(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i += 2) {
		char name[] = "/tmp/grove-offload-XXXXXX";

		locked[i] = mkstemp(name);
		locked[i + 1] = open(name, O_RDWR | O_CLOEXEC);
		assert_int_equal(unlink(name), 0);
		assert_int_equal(flock(locked[i], LOCK_EX), 0);
	}
	gr_offload_max[0] = 1;
	start();
	fake_go("a", lock_it, NULL);
	fake_go("b", lock_other, NULL);
	fake_go("c", unlock_other, NULL);
	patience = 50;
	assert_int_equal(run(), 0);
	assert_string_equal(fake_log, "unlocking other locked");
	patience = 5000;
	gr_offload_max[0] = GR_OFFLOAD_WAITS;
	for (int i = 0; i < 4; i++)
		close(locked[i]);
}

static void test_no_threads(void **state)
{
	(void)state;
	gr_offload_retire();
	await_threads(1);
	gr_offload_reset();
	assert_int_equal(getrlimit(RLIMIT_AS, &memory), 0);
	start();
	fake_go("a", read_one, pipes[0]);
	fake_go("b", read_one, pipes[1]);
	fake_go("c", disk_meanwhile, NULL);
	no_threads(true);
	patience = 50;
	assert_int_equal(run(), 0);
	assert_string_equal(fake_log, "| x1 x1");
	patience = 5000;
}

static void retire_meanwhile(void *unused)
{
	(void)unused;
	gr_offload_retire();
	assert_int_equal(write(pipes[0][1], "x", 1), 1);
}

static void test_retire(void **state)
{
	(void)state;
	start();
	fake_go("reader", read_one, pipes[0]);
	fake_go("a", retire_meanwhile, NULL);
	assert_int_equal(run(), 0);
	assert_int_equal(stats().threads, 0);
}

static void end_idle(void *unused)
{
	(void)unused;
	assert_int_equal(gr_offload(SYS_getpid, 0, 0, 0, 0, 0, 0), getpid());
	assert_true(gr_offload_end_idle());
	assert_false(gr_offload_end_idle());
	assert_int_equal(stats().threads, 0);
}

static void test_end_idle(void **state)
{
	(void)state;
	start();
	fake_go("a", end_idle, NULL);
	assert_int_equal(run(), 0);
	await_threads(1);
}

static void test_bored(void **state)
{
	(void)state;
	gr_offload_retire();
	await_threads(1);
	gr_offload_linger = GR_MS(1);
	start();
	fake_go("a", write_all, NULL);
	assert_int_equal(run(), 0);
	await_threads(1);
	assert_int_equal(stats().threads, 0);
	for (int i = 0; i < 300; i++) {		/* a job and boredom meet */
		start();
		fake_go("a", race_read, NULL);
		assert_int_equal(write(pipes[0][1], "x", 1), 1);
		assert_int_equal(run(), 0);
		assert_int_equal(race_result, 1);
		usleep(i % 3 * 1000);
	}
	gr_offload_linger = GR_SEC(2);
	while (read(pipes[0][0], &(char){ 0 }, 0) > 0)
		;
}

/* --- what belongs to a kernel thread -------------------------------------------------------------------------------------------------------- */

static void write_broken(void *unused)
{
	int p[2];

	(void)unused;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	close(p[0]);
	raised = 0;
	assert_int_equal(gr_offload(SYS_write, p[1], (long)"x", 1, 0, 0, 0), -EPIPE);
	assert_int_equal(raised, SIGPIPE);
	close(p[1]);
}

static void mask_of_thread(void *unused)
{
	uint64_t mask = 0;

	(void)unused;
	assert_int_equal(gr_offload(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&mask, 8, 0, 0), 0);
	assert_int_equal(mask | GR_SIGBIT(SIGKILL) | GR_SIGBIT(SIGSTOP), ~(GR_SIGBIT(GR_SIG_INTERRUPT) | GR_SIGBIT(SIGSYS)));
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8);
	assert_int_equal(mask, 0);
}

static void test_thread(void **state)
{
	(void)state;
	start();
	fake_go("a", write_broken, NULL);
	fake_go("b", mask_of_thread, NULL);
	assert_int_equal(run(), 0);
}

/* Only the forking greenlet is here. */
static void in_child(void)
{
	alarm(20);
	fakes[0].g.state = GR_DEAD;
	gr_offload_reset();
	close(kick_fd);
	kick_fd = -1;
	gr_carrier0.hub = NULL;
	_exit(gr_offload(SYS_getpid, 0, 0, 0, 0, 0, 0) == getpid() && stats().threads == 1 ? 0 : 1);
}

static void fork_it(void *unused)
{
	int status = -1;
	pid_t pid;

	(void)unused;
	gr_yield();			/* the other one's call is being made */
	pid = fork();
	if (pid == 0)
		in_child();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(write(pipes[0][1], "x", 1), 1);
}

static void test_fork(void **state)
{
	(void)state;
	start();
	fake_go("reader", read_one, pipes[0]);
	fake_go("forker", fork_it, NULL);
	assert_int_equal(run(), 0);
	assert_string_equal(fake_log, "x1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_breaking_off),
		cmocka_unit_test(test_races),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_order_of_queue),
		cmocka_unit_test(test_retire),
		cmocka_unit_test(test_end_idle),
		cmocka_unit_test(test_bored),
		cmocka_unit_test(test_thread),
		cmocka_unit_test(test_fork),
	};
	const struct CMUnitTest no_memory[] = {		/* tools have memory of their own to map */
		cmocka_unit_test(test_no_threads),
		cmocka_unit_test(test_tries),
	};
	int n_failed = cmocka_run_group_tests(tests, NULL, NULL);

	return n_failed + (RUNNING_ON_VALGRIND || UNDER_ASAN ? 0 : cmocka_run_group_tests(no_memory, NULL, NULL));
}
