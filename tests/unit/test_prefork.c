/*
 * test_prefork.c - grove/prefork.h: workers that end, die, are stopped, killed and started anew
 *
 * Processes are real, so the clock is, too; order comes from what workers say through a socket, never from how long something
 * takes.
 */
#include "api.h"
#include <grove/prefork.h>
#include <grove/server.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int line[2];			/* workers talk into [1] */
static int *shared;			/* counters that survive a fork */

static int begin(void **state)
{
	(void)state;
	alarm(50);
	signal(SIGINT, SIG_DFL);		/* a shell may have it ignored */
	signal(SIGHUP, SIG_DFL);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return gr_here() && shared != MAP_FAILED && socketpair(AF_UNIX, SOCK_DGRAM, 0, line) == 0 ? 0 : -1;
}

static int clear(void **state)
{
	memset(shared, 0, 4096);
	return api_clear(state);
}

#define fork_test(fn) cmocka_unit_test_setup_teardown(fn, clear, api_nobody_left)

#define fails_with(call, err)												\
	do {														\
		errno = 0;												\
		assert_int_equal(call, -1);										\
		assert_string_equal(strerrorname_np(errno), #err);							\
	} while (0)

static void say(const char *what, unsigned number)
{
	char text[32];

	snprintf(text, sizeof(text), "%s%u", what, number);
	grove_sendall(line[1], text, strlen(text), GROVE_FOREVER);
}

/* What the next worker to speak says */
static const char *hear(void)
{
	static char text[2][32];
	static int turn;
	ssize_t n;

	turn = !turn;
	n = grove_recv(line[0], text[turn], sizeof(text[0]) - 1, GROVE_SEC(40));
	assert_true(n > 0);
	text[turn][n] = '\0';
	return text[turn];
}

/* The next so many, whatever their order */
static const char *hear_all(int n)
{
	static char all[256];
	char *word[8];

	for (int i = 0; i < n; i++)
		word[i] = strdup(hear());
	for (int i = 0; i < n; i++)
		for (int k = i + 1; k < n; k++)
			if (strcmp(word[k], word[i]) < 0) {
				char *w = word[i];

				word[i] = word[k];
				word[k] = w;
			}
	all[0] = '\0';
	for (int i = 0; i < n; i++) {
		strcat(strcat(all, i ? " " : ""), word[i]);
		free(word[i]);
	}
	return all;
}

static bool nothing_more(void)
{
	char c;

	return grove_recv(line[0], &c, 1, 0) == -1 && errno == EAGAIN;
}

static struct grove_prefork_attr fast = {
	.size = sizeof(fast), .min_delay = GROVE_MS(1), .max_delay = GROVE_MS(4), .grace = GROVE_SEC(30)
};

/* --- ending by themselves --------------------------------------------------------------------------------------------------- */

static int one_turn(unsigned number, void *arg)
{
	if (grove_sleep(GROVE_MS(1)) < 0 || strcmp(arg, "arg"))
		return 1;
	say("w", number);
	return 0;
}

static void test_done(void **state)
{
	struct grove_prefork_result r;

	(void)state;
	assert_int_equal(grove_prefork(3, one_turn, "arg", &fast, &r), 0);
	assert_string_equal(hear_all(3), "w0 w1 w2");
	assert_true(nothing_more());
	assert_int_equal(r.started, 3);
	assert_int_equal(r.done, 3);
	assert_int_equal(r.failed + r.stopped + r.killed, 0);
	fails_with(waitpid(-1, NULL, WNOHANG), ECHILD);
}

static void test_one_per_cpu(void **state)
{
	struct grove_prefork_result r;

	(void)state;
	assert_int_equal(grove_prefork(0, one_turn, "arg", NULL, &r), 0);
	assert_int_equal(r.done, grove_cpu_count());
	while (!nothing_more())
		;
}

/* By status, by signals, and well in the end */
static int dies(unsigned number, void *arg)
{
	(void)arg;
	say("d", number);
	if (number == 1)
		return 0;
	switch (++shared[0]) {
	case 1:
		return 7;
	case 2:
		raise(SIGKILL);
		return 0;
	case 3:
		pthread_exit(NULL);		/* the way out of a thread, not of a worker: done */
	default:
		return 1;
	}
}

static void test_died(void **state)
{
	struct grove_prefork_result r;

	(void)state;
	assert_int_equal(grove_prefork(2, dies, NULL, &fast, &r), 0);
	assert_string_equal(hear_all(4), "d0 d0 d0 d1");
	assert_int_equal(r.started, 4);
	assert_int_equal(r.failed, 2);
	assert_int_equal(r.done, 2);
}

static int fails(unsigned number, void *arg)
{
	(void)arg;
	if (number == 0)
		return 1;
	grove_sleep(GROVE_FOREVER);
	say("end", number);
	return 0;
}

static void test_give_up(void **state)
{
	struct grove_prefork_attr attr = fast;
	struct grove_prefork_result r;

	(void)state;
	attr.give_up = 3;
	fails_with(grove_prefork(2, fails, NULL, &attr, &r), ECHILD);
	assert_int_equal(r.failed, 3);
	assert_int_equal(r.stopped, 1);
	assert_int_equal(r.killed, 0);
	assert_string_equal(hear(), "end1");
}

/* --- being stopped ---------------------------------------------------------------------------------------------------------- */

static int stays(unsigned number, void *arg)
{
	(void)arg;
	say("up", number);
	say(grove_sleep(GROVE_FOREVER) < 0 && errno == ECANCELED ? "end" : "wrong", number);
	return 3;
}

static void nothing(int sig, void *arg)
{
	(void)sig;
	(void)arg;
}

static int stubborn(unsigned number, void *arg)
{
	(void)arg;
	grove_signal(SIGTERM, nothing, NULL);
	say("up", number);
	grove_sleep(GROVE_FOREVER);
	return 0;
}

struct run {
	grove_master *m;
	grove_greenlet *g;
	struct grove_prefork_result r;
	int error;
};

static void *runs(void *arg)
{
	struct run *run = arg;

	run->error = grove_master_run(run->m, &run->r) < 0 ? errno : 0;
	return NULL;
}

static struct run start(unsigned n, grove_worker_fn *fn, void *arg, const struct grove_prefork_attr *attr)
{
	return (struct run){ .m = grove_master_new(n, fn, arg, attr), .error = -1 };
}

static void go(struct run *run)
{
	assert_non_null(run->m);
	run->g = grove_spawn(runs, run);
}

static void finish(struct run *run)
{
	assert_int_equal(grove_join(run->g, GROVE_SEC(40)), 0);
	grove_release(run->g);
	assert_int_equal(grove_master_free(run->m), 0);
}

static void test_stop(void **state)
{
	struct run run = start(2, stays, NULL, &fast);

	(void)state;
	go(&run);
	assert_string_equal(hear_all(2), "up0 up1");
	assert_true(grove_master_pid(run.m, 0) > 0);
	fails_with(grove_master_free(run.m), EBUSY);
	fails_with(grove_master_run(run.m, NULL), EBUSY);
	fails_with(grove_prefork(1, stays, NULL, NULL, NULL), EBUSY);		/* the signals are spoken for */
	assert_int_equal(grove_master_stop(run.m, GROVE_SEC(30)), 0);
	fails_with(grove_master_restart(run.m), ESRCH);
	assert_string_equal(hear_all(2), "end0 end1");
	assert_int_equal(grove_join(run.g, GROVE_FOREVER), 0);
	assert_int_equal(grove_master_pid(run.m, 0), 0);
	fails_with(grove_master_stop(run.m, 0), ESRCH);
	fails_with(grove_master_restart(run.m), ESRCH);
	finish(&run);
	assert_int_equal(run.error, 0);
	assert_int_equal(run.r.stopped, 2);
	assert_int_equal(run.r.killed, 0);
}

static void test_stubborn(void **state)
{
	struct run run = start(1, stubborn, NULL, &fast);

	(void)state;
	go(&run);
	assert_string_equal(hear(), "up0");
	assert_int_equal(grove_master_stop(run.m, GROVE_SEC(30)), 0);
	assert_int_equal(grove_master_stop(run.m, GROVE_MS(20)), 0);
	finish(&run);
	assert_int_equal(run.r.stopped, 1);
	assert_int_equal(run.r.killed, 1);
}

static void test_run_is_killed(void **state)
{
	struct run run = start(2, stays, NULL, &fast);

	(void)state;
	go(&run);
	assert_string_equal(hear_all(2), "up0 up1");
	assert_int_equal(grove_kill(run.g, GROVE_FOREVER), 0);
	assert_string_equal(hear_all(2), "end0 end1");
	finish(&run);
	assert_int_equal(run.error, ECANCELED);
	assert_int_equal(run.r.stopped, 2);
}

static void test_deadline_around_run(void **state)
{
	struct grove_prefork_attr attr = { .size = sizeof(attr), .grace = GROVE_MS(10) };
	struct grove_timeout t;
	struct grove_prefork_result r;

	(void)state;
	grove_timeout_start(&t, GROVE_MS(30));
	fails_with(grove_prefork(1, stubborn, NULL, &attr, &r), ETIMEDOUT);
	assert_int_equal(grove_timeout_stop(&t), 1);
	assert_int_equal(r.stopped, 1);
	while (!nothing_more())
		;
}

static void test_signals(void **state)
{
	struct sigaction before[2], after;
	struct run run = start(2, stays, NULL, &fast);
	int old;

	(void)state;
	sigaction(SIGTERM, NULL, &before[0]);
	sigaction(SIGHUP, NULL, &before[1]);
	go(&run);
	assert_string_equal(hear_all(2), "up0 up1");
	old = grove_master_pid(run.m, 1);
	kill(getpid(), SIGHUP);
	assert_string_equal(hear(), "end0");
	assert_string_equal(hear_all(3), "end1 up0 up1");
	assert_int_not_equal(grove_master_pid(run.m, 1), old);
	kill(getpid(), SIGTERM);
	assert_string_equal(hear_all(2), "end0 end1");
	finish(&run);
	assert_int_equal(run.error, 0);
	assert_int_equal(run.r.started, 4);
	assert_int_equal(run.r.stopped, 4);
	sigaction(SIGTERM, NULL, &after);
	assert_ptr_equal(after.sa_handler, before[0].sa_handler);
	sigaction(SIGHUP, NULL, &after);
	assert_ptr_equal(after.sa_handler, before[1].sa_handler);
}

static void test_ignored_signals(void **state)
{
	struct run run = start(1, stays, NULL, &fast);

	(void)state;
	signal(SIGHUP, SIG_IGN);
	go(&run);
	assert_string_equal(hear(), "up0");
	kill(getpid(), SIGHUP);
	kill(grove_master_pid(run.m, 0), SIGHUP);
	assert_int_equal(grove_master_stop(run.m, GROVE_SEC(30)), 0);
	assert_string_equal(hear(), "end0");
	finish(&run);
	assert_int_equal(run.r.started, 1);
	assert_ptr_equal(signal(SIGHUP, SIG_DFL), SIG_IGN);
}

static void test_second_signal_kills(void **state)
{
	struct run run = start(1, stubborn, NULL, &fast);

	(void)state;
	go(&run);
	assert_string_equal(hear(), "up0");
	kill(getpid(), SIGINT);
	while (!run.m || grove_master_restart(run.m) == 0)	/* until it is being stopped */
		grove_yield();
	kill(getpid(), SIGINT);
	finish(&run);
	assert_int_equal(run.r.killed, 1);
	while (!nothing_more())
		;
}

/* The second one, started anew, is no good: the others stay as they are. */
static int second_is_no_good(unsigned number, void *arg)
{
	(void)arg;
	if (number == 0 && ++shared[0] == 2) {
		say("bad", number);
		return 0;
	}
	return stays(number, arg);
}

static void test_restart_stops_at_a_failure(void **state)
{
	struct grove_prefork_attr attr = fast;
	struct run run;
	int pid;

	(void)state;
	attr.min_delay = GROVE_SEC(20);
	attr.max_delay = GROVE_SEC(20);
	run = start(2, second_is_no_good, NULL, &attr);
	go(&run);
	assert_string_equal(hear_all(2), "up0 up1");
	pid = grove_master_pid(run.m, 1);
	assert_int_equal(grove_master_restart(run.m), 0);
	assert_string_equal(hear(), "end0");
	assert_string_equal(hear(), "bad0");
	while (grove_master_pid(run.m, 0))
		grove_sleep(GROVE_MS(1));
	assert_int_equal(grove_master_pid(run.m, 1), pid);
	assert_int_equal(grove_master_stop(run.m, GROVE_SEC(30)), 0);
	assert_string_equal(hear(), "end1");
	finish(&run);
	assert_int_equal(run.r.done, 1);
	assert_int_equal(run.r.stopped, 2);
}

/* --- servers ---------------------------------------------------------------------------------------------------------------- */

static void tells_pid(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
	int pid = getpid();
	char c;

	(void)peer;
	(void)len;
	(void)arg;
	grove_sendall(fd, &pid, sizeof(pid), GROVE_FOREVER);
	say(grove_recv(fd, &c, 1, GROVE_FOREVER) == 0 ? "left" : strerrorname_np(errno), 0);	/* when the client has gone */
}

static int serves(unsigned number, void *server)
{
	int r;

	say("up", number);
	r = grove_server_serve_forever(server);
	say(r < 0 ? strerrorname_np(errno) : "served", number);
	return 0;
}

static int dial(const grove_server *server, int *ret_pid)
{
	int fd = grove_dial(grove_server_address(server), GROVE_SEC(40));

	assert_true(fd >= 0);
	assert_int_equal(grove_recv(fd, ret_pid, sizeof(*ret_pid), GROVE_SEC(40)), sizeof(*ret_pid));
	return fd;
}

/* A worker that is killed leaves the socket to the other one; who is stopped lets his clients go on for a while. */
static void test_shared_socket(void **state)
{
	struct grove_server_attr attr = { .size = sizeof(attr), .grace = GROVE_SEC(30) };
	grove_server *server = grove_server_new("127.0.0.1:0", tells_pid, NULL, &attr);
	struct run run = start(2, serves, server, &fast);
	int fd, pid, busy;
	char c;

	(void)state;
	go(&run);
	assert_string_equal(hear_all(2), "up0 up1");
	fd = dial(server, &pid);
	busy = pid == grove_master_pid(run.m, 1);
	assert_int_equal(pid, grove_master_pid(run.m, (unsigned)busy));
	kill(pid, SIGKILL);
	assert_string_equal(hear(), busy ? "up1" : "up0");
	assert_true(grove_recv(fd, &c, 1, GROVE_SEC(40)) <= 0);
	close(fd);
	fd = dial(server, &pid);
	busy = pid == grove_master_pid(run.m, 1);
	assert_int_equal(pid, grove_master_pid(run.m, (unsigned)busy));
	assert_int_equal(grove_master_stop(run.m, GROVE_SEC(30)), 0);
	assert_string_equal(hear(), busy ? "ECANCELED0" : "ECANCELED1");	/* had nobody to wait for */
	assert_true(nothing_more());
	close(fd);
	assert_string_equal(hear(), "left0");
	assert_string_equal(hear(), busy ? "ECANCELED1" : "ECANCELED0");
	finish(&run);
	assert_int_equal(run.r.failed, 1);
	assert_int_equal(run.r.stopped, 2);
	assert_int_equal(run.r.killed, 0);
	assert_int_equal(grove_server_free(server), 0);
}

static int serves_own(unsigned number, void *port)
{
	struct grove_server_attr attr = { .size = sizeof(attr), .flags = GROVE_REUSE_PORT };
	char address[GROVE_ADDRESS_MAX];
	grove_server *server;

	snprintf(address, sizeof(address), "127.0.0.1:%d", *(int *)port);
	server = grove_server_new(address, tells_pid, NULL, &attr);
	if (!server)
		return 1;
	say("up", number);
	grove_server_serve_forever(server);
	return 0;
}

/* A socket that is bound but does not listen keeps the port, and gets no connections. */
static int keep_port(int *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	socklen_t len = sizeof(at);

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static void test_reuse_port(void **state)
{
	int port, keeper = keep_port(&port), fd, pid;
	struct run run = start(2, serves_own, &port, &fast);
	char address[GROVE_ADDRESS_MAX];

	(void)state;
	snprintf(address, sizeof(address), "127.0.0.1:%d", port);
	go(&run);
	assert_string_equal(hear_all(2), "up0 up1");
	fd = grove_dial(address, GROVE_SEC(40));
	assert_int_equal(grove_recv(fd, &pid, sizeof(pid), GROVE_SEC(40)), sizeof(pid));
	assert_true(pid == grove_master_pid(run.m, 0) || pid == grove_master_pid(run.m, 1));
	close(fd);
	assert_string_equal(hear(), "left0");
	assert_int_equal(grove_master_stop(run.m, GROVE_SEC(30)), 0);
	finish(&run);
	assert_int_equal(run.r.stopped, 2);
	close(keeper);
}

/* --- the rest --------------------------------------------------------------------------------------------------------------- */

static void test_master_dies(void **state)
{
	int pid = fork();

	(void)state;
	if (pid == 0)
		_exit(grove_prefork(2, stays, NULL, &fast, NULL) < 0);
	assert_string_equal(hear_all(2), "up0 up1");
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_string_equal(hear_all(2), "end0 end1");
}

static int prints(unsigned number, void *arg)
{
	(void)arg;
	printf("%u", number);
	return 0;
}

/* What the master has printed and not yet written is written once. */
static void test_output_is_written_once(void **state)
{
	FILE *file = tmpfile(), *was = stdout;
	char buf[64] = "";

	(void)state;
	stdout = file;
	printf("a");
	assert_int_equal(grove_prefork(1, prints, NULL, &fast, NULL), 0);
	printf("b");
	fflush(stdout);
	stdout = was;
	rewind(file);
	assert_int_equal(fread(buf, 1, sizeof(buf) - 1, file), 3);
	assert_string_equal(buf, "a0b");
	fclose(file);
}

static void *native(void *arg)
{
	struct run *run = arg;
	int r = grove_master_pid(run->m, 0) > 0 && grove_master_size(run->m) == 1 ? grove_master_stop(run->m, GROVE_SEC(30)) : 1;

	return r == 0 && grove_master_run(run->m, NULL) < 0 && errno == ENOTSUP ? arg : NULL;
}

static void test_native_thread(void **state)
{
	struct run run = start(1, stays, NULL, &fast);
	pthread_t thread;
	void *ret;

	(void)state;
	go(&run);
	assert_string_equal(hear(), "up0");
	assert_int_equal(pthread_create(&thread, NULL, native, &run), 0);
	assert_string_equal(hear(), "end0");
	finish(&run);
	pthread_join(thread, &ret);
	assert_ptr_equal(ret, &run);
}

static void test_misuse(void **state)
{
	struct grove_prefork_attr bad = { .size = 1 };
	grove_master *m = grove_master_new(3, stays, NULL, NULL);

	(void)state;
	assert_null(grove_master_new(1, NULL, NULL, NULL));
	assert_int_equal(errno, EINVAL);
	fails_with(grove_prefork(1, stays, NULL, &bad, NULL), EINVAL);
	bad.size = sizeof(bad);
	bad.flags = 8;
	fails_with(grove_prefork(1, stays, NULL, &bad, NULL), EINVAL);
	bad.flags = 0;
	bad.grace = -1;
	fails_with(grove_prefork(1, stays, NULL, &bad, NULL), EINVAL);
	fails_with(grove_master_run(NULL, NULL), EINVAL);
	fails_with(grove_master_run((grove_master *)grove_current(), NULL), EINVAL);
	fails_with(grove_master_stop(NULL, 0), EINVAL);
	fails_with(grove_master_stop(m, -1), EINVAL);
	fails_with(grove_master_restart(NULL), EINVAL);
	fails_with(grove_master_pid(NULL, 0), EINVAL);
	fails_with(grove_master_pid(m, 3), EINVAL);
	fails_with(grove_master_free((grove_master *)grove_current()), EINVAL);
	assert_int_equal(grove_master_size(m), 3);
	assert_int_equal(grove_master_size(NULL), 0);
	assert_int_equal(grove_master_free(NULL), 0);
	assert_int_equal(grove_master_free(m), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		fork_test(test_done),
		fork_test(test_one_per_cpu),
		fork_test(test_died),
		fork_test(test_give_up),
		fork_test(test_stop),
		fork_test(test_stubborn),
		fork_test(test_run_is_killed),
		fork_test(test_deadline_around_run),
		fork_test(test_signals),
		fork_test(test_ignored_signals),
		fork_test(test_second_signal_kills),
		fork_test(test_restart_stops_at_a_failure),
		fork_test(test_shared_socket),
		fork_test(test_reuse_port),
		fork_test(test_master_dies),
		fork_test(test_output_is_written_once),
		fork_test(test_native_thread),
		fork_test(test_misuse),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
