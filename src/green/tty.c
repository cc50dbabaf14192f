/*
 * tty.c - a terminal and a process that is not in its foreground
 *
 * The kernel sends SIGTTIN and SIGTTOU to the process group, or says EIO where the caller blocks or ignores them; so for these calls it must
 * know what the greenlet blocks.  It decides before it looks for input, as poll() does not: a read in the background is made at once, by a
 * second, non-blocking description, since the process may be in the foreground when it goes on.
 */
#include "tty.h"
#include "../fd.h"
#include "../raw.h"
#include "../signal.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define JOB_SIGNALS	(GR_SIGBIT(SIGTTIN) | GR_SIGBIT(SIGTTOU))

/* The master of a pseudo-terminal answers for the other side, but is nobody's terminal. */
bool gr_tty_background(int fd)
{
	int foreground, number;

	return raw(SYS_ioctl, fd, TIOCGPGRP, &foreground) == 0 && foreground != (int)raw(SYS_getpgid, 0) &&
	       raw(SYS_ioctl, fd, TIOCGPTN, &number) != 0;
}

void gr_tty_begin(void)
{
	gr_signal_exact(JOB_SIGNALS);
}

long gr_tty_end(int fd, long r)
{
	gr_signal_inexact();
	return r == -EINTR && gr_tty_background(fd) ? -GR_ERESTART : r;
}

long gr_tty_read(int fd, const struct iovec *iov, int n)
{
	char path[GR_FD_PATH];
	long second, r;

	gr_fd_path(fd, path);
	second = raw(SYS_open, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (raw_failed(second))
		return -EAGAIN;
	gr_tty_begin();
	r = gr_tty_end(fd, raw(SYS_readv, second, iov, n));
	raw(SYS_close, second);
	return r;
}

/* It is hung up by then, and answers nothing; but its name in /dev/pts went with its master, and with nothing else. */
bool gr_tty_orphaned(int fd)
{
	struct stat st;

	return raw(SYS_fstat, fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_nlink == 0;
}
