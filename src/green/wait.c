/*
 * wait.c - wait4 and waitid
 *
 * Children belong to the process, so any kernel thread of ours may wait for them.  Waiting for the end of one given child parks on a
 * pidfd; waiting for any child, or for stops, is a call on an offload thread, as nothing pollable tells of them.
 */
#include "../fd.h"
#include "../hub.h"
#include "../offload.h"
#include "../raw.h"
#include "../signal.h"
#include "green.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#ifndef P_PIDFD
#define P_PIDFD		3
#endif
#ifndef __WNOTHREAD
#define __WNOTHREAD	0x20000000	/* only children of the calling thread: all greenlets are one */
#endif
#define ODD		(WUNTRACED | WSTOPPED | WCONTINUED | __WALL | __WCLONE)		/* more than the end of a plain child */

/* Parks until the process behind @pidfd has ended.  0, -GR_ERESTART, -GR_EBROKEN. */
static long park_on_pidfd(int pidfd)
{
	struct gr_fd_wait w = { .fd = pidfd };
	int r = gr_fd_wait(&w, GR_READ, GR_NEVER);

	gr_fd_wait_end(&w);
	return r == -EINTR ? -GR_ERESTART : r;
}

/* The same by number.  1: not to be known by way of a pidfd. */
static long park_on_pid(int pid)
{
	long fd = raw(SYS_pidfd_open, pid, 0), r;

	if (fd < 0)
		return 1;
	fd = gr_own_fd((int)fd);
	r = park_on_pidfd((int)fd);
	gr_own_fd_close((int)fd);
	return r == -EBADF || r == -ENOMEM ? 1 : r;
}

/*
 * The kernel looks for a child before it looks for a signal, so one that ends and SIGCHLD are the child, not EINTR; the same where
 * children leave nothing behind (SA_NOCLDWAIT) and ECHILD is the answer.
 */
static bool is_interrupted(long r)
{
	return r == -GR_ERESTART || r == -EINTR;
}

/* --- wait4 ------------------------------------------------------------------------------------------------------------------- */

static long wait_for_pid(int pid, int *status, int options, struct rusage *usage)
{
	long r;

	if (pid > 0 && !(options & ODD)) {
		r = park_on_pid(pid);
		if (r < 0)
			return r;
		if (r == 0)
			r = raw(SYS_wait4, pid, status, options | WNOHANG, usage);
		if (r != 0 && r != 1)
			return r;
	}
	/* also when a debugger has the dead child: it stays a zombie until that lets go */
	return gr_offload(SYS_wait4, pid, (long)status, options & ~__WNOTHREAD, (long)usage, 0, 0);
}

long green_wait4(int pid, int *status, int options, struct rusage *usage)
{
	long r = raw(SYS_wait4, pid, status, options | WNOHANG, usage), last;

	if (r != 0 || (options & WNOHANG))
		return r;
	r = wait_for_pid(pid, status, options, usage);
	last = is_interrupted(r) ? raw(SYS_wait4, pid, status, options | WNOHANG, usage) : 0;
	return last ? last : r;
}

/* --- waitid ------------------------------------------------------------------------------------------------------------------ */

/* The parts of the program's siginfo that the kernel writes, and it does so after an error too. */
static long tell(siginfo_t *user, const siginfo_t *info, long r)
{
	size_t pid_at = offsetof(siginfo_t, si_pid), end = offsetof(siginfo_t, si_status) + sizeof(info->si_status);

	if (!user || r == -EFAULT)
		return r;
	if (gr_user_write(user, info, offsetof(siginfo_t, si_code) + sizeof(info->si_code)) < 0 ||
	    gr_user_write((char *)user + pid_at, (const char *)info + pid_at, end - pid_at) < 0)
		return -EFAULT;
	return r;
}

/* 0 when the end of @id has come, 1 when that cannot be parked on, or -errno. */
static long park_on(int which, int id, int options)
{
	long r;

	if (options & ODD)
		return 1;
	if (which == P_PID)
		return park_on_pid(id);
	if (which != P_PIDFD)
		return 1;
	r = park_on_pidfd(id);
	return r == -EBADF || r == -ENOMEM ? 1 : r;
}

/* What comes at last is in *@own, or was written by the kernel: then *@own is as before. */
static long wait_for_id(int which, int id, siginfo_t *info, siginfo_t *own, int options, struct rusage *usage)
{
	long r = park_on(which, id, options);

	if (r < 0)
		return r;
	if (r == 0) {
		r = raw(SYS_waitid, which, id, own, options | WNOHANG, usage);
		if (r < 0 || own->si_pid != 0)
			return tell(info, own, r);
	}
	return gr_offload(SYS_waitid, which, id, (long)info, options & ~__WNOTHREAD, (long)usage, 0);
}

long green_waitid(int which, int id, siginfo_t *info, int options, struct rusage *usage)
{
	siginfo_t own = { 0 };
	long r = raw(SYS_waitid, which, id, &own, options | WNOHANG, usage), last;

	if (r < 0 || own.si_pid != 0 || (options & WNOHANG))
		return tell(info, &own, r);
	if (which == P_PIDFD && (raw(SYS_fcntl, id, F_GETFL) & O_NONBLOCK))
		return raw(SYS_waitid, which, id, info, options, usage);	/* EAGAIN */
	r = wait_for_id(which, id, info, &own, options, usage);
	if (!is_interrupted(r))
		return r;
	last = raw(SYS_waitid, which, id, &own, options | WNOHANG, usage);
	return last < 0 || own.si_pid != 0 ? tell(info, &own, last) : r;
}
