/* test_fd.c - what the table knows of each descriptor, and who is woken when; descriptors, hub and kernel are real */
#include "world.h"
#include "fd.h"
#include "green/green.h"
#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

/* --- kinds ------------------------------------------------------------------------------------------------------------- */

static int other_end = -1;

static int of_pair(int fds[2], int r)
{
	assert_int_equal(r, 0);
	other_end = fds[1];
	return fds[0];
}

static int make_socketpair(int type)
{
	int fds[2] = { -1, -1 };

	return of_pair(fds, socketpair(AF_UNIX, type, 0, fds));
}

static int make_stream(void) { return make_socketpair(SOCK_STREAM); }
static int make_dgram(void) { return make_socketpair(SOCK_DGRAM); }
static int make_seqpacket(void) { return make_socketpair(SOCK_SEQPACKET); }
static int make_null(void) { return open("/dev/null", O_RDWR); }
static int make_zero(void) { return open("/dev/zero", O_RDWR); }
static int make_dir(void) { return open("/", O_RDONLY); }
static int make_path(void) { return open("/dev/tty", O_PATH); }
static int make_file(void) { return open("/proc/self/exe", O_RDONLY); }
static int make_eventfd(void) { return eventfd(0, 0); }
static int make_timerfd(void) { return timerfd_create(CLOCK_MONOTONIC, 0); }

static int make_listener(void)
{
	struct sockaddr_un any = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any.sun_family)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static int make_pipe(void)
{
	int fds[2] = { -1, -1 };

	return of_pair(fds, pipe(fds));
}

static int make_fifo(void)
{
	char dir[] = "/tmp/grove-fifo.XXXXXX", path[64];
	int fd;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDWR);
	unlink(path);
	rmdir(dir);
	return fd;
}

static int make_signalfd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	return signalfd(-1, &set, 0);
}

static int make_pty(void)
{
	int fds[2] = { -1, -1 };

	return of_pair(fds, openpty(&fds[0], &fds[1], NULL, NULL, NULL));
}

static const struct kind_row {
	const char *what;
	int (*make)(void);
	enum gr_fd_kind kind;
	bool fifo, signalfd, listening;
	uint8_t poll_first;
} kinds[] = {
	{ "stream socket",   make_stream,    GR_KIND_STREAM, .fifo = false },
	{ "listener",        make_listener,  GR_KIND_STREAM, .listening = true },
	{ "datagram socket", make_dgram,     GR_KIND_DGRAM,  .fifo = false },
	{ "seqpacket",       make_seqpacket, GR_KIND_DGRAM,  .fifo = false },
	{ "pipe",            make_pipe,      GR_KIND_NOWAIT, .fifo = true },
	{ "named pipe",      make_fifo,      GR_KIND_NOWAIT, .fifo = true },
	{ "eventfd",         make_eventfd,   GR_KIND_NOWAIT, .fifo = false },
	{ "timerfd",         make_timerfd,   GR_KIND_NOWAIT, .fifo = false },
	{ "signalfd",        make_signalfd,  GR_KIND_POLL,   .signalfd = true, .poll_first = 3 },
	{ "pseudo-terminal", make_pty,       GR_KIND_POLL,   .poll_first = 3 },
	{ "file",            make_file,      GR_KIND_FILE,   .fifo = false },
	{ "directory",       make_dir,       GR_KIND_FILE,   .fifo = false },
	{ "/dev/null",       make_null,      GR_KIND_OTHER,  .fifo = false },
	{ "/dev/zero",       make_zero,      GR_KIND_OTHER,  .fifo = false },
	{ "O_PATH",          make_path,      GR_KIND_OTHER,  .fifo = false },
};

static void test_kinds(void **state)
{
	(void)state;
	for (size_t i = 0; i < GR_LENGTH(kinds); i++) {
		const struct kind_row *r = &kinds[i];
		int fd;
		struct gr_fd *f;

		print_message("  %s\n", r->what);
		other_end = -1;
		fd = r->make();
		assert_true(fd >= 0);
		f = gr_fd_get(fd);
		assert_non_null(f);
		assert_int_equal(f->kind, r->kind);
		assert_int_equal(f->fifo, r->fifo);
		assert_int_equal(f->signalfd, r->signalfd);
		assert_int_equal(f->listening, r->listening);
		assert_int_equal(f->poll_first, r->poll_first);
		assert_true(f->timeo[GR_READ] == GR_NEVER && f->timeo[GR_WRITE] == GR_NEVER);
		assert_int_equal(f->fd, fd);
		green_close(fd);
		assert_int_equal(gr_fd_peek(fd)->kind, GR_KIND_NEW);
		if (other_end >= 0)
			green_close(other_end);
	}
}

static void test_not_open(void **state)
{
	static const int none[] = { -1, 999, GR_FD_MAX - 1, GR_FD_MAX, INT32_MAX, INT32_MIN };

	(void)state;
	for (size_t i = 0; i < GR_LENGTH(none); i++) {
		struct gr_fd_wait w = { .fd = none[i] };

		assert_null(gr_fd_get(none[i]));
		assert_int_equal(gr_fd_wait(&w, GR_READ, GR_NEVER), -EBADF);
		gr_fd_close(none[i]);
	}
}

static void test_path(void **state)
{
	char path[GR_FD_PATH];

	(void)state;
	gr_fd_path(0, path);
	assert_string_equal(path, "/proc/self/fd/0");
	gr_fd_path(INT32_MAX, path);
	assert_string_equal(path, "/proc/self/fd/2147483647");
}

/* --- would a call block? ----------------------------------------------------------------------------------------------- */

static int p[2], q[2], sp[2];

static int open_fds(void **state)
{
	world_clear(state);
	assert_int_equal(green_pipe2(p, 0) | green_pipe2(q, 0) | green_socketpair(AF_UNIX, SOCK_STREAM, 0, sp), 0);
	return 0;
}

static int close_fds(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		int *fds[] = { &p[i], &q[i], &sp[i] };

		for (size_t k = 0; k < GR_LENGTH(fds); k++)
			if (*fds[k] >= 0)
				green_close(*fds[k]);
	}
	return 0;
}

static bool blocking(int fd)
{
	return gr_fd_blocking(gr_fd_get(fd));
}

/* what only others could do is done behind the table's back, by libc: there are no doors here */
static void test_blocking_is_known(void **state)
{
	int one = 1, copy;

	(void)state;
	assert_true(blocking(p[0]));
	assert_int_equal(green_fcntl(p[0], F_SETFL, O_NONBLOCK), 0);
	assert_false(blocking(p[0]));
	assert_int_equal(green_fcntl(p[0], F_SETFL, 0), 0);
	assert_true(blocking(p[0]));
	assert_int_equal(green_ioctl(sp[0], FIONBIO, (long)&one), 0);
	assert_false(blocking(sp[0]));

	fcntl(p[0], F_SETFL, O_NONBLOCK);		/* not asked for what is ours alone */
	assert_true(blocking(p[0]));
	copy = (int)green_dup(p[0]);			/* from now on it is */
	assert_false(blocking(p[0]));
	assert_false(blocking(copy));
	fcntl(copy, F_SETFL, 0);
	assert_true(blocking(p[0]));
	assert_true(blocking(copy));
	green_close(copy);
}

static void test_blocking_is_asked_after_a_fork(void **state)
{
	(void)state;
	fcntl(q[0], F_SETFL, O_NONBLOCK);
	assert_true(blocking(q[0]));
	gr_fd_forked();
	assert_false(blocking(q[0]));
	fcntl(q[0], F_SETFL, 0);
	assert_true(blocking(q[0]));
}

static void test_socket_options(void **state)
{
	struct timeval tv = { 1, 500000 }, none = { 0, 0 };
	struct linger linger = { 1, 3 };
	struct gr_fd *f = gr_fd_get(sp[0]);

	(void)state;
	green_setsockopt(sp[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	assert_in_range(f->timeo[GR_READ], GR_MS(1500), GR_MS(1510));		/* the kernel rounds up to its ticks */
	assert_true(f->timeo[GR_WRITE] == GR_NEVER);
	green_setsockopt(sp[0], SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none));
	assert_true(f->timeo[GR_READ] == GR_NEVER);
	assert_false(f->lingers);
	green_setsockopt(sp[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	assert_true(f->lingers);
}

/* --- waiting ----------------------------------------------------------------------------------------------------------- */

static void wait_and_read(void *arg)
{
	struct gr_fd_wait w = { .fd = *(int *)arg };
	int r = gr_fd_wait(&w, GR_READ, GR_NEVER);
	char c = '-';

	if (r == 0)
		r = (int)raw(SYS_read, w.fd, &c, 1);
	note("%s=%d%c", me(), r, c);
	gr_fd_wait_end(&w);
}

static void wait_only(void *arg)
{
	struct gr_fd_wait w = { .fd = *(int *)arg };

	note("%s=%d", me(), gr_fd_wait(&w, GR_READ, GR_NEVER));
	gr_fd_wait_end(&w);
}

static void put(int fd, const char *what)
{
	assert_int_equal(raw(SYS_write, fd, what, strlen(what)), strlen(what));
}

static void test_first_come_first_served(void **state)
{
	(void)state;
	world_go("a", wait_and_read, &p[0]);
	world_go("b", wait_and_read, &p[0]);
	world_go("c", wait_and_read, &p[0]);
	gr_yield();
	put(p[1], "123");
	assert_true(world_run());
	assert_string_equal(world_log, "a=11 b=12 c=13");
}

static void test_an_event_wakes_one(void **state)
{
	struct gr_fd *f;

	(void)state;
	f = gr_fd_get(p[0]);
	world_go("a", wait_only, &p[0]);
	world_go("b", wait_only, &p[0]);
	gr_yield();
	assert_int_equal(gr_fd_ready(f, GR_BIT(GR_WRITE)), GR_BIT(GR_WRITE));
	assert_int_equal(gr_fd_ready(f, GR_BIT(GR_READ)), 0);
	gr_yield();
	assert_string_equal(world_log, "a=0");
	assert_int_equal(gr_fd_ready(f, GR_BIT(GR_READ)), 0);
	assert_int_equal(gr_fd_ready(f, GR_BIT(GR_READ)), GR_BIT(GR_READ));
	assert_true(world_run());
	assert_string_equal(world_log, "a=0 b=0");
}

static void test_who_does_not_take_it_passes_it_on(void **state)
{
	(void)state;
	world_go("a", wait_only, &p[0]);
	world_go("b", wait_only, &p[0]);
	world_go("c", wait_and_read, &p[0]);
	gr_yield();
	put(p[1], "1");
	assert_true(world_run());
	assert_string_equal(world_log, "a=0 b=0 c=11");
}

/* The one the hub would wake was woken by something else and has not run yet: the event is the next one's. */
static void test_an_event_is_not_lost_on_the_interrupted(void **state)
{
	struct gr_greenlet *a = world_go("a", wait_only, &p[0]);

	(void)state;
	world_go("b", wait_only, &p[0]);
	gr_yield();
	gr_wake(a, -EINTR);
	assert_int_equal(gr_fd_ready(gr_fd_get(p[0]), GR_BIT(GR_READ)), 0);
	assert_true(world_run());
	assert_string_equal(world_log, "a=-4 b=0");
}

static void wait_50ms(void *arg)
{
	struct gr_fd_wait w = { .fd = *(int *)arg };

	note("%s=%d", me(), gr_fd_wait(&w, GR_READ, gr_deadline(GR_MS(50))));
}


static void ready_in_time(void *arg)
{
	(void)arg;
	gr_fd_ready(gr_fd_get(p[0]), GR_BIT(GR_READ));
}

static void sleep_50ms_and_ready(void *arg)
{
	gr_park("sleep", gr_deadline(GR_MS(50)), 0);
	ready_in_time(arg);
}

static void test_deadline(void **state)
{
	(void)state;
	world_go("a", wait_50ms, &p[0]);
	assert_true(world_run());
	assert_int_equal(took(), GR_MS(50));
	assert_string_equal(world_log, "a=-110");
	assert_true(gr_list_empty(&gr_fd_get(p[0])->waiters[GR_READ]));
}

static void test_ready_in_the_moment_it_expires_is_ready(void **state)
{
	(void)state;
	world_go("b", sleep_50ms_and_ready, NULL);
	world_go("a", wait_50ms, &p[0]);
	assert_true(world_run());
	assert_string_equal(world_log, "a=0");
}

static void test_both_directions(void **state)
{
	struct gr_fd_wait w = { .fd = sp[0] };

	(void)state;
	world_go("a", wait_and_read, &sp[0]);
	gr_yield();
	assert_int_equal(gr_fd_wait(&w, GR_WRITE, GR_NEVER), 0);
	assert_string_equal(world_log, "");
	put(sp[1], "1");
	assert_true(world_run());
	assert_string_equal(world_log, "a=11");
}

static void test_always_ready_does_not_park(void **state)
{
	unsigned parks = gr_carrier()->current->parks;
	struct gr_fd_wait w = { .fd = make_null() };

	(void)state;
	assert_int_equal(gr_fd_wait(&w, GR_READ, 0), 0);
	green_close(w.fd);
	w.fd = make_file();
	assert_int_equal(gr_fd_wait(&w, GR_READ, 0), 0);
	green_close(w.fd);
	assert_int_equal(gr_carrier()->current->parks, parks);
}

/* --- closed meanwhile -------------------------------------------------------------------------------------------------- */

static int private_fd;

static void note_private(void *arg)
{
	struct gr_fd_wait w = { .fd = *(int *)arg };
	int was = w.fd, r = gr_fd_wait(&w, GR_READ, GR_NEVER);
	char c = '-';

	r = r == 0 ? (int)raw(SYS_read, w.fd, &c, 1) : r;
	note("%s=%d%c%s", me(), r, c, w.fd != was && w.moved ? " moved" : "");
	private_fd = w.fd;
	gr_fd_wait_end(&w);
}

static void test_closed_while_waiting(void **state)
{
	uint32_t gen = gr_fd_get(p[0])->gen;
	int old = p[0], fresh[2];

	(void)state;
	world_go("a", note_private, &p[0]);
	world_go("b", note_private, &p[0]);
	gr_yield();
	assert_int_equal(green_close(p[0]), 0);
	assert_int_not_equal(gr_fd_peek(old)->gen, gen);
	assert_int_equal(green_pipe2(fresh, 0), 0);
	assert_int_equal(fresh[0], old);		/* somebody else's, under the same number */
	world_go("new", note_private, &fresh[0]);
	gr_yield();
	put(p[1], "12");
	gr_park("test", gr_deadline(GR_MS(1)), 0);
	assert_string_equal(world_log, "a=11 moved b=12 moved");
	assert_int_equal(fcntl(private_fd, F_GETFD), -1);	/* the last one closed it */
	put(fresh[1], "n");
	assert_true(world_run());
	assert_string_equal(world_log, "a=11 moved b=12 moved new=1n");
	p[0] = fresh[0];
	green_close(fresh[1]);
}

static void test_replaced_while_waiting(void **state)
{
	(void)state;
	world_go("a", note_private, &p[0]);
	gr_yield();
	assert_int_equal(green_dup2(q[0], p[0]), p[0]);
	put(q[1], "q");
	gr_park("test", gr_deadline(GR_MS(1)), 0);
	assert_string_equal(world_log, "");
	put(p[1], "p");
	assert_true(world_run());
	assert_string_equal(world_log, "a=1p moved");
}

/* No descriptor may be left for the program, but ours do not count. */
static void test_closed_while_waiting_with_none_left(void **state)
{
	struct rlimit was, few;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &was);
	few = (struct rlimit){ 0, was.rlim_max };
	world_go("a", note_private, &p[0]);
	gr_yield();
	few.rlim_cur = (rlim_t)dup(0);
	close((int)few.rlim_cur);
	setrlimit(RLIMIT_NOFILE, &few);
	assert_int_equal(dup(0), -1);
	assert_int_equal(green_close(p[0]), 0);
	p[0] = -1;
	setrlimit(RLIMIT_NOFILE, &was);
	put(p[1], "1");
	assert_true(world_run());
	assert_string_equal(world_log, "a=11 moved");
}

/* --- many at once ------------------------------------------------------------------------------------------------------ */

static void wait_many(void *arg)
{
	struct gr_fd_want wants[3] = {
		{ .fd = p[0], .dirs = GR_BIT(GR_READ) },
		{ .fd = q[0], .dirs = GR_BIT(GR_READ) },
		{ .fd = sp[0], .dirs = GR_BIT(GR_READ) },
	};

	(void)arg;
	note("many=%d", gr_fd_wait_many(wants, 3, gr_deadline(GR_MS(50))));
}

static bool anyone_waits(void)
{
	const int fds[] = { p[0], q[0], sp[0] };

	for (size_t i = 0; i < GR_LENGTH(fds); i++)
		for (int dir = 0; dir < 2 && fds[i] >= 0; dir++)
			if (!gr_list_empty(&gr_fd_peek(fds[i])->waiters[dir]))
				return true;
	return false;
}

static void writes_q(void *arg)
{
	(void)arg;
	put(q[1], "x");
}

static void closes_p(void *arg)
{
	(void)arg;
	green_close(p[0]);
	p[0] = -1;
}

static void hangs_up(void *arg)
{
	(void)arg;
	green_close(p[1]);
	p[1] = -1;
}

static void closes_p_writes_q(void *arg)
{
	closes_p(arg);
	put(q[1], "x");
}

static const struct many_row {
	const char *when;
	void (*peer)(void *);
	gr_time took;
	const char *log;
} many[] = {
	{ "one is ready",     writes_q,          0,         "many=0" },
	{ "nothing comes",    NULL,              GR_MS(50), "many=-110" },
	{ "hang-up",          hangs_up,          0,         "many=0" },
	{ "one is closed",    closes_p,          GR_MS(50), "many=-110" },
	{ "and one is ready", closes_p_writes_q, 0,         "many=0" },
};

static void test_many(void **state)
{
	for (size_t i = 0; i < GR_LENGTH(many); i++) {
		print_message("  %s\n", many[i].when);
		if (i)
			open_fds(state);
		world_go("a", wait_many, NULL);
		if (many[i].peer)
			world_go("b", many[i].peer, NULL);
		assert_true(world_run());
		assert_string_equal(world_log, many[i].log);
		assert_int_equal(took(), many[i].took);
		assert_false(anyone_waits());
		if (i + 1 < GR_LENGTH(many))
			close_fds(state);
	}
}

/* --- fork -------------------------------------------------------------------------------------------------------------- */

static void test_nobody_waits_in_a_forked_child(void **state)
{
	int status, own = gr_own_fd(eventfd(0, 0));
	pid_t child;

	(void)state;
	world_go("a", wait_and_read, &p[0]);
	gr_park("test", gr_deadline(GR_MS(1)), 0);
	assert_true(anyone_waits());
	child = fork();
	if (child == 0) {
		gr_fd_fork_child();
		_exit(anyone_waits() ? 1 : gr_fd_get(p[0])->armed ? 2 : fcntl(own, F_GETFD) != -1 ? 3 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(gr_is_own_fd(own));
	gr_own_fd_close(own);
	put(p[1], "1");
	assert_true(world_run());
	assert_string_equal(world_log, "a=11");
}

#define WITH_FDS(test) cmocka_unit_test_setup_teardown(test, open_fds, close_fds)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_not_open),
		cmocka_unit_test(test_path),
		WITH_FDS(test_blocking_is_known),
		WITH_FDS(test_blocking_is_asked_after_a_fork),
		WITH_FDS(test_socket_options),
		WITH_FDS(test_first_come_first_served),
		WITH_FDS(test_an_event_wakes_one),
		WITH_FDS(test_who_does_not_take_it_passes_it_on),
		WITH_FDS(test_an_event_is_not_lost_on_the_interrupted),
		WITH_FDS(test_deadline),
		WITH_FDS(test_ready_in_the_moment_it_expires_is_ready),
		WITH_FDS(test_both_directions),
		WITH_FDS(test_always_ready_does_not_park),
		WITH_FDS(test_closed_while_waiting),
		WITH_FDS(test_replaced_while_waiting),
		WITH_FDS(test_closed_while_waiting_with_none_left),
		WITH_FDS(test_many),
		WITH_FDS(test_nobody_waits_in_a_forked_child),
	};

	return cmocka_run_group_tests(tests, world_begin_hub, NULL);
}
