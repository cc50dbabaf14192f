/*
 * ops_process.c - children, threads that come and go, and files by name
 */
#include "fuzz.h"
#include <mqueue.h>
#include <sched.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/un.h>

extern char **environ;

static int reap(pid_t pid, struct result *r)
{
	int status = -1;

	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		continue;
	more(r, "status %x", (unsigned)status);
	return 0;
}

/* The child writes to slot a and leaves. */
static void op_fork(const struct step *s, struct result *r)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct pollfd p = { .fd = fd_of(s->a), .events = POLLOUT };
		ssize_t n = 0;

		signal(SIGPIPE, SIG_IGN);
		if (kind_of(s->a) != FILE_RW && poll(&p, 1, 0) == 1)
			n = write(p.fd, "child", 5);
		_exit(n > 0 ? 7 : 8);
	}
	r->ret = pid > 0 ? 0 : -1;
	if (pid > 0)
		reap(pid, r);
}

static void op_spawn(const struct step *s, struct result *r)
{
	char *argv[] = { "true", NULL };
	pid_t pid;

	DONE_P(r, posix_spawn(&pid, s->a & 1 ? "/bin/true" : "/does/not/exist", NULL, NULL, argv, environ));
	if (r->err == 0)
		reap(pid, r);
}

static void op_vfork(const struct step *s, struct result *r)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(s->a);
	r->ret = pid > 0 ? 0 : -1;
	if (pid > 0)
		reap(pid, r);
}

/* for children that are not there */
static void op_wait(const struct step *s, struct result *r)
{
	siginfo_t info;
	int status = 0;

	if (s->a & 1)
		DONE(r, syscall(SYS_wait4, s->b & 1 ? -1 : s->b & 2 ? getpid() : INT32_MIN, s->c == 0xff ? (void *)8 : &status,
				s->c & 1 ? WNOHANG : s->c == 0xfe ? 0x7777 : 0, NULL));
	else
		DONE(r, syscall(SYS_waitid, s->b % 6, getpid(), &info, s->c & 1 ? WEXITED : s->c & 2 ? WEXITED | WNOHANG : 0, NULL));
}

static void *short_life(void *arg)
{
	return arg;
}

static void op_thread(const struct step *s, struct result *r)
{
	pthread_t t;
	void *ret = NULL;

	DONE_P(r, pthread_create(&t, NULL, short_life, (void *)(long)(s->a + 1)));
	if (r->err)
		return;
	pthread_join(t, &ret);
	more(r, "%ld", (long)ret);
}

/* A thread that waits at slot a, and is cancelled there. */
static void *reads(void *arg)
{
	char c;

	me = (int)(long)arg >> 8;
	return (void *)(long)read(fd_of((long)arg & 0xff), &c, 1);
}

static void op_cancel(const struct step *s, struct result *r)
{
	pthread_t t;
	void *ret = NULL;

	DONE_P(r, pthread_create(&t, NULL, reads, (void *)(long)((me << 8) | s->a)));
	if (r->err)
		return;
	if (!(s->b & 1))
		sched_yield();
	pthread_cancel(t);
	pthread_join(t, &ret);
	more(r, "joined");		/* cancelled, or quicker */
}

/* --- files ---------------------------------------------------------------------------------------------------------------------- */

static const char *name_of(uint8_t b)
{
	static const char *const names[] = { "f", "n0", "n1", "n2", "fifo", ".", "/dev/null", "/dev/full", "/dev/zero", "missing/x", "",
					     "u", "f/x", "/dev/tty" };

	return b < 0xf8 ? names[b % LENGTH(names)] : (char *)8;
}

static void op_open(const struct step *s, struct result *r)
{
	static const int flags[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_CREAT, O_WRONLY | O_CREAT | O_EXCL, O_RDONLY | O_NONBLOCK,
				     O_WRONLY | O_NONBLOCK, O_RDONLY | O_DIRECTORY, O_PATH, O_RDWR | O_APPEND, O_RDWR | O_TMPFILE, O_WRONLY | O_DSYNC };
	int flag = flags[s->b % LENGTH(flags)];
	enum kind kind = s->a % 14 == 4 ? FIFO : s->a % 14 < 4 ? FILE_RW : DEVICE;

	DO(r, s, SYS_openat, openat, s->c >= 0xf0 ? fd_of(s->d) : AT_FDCWD, name_of(s->a), flag | O_NOCTTY, 0600);
	put_result(r, r->ret, kind);
}

static void op_names(const struct step *s, struct result *r)
{
	switch (s->c % 4) {
	case 0: DONE(r, unlink(s->a % 14 == 4 || s->a % 14 == 0 || s->a % 14 > 4 ? "n0" : name_of(s->a))); break;
	case 1: DONE(r, rename("n0", s->b & 1 ? "n1" : "n2")); break;
	case 2: DONE(r, access(name_of(s->a), s->b & 7)); break;
	default: DONE(r, truncate("n1", s->b == 0xff ? -1 : s->b)); break;
	}
}

static void op_file(const struct step *s, struct result *r)
{
	struct stat st;

	switch (s->b % 8) {
	case 0: DO(r, s, SYS_fsync, fsync, fd_of(s->a)); break;
	case 1: DO(r, s, SYS_fdatasync, fdatasync, fd_of(s->a)); break;
	case 2: DO(r, s, SYS_ftruncate, ftruncate, fd_of(s->a), s->c == 0xff ? -1 : s->c * 100l); break;
	case 3: DO(r, s, SYS_fallocate, fallocate, fd_of(s->a), s->d & 1 ? 1 : s->d == 0xfe ? 0x1000 : 0, s->c * 10l, s->e == 0xff ? -1 : s->e); break;
	case 4: DO(r, s, SYS_sync_file_range, sync_file_range, fd_of(s->a), s->c == 0xff ? -1 : 0, 0, s->d % 9); break;
	case 5: DONE(r, fstat(fd_of(s->a), &st)); if (r->ret == 0) more(r, "%o %ld", st.st_mode, S_ISREG(st.st_mode) ? (long)st.st_size : 0); break;
	case 6: DONE(r, syncfs(fd_of(s->a == 0xf0 ? 0xf0 : s->a | 0xf0))); break;
	default: DONE(r, posix_fadvise(fd_of(s->a), 0, 0, s->c % 8)); break;
	}
}

/* the same open file's locks do not meet; those of another do */
static void op_flock(const struct step *s, struct result *r)
{
	static const int calls[] = { LOCK_SH, LOCK_EX, LOCK_UN, LOCK_SH | LOCK_NB, LOCK_EX | LOCK_NB, 0, 77 };

	DO(r, s, SYS_flock, flock, fd_of(s->a), calls[s->b % LENGTH(calls)]);
}

static void op_lock_file(const struct step *s, struct result *r)
{
	static const int calls[] = { F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW, F_GETLK, F_OFD_GETLK };
	static const short types[] = { F_RDLCK, F_WRLCK, F_UNLCK, F_WRLCK, 77 };
	struct flock l = { .l_type = types[s->c % LENGTH(types)], .l_whence = s->e == 0xff ? 9 : SEEK_SET, .l_start = s->d % 4, .l_len = s->d % 3 };
	int call = calls[s->b % LENGTH(calls)];

	if (s->e == 0xfe)
		l.l_pid = 5;
	DO(r, s, SYS_fcntl, fcntl, fd_of(s->a), call, s->e == 0xfd ? (void *)8 : &l);
	if (r->ret == 0 && (call == F_GETLK || call == F_OFD_GETLK))
		more(r, "type %d", l.l_type);
}

static void op_inotify(const struct step *s, struct result *r)
{
	if (s->b & 1)
		DONE(r, inotify_add_watch(fd_of(s->a), name_of(s->c), s->d & 1 ? IN_MODIFY | IN_OPEN : s->d == 0xfe ? 0 : IN_CLOSE));
	else
		DONE(r, inotify_rm_watch(fd_of(s->a), s->c % 4));
}

static void op_memfd(const struct step *s, struct result *r)
{
	DONE(r, memfd_create(s->a == 0xff ? (void *)8 : "x", s->b == 0xff ? 0x7777 : 0));
	put_result(r, r->ret, FILE_RW);
}

static void op_pidfd(const struct step *s, struct result *r)
{
	DONE(r, syscall(SYS_pidfd_open, s->a == 0xff ? -1 : s->a == 0xfe ? 0x3fffff : getpid(), s->b == 0xff ? 77 : 0));
	put_result(r, r->ret, PIDFD);
}

static void op_mq_open(const struct step *s, struct result *r)
{
	struct mq_attr attr = { .mq_maxmsg = s->a == 0xff ? -1 : 2, .mq_msgsize = 64 };
	char name[40];

	snprintf(name, sizeof(name), "/grove-fuzz-%d", getpid());
	DONE(r, mq_open(name, O_RDWR | O_CREAT | (s->b & 1 ? O_NONBLOCK : 0), 0600, &attr));
	mq_unlink(name);
	put_result(r, r->ret, MQ);
}

static void op_mmap(const struct step *s, struct result *r)
{
	void *p;

	errno = 0;
	p = mmap(NULL, size_of(s->b), PROT_READ, s->c & 1 ? MAP_SHARED : MAP_PRIVATE, fd_of(s->a), s->d & 1 ? 0 : s->d);
	r->ret = p == MAP_FAILED ? -1 : 0;
	r->err = r->ret ? errno : 0;
	if (p != MAP_FAILED)
		munmap(p, size_of(s->b));
}

/* a stream of libc's on a duplicate, one line */
static void op_stdio(const struct step *s, struct result *r)
{
	int fd = dup(fd_of(s->a));
	FILE *f = fd >= 0 ? fdopen(fd, s->b & 1 ? "r" : "w") : NULL;
	char line[64];

	r->ret = 0;
	if (!f) {
		r->ret = -1;
		r->err = errno;
		if (fd >= 0)
			close(fd);
		return;
	}
	errno = 0;
	if (s->b & 1)
		r->ret = fgets(line, sizeof(line), f) ? (long)strlen(line) : -1;
	else
		r->ret = fprintf(f, "line %d\n", s->c) < 0 || fflush(f) == EOF ? -1 : 0;
	r->err = r->ret == -1 ? errno : 0;
	fclose(f);
}

const struct op process_ops[] = {
	{ "fork", op_fork, STAYS, 0 },
	{ "posix_spawn", op_spawn, STAYS, 0 },
	{ "vfork", op_vfork, STAYS, 0 },
	{ "wait", op_wait, 0, 0 },
	{ "thread", op_thread, STAYS, 0 },
	{ "cancel", op_cancel, READS_A, 0 },
	{ NULL, NULL, 0, 0 },
};

const struct op file_ops[] = {
	{ "open", op_open, 0, 0 },
	{ "open", op_open, 0, 0 },
	{ "file_names", op_names, 0, 0 },
	{ "file", op_file, 0, 0 },
	{ "flock", op_flock, 0, 0 },
	{ "lock", op_lock_file, 0, 0 },
	{ "inotify", op_inotify, 0, 0 },
	{ "memfd", op_memfd, 0, 0 },
	{ "pidfd", op_pidfd, 0, 0 },
	{ "mq_open", op_mq_open, 0, 0 },
	{ "mmap", op_mmap, 0, 0 },
	{ "stdio", op_stdio, READS_A | WRITES_A, 0 },
	{ NULL, NULL, 0, 0 },
};
