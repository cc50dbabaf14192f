/* doors.c - what libc's functions do besides the system call: conversions, copies, error conventions, checks of _FORTIFY_SOURCE */
#include "t.h"
#include <setjmp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <termios.h>
#include <threads.h>

ssize_t __read_chk(int fd, void *buf, size_t n, size_t size);
ssize_t __pread_chk(int fd, void *buf, size_t n, off_t at, size_t size);
ssize_t __recv_chk(int fd, void *buf, size_t n, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t size, int flags, struct sockaddr *from, socklen_t *len);
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask, size_t size);
int __open_2(const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);

static int pipe_[2], pair[2];
static char buf[16];

/* --- checks: in a child, which ends by SIGABRT where they fail --- */

static int what_now;

static void checked(void)
{
	struct pollfd p = { .fd = pair[0], .events = POLLOUT };
	struct timespec none = { 0, 0 };

	switch (what_now) {
	case 0: R("__read_chk", __read_chk(pipe_[0], buf, 1, 1)); break;
	case 1: R("__read_chk", __read_chk(pipe_[0], buf, 2, 1)); break;
	case 2: R("__pread_chk", __pread_chk(pipe_[0], buf, 1, 0, 1)); break;
	case 3: R("__pread_chk", __pread_chk(pipe_[0], buf, 2, 0, 1)); break;
	case 4: R("__recv_chk", __recv_chk(pair[0], buf, 1, 1, 0)); break;
	case 5: R("__recv_chk", __recv_chk(pair[0], buf, 2, 1, 0)); break;
	case 6: R("__recvfrom_chk", __recvfrom_chk(pair[0], buf, 1, 1, 0, NULL, NULL)); break;
	case 7: R("__recvfrom_chk", __recvfrom_chk(pair[0], buf, 2, 1, 0, NULL, NULL)); break;
	case 8: R("__poll_chk", __poll_chk(&p, 1, 0, sizeof(p))); break;
	case 9: R("__poll_chk", __poll_chk(&p, 1, 0, sizeof(p) - 1)); break;
	case 10: R("__ppoll_chk", __ppoll_chk(&p, 1, &none, NULL, sizeof(p))); break;
	case 11: R("__ppoll_chk", __ppoll_chk(&p, 1, &none, NULL, sizeof(p) - 1)); break;
	case 12: OK("__open_2", __open_2("/dev/null", O_RDONLY)); break;
	case 13: OK("__open_2", __open_2("new", O_RDWR | O_CREAT)); break;
	case 14: OK("__openat64_2", __openat64_2(AT_FDCWD, "/dev/null", O_RDONLY)); break;
	case 15: OK("__openat64_2", __openat64_2(AT_FDCWD, ".", O_RDWR | O_TMPFILE)); break;
	}
}

static void fortify(void)
{
	struct rlimit none = { 0, 0 };

	say("-- _FORTIFY_SOURCE");
	for (what_now = 0; what_now < 16; what_now++) {
		MUST(write(pipe_[1], "x", 1));
		MUST(write(pair[1], "x", 1));
		pid_t pid = (pid_t)MUST(fork());
		int status;

		if (pid == 0) {
			setrlimit(RLIMIT_CORE, &none);
			dup2(1, 2);		/* libc's message is part of the answer */
			checked();
			_exit(0);
		}
		MUST(waitpid(pid, &status, 0));
		say("check %d: signal %d", what_now, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
		fcntl(pipe_[0], F_SETFL, O_NONBLOCK);
		while (read(pipe_[0], buf, sizeof(buf)) > 0)
			continue;
		fcntl(pipe_[0], F_SETFL, 0);
		while (recv(pair[0], buf, sizeof(buf), MSG_DONTWAIT) > 0)
			continue;
	}
}

/* --- times --- */

static void times(void)
{
	struct timeval tv = { 0, 1500000 };
	const struct timespec little = { 0, 2000000 }, bad = { 0, 1000000000 };
	struct timespec copy = little, left = { 5, 5 };
	int ep = (int)MUST(epoll_create1(0));
	struct epoll_event ev;
	fd_set set;

	say("-- times");
	FD_ZERO(&set);
	FD_SET(pair[0], &set);
	R("select, more than a second of microseconds, ready", (write(pair[1], "x", 1), select(pair[0] + 1, &set, NULL, NULL, &tv)));
	say("left %ld s, some microseconds %d", (long)tv.tv_sec, tv.tv_usec > 0 && tv.tv_usec < 1000000);
	MUST(read(pair[0], buf, 1));
	tv = (struct timeval){ 0, -1 };
	R("select, negative", select(0, NULL, NULL, NULL, &tv));
	tv = (struct timeval){ -1, 0 };
	R("select, negative seconds", select(0, NULL, NULL, NULL, &tv));
	tv = (struct timeval){ 0, 1000 };
	R("select, nothing", select(0, NULL, NULL, NULL, &tv));
	say("left %ld %ld", (long)tv.tv_sec, (long)tv.tv_usec);
	R("pselect", pselect(0, NULL, NULL, NULL, &copy, NULL));
	R("ppoll", ppoll(NULL, 0, &copy, NULL));
	YES("their time stays as it was", copy.tv_sec == 0 && copy.tv_nsec == little.tv_nsec);
	R("ppoll, no time", ppoll(NULL, 0, &bad, NULL));
	R("pselect, no time", pselect(0, NULL, NULL, NULL, &bad, NULL));
	R("epoll_wait", epoll_wait(ep, &ev, 1, 1));
	R("epoll_pwait", epoll_pwait(ep, &ev, 1, 1, NULL));
	R("epoll_pwait2", epoll_pwait2(ep, &ev, 1, &little, NULL));
	R("epoll_wait, room for none", epoll_wait(ep, &ev, 0, 1));
	P("clock_nanosleep, thread's CPU clock", clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &little, NULL));
	P("clock_nanosleep, no clock", clock_nanosleep(99, 0, &little, NULL));
	P("clock_nanosleep, no time", clock_nanosleep(CLOCK_MONOTONIC, 0, &bad, NULL));
	R("nanosleep, no time", nanosleep(&bad, NULL));
	R("usleep", usleep(1500));
	R("sleep", sleep(0));
	say("thrd_sleep: %d", thrd_sleep(&little, &left));
	say("left as it was: %d", left.tv_sec == 5 && left.tv_nsec == 5);
	say("thrd_sleep, no time: %d", thrd_sleep(&bad, NULL));
	close(ep);
}

/* --- descriptors --- */

static void descriptors(void)
{
	struct iovec iov[2] = { { buf, 1 }, { buf + 1, 2 } };
	struct mmsghdr mm[2] = { { .msg_hdr = { .msg_iov = iov, .msg_iovlen = 2 } }, { .msg_hdr = { .msg_iov = iov, .msg_iovlen = 1 } } };
	int fd, other;

	say("-- descriptors");
	fd = (int)OK("open, to be made", open("file", O_RDWR | O_CREAT, 0640));
	OK("openat, with a mode", openat(AT_FDCWD, "another", O_RDWR | O_CREAT | O_EXCL, 0600));
	R("the same again", openat(AT_FDCWD, "another", O_RDWR | O_CREAT | O_EXCL, 0600));
	OK("creat", creat("third", 0600));
	OK("unnamed", open(".", O_RDWR | O_TMPFILE, 0600));
	R("pwrite", pwrite(fd, "0123456789", 10, 0));
	R("preadv", preadv(fd, iov, 2, 4));
	say("%.3s", buf);
	R("preadv2", preadv2(fd, iov, 2, 6, 0));
	say("%.3s", buf);
	R("preadv2 where it stands", preadv2(fd, iov, 2, -1, 0));
	R("preadv2, bad flags", preadv2(fd, iov, 2, 0, 0x4000));
	R("pwritev2, at the end", pwritev2(fd, iov, 2, 0, RWF_APPEND));
	R("lseek", lseek(fd, 0, SEEK_END));
	R("sendmmsg", sendmmsg(pair[0], mm, 2, 0));
	R("recvmmsg", recvmmsg(pair[1], mm, 2, MSG_DONTWAIT, NULL));
	R("F_SETOWN, a group", fcntl(pair[0], F_SETOWN, -getpgrp()));
	YES("F_GETOWN says so", fcntl(pair[0], F_GETOWN) == -getpgrp());
	R("F_GETFD", fcntl(fd, F_GETFD));
	R("F_SETLKW", fcntl(fd, F_SETLKW, &(struct flock){ .l_type = F_WRLCK }));
	R("lockf", lockf(fd, F_TLOCK, 1));
	R("tcdrain of a file", tcdrain(fd));
	other = (int)OK("dup above", fcntl(fd, F_DUPFD_CLOEXEC, 100));
	YES("there", other >= 100);
	R("close_range", close_range((unsigned)other, (unsigned)other + 5, 0));
	R("it is closed", fcntl(other, F_GETFD));
	pid_t pid = (pid_t)MUST(fork());

	if (pid == 0) {
		closefrom(fd);
		R("closefrom", fcntl(fd, F_GETFD));
		R("the pipe is open", fcntl(pipe_[0], F_GETFD));
		closefrom(-5);
		_exit(write(1, "", 1) == -1 && errno == EBADF ? 3 : 4);
	}
	say("closed from below zero: %d", t_reap(pid));
	R("close", close(fd));
	R("again", close(fd));
}

/* --- signals --- */

static void *send_it(void *arg)
{
	msleep(5);
	pthread_kill(*(pthread_t *)arg, SIGUSR2);
	return NULL;
}

static void signals(void)
{
	pthread_t me = pthread_self(), t;
	struct timespec little = { 0, 2000000 };
	siginfo_t info = { 0 };
	sigset_t set;
	int sig = 0;

	say("-- signals");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	t = start(send_it, &me);
	R("sigwaitinfo", sigwaitinfo(&set, &info));
	join(t);
	say("code %d, from us %d", info.si_code, info.si_pid == getpid());
	raise(SIGUSR2);
	P("sigwait", sigwait(&set, &sig));
	say("got %d", sig == SIGUSR2);
	R("sigtimedwait", sigtimedwait(&set, &info, &little));
	P("sigwait, kept off its bad pointer", sigwait((sigset_t *)T_BAD, &sig));
}

/* --- a handler that leaves a call by a jump, and a cancellation afterwards --- */

static sigjmp_buf away;
static int place;

static void jump(int sig)
{
	(void)sig;
	siglongjmp(away, 1);
}

static void *jumper(void *arg)
{
	if (sigsetjmp(away, 1) == 0) {
		t_set(&place, 1);
		read(pipe_[0], buf, 1);
	}
	t_set(&place, 2);
	R("not to be seen", read(pipe_[0], buf, 1));
	return arg;
}

static void jumps(void)
{
	void *ret;

	say("-- jumps");
	signal(SIGUSR1, jump);
	pthread_t t = start(jumper, NULL);

	t_until(&place, 1);
	msleep(20);
	pthread_kill(t, SIGUSR1);
	t_until(&place, 2);
	msleep(20);
	P("cancel", pthread_cancel(t));
	P("join", pthread_join(t, &ret));
	YES("cancelled", ret == PTHREAD_CANCELED);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	MUST(pipe(pipe_));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	fortify();
	times();
	descriptors();
	signals();
	jumps();
	return 0;
}
