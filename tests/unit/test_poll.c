/* test_poll.c - poll, ppoll, select, pselect6 and epoll_wait against a world played by the test; pipes and sockets are real */
#include "fake_wait.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>

static int p[2], q[2], sp[2];

static int open_fds(void **state)
{
	(void)state;
	assert_int_equal(pipe(p) | pipe(q) | socketpair(AF_UNIX, SOCK_STREAM, 0, sp), 0);
	return 0;
}

static int close_fds(void **state)
{
	(void)state;
	assert_int_equal(fake_own_fds, 0);
	for (int i = 0; i < 2; i++)
		close(p[i]), close(q[i]), close(sp[i]);
	return 0;
}

/* --- what the world does while the greenlet is parked ------------------------------------------------------------------------ */

static int writes(int n)
{
	(void)n;
	assert_int_equal(write(p[1], "x", 1), 1);
	return 0;
}

/* somebody else takes what we were woken for, twice */
static int writes_in_the_end(int n)
{
	return n < 2 ? 0 : writes(n);
}

/* often enough for the exact events to be asked for */
static int writes_after_long(int n)
{
	return n < 5 ? 0 : writes(n);
}

static int signals(int n)
{
	(void)n;
	return -EINTR;
}

static int signals_and_writes(int n)
{
	writes(n);
	return -EINTR;
}

static int writes_too_late(int n)
{
	writes(n);
	return -ETIMEDOUT;
}

static int hangs_up(int n)
{
	(void)n;
	close(p[1]);
	p[1] = dup(q[1]);
	return 0;
}

static int half_closes(int n)
{
	(void)n;
	shutdown(sp[1], SHUT_WR);
	return 0;
}

static int closes_it(int n)
{
	(void)n;
	close(p[0]);
	p[0] = -1;
	return 0;
}

static int is_killed(int n)
{
	(void)n;
	return -ECANCELED;
}

/* --- poll -------------------------------------------------------------------------------------------------------------------- */

static const struct row {
	const char *when;
	int *fd;
	short events;
	int timeout;
	int (*step)(int);
	long want;
	short revents;
	gr_time took;
	const char *log;
} rows[] = {
	{ "ready at once",        &q[1],  POLLOUT,   -1, NULL,               1, POLLOUT,          0,         "" },
	{ "no waiting",           &p[0],  POLLIN,     0, NULL,               0, 0,                0,         "" },
	{ "nothing comes",        &p[0],  POLLIN,    50, NULL,               0, 0,                GR_MS(50), "many r" },
	{ "data comes",           &p[0],  POLLIN,    50, writes,             1, POLLIN,           0,         "many r" },
	{ "for ever",             &p[0],  POLLIN,    -1, writes,             1, POLLIN,           0,         "many r" },
	{ "another takes it",     &p[0],  POLLIN,    -1, writes_in_the_end,  1, POLLIN,           0,         "many r many r many r" },
	{ "others take it often", &p[0],  POLLIN,    -1, writes_after_long,  1, POLLIN,           0,
	  "many r many r many r fd(r) fd(r) fd(r)" },
	{ "in the last moment",   &p[0],  POLLIN,    50, writes_too_late,    1, POLLIN,           GR_MS(50), "many r" },
	{ "a signal",             &p[0],  POLLIN,    50, signals,       -EINTR, 0,                0,         "many r" },
	{ "a signal and data",    &p[0],  POLLIN,    50, signals_and_writes, 1, POLLIN,           0,         "many r" },
	{ "killed",               &p[0],  POLLIN,    50, is_killed, -ECANCELED, 0,                0,         "many r" },
	{ "hang-up",              &p[0],  POLLIN,    50, hangs_up,           1, POLLHUP,          0,         "many r" },
	{ "hang-up, not asked",   &p[0],  0,         50, hangs_up,           1, POLLHUP,          0,         "fd(r)" },
	{ "urgent data only",     &sp[0], POLLPRI,   50, NULL,               0, 0,                GR_MS(50), "fd(r)" },
	{ "half-close",           &sp[0], POLLRDHUP, 50, half_closes,        1, POLLRDHUP,        0,         "fd(r)" },
	{ "half-close, or data",  &sp[0], POLLRDHUP | POLLIN, 50, half_closes, 1, POLLRDHUP | POLLIN, 0,     "many r" },
	{ "python's default",     &p[0],  POLLIN | POLLPRI, 50, writes,      1, POLLIN,           0,         "fd(r)" },
	{ "closed meanwhile",     &p[0],  POLLIN,    50, closes_it,          1, POLLNVAL,         0,         "many r" },
};

static void test_poll_rows(void **state)
{
	for (size_t i = 0; i < GR_LENGTH(rows); i++) {
		const struct row *r = &rows[i];
		struct pollfd pfd;

		open_fds(state);
		pfd = (struct pollfd){ *r->fd, r->events, 99 };
		fake_start(r->step);
		print_message("  %s\n", r->when);
		assert_int_equal(green_poll(&pfd, 1, r->timeout), r->want);
		if (r->want != -ECANCELED)
			assert_int_equal(pfd.revents, r->revents);
		assert_int_equal(fake_clock, GR_SEC(1000) + r->took);
		assert_string_equal(fake_log, r->log);
		close_fds(state);
	}
}

static void test_poll_none(void **state)
{
	struct pollfd gone = { -1, POLLIN, 7 };

	(void)state;
	fake_start(NULL);
	assert_int_equal(green_poll(NULL, 0, 20), 0);
	assert_int_equal(green_poll(&gone, 1, 20), 0);
	assert_int_equal(gone.revents, 0);
	assert_string_equal(fake_log, "many many");
	assert_int_equal(fake_clock, GR_SEC(1000) + GR_MS(40));
}

static void test_poll_bad_pointers(void **state)
{
	struct timespec bad = { 0, 1000000000 };

	(void)state;
	fake_start(NULL);
	assert_int_equal(green_poll(BAD_POINTER, 1, 20), -EFAULT);
	assert_int_equal(green_poll(BAD_POINTER, 1u << 30, 20), -EINVAL);
	assert_int_equal(green_ppoll(NULL, 0, BAD_POINTER, NULL, 8), -EFAULT);
	assert_int_equal(green_ppoll(NULL, 0, &bad, NULL, 8), -EINVAL);
	bad = (struct timespec){ -1, 0 };
	assert_int_equal(green_ppoll(NULL, 0, &bad, BAD_POINTER, 8), -EINVAL);
	assert_int_equal(green_ppoll(NULL, 0, NULL, BAD_POINTER, 8), -EFAULT);
	assert_int_equal(green_ppoll(NULL, 0, NULL, BAD_POINTER, 16), -EINVAL);
	assert_string_equal(fake_log, "");
}

/* One descriptor many times, all with different interest: one epoll entry has to serve them all. */
static void test_poll_duplicates(void **state)
{
	struct pollfd fds[200];

	(void)state;
	for (int i = 0; i < 200; i++)
		fds[i] = (struct pollfd){ i % 2 ? p[0] : sp[0], i == 150 ? POLLRDHUP : POLLPRI, 0 };
	fake_start(half_closes);
	assert_int_equal(green_poll(fds, 200, -1), 1);
	assert_int_equal(fds[150].revents, POLLRDHUP);
	assert_string_equal(fake_log, "fd(r)");

	for (int i = 0; i < 200; i++)
		fds[i] = (struct pollfd){ p[0], POLLIN, 0 };
	fake_start(writes);
	assert_int_equal(green_poll(fds, 200, -1), 200);
	assert_string_equal(fake_log, "many(200)");
}

static struct pollfd changing;

static int changes_array(int n)
{
	changing.fd = q[0];
	return writes(n);
}

static void test_poll_goes_by_a_copy(void **state)
{
	(void)state;
	changing = (struct pollfd){ p[0], POLLIN, 0 };
	fake_start(changes_array);
	assert_int_equal(green_poll(&changing, 1, -1), 1);
	assert_int_equal(changing.revents, POLLIN);
}

static void test_ppoll_mask_and_time(void **state)
{
	struct pollfd pfd = { p[0], POLLIN, 0 };
	struct timespec ts = { 1, 5 };
	uint64_t none = 0;

	(void)state;
	fake_start(NULL);
	fake_me.sigmask = 1;
	fake_me.pending = FAKE_SIGNAL;			/* blocked: does not disturb */
	assert_int_equal(green_ppoll(&pfd, 1, &ts, NULL, 0), 0);
	assert_true(ts.tv_sec == 0 && ts.tv_nsec == 0);
	ts = (struct timespec){ 1, 5 };
	assert_int_equal(green_ppoll(&pfd, 1, &ts, &none, 8), -EINTR);	/* let in: at once, and the mask stays for the handler */
	assert_true(ts.tv_sec == 1 && ts.tv_nsec == 5);
	assert_true(fake_me.restore_mask && fake_me.sigmask == 0 && fake_me.saved_mask == 1);
	gr_signal_restore_mask();
	ts = (struct timespec){ 0, 0 };
	assert_int_equal(green_ppoll(&pfd, 1, &ts, &none, 8), -EINTR);
	gr_signal_restore_mask();
	writes(0);
	assert_int_equal(green_ppoll(&pfd, 1, &ts, &none, 8), 1);	/* what is ready goes before */
	assert_true(!fake_me.restore_mask && fake_me.sigmask == 1);
}

/* --- select ------------------------------------------------------------------------------------------------------------------- */

static void set_of(fd_set *set, int fd)
{
	FD_ZERO(set);
	if (fd >= 0)
		FD_SET(fd, set);
}

static const struct select_row {
	const char *when;
	int *in, *out, *ex;
	struct timeval timeout;
	int (*step)(int);
	long want;
	bool got_in, got_out, got_ex;
	gr_time took;
	const char *log;
} select_rows[] = {
	{ "ready at once",     &p[0], &p[1],  NULL,   { 1, 0 }, NULL,       1, false, true,  false, 0,         "" },
	{ "no waiting",        &p[0], NULL,   NULL,   { 0, 0 }, NULL,       0, false, false, false, 0,         "" },
	{ "nothing comes",     &p[0], NULL,   NULL,   { 0, 5 }, NULL,       0, false, false, false, GR_US(5),  "many r" },
	{ "data comes",        &p[0], NULL,   NULL,   { 1, 0 }, writes,     1, true,  false, false, 0,         "many r" },
	{ "a signal",          &p[0], NULL,   NULL,   { 1, 0 }, signals, -EINTR, true, false, false, 0,        "many r" },
	{ "a signal and data", &p[0], NULL,   NULL,   { 1, 0 }, signals_and_writes, 1, true, false, false, 0,  "many r" },
	{ "hang-up",           &p[0], NULL,   NULL,   { 1, 0 }, hangs_up,   1, true,  false, false, 0,         "many r" },
	{ "urgent data only",  NULL,  NULL,   &sp[0], { 1, 0 }, NULL,       0, false, false, false, GR_SEC(1), "fd(r)" },
	{ "closed meanwhile",  &p[0], NULL,   NULL,   { 1, 0 }, closes_it,  1, true,  false, false, 0,         "many r" },
	{ "carried over",      &p[0], NULL,   NULL,   { 1, 2500000 }, NULL, 0, false, false, false, GR_MS(3500), "many r" },
};

static void test_select_rows(void **state)
{
	for (size_t i = 0; i < GR_LENGTH(select_rows); i++) {
		const struct select_row *r = &select_rows[i];
		struct timeval tv = r->timeout;
		fd_set in, out, ex;
		int in_fd, out_fd, ex_fd;

		open_fds(state);
		in_fd = r->in ? *r->in : -1, out_fd = r->out ? *r->out : -1, ex_fd = r->ex ? *r->ex : -1;
		set_of(&in, in_fd);
		set_of(&out, out_fd);
		set_of(&ex, ex_fd);
		fake_start(r->step);
		print_message("  %s\n", r->when);
		assert_int_equal(green_select(100, (void *)&in, (void *)&out, (void *)&ex, &tv), r->want);
		assert_int_equal(in_fd >= 0 && FD_ISSET(in_fd, &in), r->got_in);
		assert_int_equal(out_fd >= 0 && FD_ISSET(out_fd, &out), r->got_out);
		assert_int_equal(ex_fd >= 0 && FD_ISSET(ex_fd, &ex), r->got_ex);
		assert_int_equal(fake_clock, GR_SEC(1000) + r->took);
		assert_string_equal(fake_log, r->log);
		if (r->took)
			assert_true(tv.tv_sec == 0 && tv.tv_usec == 0);
		close_fds(state);
	}
}

static void test_select_errors(void **state)
{
	struct timeval tv = { 0, -1 };
	struct timespec ts = { 0, -1 };
	fd_set set;

	(void)state;
	fake_start(NULL);
	set_of(&set, 60);		/* the smallest table has room for 64 */
	assert_int_equal(green_select(-1, NULL, NULL, NULL, NULL), -EINVAL);
	assert_int_equal(green_select(0, NULL, NULL, NULL, &tv), -EINVAL);
	assert_int_equal(green_select(0, NULL, NULL, NULL, BAD_POINTER), -EFAULT);
	assert_int_equal(green_select(1, BAD_POINTER, NULL, NULL, NULL), -EFAULT);
	assert_int_equal(green_select(61, (void *)&set, NULL, NULL, NULL), -EBADF);
	assert_true(FD_ISSET(60, &set));
	assert_int_equal(green_pselect6(0, NULL, NULL, NULL, &ts, NULL), -EINVAL);
	assert_int_equal(green_pselect6(0, NULL, NULL, NULL, &ts, BAD_POINTER), -EFAULT);
	ts.tv_nsec = 7;
	assert_int_equal(green_pselect6(0, NULL, NULL, NULL, &ts, (long[]){ (long)&set, 5 }), -EINVAL);
	assert_int_equal(green_pselect6(0, NULL, NULL, NULL, &ts, (long[]){ 8, 8 }), -EFAULT);
	assert_int_equal(green_pselect6(0, NULL, NULL, NULL, &ts, (long[]){ 0, 5 }), 0);
	assert_string_equal(fake_log, "many");
}

/* Bits beyond n are none of select()'s business, and large sets do not live on the stack. */
static void test_select_large(void **state)
{
	static unsigned long in[2000];
	struct timeval tv = { 1, 0 };

	(void)state;
	memset(in, 0, sizeof(in));
	in[p[0] / 64] |= 1ul << (p[0] % 64);
	in[1999] = ~0ul;
	fake_start(writes);
	assert_int_equal(green_select(1999 * 64, in, NULL, NULL, &tv), 1);
	assert_string_equal(fake_log, "many r");
	assert_true(in[1999] == ~0ul && tv.tv_sec == 1);
}

static long says_ready(long nr, long a, long b, long c, long d, long e)
{
	(void)a, (void)b, (void)c, (void)d, (void)e;
	assert_int_equal(nr, SYS_pselect6);
	return -GR_ERESTART;
}

/* epoll always reports a hang-up, select() for exceptional conditions does not: no busy loop, the kernel waits. */
static void test_select_where_epoll_misleads(void **state)
{
	struct timeval tv = { 1, 0 };
	fd_set ex;

	(void)state;
	close(p[1]);
	p[1] = dup(q[1]);
	set_of(&ex, p[0]);
	fake_start(writes_in_the_end);		/* the first park ends at once, as it would */
	fake_offload = says_ready;
	assert_int_equal(green_select(100, NULL, NULL, (void *)&ex, &tv), -EINTR);
	assert_string_equal(fake_log, "fd(r) offload(270)");
}

/* --- epoll ---------------------------------------------------------------------------------------------------------------------- */

static int adds_signal(int n)
{
	writes(n);
	fake_me.pending = FAKE_SIGNAL;
	return -EINTR;
}

static void test_epoll(void **state)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT, .data.u64 = 42 }, got;
	struct timespec ts = { 0, 7 };
	uint64_t none = 0;

	(void)state;
	assert_int_equal(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev), 0);
	fake_start(NULL);
	assert_int_equal(green_epoll_wait(ep, &got, 1, 0), 0);
	assert_int_equal(green_epoll_wait(ep, &got, 1, 20), 0);
	assert_int_equal(green_epoll_pwait2(ep, &got, 1, &ts, NULL, 8), 0);
	assert_int_equal(fake_clock, GR_SEC(1000) + GR_MS(20) + 7);
	assert_string_equal(fake_log, "fd(r) fd(r)");
	fake_start(adds_signal);
	assert_int_equal(green_epoll_wait(ep, &got, 1, -1), 1);
	assert_int_equal(got.data.u64, 42);
	fake_start(writes_in_the_end);
	epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &(struct epoll_event){ .events = EPOLLIN | EPOLLET });
	assert_int_equal(green_epoll_wait(ep, &got, 1, -1), 1);
	fake_start(signals);
	assert_int_equal(green_epoll_wait(ep, &got, 1, -1), -EINTR);
	assert_int_equal(green_epoll_pwait(ep, &got, 1, -1, BAD_POINTER, 8), -EFAULT);
	assert_int_equal(green_epoll_pwait(ep, &got, 1, -1, &none, 7), -EINVAL);
	assert_int_equal(green_epoll_wait(ep, &got, 0, -1), -EINVAL);
	assert_int_equal(green_epoll_wait(p[0], &got, 1, -1), -EINVAL);
	assert_int_equal(green_epoll_wait(999, &got, 1, -1), -EBADF);
	fake_start(NULL);
	fake_me.sigmask = 1;
	fake_me.pending = FAKE_SIGNAL;
	assert_int_equal(green_epoll_pwait(ep, &got, 1, 5, &none, 8), -EINTR);
	assert_true(fake_me.restore_mask);
	assert_int_equal(green_epoll_pwait(ep, &got, 1, 0, &none, 8), 0);	/* epoll_wait(0) does not look at signals */
	close(ep);
}

int main(void)
{
#define WITH_FDS(test) cmocka_unit_test_setup_teardown(test, open_fds, close_fds)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_poll_rows),
		cmocka_unit_test(test_poll_none),
		cmocka_unit_test(test_poll_bad_pointers),
		WITH_FDS(test_poll_duplicates),
		WITH_FDS(test_poll_goes_by_a_copy),
		WITH_FDS(test_ppoll_mask_and_time),
		cmocka_unit_test(test_select_rows),
		cmocka_unit_test(test_select_errors),
		WITH_FDS(test_select_large),
		WITH_FDS(test_select_where_epoll_misleads),
		WITH_FDS(test_epoll),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
