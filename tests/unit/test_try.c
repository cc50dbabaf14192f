/* test_try.c - reads, writes and connections between greenlets on real pipes and sockets: try, wait, try again */
#include "world.h"
#include "fd.h"
#include "green/green.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/un.h>

#define SMALL_PIPE	4096
#define BIG		(1024 * 1024 + 77)
#define BAD_POINTER	((void *)8)

static int p[2], sp[2], dg[2];
static char big[BIG], got[BIG];

static int open_fds(void **state)
{
	world_clear(state);
	assert_int_equal(green_pipe2(p, 0) | green_socketpair(AF_UNIX, SOCK_STREAM, 0, sp), 0);
	assert_int_equal(green_socketpair(AF_UNIX, SOCK_DGRAM, 0, dg), 0);
	assert_int_equal(fcntl(p[1], F_SETPIPE_SZ, SMALL_PIPE), SMALL_PIPE);
	memset(got, 0, sizeof(got));
	return 0;
}

static int close_fds(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		int *fds[] = { &p[i], &sp[i], &dg[i] };

		for (size_t k = 0; k < GR_LENGTH(fds); k++) {
			if (*fds[k] >= 0)
				green_close(*fds[k]);
			*fds[k] = -1;
		}
	}
	return 0;
}

static int begin(void **state)
{
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + i / 251);
	signal(SIGPIPE, SIG_IGN);
	return world_begin_hub(state);
}

/* "name=result" in the log: bytes, or the name of the error */
static void say(long r)
{
	static const struct { long r; const char *name; } names[] = {
		{ -EAGAIN, "EAGAIN" }, { -EINTR, "EINTR" }, { -GR_ERESTART, "RESTART" }, { -EPIPE, "EPIPE" }, { -EFAULT, "EFAULT" },
		{ -EBADF, "EBADF" }, { -EINVAL, "EINVAL" }, { -ECANCELED, "ECANCELED" }, { -ECONNREFUSED, "ECONNREFUSED" },
	};

	for (size_t i = 0; i < GR_LENGTH(names); i++)
		if (names[i].r == r) {
			note("%s=%s", me(), names[i].name);
			return;
		}
	note("%s=%ld", me(), r);
}

/* --- all of it --------------------------------------------------------------------------------------------------------- */

static void write_big(void *fd)
{
	say(green_write(*(int *)fd, big, BIG));
}

static void writev_big(void *fd)
{
	struct iovec iov[12];
	size_t at = 0;

	for (int i = 0; i < 12; i++) {
		size_t n = i == 11 ? BIG - at : i % 3 == 0 ? 0 : 10000u * (unsigned)i;

		iov[i] = (struct iovec){ big + at, n };
		at += n;
	}
	say(green_writev(*(int *)fd, iov, 12));
}

static void sendmsg_big(void *fd)
{
	struct iovec iov[3] = { { big, 1 }, { big + 1, BIG - 2 }, { big + BIG - 1, 1 } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 3 };

	say(green_sendmsg(*(int *)fd, &m, 0));
}

static int from;

static void read_to_the_end(void *arg)
{
	size_t n = 0;
	long r;

	(void)arg;
	while ((r = green_read(from, got + n, n + 70000 < BIG ? 70000 : BIG - n)) > 0)
		n += (size_t)r;
	note("all=%s", n == BIG && memcmp(got, big, BIG) == 0 ? "same" : "not the same");
}

static void readv_to_the_end(void *arg)
{
	size_t n = 0;
	long r;

	(void)arg;
	do {
		struct iovec iov[2] = { { got + n, n < BIG } , { got + n + 1, n + 1 < BIG ? BIG - n - 1 : 0 } };

		n += (size_t)(r = n < BIG ? green_readv(from, iov, 2) : 0);
	} while (r > 0);
	note("all=%s", n == BIG && memcmp(got, big, BIG) == 0 ? "same" : "not the same");
}

static void recv_waitall(void *arg)
{
	(void)arg;
	say(green_recvfrom(from, got, BIG, MSG_WAITALL, NULL, NULL));
	note("all=%s", memcmp(got, big, BIG) == 0 ? "same" : "not the same");
}

static const struct whole_row {
	const char *when;
	int *in, *out;
	void (*writer)(void *), (*reader)(void *);
	const char *log;
} whole[] = {
	{ "write, read on a small pipe",   &p[0],  &p[1],  write_big,   read_to_the_end,  "w=1048653 all=same" },
	{ "writev, readv on a small pipe", &p[0],  &p[1],  writev_big,  readv_to_the_end, "w=1048653 all=same" },
	{ "write, read on a socket",       &sp[0], &sp[1], write_big,   read_to_the_end,  "w=1048653 all=same" },
	{ "writev, readv on a socket",     &sp[0], &sp[1], writev_big,  readv_to_the_end, "w=1048653 all=same" },
	{ "sendmsg, read",                 &sp[0], &sp[1], sendmsg_big, read_to_the_end,  "w=1048653 all=same" },
	{ "write, MSG_WAITALL",            &sp[0], &sp[1], write_big,   recv_waitall,     "w=1048653 r=1048653 all=same" },
};

static int *closes_when_done;
static void (*then_writes)(void *);

static void writes_and_closes(void *fd)
{
	then_writes(fd);
	green_close(*closes_when_done);
	*closes_when_done = -1;
}

static void test_whole_transfers(void **state)
{
	for (size_t i = 0; i < GR_LENGTH(whole); i++) {
		const struct whole_row *w = &whole[i];

		print_message("  %s\n", w->when);
		open_fds(state);
		from = *w->in;
		closes_when_done = w->out;
		then_writes = w->writer;
		world_go("w", writes_and_closes, w->out);
		world_go("r", w->reader, NULL);
		assert_true(world_run());
		assert_string_equal(world_log, w->log);
		close_fds(state);
	}
}

/* --- one call, and what happens meanwhile ------------------------------------------------------------------------------ */

static struct gr_greenlet *caller;
static char small[8];

static void read_pipe(void *arg) { (void)arg; say(green_read(p[0], small, sizeof(small))); }
static void read_socket(void *arg) { (void)arg; say(green_read(sp[0], small, sizeof(small))); }
static void recv_socket(void *arg) { (void)arg; say(green_recvfrom(sp[0], small, sizeof(small), 0, NULL, NULL)); }
static void recv_all(void *arg) { (void)arg; say(green_recvfrom(sp[0], small, sizeof(small), MSG_WAITALL, NULL, NULL)); }
static void recv_nowait(void *arg) { (void)arg; say(green_recvfrom(sp[0], small, sizeof(small), MSG_DONTWAIT, NULL, NULL)); }
static void recv_dgram(void *arg) { (void)arg; say(green_recvfrom(dg[0], small, sizeof(small), 0, NULL, NULL)); }
static void write_pipe(void *arg) { (void)arg; say(green_write(p[1], big, 3 * SMALL_PIPE)); }
static void write_socket(void *arg) { (void)arg; say(green_write(sp[1], big, BIG) < BIG ? 1 : 0); }
static void read_bad(void *arg) { (void)arg; say(green_read(p[0], BAD_POINTER, 8)); }
static void readv_bad(void *arg) { (void)arg; say(green_readv(p[0], BAD_POINTER, 1)); }
static void read_none(void *arg) { (void)arg; say(green_read(p[0], NULL, 0)); }
static void read_closed(void *arg) { (void)arg; say(green_read(999, small, 8)); }
static void write_only_end(void *arg) { (void)arg; say(green_read(p[1], small, 8)); }

static void accept_none(void *arg) { (void)arg; say(green_accept(sp[0], NULL, NULL)); }

static void set_timeout(int option, int fd)
{
	struct timeval tv = { 0, 60000 };		/* whole ticks of any kernel */

	assert_int_equal(green_setsockopt(fd, SOL_SOCKET, option, &tv, sizeof(tv)), 0);
}

static void timeouts(void)
{
	set_timeout(SO_RCVTIMEO, sp[0]);
	set_timeout(SO_SNDTIMEO, sp[1]);
	set_timeout(SO_RCVTIMEO, dg[0]);
}

static void nonblocking(void)
{
	assert_int_equal(green_fcntl(p[0], F_SETFL, O_NONBLOCK) | green_fcntl(p[1], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(green_fcntl(sp[0], F_SETFL, O_NONBLOCK), 0);
}

static void interrupt(void) { gr_wake(caller, -EINTR); }
static void cancel(void) { gr_wake(caller, -ECANCELED); }
static void spurious(void) { gr_wake(caller, 0); }
static void put_pipe(void) { green_write(p[1], "abc", 3); }
static void put_socket(void) { green_write(sp[1], "abc", 3); }
static void put_dgram(void) { green_write(dg[1], "abc", 3); }
static void put_then_interrupt(void) { put_socket(); gr_yield(); gr_park("hub", gr_deadline(1), 0); interrupt(); }
static void hang_up_pipe(void) { green_close(p[1]); p[1] = -1; }
static void hang_up_socket(void) { green_close(sp[1]); sp[1] = -1; }
static void put_then_hang_up(void) { put_socket(); gr_park("hub", gr_deadline(1), 0); hang_up_socket(); }
static void no_more_reader(void) { green_close(p[0]); p[0] = -1; }
static void close_then_put(void) { green_close(p[0]); p[0] = -1; put_pipe(); }
static void drain(void) { green_read(p[0], got, SMALL_PIPE); gr_park("hub", gr_deadline(1), 0); interrupt(); }
static void set_nonblock(void) { nonblocking(); put_pipe(); }

static const struct row {
	const char *when;
	void (*before)(void), (*call)(void *), (*meanwhile)(void);
	gr_time took;
	const char *log;
} rows[] = {
	{ "pipe: data comes",             NULL,        read_pipe,    put_pipe,           0, "c=3" },
	{ "pipe: data is there",          put_pipe,    read_pipe,    NULL,               0, "c=3" },
	{ "pipe: woken for nothing",      NULL,        read_pipe,    spurious,          -1, "" },
	{ "pipe: the end",                NULL,        read_pipe,    hang_up_pipe,       0, "c=0" },
	{ "pipe: a signal",               NULL,        read_pipe,    interrupt,          0, "c=RESTART" },
	{ "pipe: cancelled",              NULL,        read_pipe,    cancel,             0, "c=ECANCELED" },
	{ "pipe: closed, then data",      NULL,        read_pipe,    close_then_put,     0, "c=3" },
	{ "pipe: non-blocking",           nonblocking, read_pipe,    NULL,               0, "c=EAGAIN" },
	{ "pipe: non-blocking too late",  NULL,        read_pipe,    set_nonblock,       0, "c=3" },
	{ "pipe: no reader any more",     NULL,        write_pipe,   no_more_reader,     0, "c=4096" },
	{ "pipe: no reader at all",       no_more_reader, write_pipe, NULL,              0, "c=EPIPE" },
	{ "pipe: a signal, some written", NULL,        write_pipe,   interrupt,          0, "c=4096" },
	{ "pipe: a signal, more written", NULL,        write_pipe,   drain,              1, "c=8192" },
	{ "pipe: full, non-blocking",     nonblocking, write_pipe,   NULL,               0, "c=4096" },
	{ "socket: data comes",           NULL,        read_socket,  put_socket,         0, "c=3" },
	{ "socket: the end",              NULL,        recv_socket,  hang_up_socket,     0, "c=0" },
	{ "socket: a signal",             NULL,        recv_socket,  interrupt,          0, "c=RESTART" },
	{ "socket: non-blocking",         nonblocking, recv_socket,  NULL,               0, "c=EAGAIN" },
	{ "socket: MSG_DONTWAIT",         NULL,        recv_nowait,  NULL,               0, "c=EAGAIN" },
	{ "SO_RCVTIMEO: nothing comes",   timeouts,    recv_socket,  NULL,       GR_MS(60), "c=EAGAIN" },
	{ "SO_RCVTIMEO: read()",          timeouts,    read_socket,  NULL,       GR_MS(60), "c=EAGAIN" },
	{ "SO_RCVTIMEO: datagrams",       timeouts,    recv_dgram,   NULL,       GR_MS(60), "c=EAGAIN" },
	{ "SO_RCVTIMEO: data comes",      timeouts,    recv_socket,  put_socket,         0, "c=3" },
	{ "SO_RCVTIMEO: a signal",        timeouts,    recv_socket,  interrupt,          0, "c=EINTR" },
	{ "SO_RCVTIMEO: MSG_WAITALL",     timeouts,    recv_all,     put_socket, GR_MS(60), "c=3" },
	{ "SO_SNDTIMEO: some sent",       timeouts,    write_socket, NULL,       GR_MS(60), "c=1" },
	{ "MSG_WAITALL: a signal",        NULL,        recv_all,     interrupt,          0, "c=RESTART" },
	{ "MSG_WAITALL: some, a signal",  NULL,        recv_all,     put_then_interrupt, 1, "c=3" },
	{ "MSG_WAITALL: some, the end",   NULL,        recv_all,     put_then_hang_up,   1, "c=3" },
	{ "datagram comes",               NULL,        recv_dgram,   put_dgram,          0, "c=3" },
	{ "bad pointer",                  put_pipe,    read_bad,     NULL,               0, "c=EFAULT" },
	{ "nothing asked for",            NULL,        read_none,    NULL,               0, "c=0" },
	{ "not open",                     NULL,        read_closed,  NULL,               0, "c=EBADF" },
	{ "the other end",                NULL,        write_only_end, NULL,             0, "c=EBADF" },
	{ "not a listener",               NULL,        accept_none,  NULL,               0, "c=EINVAL" },
};

static void finish_spurious(void)
{
	assert_string_equal(world_log, "");
	put_pipe();
}

static void test_rows(void **state)
{
	for (size_t i = 0; i < GR_LENGTH(rows); i++) {
		const struct row *r = &rows[i];

		print_message("  %s\n", r->when);
		open_fds(state);
		if (r->before)
			r->before();
		caller = world_go("c", r->call, NULL);
		gr_yield();
		if (r->meanwhile)
			r->meanwhile();
		if (r->took < 0) {
			gr_park("hub", gr_deadline(1), 0);
			finish_spurious();
		}
		assert_true(world_run());
		if (r->took >= 0) {
			assert_string_equal(world_log, r->log);
			assert_int_equal(took(), r->took);
		}
		close_fds(state);
	}
}

static void test_bad_vector(void **state)
{
	(void)state;
	world_takes_faults();
	world_go("c", readv_bad, NULL);
	assert_true(world_run());
	assert_string_equal(world_log, "c=EFAULT");
}

/* --- drained ----------------------------------------------------------------------------------------------------------- */

static void test_short_read_marks_drained(void **state)
{
	struct gr_fd *f;
	unsigned parks;

	(void)state;
	f = gr_fd_get(sp[0]);
	parks = gr_carrier()->main->parks;
	green_write(sp[1], "12345678", 8);
	assert_int_equal(green_read(sp[0], small, 8), 8);
	assert_false(f->drained);			/* there may be more */
	green_write(sp[1], "123", 3);
	assert_int_equal(green_read(sp[0], small, 8), 3);
	assert_true(f->drained);
	assert_int_equal(gr_carrier()->main->parks, parks);
	green_write(sp[1], "12345678", 8);
	assert_int_equal(green_read(sp[0], small, 8), 8);
	assert_int_equal(gr_carrier()->main->parks, parks + 1);		/* before the try */
	assert_false(f->drained);
	green_write(sp[1], "1", 1);
	assert_int_equal(green_read(sp[0], small, 8), 1);
	assert_int_equal(green_recvfrom(sp[0], small, 8, MSG_DONTWAIT, NULL, NULL), -EAGAIN);
	green_write(sp[1], "12", 2);
	assert_int_equal(green_recvfrom(sp[0], small, 8, MSG_PEEK, NULL, NULL), 2);
	assert_int_equal(green_recvfrom(sp[0], small, 8, MSG_DONTWAIT, NULL, NULL), 2);
	hang_up_socket();
	assert_int_equal(green_read(sp[0], small, 8), 0);
	assert_int_equal(green_read(sp[0], small, 8), 0);
}

/* --- messages, events, files ------------------------------------------------------------------------------------------- */

static void recv_two(void *arg)
{
	char bytes[3][4] = { { 0 } };
	struct iovec iov[3] = { { bytes[0], 3 }, { bytes[1], 3 }, { bytes[2], 3 } };
	struct mmsghdr m[3] = { 0 };

	(void)arg;
	for (int i = 0; i < 3; i++)
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	say(green_recvmmsg(dg[0], m, 2, 0, NULL));
	note("%u%s %u%s", m[0].msg_len, bytes[0], m[1].msg_len, bytes[1]);
}

static void test_recvmmsg_waits_for_all(void **state)
{
	(void)state;
	world_go("m", recv_two, NULL);
	gr_yield();
	green_write(dg[1], "a", 1);
	gr_park("hub", gr_deadline(1), 0);
	assert_string_equal(world_log, "");
	green_write(dg[1], "bcde", 4);
	assert_true(world_run());
	assert_string_equal(world_log, "m=2 1a 3bcd");
}

static int event_fd;

static void adds(void *n)
{
	uint64_t count = (uintptr_t)n;

	say(green_write(event_fd, &count, sizeof(count)));
}

static void takes(void *arg)
{
	uint64_t n = 0;

	(void)arg;
	say(green_read(event_fd, &n, sizeof(n)));
	note("%llx", (unsigned long long)n);
}

static void test_eventfd_waits_both_ways(void **state)
{
	(void)state;
	event_fd = (int)green_eventfd2(0, 0);
	world_go("r", takes, NULL);
	gr_yield();
	world_go("w", adds, (void *)-2l);		/* the most it can hold */
	assert_true(world_run());
	assert_string_equal(world_log, "w=8 r=8 fffffffffffffffe");
	world_clear(state);
	world_go("w", adds, (void *)-2l);
	world_go("x", adds, (void *)1l);
	gr_yield();
	assert_string_equal(world_log, "w=8");
	world_go("r", takes, NULL);
	assert_true(world_run());
	assert_string_equal(world_log, "w=8 r=8 fffffffffffffffe x=8");
	green_close(event_fd);
}

static void test_fifo_that_never_had_a_writer(void **state)
{
	char dir[] = "/tmp/grove-fifo.XXXXXX", path[64];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	fcntl(fd, F_SETFL, 0);
	assert_int_equal(green_read(fd, small, 8), 0);
	green_close(fd);
	unlink(path);
	rmdir(dir);
}

static void test_signalfd_with_too_small_a_buffer(void **state)
{
	sigset_t set;
	int fd;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	fd = signalfd(-1, &set, 0);
	assert_int_equal(green_read(fd, small, 8), -EINVAL);
	green_close(fd);
}

static void test_files_to_the_end(void **state)
{
	char path[] = "/tmp/grove-file.XXXXXX";
	struct iovec iov[2] = { { got, 3 }, { got + 3, 10 } };
	int fd = mkstemp(path);

	(void)state;
	unlink(path);
	assert_int_equal(green_write(fd, "12345678", 8), 8);
	assert_int_equal(green_pread64(fd, got, 100, 2), 6);
	assert_int_equal(green_pread64(fd, got, 100, 8), 0);
	assert_int_equal(green_pread64(fd, got, 100, -1), -EINVAL);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(green_readv(fd, iov, 2), 8);
	assert_memory_equal(got, "12345678", 8);
	assert_int_equal(green_read(fd, got, 1), 0);
	assert_int_equal(green_preadv(fd, iov, 2, 4, 0), 4);
	green_close(fd);
}

/* --- connections ------------------------------------------------------------------------------------------------------- */

static int listener;
static struct sockaddr_in where;

static void accepts(void *arg)
{
	int fd = (int)green_accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	(void)arg;
	say(fd < 0 ? fd : (long)green_read(fd, small, sizeof(small)));
	green_close(fd);
}

static void connects(void *arg)
{
	int fd = (int)green_socket(AF_INET, SOCK_STREAM, 0);
	long r = green_connect(fd, (struct sockaddr *)&where, sizeof(where));

	(void)arg;
	if (r == 0)
		r = green_sendto(fd, "hello", 5, 0, NULL, 0);
	say(r);
	green_close(fd);
}

static void listen_somewhere(void)
{
	socklen_t n = sizeof(where);

	where = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	listener = (int)green_socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&where, sizeof(where)), 0);
	assert_int_equal(green_listen(listener, 20), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&where, &n), 0);
}

static void test_three_accept_on_one_listener(void **state)
{
	(void)state;
	listen_somewhere();
	for (int i = 0; i < 3; i++)
		world_go("a", accepts, NULL);
	gr_yield();
	for (int i = 0; i < 3; i++)
		world_go("c", connects, NULL);
	assert_true(world_run());
	assert_string_equal(world_log, "c=5 c=5 c=5 a=5 a=5 a=5");
	green_close(listener);
}

static void test_nobody_listens(void **state)
{
	(void)state;
	listen_somewhere();
	green_close(listener);
	world_go("c", connects, NULL);
	assert_true(world_run());
	assert_string_equal(world_log, "c=ECONNREFUSED");
}

#define WITH_FDS(test) cmocka_unit_test_setup_teardown(test, open_fds, close_fds)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_transfers),
		cmocka_unit_test(test_rows),
		WITH_FDS(test_short_read_marks_drained),
		WITH_FDS(test_recvmmsg_waits_for_all),
		WITH_FDS(test_eventfd_waits_both_ways),
		WITH_FDS(test_fifo_that_never_had_a_writer),
		WITH_FDS(test_signalfd_with_too_small_a_buffer),
		WITH_FDS(test_files_to_the_end),
		WITH_FDS(test_three_accept_on_one_listener),
		WITH_FDS(test_nobody_listens),
	};
	const struct CMUnitTest faults[] = { WITH_FDS(test_bad_vector) };	/* of which Valgrind would be told */
	int n_failed = cmocka_run_group_tests(tests, begin, NULL);

	return n_failed + (RUNNING_ON_VALGRIND ? 0 : cmocka_run_group_tests(faults, NULL, NULL));
}
