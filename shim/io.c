/*
 * io.c - <unistd.h>, <sys/uio.h>, <fcntl.h>: reading, writing, descriptors made and closed
 */
#include "door.h"
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

#define SAME_AS(name) __attribute__((visibility("default"), alias(#name)))

DOOR ssize_t read(int fd, void *buf, size_t n) { return DOOR_CANCEL(SYS_read, fd, buf, n); }
DOOR ssize_t write(int fd, const void *buf, size_t n) { return DOOR_CANCEL(SYS_write, fd, buf, n); }
DOOR ssize_t readv(int fd, const struct iovec *iov, int n) { return DOOR_CANCEL(SYS_readv, fd, iov, n); }
DOOR ssize_t writev(int fd, const struct iovec *iov, int n) { return DOOR_CANCEL(SYS_writev, fd, iov, n); }
DOOR ssize_t pread(int fd, void *buf, size_t n, off_t at) { return DOOR_CANCEL(SYS_pread64, fd, buf, n, at); }
DOOR ssize_t pwrite(int fd, const void *buf, size_t n, off_t at) { return DOOR_CANCEL(SYS_pwrite64, fd, buf, n, at); }
DOOR ssize_t preadv(int fd, const struct iovec *iov, int n, off_t at) { return DOOR_CANCEL(SYS_preadv, fd, iov, n, at); }
DOOR ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t at) { return DOOR_CANCEL(SYS_pwritev, fd, iov, n, at); }

DOOR ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t at, int flags)
{
	return DOOR_CANCEL(SYS_preadv2, fd, iov, n, at, 0, flags);
}

DOOR ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t at, int flags)
{
	return DOOR_CANCEL(SYS_pwritev2, fd, iov, n, at, 0, flags);
}

ssize_t pread64(int fd, void *buf, size_t n, off_t at) SAME_AS(pread);
ssize_t pwrite64(int fd, const void *buf, size_t n, off_t at) SAME_AS(pwrite);
ssize_t preadv64(int fd, const struct iovec *iov, int n, off_t at) SAME_AS(preadv);
ssize_t pwritev64(int fd, const struct iovec *iov, int n, off_t at) SAME_AS(pwritev);
ssize_t preadv64v2(int fd, const struct iovec *iov, int n, off_t at, int flags) SAME_AS(preadv2);
ssize_t pwritev64v2(int fd, const struct iovec *iov, int n, off_t at, int flags) SAME_AS(pwritev2);

/* --- opening; the mode is there only when a file may be made ------------------------------------------------------------------- */

#define MODE_IF(flags, mode)                                                                                                       \
	do {                                                                                                                       \
		if (((flags) & O_CREAT) || ((flags) & O_TMPFILE) == O_TMPFILE) {                                                   \
			va_list ap;                                                                                                \
			va_start(ap, flags);                                                                                       \
			mode = va_arg(ap, mode_t);                                                                                 \
			va_end(ap);                                                                                                \
		}                                                                                                                  \
	} while (0)

DOOR int open(const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_IF(flags, mode);
	return (int)DOOR_CANCEL(SYS_openat, AT_FDCWD, path, flags, mode);
}

DOOR int openat(int dir, const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_IF(flags, mode);
	return (int)DOOR_CANCEL(SYS_openat, dir, path, flags, mode);
}

DOOR int creat(const char *path, mode_t mode)
{
	return (int)DOOR_CANCEL(SYS_openat, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int open64(const char *path, int flags, ...) SAME_AS(open);
int openat64(int dir, const char *path, int flags, ...) SAME_AS(openat);
int creat64(const char *path, mode_t mode) SAME_AS(creat);

/* --- descriptors --------------------------------------------------------------------------------------------------------------- */

DOOR int close(int fd) { return (int)DOOR_CANCEL(SYS_close, fd); }
DOOR int close_range(unsigned first, unsigned last, int flags) { return (int)DOOR_CALL(SYS_close_range, first, last, flags); }

/* libc has another way for kernels before 5.9, and a message for the case that it fails too */
DOOR void closefrom(int first)
{
	if (gr_call(SYS_close_range, first < 0 ? 0 : first, ~0u, 0, 0, 0, 0) < 0)
		REAL(closefrom)(first);
}

DOOR int dup(int fd) { return (int)DOOR_CALL(SYS_dup, fd); }
DOOR int dup2(int from, int to) { return (int)DOOR_CALL(SYS_dup2, from, to); }
DOOR int dup3(int from, int to, int flags) { return (int)DOOR_CALL(SYS_dup3, from, to, flags); }
DOOR int pipe(int fds[2]) { return (int)DOOR_CALL(SYS_pipe, fds); }
DOOR int pipe2(int fds[2], int flags) { return (int)DOOR_CALL(SYS_pipe2, fds, flags); }
DOOR int eventfd(unsigned count, int flags) { return (int)DOOR_CALL(SYS_eventfd2, count, flags); }
DOOR int timerfd_create(int clock, int flags) { return (int)DOOR_CALL(SYS_timerfd_create, clock, flags); }
DOOR int epoll_create(int size) { return (int)DOOR_CALL(SYS_epoll_create, size); }
DOOR int epoll_create1(int flags) { return (int)DOOR_CALL(SYS_epoll_create1, flags); }

/* F_GETOWN stays with libc, which tells a negative process group from an error. */
DOOR int fcntl(int fd, int cmd, ...)
{
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	if (cmd == F_SETLKW || cmd == F_OFD_SETLKW)
		return (int)DOOR_CANCEL(SYS_fcntl, fd, cmd, arg);
	if (cmd == F_GETOWN)
		return REAL(fcntl)(fd, cmd, arg);
	return (int)DOOR_CALL(SYS_fcntl, fd, cmd, arg);
}

int fcntl64(int fd, int cmd, ...) SAME_AS(fcntl);

DOOR int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	long arg;

	va_start(ap, request);
	arg = va_arg(ap, long);
	va_end(ap);
	return (int)DOOR_CALL(SYS_ioctl, fd, request, arg);
}

DOOR int tcdrain(int fd) { return (int)DOOR_CANCEL(SYS_ioctl, fd, TCSBRK, 1); }

/* --- files ----------------------------------------------------------------------------------------------------------------------- */

DOOR int flock(int fd, int operation) { return (int)DOOR_CALL(SYS_flock, fd, operation); }
DOOR int fsync(int fd) { return (int)DOOR_CANCEL(SYS_fsync, fd); }
DOOR int fdatasync(int fd) { return (int)DOOR_CANCEL(SYS_fdatasync, fd); }
DOOR int msync(void *addr, size_t n, int flags) { return (int)DOOR_CANCEL(SYS_msync, addr, n, flags); }
DOOR ssize_t sendfile(int out, int in, off_t *at, size_t n) { return DOOR_CALL(SYS_sendfile, out, in, at, n); }
ssize_t sendfile64(int out, int in, off_t *at, size_t n) SAME_AS(sendfile);

DOOR ssize_t splice(int in, off_t *in_at, int out, off_t *out_at, size_t n, unsigned flags)
{
	return DOOR_CANCEL(SYS_splice, in, in_at, out, out_at, n, flags);
}

DOOR ssize_t tee(int in, int out, size_t n, unsigned flags) { return DOOR_CANCEL(SYS_tee, in, out, n, flags); }

DOOR ssize_t vmsplice(int fd, const struct iovec *iov, size_t n, unsigned flags)
{
	return DOOR_CANCEL(SYS_vmsplice, fd, iov, n, flags);
}

DOOR ssize_t copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t n, unsigned flags)
{
	return DOOR_CANCEL(SYS_copy_file_range, in, in_at, out, out_at, n, flags);
}
