/*
 * keep.c - runs a program and keeps hold of all that comes of it, for `grove compare'
 *
 *	keep REPORTS PARENT GRACE program [args]
 *
 * The program gets a session and process group of its own.  Keep is a subreaper (prctl(2)): a process whose parent ended, as
 * daemons and workers are, becomes its child, so what the whole tree used is in the rusage of those it waits for.  It ends when
 * nothing is left.  SIGTERM, or the end of PARENT, makes it end the program: SIGTERM to the program's group, after AGAIN to
 * everybody that is left, after GRACE milliseconds SIGKILL; a second SIGTERM: SIGKILL at once.
 *
 * To the descriptor REPORTS it writes lines, times in nanoseconds of CLOCK_MONOTONIC:
 *	failed ERRNO			the program cannot be executed
 *	started PID TIME
 *	ended PID STATUS TIME USER_US SYSTEM_US FAULTS VOLUNTARY INVOLUNTARY MAXRSS_KB
 *	killed				SIGKILL was needed
 *	empty				no process is left
 *
 * It is in C to be small.  A child begins with the peak resident memory of who forked it, and exec does not set that back, so no
 * program started by an interpreter of 10 MB has a lower peak than that.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AGAIN		2000		/* ms after which who is left is told again */
#define ROUND		20		/* ms between SIGKILLs, while new processes are made */
#define NEVER		INT64_MAX

struct process {
	pid_t pid, parent;
	bool ours;
};

static struct {
	int reports;
	pid_t program;			/* 0 when it has been waited for */
	int64_t grace;
	int64_t again, kill;		/* when, in ns; NEVER: nobody asked for the end */
	bool killed;
	sighandler_t pipe;		/* how SIGPIPE is dealt with by who started us */
} keep = { .again = NEVER, .kill = NEVER };

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static __attribute__((format(printf, 1, 2))) void report(const char *form, ...)
{
	va_list ap;

	va_start(ap, form);
	vdprintf(keep.reports, form, ap);
	va_end(ap);
}

/* --- who is there -------------------------------------------------------------------------------------------------------- */

static pid_t parent_of(const char *pid)
{
	char path[64], line[512], *end;
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return 0;
	n = read(fd, line, sizeof(line) - 1);
	close(fd);
	line[n > 0 ? n : 0] = '\0';
	end = strrchr(line, ')');		/* the name before it may hold anything */
	return end && strlen(end) > 4 ? atoi(end + 4) : 0;
}

static struct process *all_processes(size_t *ret_n)
{
	struct process *p = NULL;
	size_t n = 0, room = 0;
	DIR *dir = opendir("/proc");
	struct dirent *d;

	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] < '1' || d->d_name[0] > '9')
			continue;
		if (n == room && !(p = realloc(p, (room = room * 2 + 256) * sizeof(*p))))
			abort();
		p[n++] = (struct process){ .pid = atoi(d->d_name), .parent = parent_of(d->d_name) };
	}
	if (dir)
		closedir(dir);
	*ret_n = n;
	return p;
}

static bool is_ours(const struct process *all, size_t n, pid_t pid)
{
	if (pid == getpid())
		return true;
	for (size_t i = 0; i < n; i++)
		if (all[i].pid == pid)
			return all[i].ours;
	return false;
}

/* Every descendant of ours */
static void tell_all(int sig)
{
	size_t n;
	struct process *all = all_processes(&n);

	for (bool more = true; more;) {
		more = false;
		for (size_t i = 0; i < n; i++)
			if (!all[i].ours && is_ours(all, n, all[i].parent))
				more = all[i].ours = true;
	}
	for (size_t i = 0; i < n; i++)
		if (all[i].ours)
			kill(all[i].pid, sig);
	free(all);
}

/* --- the end ------------------------------------------------------------------------------------------------------------- */

static void asked_to_end(void)
{
	if (keep.kill != NEVER) {
		keep.kill = now();
		return;
	}
	keep.kill = now() + keep.grace;
	keep.again = now() + AGAIN * 1000000LL;		/* but at once where the program has ended and others are left */
	if (keep.program && !kill(-keep.program, SIGTERM))
		kill(-keep.program, SIGCONT);
}

static void see_to_the_end(void)
{
	if (now() >= keep.again || (keep.again != NEVER && !keep.program)) {
		keep.again = NEVER;
		tell_all(SIGTERM);
		tell_all(SIGCONT);
	}
	if (now() >= keep.kill) {
		keep.kill = now() + ROUND * 1000000LL;
		if (!keep.killed)
			report("killed\n");
		keep.killed = true;
		tell_all(SIGKILL);
	}
}

/* Returns false when nobody is left. */
static bool reap(void)
{
	struct rusage u;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &u)) > 0) {
		report("ended %d %d %lld %lld %lld %ld %ld %ld %ld\n", pid, status, (long long)now(),
		       u.ru_utime.tv_sec * 1000000LL + u.ru_utime.tv_usec, u.ru_stime.tv_sec * 1000000LL + u.ru_stime.tv_usec,
		       u.ru_minflt, u.ru_nvcsw, u.ru_nivcsw, u.ru_maxrss);
		if (pid == keep.program)
			keep.program = 0;
	}
	return pid == 0;
}

static void attend(const sigset_t *signals)
{
	while (reap()) {
		int64_t next = keep.again < keep.kill ? keep.again : keep.kill, left = next - now();
		struct timespec ts = { left > 0 ? left / 1000000000 : 0, left > 0 ? left % 1000000000 : 0 };
		int sig = sigtimedwait(signals, NULL, next == NEVER ? NULL : &ts);

		if (sig > 0 && sig != SIGCHLD)
			asked_to_end();
		reap();
		see_to_the_end();
	}
}

/* --- the beginning ------------------------------------------------------------------------------------------------------- */

static _Noreturn void become(char **argv, const sigset_t *mask, int result)
{
	int error;

	setsid();
	signal(SIGPIPE, keep.pipe);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	error = errno;
	_exit(write(result, &error, sizeof(error)) == sizeof(error) ? 127 : 126);
}

/* Returns when the program runs; false: it cannot be executed. */
static bool start(char **argv, const sigset_t *mask)
{
	int64_t began = now();
	int result[2], error;

	if (pipe2(result, O_CLOEXEC) == -1 || (keep.program = fork()) == -1) {
		report("failed %d\n", errno);
		return false;
	}
	if (!keep.program)
		become(argv, mask, result[1]);
	close(result[1]);
	if (read(result[0], &error, sizeof(error)) == sizeof(error)) {
		report("failed %d\n", error);
		return false;
	}
	close(result[0]);
	report("started %d %lld\n", keep.program, (long long)began);
	return true;
}

int main(int argc, char **argv)
{
	sigset_t signals, mask;

	if (argc < 5)
		return 2;
	keep.reports = atoi(argv[1]);
	keep.grace = atoll(argv[3]) * 1000000;
	fcntl(keep.reports, F_SETFD, FD_CLOEXEC);
	keep.pipe = signal(SIGPIPE, SIG_IGN);		/* who reads the reports may be gone before the program */
	sigemptyset(&signals);
	for (const int *s = (const int[]){ SIGCHLD, SIGTERM, SIGINT, SIGHUP, 0 }; *s; s++)
		sigaddset(&signals, *s);
	sigprocmask(SIG_BLOCK, &signals, &mask);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != atoi(argv[2]))
		return 1;			/* it ended before we asked to be told */
	if (!start(argv + 4, &mask))
		return 1;
	attend(&signals);
	report("empty\n");
	return 0;
}
