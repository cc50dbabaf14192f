/* poll.c - poll, select and epoll: what is reported, when they come back, and what they leave in their arguments */
#include "t.h"
#include <netinet/in.h>
#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>

static int parked, handled;

static void on_usr1(int sig)
{
	(void)sig;
	t_set(&handled, 1);
}

static const char *events(int e)
{
	static char text[100];

	snprintf(text, sizeof(text), "%s%s%s%s%s%s", e & POLLIN ? " IN" : "", e & POLLPRI ? " PRI" : "", e & POLLOUT ? " OUT" : "",
		 e & POLLERR ? " ERR" : "", e & POLLHUP ? " HUP" : "", e & POLLNVAL ? " NVAL" : "");
	return e ? text + 1 : "-";
}

#define POLL(what, pf, n, ms) __extension__({				\
	R(what, poll(pf, n, ms));					\
	for (int i_ = 0; i_ < (int)(n); i_++)				\
		say("    %s", events((pf)[i_].revents)); })

/* a TCP connection with a byte of urgent data on its way to c[1] */
static void urgent_pair(int c[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int l = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

	MUST(bind(l, (struct sockaddr *)&a, len));
	MUST(listen(l, 1));
	MUST(getsockname(l, (struct sockaddr *)&a, &len));
	c[0] = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(connect(c[0], (struct sockaddr *)&a, sizeof(a)));
	c[1] = MUST(accept(l, NULL, NULL));
	close(l);
	MUST(send(c[0], "!", 1, MSG_OOB));
}

/* --- poll --- */

static void poll_now(void)
{
	static char buf[65536];
	int p[2], q[2], c[2];

	say("-- poll");
	must_pipe(p);
	must_pipe(q);
	struct pollfd pf[4] = { { p[0], POLLIN, 0 }, { p[1], POLLOUT, 0 }, { -5, POLLIN, 99 }, { 900, POLLIN, 0 } };
	POLL("nothing but room", pf, 3, 0);
	POLL("a bad descriptor", pf, 4, 0);
	POLL("a bad descriptor, without end", pf + 3, 1, -1);
	MUST(write(p[1], "x", 1));
	POLL("data", pf, 3, -1);
	POLL("data, any negative timeout", pf, 1, -7);
	pf[0].events = 0;
	POLL("not asked", pf, 1, 0);
	close(p[1]);
	pf[0].events = POLLIN;
	POLL("data and hang-up", pf, 1, -1);
	MUST(read(p[0], buf, 1));
	pf[0].events = 0;
	POLL("hang-up, not asked", pf, 1, -1);
	close(p[0]);
	MUST(write(q[1], buf, 65536));
	pf[0] = (struct pollfd){ q[1], POLLOUT, 0 };
	POLL("no room", pf, 1, 0);
	close(q[0]);
	POLL("reader gone", pf, 1, -1);
	close(q[1]);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, c));
	pf[0] = (struct pollfd){ c[0], POLLIN | POLLOUT | POLLRDHUP, 0 };
	POLL("socket", pf, 1, -1);
	shutdown(c[1], SHUT_WR);
	R("half-closed", poll(pf, 1, -1));
	YES("    RDHUP", pf[0].revents & POLLRDHUP);
	close(c[1]);
	POLL("closed", pf, 1, -1);
	close(c[0]);
	urgent_pair(c);
	pf[0] = (struct pollfd){ c[1], POLLPRI, 0 };
	POLL("urgent", pf, 1, 5000);
	close2(c);
	int f = MUST(open("/proc/self/exe", O_RDONLY));
	pf[0] = (struct pollfd){ f, POLLIN | POLLOUT, 0 };
	POLL("a file", pf, 1, -1);
	close(f);
	R("no descriptors, 0", poll(NULL, 0, 0));
	long long before = now_ns();
	R("no descriptors, 30 ms", poll(NULL, 0, 30));
	YES("it took them", now_ns() - before >= 29000000);
	R("bad pointer", poll(T_BAD, 1, 0));
	struct rlimit rl;
	MUST(getrlimit(RLIMIT_NOFILE, &rl));
	R("too many", poll(pf, rl.rlim_cur + 1, 0));
	struct timespec bad = { 0, 1000000000 };
	R("ppoll bad timeout", ppoll(pf, 1, &bad, NULL));
	R("ppoll bad timeout pointer", syscall(SYS_ppoll, pf, 1, T_BAD, NULL, 8));
	R("ppoll bad mask pointer", syscall(SYS_ppoll, pf, 0, NULL, T_BAD, 8));
	R("ppoll bad mask size", syscall(SYS_ppoll, pf, 0, NULL, &bad, 5));
}

struct wait {
	int fd;
	const char *what;
	short events;
};

static void *do_poll(void *arg)
{
	struct wait *w = arg;
	struct pollfd pf = { w->fd, w->events, 0 };

	t_here(&parked);
	POLL(w->what, &pf, 1, 20000);
	return NULL;
}

static void *do_poll_quiet(void *arg)
{
	struct pollfd pf = { *(int *)arg, POLLIN, 0 };

	return (void *)(intptr_t)poll(&pf, 1, 20000);
}

static void poll_waits(void)
{
	int p[2], many[200][2];
	pthread_t t, u[5];

	say("-- poll waits");
	must_pipe(p);
	struct pollfd one = { p[0], POLLIN, 0 };
	POLL("timeout", &one, 1, 20);
	struct wait w = { p[0], "woken by a write", POLLIN };
	parked = 0;
	t = start(do_poll, &w);
	wait_parked(&parked);
	MUST(write(p[1], "x", 1));
	join(t);
	MUST(read(p[0], &w, 1));
	for (int i = 0; i < 5; i++)
		u[i] = start(do_poll_quiet, &p[0]);
	msleep(20);
	MUST(write(p[1], "x", 1));
	long sum = 0;
	for (int i = 0; i < 5; i++)
		sum += (intptr_t)join(u[i]);
	say("one byte woke %ld pollers", sum);
	w = (struct wait){ p[0], "woken by the end", 0 };
	parked = 0;
	t = start(do_poll, &w);
	wait_parked(&parked);
	close(p[1]);
	join(t);
	close(p[0]);

	struct pollfd pf[400];
	for (int i = 0; i < 200; i++) {
		must_pipe(many[i]);
		pf[i] = pf[i + 200] = (struct pollfd){ many[i][0], POLLIN, 0 };
	}
	R("400 entries", poll(pf, 400, 20));
	MUST(write(many[123][1], "x", 1));
	R("400 entries, one ready twice", poll(pf, 400, -1));
	say("    %d %d", pf[123].revents, pf[323].revents);
	for (int i = 0; i < 200; i++)
		close2(many[i]);
}

static void poll_masks(void)
{
	sigset_t usr1, none;
	struct timespec ts = { 10, 0 };
	struct sigaction sa = { .sa_handler = on_usr1, .sa_flags = SA_RESTART };
	int p[2];

	say("-- masks");
	sigaction(SIGUSR1, &sa, NULL);
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	must_pipe(p);
	struct pollfd pf = { p[0], POLLIN, 0 };
	pthread_kill(pthread_self(), SIGUSR1);
	R("blocked: ppoll 10 ms", ppoll(&pf, 1, &(struct timespec){ 0, 10000000 }, NULL));
	say("handled %d", t_get(&handled));
	R("let in by ppoll", ppoll(&pf, 1, &ts, &none));
	say("handled %d, time left as it was %d", t_get(&handled), ts.tv_sec == 10 && ts.tv_nsec == 0);
	t_set(&handled, 0);
	pthread_kill(pthread_self(), SIGUSR1);
	fd_set in;
	FD_ZERO(&in);
	FD_SET(p[0], &in);
	R("let in by pselect", pselect(p[0] + 1, &in, NULL, NULL, &ts, &none));
	say("handled %d, set as it was %d", t_get(&handled), FD_ISSET(p[0], &in));
	t_set(&handled, 0);
	pthread_kill(pthread_self(), SIGUSR1);
	int ep = MUST(epoll_create1(EPOLL_CLOEXEC));
	struct epoll_event ev;
	R("let in by epoll_pwait", epoll_pwait(ep, &ev, 1, 10000, &none));
	say("handled %d", t_get(&handled));
	t_set(&handled, 0);
	pthread_kill(pthread_self(), SIGUSR1);
	MUST(write(p[1], "x", 1));
	R("ppoll, ready and a signal", ppoll(&pf, 1, &ts, &none));
	say("handled %d", t_get(&handled));
	R("poll 5 ms", poll(&pf, 1, 5));
	pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
	say("handled %d", t_get(&handled));
	close(ep);
	close2(p);
	R("raw ppoll 20 ms of 1 s left", syscall(SYS_ppoll, NULL, 0, (ts = (struct timespec){ 0, 20000000 }, &ts), NULL, 8));
	say("time left: %ld %ld", ts.tv_sec, ts.tv_nsec);
}

/* --- select --- */

static void *write_soon(void *fd)
{
	msleep(30);
	MUST(write(*(int *)fd, "x", 1));
	return NULL;
}

static void selects(void)
{
	int p[2], c[2];
	fd_set in, out, ex;
	struct timeval tv;

	say("-- select");
	must_pipe(p);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&ex);
	FD_SET(p[0], &in);
	FD_SET(p[1], &out);
	R("room only", select(100, &in, &out, NULL, NULL));
	say("    in %d out %d", FD_ISSET(p[0], &in), FD_ISSET(p[1], &out));
	FD_SET(p[0], &in);
	tv = (struct timeval){ 0, 20000 };
	R("timeout", select(p[0] + 1, &in, NULL, NULL, &tv));
	say("    in %d left %ld %ld", FD_ISSET(p[0], &in), (long)tv.tv_sec, (long)tv.tv_usec);
	FD_SET(p[0], &in);
	tv = (struct timeval){ 10, 0 };
	pthread_t t = start(write_soon, &p[1]);
	R("woken in time", select(p[0] + 1, &in, NULL, NULL, &tv));
	say("    in %d some time left %d", FD_ISSET(p[0], &in), tv.tv_sec == 9 && tv.tv_usec > 0);
	join(t);
	tv = (struct timeval){ 0, 0 };
	R("0", select(p[0] + 1, &in, NULL, NULL, &tv));
	urgent_pair(c);
	FD_SET(c[1], &ex);
	R("urgent", select(c[1] + 1, NULL, NULL, &ex, NULL));
	say("    ex %d", FD_ISSET(c[1], &ex));
	close2(c);
	tv = (struct timeval){ -1, 0 };
	R("negative time", select(0, NULL, NULL, NULL, &tv));
	tv = (struct timeval){ 0, 2000 };
	R("nothing, 2 ms", select(0, NULL, NULL, NULL, &tv));
	R("bad timeout pointer", syscall(SYS_select, 0, NULL, NULL, NULL, T_BAD));
	R("bad set pointer", syscall(SYS_select, 1, T_BAD, NULL, NULL, NULL));
	R("negative count", syscall(SYS_select, -1, NULL, NULL, NULL, NULL));
	FD_ZERO(&in);
	FD_ZERO(&in);
	FD_SET(c[0], &in);
	R("closed descriptor", select(c[0] + 1, &in, NULL, NULL, NULL));
	struct timespec ts = { 5, 0 };
	FD_ZERO(&in);
	FD_SET(p[0], &in);
	R("pselect", pselect(p[0] + 1, &in, NULL, NULL, &ts, NULL));
	say("    time as it was %d", ts.tv_sec == 5 && ts.tv_nsec == 0);
	ts.tv_nsec = -1;
	R("pselect bad time", pselect(0, NULL, NULL, NULL, &ts, NULL));
	ts = (struct timespec){ 5, 0 };
	R("raw pselect6", syscall(SYS_pselect6, p[0] + 1, &in, NULL, NULL, &ts, NULL));
	say("    time went down %d", ts.tv_sec == 4);
	close2(p);
}

/* --- epoll --- */

static int add(int ep, int fd, unsigned what, int id)
{
	struct epoll_event ev = { .events = what, .data.u64 = id };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static void levels(void)
{
	int ep = MUST(epoll_create1(EPOLL_CLOEXEC)), p[2], q[2];
	struct epoll_event ev[4];
	char c;

	say("-- epoll");
	must_pipe(p);
	must_pipe(q);
	R("add", add(ep, p[0], EPOLLIN, 7));
	R("wait 0", epoll_wait(ep, ev, 4, 0));
	R("wait 10 ms", epoll_wait(ep, ev, 4, 10));
	MUST(write(p[1], "ab", 2));
	R("level", epoll_wait(ep, ev, 4, -1));
	say("    %d %s", (int)ev[0].data.u64, events(ev[0].events));
	R("level again", epoll_wait(ep, ev, 4, -1));
	ev[0] = (struct epoll_event){ .events = EPOLLIN | EPOLLET, .data.u64 = 8 };
	R("mod to edge", epoll_ctl(ep, EPOLL_CTL_MOD, p[0], ev));
	R("edge", epoll_wait(ep, ev, 4, -1));
	R("edge again", epoll_wait(ep, ev, 4, 10));
	MUST(write(p[1], "c", 1));
	R("edge after more", epoll_wait(ep, ev, 4, -1));
	ev[0] = (struct epoll_event){ .events = EPOLLIN | EPOLLONESHOT, .data.u64 = 9 };
	R("mod to oneshot", epoll_ctl(ep, EPOLL_CTL_MOD, p[0], ev));
	R("oneshot", epoll_wait(ep, ev, 4, -1));
	R("oneshot again", epoll_wait(ep, ev, 4, 10));
	ev[0] = (struct epoll_event){ .events = EPOLLIN | EPOLLONESHOT, .data.u64 = 9 };
	MUST(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], ev));
	R("rearmed", epoll_wait(ep, ev, 4, -1));
	R("del", epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
	R("after del", epoll_wait(ep, ev, 4, 10));
	R("exclusive", add(ep, p[0], EPOLLIN | EPOLLEXCLUSIVE, 1));
	R("wait", epoll_wait(ep, ev, 4, -1));
	R("add again", add(ep, p[0], EPOLLIN, 1));
	R("del of a stranger", epoll_ctl(ep, EPOLL_CTL_DEL, q[0], NULL));
	R("pwait2 1 ns", epoll_pwait2(ep, ev, 4, &(struct timespec){ 0, 1 }, NULL));
	while (read(p[0], &c, 1) == 1 && c != 'c')
		continue;
	R("pwait2 10 ms", epoll_pwait2(ep, ev, 4, &(struct timespec){ 0, 10000000 }, NULL));
	R("pwait2 bad time", epoll_pwait2(ep, ev, 4, &(struct timespec){ 0, -1 }, NULL));
	close(p[1]);
	R("hang-up", epoll_wait(ep, ev, 4, -1));
	say("    %s", events(ev[0].events));
	close(p[0]);
	R("closed: gone", epoll_wait(ep, ev, 4, 10));
	close2(q);
	close(ep);
}

static void epoll_errors(void)
{
	int ep = MUST(epoll_create1(EPOLL_CLOEXEC)), p[2], f = MUST(open("/proc/self/exe", O_RDONLY));
	struct epoll_event ev[2];

	say("-- epoll errors");
	must_pipe(p);
	R("maxevents 0", epoll_wait(ep, ev, 0, 0));
	R("maxevents -1", epoll_wait(ep, ev, -1, 0));
	R("maxevents huge", epoll_wait(ep, ev, 0x7fffffff, 0));
	R("not an epoll", epoll_wait(p[0], ev, 1, 0));
	R("closed", epoll_wait(990, ev, 1, 0));
	R("add a file", add(ep, f, EPOLLIN, 1));
	R("add closed", add(ep, 990, EPOLLIN, 1));
	R("add itself", add(ep, ep, EPOLLIN, 1));
	R("add to no epoll", add(p[0], p[1], EPOLLIN, 1));
	R("add bad pointer", epoll_ctl(ep, EPOLL_CTL_ADD, p[0], T_BAD));
	R("bad operation", epoll_ctl(ep, 77, p[0], ev));
	R("create1 bad flags", epoll_create1(1));
	R("create 0", epoll_create(0));
	R("add", add(ep, p[0], EPOLLIN, 1));
	MUST(write(p[1], "x", 1));
	R("bad array, ready", epoll_wait(ep, T_BAD, 1, 0));
	R("still there", epoll_wait(ep, ev, 1, 0));
	MUST(read(p[0], ev, 1));
	R("bad array, nothing ready", epoll_wait(ep, T_BAD, 1, 0));
	int other = MUST(epoll_create1(EPOLL_CLOEXEC));
	R("nest", add(other, ep, EPOLLIN, 5));
	R("loop", add(ep, other, EPOLLIN, 5));
	R("nested, nothing", epoll_wait(other, ev, 2, 10));
	MUST(write(p[1], "x", 1));
	R("nested, ready", epoll_wait(other, ev, 2, -1));
	say("    %d", (int)ev[0].data.u64);
	struct pollfd pf = { other, POLLIN, 0 };
	POLL("poll of an epoll of an epoll", &pf, 1, -1);
	close(other);
	close(ep);
	close(f);
	close2(p);
}

struct epwait {
	int ep, place;
	int got;
	uint64_t id;
};

static int waits_ended;

static void *do_epoll_wait(void *arg)
{
	struct epwait *w = arg;
	struct epoll_event ev;

	t_here(&w->place);
	w->got = epoll_wait(w->ep, &ev, 1, -1);
	w->id = w->got == 1 ? ev.data.u64 : 0;
	__atomic_add_fetch(&waits_ended, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void epoll_waits(void)
{
	int ep = MUST(epoll_create1(EPOLL_CLOEXEC)), p[2], e[4];
	struct epwait w = { .ep = ep }, four[4];
	pthread_t t, u[4];

	say("-- epoll waits");
	must_pipe(p);
	MUST(write(p[1], "x", 1));
	t = start(do_epoll_wait, &w);
	wait_parked(&w.place);
	MUST(add(ep, p[0], EPOLLIN | EPOLLET, 42));
	join(t);
	say("added while waiting: %d %d", w.got, (int)w.id);
	w = (struct epwait){ .ep = ep };
	t = start(do_epoll_wait, &w);
	wait_parked(&w.place);
	MUST(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &(struct epoll_event){ .events = EPOLLIN, .data.u64 = 43 }));
	join(t);
	say("modified while waiting: %d %d", w.got, (int)w.id);
	close2(p);

	uint64_t ids = 0;
	for (int i = 0; i < 4; i++) {
		e[i] = MUST(eventfd(0, EFD_CLOEXEC));
		MUST(add(ep, e[i], EPOLLIN | EPOLLET, 1 << i));
		four[i] = (struct epwait){ .ep = ep };
		u[i] = start(do_epoll_wait, &four[i]);
	}
	for (int i = 0; i < 4; i++)
		wait_parked(&four[i].place);
	for (int i = 0; i < 4; i++)
		MUST(write(e[i], &(uint64_t){ 1 }, 8));
	for (int i = 0; i < 4; i++) {
		join(u[i]);
		ids += four[i].id;
	}
	say("four waited, four events: %d", (int)ids);
	for (int i = 0; i < 4; i++) {
		four[i] = (struct epwait){ .ep = ep };
		u[i] = start(do_epoll_wait, &four[i]);
	}
	for (int i = 0; i < 4; i++)
		wait_parked(&four[i].place);
	waits_ended = 0;
	for (int i = 1; i <= 4; i++) {
		MUST(write(e[0], &(uint64_t){ 1 }, 8));
		while (__atomic_load_n(&waits_ended, __ATOMIC_ACQUIRE) < i)
			msleep(1);
		msleep(20);
		say("four waited, edge %d: %d have ended", i, waits_ended);
	}
	for (int i = 0; i < 4; i++)
		join(u[i]);
	for (int i = 0; i < 4; i++)
		close(e[i]);
	close(ep);
}

int main(void)
{
	t_begin();
	poll_now();
	poll_waits();
	poll_masks();
	selects();
	levels();
	epoll_errors();
	epoll_waits();
	return 0;
}
