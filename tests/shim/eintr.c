/* eintr.c - a signal for a thread that waits: which calls end with EINTR, which start again, which do not notice */
#include "t.h"
#include <netinet/in.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/timerfd.h>
#include <linux/futex.h>

static int handled, right_thread, done, place, p[2], s[2], ep, ev, lock_fd, word;
static pthread_t target;
static uintptr_t target_stack;
static pid_t child;
static sem_t sem;
static pthread_mutex_t mutex;
static pthread_cond_t cond;
static pthread_barrier_t barrier;
static struct sockaddr_storage addr;
static socklen_t addrlen;
static char fifo[] = "eintr.fifo", lock_file[] = "eintr.lock";
static char buf[200000];

static void on_usr1(int sig)
{
	char here;

	(void)sig;
	right_thread &= pthread_equal(pthread_self(), target) && (uintptr_t)&here - (target_stack - 1000000) < 1000000;
	__atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
}

/* --- the calls, and what ends each --- */

static struct timespec in_future(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	t.tv_sec += 50;
	return t;
}

static long c_read(void) { return read(p[0], buf, 1); }
static long c_readv(void) { return readv(p[0], &(struct iovec){ buf, 1 }, 1); }
static long c_preadv2(void) { return preadv2(p[0], &(struct iovec){ buf, 1 }, 1, -1, 0); }
static long c_write_full(void) { return write(s[1], buf, 1); }
static long c_write_part(void) { return write(s[1], buf, 3 * 4096); }
static void e_pipe(void) { MUST(write(p[1], "x", 1)); }
static void e_full(void) { MUST(read(s[0], buf, 65536)); }

static long c_recv(void) { return recv(s[0], buf, 1, 0); }
static long c_recvmsg(void) { return recvmsg(s[0], &(struct msghdr){ .msg_iov = &(struct iovec){ buf, 1 }, .msg_iovlen = 1 }, 0); }
static long c_sock_read(void) { return read(s[0], buf, 1); }
static long c_waitall(void) { return recv(s[0], buf, 3, MSG_WAITALL); }
static long c_accept(void) { long r = accept(s[0], NULL, NULL); return r == -1 ? -1 : close(r); }
static long c_connect(void) { return connect(s[1], (struct sockaddr *)&addr, addrlen); }
static long c_send_full(void) { return send(s[1], buf, 1, 0); }
static void e_sock(void) { MUST(write(s[1], "abc", 3)); }
static void e_accept(void) { (void)!connect(s[1], (struct sockaddr *)&addr, addrlen); }
static void e_connect(void) { int fd = MUST(accept(s[0], NULL, NULL)); close(fd); }
static void e_sock_full(void) { while (recv(s[0], buf, sizeof(buf), MSG_DONTWAIT) > 0) continue; }

static long c_poll(void) { return poll(&(struct pollfd){ p[0], POLLIN, 0 }, 1, -1); }
static long c_poll_time(void) { return poll(&(struct pollfd){ p[0], POLLIN, 0 }, 1, 50000); }
static long c_ppoll(void) { return ppoll(&(struct pollfd){ p[0], POLLIN, 0 }, 1, NULL, NULL); }
static long c_epoll(void) { struct epoll_event e; return epoll_wait(ep, &e, 1, -1); }
static long c_select(void)
{
	fd_set in;

	FD_ZERO(&in);
	FD_SET(p[0], &in);
	return select(p[0] + 1, &in, NULL, NULL, NULL);
}

static long c_nanosleep(void) { struct timespec t = { 0, 300000000 }; return nanosleep(&t, NULL); }
static long c_abs_sleep(void)
{
	struct timespec t = in_future(CLOCK_MONOTONIC);

	errno = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
	return errno ? -1 : 0;
}
static long c_pause(void) { return pause(); }
static void e_nothing(void) { }

static long c_sem(void) { return sem_wait(&sem); }
static long c_sem_timed(void) { struct timespec t = in_future(CLOCK_REALTIME); return sem_timedwait(&sem, &t); }
static void e_sem(void) { sem_post(&sem); }
static long c_futex(void) { return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL); }
static long c_futex_timed(void) { struct timespec t = { 50, 0 }; return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &t); }
static long c_futex_bits(void)
{
	struct timespec t = in_future(CLOCK_MONOTONIC);

	return syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, &t, NULL, 1);
}
static void e_futex(void) { syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1); }
static long c_mutex(void) { int r = pthread_mutex_lock(&mutex); pthread_mutex_unlock(&mutex); return r; }
static long c_mutex_timed(void)
{
	struct timespec t = in_future(CLOCK_REALTIME);
	int r = pthread_mutex_timedlock(&mutex, &t);

	pthread_mutex_unlock(&mutex);
	return r;
}
static void e_mutex(void) { pthread_mutex_unlock(&mutex); }
static int cond_flag;
static long c_cond(void)
{
	int r = 0;

	pthread_mutex_lock(&mutex);
	while (!cond_flag && r == 0)
		r = pthread_cond_wait(&cond, &mutex);
	pthread_mutex_unlock(&mutex);
	return r;
}
static void e_cond(void)
{
	pthread_mutex_lock(&mutex);
	cond_flag = 1;
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&mutex);
}
static long c_barrier(void) { return pthread_barrier_wait(&barrier) > 0; }
static void e_barrier(void) { pthread_barrier_wait(&barrier); }
static pthread_t joinee;
static long c_join(void) { return pthread_join(joinee, NULL); }

static long c_waitpid(void) { return waitpid(child, NULL, 0) == child ? 0 : -1; }
static long c_waitid(void) { siginfo_t si; return waitid(P_PID, child, &si, WEXITED | WNOWAIT); }
static void e_child(void) { close(s[1]); }

static long c_sigsuspend(void) { sigset_t none; sigemptyset(&none); return sigsuspend(&none); }
static long c_sigtimedwait(void)
{
	sigset_t usr2;

	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	return sigtimedwait(&usr2, NULL, &(struct timespec){ 50, 0 });
}
static long c_sigwait(void)
{
	sigset_t usr2;
	int sig = 0;

	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	errno = sigwait(&usr2, &sig);
	return errno ? -1 : sig == SIGUSR2;
}
static void e_usr2(void) { pthread_kill(target, SIGUSR2); }

static long c_eventfd(void) { uint64_t v; return read(ev, &v, 8); }
static void e_eventfd(void) { MUST(write(ev, &(uint64_t){ 1 }, 8)); }
static long c_flock(void) { return flock(ep, LOCK_EX); }
static void e_flock(void) { flock(lock_fd, LOCK_UN); }
static long c_ofd(void) { return fcntl(ep, F_OFD_SETLKW, &(struct flock){ .l_type = F_WRLCK, .l_len = 1 }); }
static void e_ofd(void) { fcntl(lock_fd, F_OFD_SETLK, &(struct flock){ .l_type = F_UNLCK, .l_len = 1 }); }
static long c_open(void) { int fd = open(fifo, O_RDONLY); return fd == -1 ? -1 : close(fd); }
static void e_open(void) { int fd = open(fifo, O_WRONLY | O_NONBLOCK); if (fd != -1) close(fd); }

/* --- what must be there before --- */

static void b_pipe(void) { must_pipe(p); }
static void b_full(void)
{
	must_pipe(s);
	fcntl(s[1], F_SETPIPE_SZ, 4096);
	MUST(write(s[1], buf, 4096));
}
static void b_small(void)
{
	must_pipe(s);
	fcntl(s[1], F_SETPIPE_SZ, 4096);
}
static void b_sock(void) { MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s)); }
static void b_sock_time(void)
{
	struct timeval t = { 50, 0 };

	b_sock();
	MUST(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)));
}
static void b_waitall(void)
{
	b_sock();
	MUST(send(s[1], "a", 1, 0));
}
static void b_sock_full(void)
{
	b_sock();
	while (send(s[1], buf, sizeof(buf), MSG_DONTWAIT) > 0)
		continue;
	while (send(s[1], buf, 1, MSG_DONTWAIT) > 0)
		continue;
}
static void b_listen(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	s[0] = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	s[1] = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(bind(s[0], (struct sockaddr *)&a, sizeof(a)));
	MUST(listen(s[0], 1));
	addrlen = sizeof(addr);
	MUST(getsockname(s[0], (struct sockaddr *)&addr, &addrlen));
}
static void b_listen_time(void)
{
	struct timeval t = { 50, 0 };

	b_listen();
	MUST(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)));
}
static void b_backlog(void)
{
	struct sockaddr a = { .sa_family = AF_UNIX };

	s[0] = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	s[1] = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	ep = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(bind(s[0], &a, sizeof(sa_family_t)));
	MUST(listen(s[0], 0));
	addrlen = sizeof(addr);
	MUST(getsockname(s[0], (struct sockaddr *)&addr, &addrlen));
	MUST(connect(ep, (struct sockaddr *)&addr, addrlen));
}
static void b_epoll(void)
{
	must_pipe(p);
	ep = MUST(epoll_create1(EPOLL_CLOEXEC));
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &(struct epoll_event){ .events = EPOLLIN }));
}
static void b_nothing(void) { }
static void b_sem(void) { sem_init(&sem, 0, 0); }
static void b_mutex(void) { pthread_mutex_init(&mutex, NULL); pthread_mutex_lock(&mutex); }
static void b_cond(void) { pthread_mutex_init(&mutex, NULL); pthread_cond_init(&cond, NULL); cond_flag = 0; }
static void b_barrier(void) { pthread_barrier_init(&barrier, NULL, 2); }
static void *read_byte(void *arg) { (void)arg; (void)!read(p[0], buf, 1); return NULL; }
static void b_join(void)
{
	must_pipe(p);
	joinee = start(read_byte, NULL);
}
static void b_child(void)
{
	must_pipe(s);
	child = MUST(fork());
	if (child == 0) {
		close(s[1]);
		(void)!read(s[0], buf, 1);
		_exit(3);
	}
}
static void b_eventfd(void) { ev = MUST(eventfd(0, EFD_CLOEXEC)); }
static void b_timerfd(void)
{
	ev = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
	MUST(timerfd_settime(ev, 0, &(struct itimerspec){ .it_value = { 0, 200000000 } }, NULL));
}
static void b_flock(void)
{
	lock_fd = MUST(open(lock_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	ep = MUST(open(lock_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	MUST(flock(lock_fd, LOCK_EX));
}
static void b_ofd(void)
{
	lock_fd = MUST(open(lock_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	ep = MUST(open(lock_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	MUST(fcntl(lock_fd, F_OFD_SETLK, &(struct flock){ .l_type = F_WRLCK, .l_len = 1 }));
}
static void b_fifo(void) { unlink(fifo); MUST(mkfifo(fifo, 0600)); }

static const struct row {
	const char *what;
	void (*before)(void);
	long (*call)(void);
	void (*end)(void);
} rows[] = {
	{ "read", b_pipe, c_read, e_pipe },
	{ "readv", b_pipe, c_readv, e_pipe },
	{ "preadv2", b_pipe, c_preadv2, e_pipe },
	{ "write, full", b_full, c_write_full, e_full },
	{ "write, part of it done", b_small, c_write_part, e_full },
	{ "recv", b_sock, c_recv, e_sock },
	{ "recv with SO_RCVTIMEO", b_sock_time, c_recv, e_sock },
	{ "read with SO_RCVTIMEO", b_sock_time, c_sock_read, e_sock },
	{ "recvmsg", b_sock, c_recvmsg, e_sock },
	{ "read of a socket", b_sock, c_sock_read, e_sock },
	{ "recv MSG_WAITALL, part of it there", b_waitall, c_waitall, e_sock },
	{ "send, full", b_sock_full, c_send_full, e_sock_full },
	{ "accept", b_listen, c_accept, e_accept },
	{ "accept with SO_RCVTIMEO", b_listen_time, c_accept, e_accept },
	{ "connect, no room", b_backlog, c_connect, e_connect },
	{ "poll", b_pipe, c_poll, e_pipe },
	{ "poll, timeout", b_pipe, c_poll_time, e_pipe },
	{ "ppoll", b_pipe, c_ppoll, e_pipe },
	{ "select", b_pipe, c_select, e_pipe },
	{ "epoll_wait", b_epoll, c_epoll, e_pipe },
	{ "nanosleep", b_nothing, c_nanosleep, e_nothing },
	{ "clock_nanosleep absolute", b_nothing, c_abs_sleep, e_nothing },
	{ "pause", b_nothing, c_pause, e_nothing },
	{ "sem_wait", b_sem, c_sem, e_sem },
	{ "sem_timedwait", b_sem, c_sem_timed, e_sem },
	{ "futex", b_nothing, c_futex, e_futex },
	{ "futex with timeout", b_nothing, c_futex_timed, e_futex },
	{ "futex bitset with timeout", b_nothing, c_futex_bits, e_futex },
	{ "pthread_mutex_lock", b_mutex, c_mutex, e_mutex },
	{ "pthread_mutex_timedlock", b_mutex, c_mutex_timed, e_mutex },
	{ "pthread_cond_wait", b_cond, c_cond, e_cond },
	{ "pthread_barrier_wait", b_barrier, c_barrier, e_barrier },
	{ "pthread_join", b_join, c_join, e_pipe },
	{ "waitpid", b_child, c_waitpid, e_child },
	{ "waitid", b_child, c_waitid, e_child },
	{ "sigsuspend", b_nothing, c_sigsuspend, e_nothing },
	{ "sigtimedwait", b_nothing, c_sigtimedwait, e_usr2 },
	{ "sigwait", b_nothing, c_sigwait, e_usr2 },
	{ "eventfd", b_eventfd, c_eventfd, e_eventfd },
	{ "timerfd", b_timerfd, c_eventfd, e_nothing },
	{ "flock", b_flock, c_flock, e_flock },
	{ "F_OFD_SETLKW", b_ofd, c_ofd, e_ofd },
	{ "open of a FIFO", b_fifo, c_open, e_open },
};

static const struct row *row;
static int result_errno;

static void *waiter(void *arg)
{
	char here;

	(void)arg;
	target_stack = (uintptr_t)&here;
	t_here(&place);
	errno = T_ERRNO;
	long r = row->call();
	result_errno = errno;
	t_set(&done, 1);
	return (void *)r;
}

static void poke(void)
{
	int before = t_get(&handled);

	pthread_kill(target, SIGUSR1);
	for (int i = 0; i < 1000 && t_get(&handled) == before && !t_get(&done); i++)
		msleep(1);
	msleep(5);
}

static void clean_up(void)
{
	int *fds[] = { &p[0], &p[1], &s[0], &s[1], &ep, &ev, &lock_fd };

	for (unsigned i = 0; i < T_LENGTH(fds); i++) {
		if (*fds[i] > 2)
			close(*fds[i]);
		*fds[i] = -1;
	}
	if (child > 0)
		waitpid(child, NULL, 0);
	child = 0;
	unlink(fifo);
	unlink(lock_file);
}

static void run(const struct row *r, int flags)
{
	struct sigaction sa = { .sa_handler = on_usr1, .sa_flags = flags };
	sigset_t usr2;

	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &usr2, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	row = r;
	handled = done = place = 0;
	right_thread = 1;
	r->before();
	target = start(waiter, NULL);
	wait_parked(&place);
	for (int i = 0; i < 3 && !t_get(&done); i++)
		poke();
	if (!t_get(&done))
		r->end();
	long n = (long)join(target);
	if (n == -1)
		say("%s: -1 %s", r->what, t_errname(result_errno));
	else
		say("%s: %ld", r->what, n);
	if (!t_get(&handled) || !right_thread)
		say("    handled %d, by the right thread %d", t_get(&handled) > 0, right_thread);
	if (r->call == c_join && n != 0)
		join(joinee);
	clean_up();
}

int main(void)
{
	t_begin();
	signal(SIGPIPE, SIG_IGN);
	p[0] = p[1] = s[0] = s[1] = ep = ev = lock_fd = -1;
	say("-- without SA_RESTART");
	for (unsigned i = 0; i < T_LENGTH(rows); i++)
		run(&rows[i], 0);
	say("-- with SA_RESTART");
	for (unsigned i = 0; i < T_LENGTH(rows); i++)
		if (rows[i].call != c_pause && rows[i].call != c_sigsuspend)
			run(&rows[i], SA_RESTART);
	return 0;
}
