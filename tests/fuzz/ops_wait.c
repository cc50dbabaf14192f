/*
 * ops_wait.c - waiting for many descriptors, and for time
 */
#include "fuzz.h"
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/timerfd.h>

static const short events[] = { POLLIN, POLLOUT, POLLIN | POLLOUT, 0, POLLRDHUP | POLLIN, POLLPRI, POLLIN };

static unsigned fill_poll(const struct step *s, struct pollfd p[3])
{
	p[0] = (struct pollfd){ .fd = fd_of(s->a), .events = events[s->d % LENGTH(events)] };
	p[1] = (struct pollfd){ .fd = fd_of(s->b), .events = events[s->d / 7 % LENGTH(events)] };
	p[2] = (struct pollfd){ .fd = fd_of(s->c), .events = events[s->d / 49 % LENGTH(events)] };
	return s->e < 0xf0 ? 1 + s->e % 3 : s->e < 0xf8 ? 0 : 100000;
}

static void tell_poll(const struct pollfd p[3], struct result *r)
{
	if (r->ret > 0)
		more(r, "%x %x %x", (unsigned)p[0].revents, (unsigned)p[1].revents, (unsigned)p[2].revents);
}

static void op_poll(const struct step *s, struct result *r)
{
	struct pollfd p[3];
	unsigned n = fill_poll(s, p);

	DO(r, s, SYS_poll, poll, n == 100000 && !(s->e & 1) ? (void *)8 : p, n == 100000 && !(s->e & 1) ? 2 : n, timeout_ms(s->f));
	if (n <= 3)
		tell_poll(p, r);
}

static void op_ppoll(const struct step *s, struct result *r)
{
	struct pollfd p[3];
	unsigned n = fill_poll(s, p);
	struct timespec ts, *t = timeout_ts(s->f, &ts);
	uint64_t mask = s->d & 1 ? 1ull << (SIGUSR1 - 1) : 0;

	DONE(r, syscall(SYS_ppoll, p, n, t, s->e & 0x10 ? &mask : s->e & 0x20 ? (void *)8 : NULL, s->d & 0x80 ? 8 : s->d & 0x40 ? 8 : 4));
	if (n <= 3)
		tell_poll(p, r);
}

static void op_select(const struct step *s, struct result *r)
{
	struct timeval tv = { 0, timeout_ms(s->f) == 2 ? 2000 : 0 };
	fd_set sets[3];
	uint8_t of[3] = { s->a, s->b, s->c };
	int bits = 0;

	for (int i = 0; i < 3; i++) {
		int fd = fd_of(of[i]);

		FD_ZERO(&sets[i]);
		if (fd >= 0 && fd < FD_SETSIZE && (s->d & (1 << i)))
			FD_SET(fd, &sets[i]);
	}
	DONE(r, syscall(SYS_select, s->e == 0xff ? -1 : s->e == 0xfe ? 30 : 1024, &sets[0], s->e == 0xfd ? (void *)8 : &sets[1], &sets[2],
			endless(s->f) ? NULL : s->e == 0xfc ? (void *)8 : &tv));
	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 3; k++)
			if (fd_of(of[k]) >= 0 && fd_of(of[k]) < FD_SETSIZE && FD_ISSET(fd_of(of[k]), &sets[i]))
				bits |= 1 << (i * 3 + k);
	if (r->ret >= 0)
		more(r, "%d", bits);
}

static void op_pselect(const struct step *s, struct result *r)
{
	struct timespec ts, *t = timeout_ts(s->f, &ts);
	sigset_t mask;
	fd_set set;
	int fd = fd_of(s->a);

	FD_ZERO(&set);
	if (fd >= 0 && fd < FD_SETSIZE)
		FD_SET(fd, &set);
	sigemptyset(&mask);
	if (s->d & 1)
		sigaddset(&mask, SIGUSR1);
	if (t == (void *)8)		/* glibc looks at it */
		t = NULL;
	DONE(r, pselect(1024, s->d & 2 ? &set : NULL, s->d & 2 ? NULL : &set, NULL, t, s->d & 4 ? &mask : NULL));
	if (r->ret > 0)
		more(r, "%d", FD_ISSET(fd, &set) != 0);
}

static void op_epoll_create(const struct step *s, struct result *r)
{
	DONE(r, s->a & 1 ? epoll_create1(s->b == 0xff ? 5 : 0) : epoll_create(s->b == 0xff ? 0 : 1));
	put_result(r, r->ret, EPOLL);
}

static void op_epoll_ctl(const struct step *s, struct result *r)
{
	static const int calls[] = { EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL, 99 };
	static const uint32_t masks[] = { EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLOUT, EPOLLIN | EPOLLET, EPOLLIN | EPOLLONESHOT, EPOLLRDHUP, 0,
					  EPOLLIN | EPOLLOUT | EPOLLET, EPOLLEXCLUSIVE | EPOLLIN };
	struct epoll_event e = { .events = masks[s->d % LENGTH(masks)], .data.u64 = s->b };

	DONE(r, epoll_ctl(fd_of(s->a), calls[s->c % LENGTH(calls)], fd_of(s->b), s->e == 0xff ? (void *)8 : &e));
}

static int compare_events(const void *a, const void *b)
{
	const struct epoll_event *x = a, *y = b;

	return x->data.u64 < y->data.u64 ? -1 : x->data.u64 > y->data.u64;
}

static void op_epoll_wait(const struct step *s, struct result *r)
{
	static const int counts[] = { 4, 4, 1, 0, -1, 1 << 30 };
	struct epoll_event e[4];
	struct timespec ts, *t = timeout_ts(s->f, &ts);
	int n = s->c >= 0xf0 ? counts[s->c % 4 + 2] : 4;
	void *to = s->d == 0xff ? (void *)8 : e;
	uint64_t mask = 1ull << (SIGUSR2 - 1);

	memset(e, 0, sizeof(e));
	if (n == 1 << 30)
		to = (void *)8;
	switch (s->e % 3) {
	case 0: DO(r, s, SYS_epoll_wait, epoll_wait, fd_of(s->a), to, n, timeout_ms(s->f)); break;
	case 1: DONE(r, syscall(SYS_epoll_pwait, fd_of(s->a), to, n, timeout_ms(s->f), s->e & 0x10 ? &mask : NULL, s->e & 0x80 ? 4 : 8)); break;
	default: DONE(r, syscall(SYS_epoll_pwait2, fd_of(s->a), to, n, t, s->e & 0x10 ? &mask : NULL, 8)); break;
	}
	if (r->ret > 0 && r->ret <= 4 && to == e) {
		qsort(e, (size_t)r->ret, sizeof(*e), compare_events);
		for (long i = 0; i < r->ret; i++)
			more(r, "%d:%x", (int)e[i].data.u64, e[i].events);
	}
}

static void op_nanosleep(const struct step *s, struct result *r)
{
	struct timespec ts, *t = timeout_ts(s->f, &ts), left = { 7, 7 };

	if (!t)
		ts = (struct timespec){ 3600, 0 }, t = &ts;
	if (s->a & 1)
		DO(r, s, SYS_nanosleep, nanosleep, t, s->b == 0xff ? (void *)8 : &left);
	else
		DONE(r, syscall(SYS_clock_nanosleep, s->c == 0xff ? 77 : CLOCK_MONOTONIC, 0, t, s->b == 0xff ? (void *)8 : &left));
	more(r, "%s", left.tv_sec == 7 ? "untouched" : "left");
}

/* one shot, soon or never; the conductor waits until it is over */
static void op_timerfd_set(const struct step *s, struct result *r)
{
	struct itimerspec t = { .it_value.tv_nsec = s->b & 1 ? 1000000 : s->b == 0xfe ? -1 : 0 };
	struct pollfd p = { .fd = fd_of(s->a), .events = POLLIN };

	DONE(r, timerfd_settime(p.fd, s->c == 0xff ? 64 : 0, s->b == 0xfc ? (void *)8 : &t, NULL));
	if (r->ret == 0 && (s->b & 1))
		poll(&p, 1, 1000);
}

static void op_timerfd_create(const struct step *s, struct result *r)
{
	static const int clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, 99 };

	DONE(r, timerfd_create(clocks[s->a % LENGTH(clocks)], s->b & 1 ? TFD_NONBLOCK : s->b == 0xfe ? 3 : 0));
	put_result(r, r->ret, TIMERFD);
}

static void op_yield(const struct step *s, struct result *r)
{
	DO(r, s, SYS_sched_yield, sched_yield);
}

const struct op wait_ops[] = {
	{ "poll", op_poll, POLLS | TIMED, 0 },
	{ "poll", op_poll, POLLS | TIMED, 0 },
	{ "ppoll", op_ppoll, POLLS | TIMED, 0 },
	{ "select", op_select, POLLS | TIMED, 0 },
	{ "pselect", op_pselect, POLLS | TIMED, 0 },
	{ "epoll_create", op_epoll_create, 0, 0 },
	{ "epoll_ctl", op_epoll_ctl, 0, 0 },
	{ "epoll_ctl", op_epoll_ctl, 0, 0 },
	{ "epoll_wait", op_epoll_wait, READS_A | TIMED, 0 },
	{ "epoll_wait", op_epoll_wait, READS_A | TIMED, 0 },
	{ "nanosleep", op_nanosleep, TIMED, 0 },
	{ "timerfd_settime", op_timerfd_set, STAYS, 0 },
	{ "timerfd_create", op_timerfd_create, 0, 0 },
	{ "sched_yield", op_yield, 0, 0 },
	{ NULL, NULL, 0, 0 },
};
