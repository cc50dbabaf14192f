/*
 * bad_calls.c - calls with bad descriptors, bad pointers, absurd sizes: the same errors in the same order of checks, nothing leaked
 *
 * A row names the arguments: f the descriptor, i memory that is read, o memory that is written, t a time (NULL would be for ever), b and X bad
 * pointers, of which b is never made good, n a size, and constants.
 */
#include "t.h"
#include <dirent.h>
#include <limits.h>
#include <mqueue.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#define PAGE	4096

/* Good descriptors, none of which ever waits */
static struct { int pipe_r, pipe_w, socket, listener, epoll, file, timer, event, queue, inotify; } fds;

static const struct row {
	const char *name;
	long nr;
	int *fd;
	const char *args;
} rows[] = {
	{ "read", SYS_read, &fds.pipe_r, "fon" },
	{ "write", SYS_write, &fds.pipe_w, "fin" },
	{ "readv", SYS_readv, &fds.pipe_r, "fi1" },
	{ "writev", SYS_writev, &fds.pipe_w, "fi1" },
	{ "pread64", SYS_pread64, &fds.file, "fon0" },
	{ "pwrite64", SYS_pwrite64, &fds.file, "fin0" },
	{ "preadv", SYS_preadv, &fds.file, "fi10" },
	{ "pwritev", SYS_pwritev, &fds.file, "fi10" },
	{ "preadv2", SYS_preadv2, &fds.pipe_r, "fi1-0n" },
	{ "pwritev2", SYS_pwritev2, &fds.pipe_w, "fi1-0n" },
	{ "read file", SYS_read, &fds.file, "fon" },
	{ "read event", SYS_read, &fds.event, "fon" },
	{ "read timer", SYS_read, &fds.timer, "fon" },
	{ "read inotify", SYS_read, &fds.inotify, "fon" },
	{ "read epoll", SYS_read, &fds.epoll, "fon" },
	{ "read socket", SYS_read, &fds.socket, "fon" },
	{ "write socket", SYS_write, &fds.socket, "fin" },
	{ "write event", SYS_write, &fds.event, "fin" },
	{ "write inotify", SYS_write, &fds.inotify, "fin" },
	{ "recvfrom", SYS_recvfrom, &fds.socket, "fon0oo" },
	{ "sendto", SYS_sendto, &fds.socket, "fin0in" },
	{ "recvmsg", SYS_recvmsg, &fds.socket, "fo0" },
	{ "sendmsg", SYS_sendmsg, &fds.socket, "fi0" },
	{ "recvmmsg", SYS_recvmmsg, &fds.socket, "fo10i" },
	{ "sendmmsg", SYS_sendmmsg, &fds.socket, "fi10" },
	{ "accept", SYS_accept, &fds.listener, "foo" },
	{ "accept4", SYS_accept4, &fds.listener, "foon" },
	{ "accept on none", SYS_accept, &fds.pipe_r, "foo" },
	{ "connect", SYS_connect, &fds.socket, "fin" },
	{ "bind", SYS_bind, &fds.socket, "fin" },
	{ "getsockname", SYS_getsockname, &fds.socket, "foi" },
	{ "getpeername", SYS_getpeername, &fds.pipe_r, "foi" },
	{ "getsockopt", SYS_getsockopt, &fds.socket, "f13oi" },
	{ "setsockopt", SYS_setsockopt, &fds.socket, "f12in" },
	{ "setsockopt time", SYS_setsockopt, &fds.listener, "f1Tin" },
	{ "socketpair", SYS_socketpair, NULL, "110o" },
	{ "pipe2", SYS_pipe2, NULL, "on" },
	{ "pipe", SYS_pipe, NULL, "X" },
	{ "dup", SYS_dup, &fds.pipe_w, "F" },
	{ "dup3", SYS_dup3, &fds.pipe_w, "FF0" },
	{ "close", SYS_close, NULL, "F" },
	{ "fcntl", SYS_fcntl, &fds.file, "f30" },
	{ "fcntl lock", SYS_fcntl, &fds.file, "f6i" },
	{ "fcntl wait", SYS_fcntl, &fds.file, "f7X" },
	{ "flock", SYS_flock, &fds.file, "fn" },
	{ "ioctl", SYS_ioctl, &fds.pipe_r, "fio" },
	{ "ioctl FIONREAD", SYS_ioctl, &fds.pipe_r, "fRo" },
	{ "ioctl FIONBIO", SYS_ioctl, &fds.pipe_r, "fBi" },
	{ "poll", SYS_poll, NULL, "X10" },
	{ "ppoll", SYS_ppoll, NULL, "X1tX8" },
	{ "select", SYS_select, NULL, "nXXXt" },
	{ "pselect6", SYS_pselect6, NULL, "nXXXtX" },
	{ "epoll_create1", SYS_epoll_create1, NULL, "n" },
	{ "epoll_ctl", SYS_epoll_ctl, &fds.epoll, "f1Fi" },
	{ "epoll_wait", SYS_epoll_wait, &fds.epoll, "fon0" },
	{ "epoll_pwait", SYS_epoll_pwait, &fds.epoll, "fo10i8" },
	{ "epoll_pwait size", SYS_epoll_pwait, &fds.epoll, "fo10in" },
	{ "epoll_pwait2", SYS_epoll_pwait2, &fds.epoll, "fo1ti8" },
	{ "timerfd_settime", SYS_timerfd_settime, &fds.timer, "f0io" },
	{ "timerfd_gettime", SYS_timerfd_gettime, &fds.timer, "fo" },
	{ "nanosleep", SYS_nanosleep, NULL, "io" },
	{ "clock_nanosleep", SYS_clock_nanosleep, NULL, "10io" },
	{ "clock_nanosleep clock", SYS_clock_nanosleep, NULL, "n0io" },
	{ "futex wait", SYS_futex, NULL, "X0nX" },
	{ "futex wake", SYS_futex, NULL, "XWn0" },
	{ "futex requeue", SYS_futex, NULL, "X300X0" },
	{ "wait4", SYS_wait4, NULL, "-o1o" },
	{ "waitid", SYS_waitid, NULL, "n1o4o" },
	{ "rt_sigaction", SYS_rt_sigaction, NULL, "9X08" },
	{ "rt_sigaction number", SYS_rt_sigaction, NULL, "n008" },
	{ "rt_sigprocmask", SYS_rt_sigprocmask, NULL, "0Xo8" },
	{ "rt_sigprocmask how", SYS_rt_sigprocmask, NULL, "noo8" },
	{ "rt_sigpending", SYS_rt_sigpending, NULL, "on" },
	{ "rt_sigtimedwait", SYS_rt_sigtimedwait, NULL, "iot8" },
	{ "rt_sigsuspend", SYS_rt_sigsuspend, NULL, "b8" },
	{ "sigaltstack", SYS_sigaltstack, NULL, "Xo" },
	{ "open", SYS_open, NULL, "X00" },
	{ "openat", SYS_openat, &fds.pipe_r, "fX00" },
	{ "creat", SYS_creat, NULL, "X0" },
	{ "fsync", SYS_fsync, &fds.pipe_r, "f" },
	{ "fdatasync", SYS_fdatasync, &fds.event, "f" },
	{ "fallocate", SYS_fallocate, &fds.file, "f00n" },
	{ "ftruncate", SYS_ftruncate, &fds.pipe_r, "fn" },
	{ "sync_file_range", SYS_sync_file_range, &fds.file, "f000" },
	{ "msync", SYS_msync, NULL, "XnX" },
	{ "copy_file_range", SYS_copy_file_range, &fds.file, "fiFin0" },
	{ "sendfile", SYS_sendfile, &fds.pipe_w, "fFin" },
	{ "splice", SYS_splice, &fds.pipe_r, "f0FXn0" },
	{ "tee", SYS_tee, &fds.pipe_r, "fFn0" },
	{ "vmsplice", SYS_vmsplice, &fds.pipe_w, "fi10" },
	{ "mq_timedsend", SYS_mq_timedsend, &fds.queue, "fin0i" },
	{ "mq_timedreceive", SYS_mq_timedreceive, &fds.queue, "fonoi" },
	{ "semop", SYS_semop, NULL, "FX1" },
	{ "semtimedop", SYS_semtimedop, NULL, "FX1i" },
	{ "msgsnd", SYS_msgsnd, NULL, "FXn0" },
	{ "msgrcv", SYS_msgrcv, NULL, "Fon00" },
	{ "timer_create", SYS_timer_create, NULL, "nio" },
	{ "timer_delete", SYS_timer_delete, NULL, "n" },
	{ "tgkill", SYS_tgkill, NULL, "FF0" },
	{ "mmap", SYS_mmap, &fds.pipe_r, "0n12f0" },
	{ "munmap", SYS_munmap, NULL, "Xn" },
	{ "mremap", SYS_mremap, NULL, "Xnn0" },
};

static char *area;		/* a page, then one that must not be touched */
static char *read_only;

static const int bad_fds[] = { -1, INT_MAX, 9999, INT_MIN };
static const long sizes[] = { 0, -1, LONG_MAX, 1l << 32, 0x7ffff000, 3 };

static void *bad_pointer(int i)
{
	void *const bad[] = { NULL, T_BAD, area + PAGE, area + PAGE - 4, (void *)(1l << 63), read_only };

	return bad[i];
}
#define POINTERS	6

/* What the spec says, but for the argument @instead, which is @value */
static long call(const struct row *r, int fd, int instead, long value)
{
	long a[6] = { 0 };
	long result;

	memset(area, 0, PAGE);
	for (int i = 0; r->args[i]; i++) {
		switch (r->args[i]) {
		case 'f': a[i] = fd; break;
		case 'F': a[i] = -1; break;
		case 'i': case 'o': case 't': a[i] = (long)(area + i * 256); break;
		case 'X': case 'b': a[i] = (long)T_BAD; break;
		case 'n': a[i] = 16; break;
		case 'R': a[i] = 0x541b; break;
		case 'B': a[i] = 0x5421; break;
		case 'W': a[i] = 129; break;	/* FUTEX_WAKE, private */
		case 'T': a[i] = SO_RCVTIMEO; break;
		case '-': a[i] = -1; break;
		default: a[i] = r->args[i] - '0';
		}
	}
	if (instead >= 0)
		a[instead] = value;
	errno = 0;
	result = syscall(r->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	return result == -1 ? -errno : 0;
}

static char line[4096];

static void add(const char *what, long r)
{
	size_t n = strlen(line);

	snprintf(line + n, sizeof(line) - n, " %s%s", what, r < 0 ? t_errname((int)-r) : "ok");
}

/* Descriptors made by mistake would be the next to be found. */
static void try_row(const struct row *r)
{
	snprintf(line, sizeof(line), "%s:", r->name);
	for (size_t i = 0; r->fd && i < T_LENGTH(bad_fds); i++)
		add(i ? "" : "fd ", call(r, bad_fds[i], -1, 0));
	for (int i = 0; r->args[i]; i++)
		for (int k = r->args[i] == 't'; strchr("ioXtb", r->args[i]) && k < POINTERS - (r->args[i] == 'b'); k++) {
			add(k ? "" : "pointer ", call(r, r->fd ? *r->fd : 0, i, (long)bad_pointer(k)));
			if (k < 3)
				add("", call(r, -1, i, (long)bad_pointer(k)));
		}
	for (int i = 0; r->args[i]; i++)
		for (size_t k = 0; r->args[i] == 'n' && k < T_LENGTH(sizes); k++) {
			add(k ? "" : "size ", call(r, r->fd ? *r->fd : 0, i, sizes[k]));
			add("", call(r, -1, i, sizes[k]));
		}
	say("%s", line);
}

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void make_fds(void)
{
	struct mq_attr attr = { .mq_maxmsg = 2, .mq_msgsize = 16 };
	int p[2];

	MUST(pipe2(p, O_NONBLOCK));
	fds.pipe_r = p[0];
	fds.pipe_w = p[1];
	MUST(write(p[1], "0123456789abcdef0123456789abcdef", 32));
	MUST(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p));
	fds.socket = p[0];
	fds.listener = MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	MUST(listen(fds.listener, 5));
	fds.epoll = MUST(epoll_create1(0));
	fds.file = MUST(open("bad_calls.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600));
	unlink("bad_calls.tmp");
	fds.timer = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	fds.event = MUST(eventfd(1, EFD_NONBLOCK));
	fds.inotify = MUST(inotify_init1(IN_NONBLOCK));
	fds.queue = mq_open("/grove-bad-calls", O_RDWR | O_CREAT | O_NONBLOCK, 0600, &attr);
	MUST(fds.queue);
	mq_unlink("/grove-bad-calls");
}

/* What a good call made along the way is closed. */
static void close_new(int first)
{
	for (int fd = first; fd < 200; fd++)
		close(fd);
}

static void *all_rows(void *arg)
{
	int before = 0, first = MUST(dup(0));

	close(first);
	for (int round = 0; round < 2; round++) {
		before = open_fds();
		MUST(fcntl(fds.pipe_r, F_SETFL, O_NONBLOCK));		/* a row may have cleared it */
		for (size_t i = 0; i < T_LENGTH(rows); i++)
			try_row(&rows[i]);
		close_new(first);
		if (round)
			YES("as many descriptors as before", open_fds() == before);
	}
	return arg;
}

/* Somebody waits all the while, so that there is more than one thread. */
static void *bystander(void *arg)
{
	char c;

	return read(*(int *)arg, &c, 1) == 1 ? arg : NULL;
}

int main(void)
{
	int p[2];
	pthread_t waits;

	t_begin();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	area = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(mprotect(area + PAGE, PAGE, PROT_NONE));
	read_only = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must_pipe(p);
	make_fds();
	waits = start(bystander, &p[0]);
	join(start(all_rows, NULL));
	MUST(write(p[1], "x", 1));
	YES("the bystander is well", join(waits) != NULL);
	return 0;
}
