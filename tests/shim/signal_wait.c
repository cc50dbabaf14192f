/* signal_wait.c - waiting for signals: sigwait and its like, sigsuspend, masks of ppoll and others, signalfd */
#include "t.h"
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/uio.h>

#define RT(n)	(SIGRTMIN + (n))
#define CROWD	2000

static int place, got, stop;
static volatile int handled;

static void on_signal(int sig)
{
	(void)sig;
	__atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
}

static void install(int sig, int flags)
{
	MUST(sigaction(sig, &(struct sigaction){ .sa_handler = on_signal, .sa_flags = flags }, NULL));
}

static int number(int sig)
{
	return sig >= SIGRTMIN ? 100 + sig - SIGRTMIN : sig;
}

static const struct timespec at_once, moment = { 0, 20000000 }, long_time = { 50, 0 };

/* --- sigwait --- */

static void *waiter(void *arg)
{
	sigset_t s = set_of(2, SIGUSR2, RT(1));
	int sig = 0;

	(void)arg;
	t_here(&place);
	if (sigwait(&s, &sig) == 0)
		__atomic_add_fetch(&got, 1, __ATOMIC_SEQ_CST);
	return (void *)(intptr_t)sig;
}

static void crowd(void)
{
	static pthread_t t[CROWD];
	sigset_t s = set_of(2, SIGUSR2, RT(1)), p;
	pthread_attr_t attr;
	int n = 0, usr2 = 0;

	say("-- a crowd");
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	while (n < CROWD && pthread_create(&t[n], &attr, waiter, NULL) == 0)
		n++;
	say("threads %d", n);
	wait_parked(&place);
	for (int i = 1; i <= 5; i++) {
		kill(getpid(), SIGUSR2);
		t_until(&got, i);
	}
	msleep(30);
	sigpending(&p);
	say("five signals one after the other: %d have one, pending %d", t_get(&got), sigismember(&p, SIGUSR2));
	for (int i = 0; i < n - 5; i++)
		MUST(sigqueue(getpid(), RT(1), (union sigval){ .sival_int = i }));
	for (int i = 0; i < n; i++)
		usr2 += (int)(intptr_t)join(t[i]) == SIGUSR2;
	say("all have ended: %d, %d by USR2", t_get(&got) == n, usr2);
	say("nothing is left: %d", sigtimedwait(&s, NULL, &at_once) == -1 && errno == EAGAIN);
}

static void *interrupted(void *arg)
{
	sigset_t s = set_of(1, RT(1));

	t_here(&place);
	R("sigtimedwait, a handler runs", sigtimedwait(&s, NULL, arg));
	return NULL;
}

static void *timed(void *arg)
{
	sigset_t s = set_of(1, RT(1));
	siginfo_t si;

	(void)arg;
	t_here(&place);
	int r = sigtimedwait(&s, &si, &long_time);
	say("sigtimedwait: %d, value %d, code %d, from us %d", number(r), si.si_value.sival_int, si.si_code, si.si_pid == getpid());
	return NULL;
}

static void waits(void)
{
	sigset_t s = set_of(3, SIGUSR2, RT(1), RT(2)), none = set_of(0), usr1 = set_of(1, SIGUSR1);
	siginfo_t si;
	pthread_t t;

	say("-- sigtimedwait");
	R("nothing", sigtimedwait(&s, &si, &moment));
	R("no time", sigtimedwait(&s, &si, &at_once));
	R("a bad time", sigtimedwait(&s, &si, &(struct timespec){ 0, 1000000000 }));
	R("an empty set", sigtimedwait(&none, &si, &moment));
	R("bad set", syscall(SYS_rt_sigtimedwait, T_BAD, NULL, &at_once, 8));
	R("bad time pointer", syscall(SYS_rt_sigtimedwait, &s, NULL, T_BAD, 8));
	R("bad size", syscall(SYS_rt_sigtimedwait, &s, NULL, &at_once, 4));
	kill(getpid(), SIGUSR2);
	R("bad siginfo, and it is taken", syscall(SYS_rt_sigtimedwait, &s, T_BAD, &at_once, 8));
	R("no more", sigtimedwait(&s, &si, &at_once));
	sigqueue(getpid(), RT(2), (union sigval){ .sival_int = 1 });
	sigqueue(getpid(), RT(1), (union sigval){ .sival_int = 2 });
	pthread_sigqueue(pthread_self(), RT(2), (union sigval){ .sival_int = 3 });
	kill(getpid(), SIGUSR2);
	pthread_sigqueue(pthread_self(), RT(1), (union sigval){ .sival_int = 4 });
	for (int i = 0; i < 5; i++) {
		int r = sigwaitinfo(&s, &si);
		say("%d:%d code %d", number(r), r >= SIGRTMIN ? si.si_value.sival_int : 0, si.si_code);
	}
	place = 0;
	install(SIGUSR1, SA_RESTART);
	t = start(interrupted, (void *)&long_time);
	wait_parked(&place);
	pthread_kill(t, SIGUSR1);
	join(t);
	place = 0;
	t = start(interrupted, NULL);
	wait_parked(&place);
	pthread_kill(t, SIGUSR1);
	join(t);
	say("handled %d", handled);
	place = 0;
	t = start(timed, NULL);
	wait_parked(&place);
	sigqueue(getpid(), RT(1), (union sigval){ .sival_int = 5 });
	join(t);
	place = 0;
	t = start(timed, NULL);
	wait_parked(&place);
	pthread_sigqueue(t, RT(1), (union sigval){ .sival_int = 6 });
	join(t);
	/* one that is waited for, not blocked, and has a handler */
	handled = 0;
	place = 0;
	pid_t pid = MUST(fork());
	if (pid == 0) {
		msleep(20);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	R("unblocked, with a handler: sigwaitinfo takes it", number(sigwaitinfo(&usr1, &si)));
	say("from the child %d, handled %d", si.si_pid == pid, handled);
	t_reap(pid);
	/* ignored, but blocked */
	signal(SIGUSR1, SIG_IGN);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	kill(getpid(), SIGUSR1);
	R("ignored, blocked", number(sigtimedwait(&usr1, &si, &moment)));
	kill(getpid(), SIGCHLD);
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
}

/* --- sigsuspend, pause, ppoll, pselect, epoll_pwait --- */

static void *suspended(void *arg)
{
	sigset_t all, none = set_of(0), now;
	struct pollfd p = { .fd = -1 };
	int ep = MUST(epoll_create1(EPOLL_CLOEXEC));
	struct epoll_event ev;

	(void)arg;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	for (int i = 0; i < 5; i++) {
		t_here(&place);
		if (i == 0)
			R("sigsuspend", sigsuspend(&none));
		else if (i == 1)
			R("ppoll", ppoll(&p, 1, NULL, &none));
		else if (i == 2)
			R("pselect", pselect(0, NULL, NULL, NULL, NULL, &none));
		else if (i == 3)
			R("epoll_pwait", epoll_pwait(ep, &ev, 1, -1, &none));
		else
			R("ppoll, the signal is pending already", ppoll(&p, 1, NULL, &none));
		pthread_sigmask(SIG_BLOCK, NULL, &now);
		say("handled %d, blocked again %d", handled, sigismember(&now, SIGUSR1));
		if (i == 3)
			pthread_kill(pthread_self(), SIGUSR1);
	}
	close(ep);
	return NULL;
}

static void masks(void)
{
	sigset_t usr1 = set_of(1, SIGUSR1);
	pthread_t t;

	say("-- masks for a wait");
	install(SIGUSR1, SA_RESTART);
	handled = place = 0;
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	t = start(suspended, NULL);
	for (int i = 0; i < 4; i++) {
		wait_parked(&place);
		place = 0;
		if (i & 1)
			pthread_kill(t, SIGUSR1);
		else
			kill(getpid(), SIGUSR1);	/* only the other lets it in, for as long as it waits */
	}
	join(t);
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
}

/* --- signalfd --- */

static int sfd;

static void tell(const char *what, long n, const struct signalfd_siginfo *si)
{
	say("%s: %ld", what, n);
	for (long i = 0; i < n; i++)
		say("  %d:%d code %d, from us %d", number((int)si[i].ssi_signo), si[i].ssi_int, si[i].ssi_code, (int)si[i].ssi_pid == getpid());
}

static void *fd_reader(void *arg)
{
	struct signalfd_siginfo si[3];

	(void)arg;
	t_here(&place);
	tell("read", read(sfd, si, sizeof(si)) / (long)sizeof(*si), si);
	return NULL;
}

static void *fd_poller(void *arg)
{
	struct pollfd p = { .fd = sfd, .events = POLLIN };
	struct signalfd_siginfo si[3];
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = MUST(epoll_create1(EPOLL_CLOEXEC));
	fd_set in;

	(void)arg;
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, sfd, &ev));
	t_here(&place);
	R("poll", poll(&p, 1, -1));
	tell("read", read(sfd, si, sizeof(si)) / (long)sizeof(*si), si);
	R("poll", poll(&p, 1, 0));
	t_here(&place);
	R("epoll_wait", epoll_wait(ep, &ev, 1, -1));
	R("epoll_wait", epoll_wait(ep, &ev, 1, 0));
	tell("read", read(sfd, si, sizeof(si)) / (long)sizeof(*si), si);
	R("epoll_wait", epoll_wait(ep, &ev, 1, 0));
	t_here(&place);
	FD_ZERO(&in);
	FD_SET(sfd, &in);
	R("select", select(sfd + 1, &in, NULL, NULL, NULL));
	tell("read", read(sfd, si, sizeof(si)) / (long)sizeof(*si), si);
	close(ep);
	return NULL;
}

static void descriptors(void)
{
	sigset_t s = set_of(3, SIGUSR2, RT(1), SIGPIPE), one = set_of(1, RT(1)), p;
	struct signalfd_siginfo si[8];
	pthread_t t;
	int fds[2];

	say("-- signalfd");
	sigprocmask(SIG_BLOCK, &s, NULL);
	sfd = MUST(signalfd(-1, &s, SFD_CLOEXEC | SFD_NONBLOCK));
	R("nothing", read(sfd, si, sizeof(si)));
	raise(SIGUSR2);
	pthread_sigqueue(pthread_self(), RT(1), (union sigval){ .sival_int = 1 });
	kill(getpid(), SIGUSR2);
	sigqueue(getpid(), RT(1), (union sigval){ .sival_int = 2 });
	R("poll", poll(&(struct pollfd){ .fd = sfd, .events = POLLIN }, 1, 0));
	tell("three at once", read(sfd, si, 3 * sizeof(*si)) / (long)sizeof(*si), si);
	sigpending(&p);
	say("pending: USR2 %d, RT1 %d", sigismember(&p, SIGUSR2), sigismember(&p, RT(1)));
	tell("the rest", read(sfd, si, sizeof(si)) / (long)sizeof(*si), si);
	R("nothing", read(sfd, si, sizeof(si)));
	raise(SIGUSR2);
	R("too small", read(sfd, si, 5));
	R("bad pointer", read(sfd, T_BAD, sizeof(*si)));
	R("and it was taken", read(sfd, si, sizeof(si)));
	must_pipe(fds);
	close(fds[0]);
	R("write to a closed pipe", write(fds[1], "x", 1));
	tell("SIGPIPE", read(sfd, si, sizeof(si)) / (long)sizeof(*si), si);
	close(fds[1]);
	raise(SIGUSR2);
	pthread_sigqueue(pthread_self(), RT(1), (union sigval){ .sival_int = 3 });
	MUST(signalfd(sfd, &one, 0));
	tell("with another mask", read(sfd, si, sizeof(si)) / (long)sizeof(*si), si);
	MUST(signalfd(sfd, &s, 0));
	tell("and the first again", readv(sfd, &(struct iovec){ si, sizeof(si) }, 1) / (long)sizeof(*si), si);
	MUST(fcntl(sfd, F_SETFL, 0));

	place = 0;
	t = start(fd_reader, NULL);
	wait_parked(&place);
	pthread_sigqueue(pthread_self(), RT(1), (union sigval){ .sival_int = 4 });	/* ours, not to be seen by it */
	msleep(20);
	kill(getpid(), SIGUSR2);
	join(t);
	place = 0;
	t = start(fd_reader, NULL);
	wait_parked(&place);
	pthread_sigqueue(t, RT(1), (union sigval){ .sival_int = 5 });
	join(t);
	tell("ours", read(sfd, si, sizeof(si)) / (long)sizeof(*si), si);

	for (int ours = 0; ours < 2; ours++) {
		place = 0;
		t = start(fd_poller, NULL);
		for (int i = 0; i < 3; i++) {
			wait_parked(&place);
			place = 0;
			if (ours)
				pthread_sigqueue(t, RT(1), (union sigval){ .sival_int = 6 + i });
			else
				sigqueue(getpid(), RT(1), (union sigval){ .sival_int = 6 + i });
		}
		join(t);
	}
	close(sfd);
	R("bad descriptor", signalfd(1, &s, 0));
	R("bad flags", signalfd(-1, &s, 1));
	sigprocmask(SIG_UNBLOCK, &s, NULL);
}

/* --- a forked child --- */

static void in_child(void)
{
	sigset_t s = set_of(2, SIGUSR2, RT(1)), p;
	pid_t pid;

	say("-- fork");
	sigprocmask(SIG_BLOCK, &s, NULL);
	raise(SIGUSR2);
	sigqueue(getpid(), RT(1), (union sigval){ .sival_int = 1 });
	pid = MUST(fork());
	if (pid == 0) {
		sigpending(&p);
		say("pending in the child: %d %d", sigismember(&p, SIGUSR2), sigismember(&p, RT(1)));
		place = got = 0;
		pthread_t t = start(waiter, NULL);
		wait_parked(&place);
		kill(getpid(), SIGUSR2);
		say("its own sigwait: USR2 %d", (int)(intptr_t)join(t) == SIGUSR2);
		_exit(0);
	}
	t_reap(pid);
	say("ours: %d", number(sigwaitinfo(&s, NULL)));
	say("ours: %d", number(sigwaitinfo(&s, NULL)));
}

/* --- signals while somebody always runs ----------------------------------------------------------------------------------------- */

static int taken;

static void *takes_one(void *arg)
{
	int sig;

	if (sigwait(arg, &sig) == 0)
		__atomic_add_fetch(&taken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void beside_one_that_yields(void)
{
	pthread_t t[5];
	sigset_t usr1;

	say("-- beside one that yields");
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	for (int i = 0; i < 5; i++)
		t[i] = start(takes_one, &usr1);
	while (t_get(&taken) < 5) {
		kill(getpid(), SIGUSR1);
		sched_yield();
	}
	for (int i = 0; i < 5; i++)
		join(t[i]);
	say("all were woken");
}

int main(void)
{
	sigset_t s = set_of(3, SIGUSR2, RT(1), RT(2));

	t_begin();
	(void)stop;
	sigprocmask(SIG_BLOCK, &s, NULL);
	crowd();
	waits();
	masks();
	descriptors();
	in_child();
	beside_one_that_yields();
	return 0;
}
