/*
 * alias.c - the names that _FORTIFY_SOURCE makes of calls: the same with the size of the buffer, which must be large enough
 */
#include "door.h"
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

_Noreturn void __chk_fail(void);	/* libc's: "buffer overflow detected", abort */

#define FITS(n, size) do { if ((n) > (size)) __chk_fail(); } while (0)

DOOR ssize_t __read_chk(int fd, void *buf, size_t n, size_t size)
{
	FITS(n, size);
	return read(fd, buf, n);
}

DOOR ssize_t __pread_chk(int fd, void *buf, size_t n, off_t at, size_t size)
{
	FITS(n, size);
	return pread(fd, buf, n, at);
}

ssize_t __pread64_chk(int fd, void *buf, size_t n, off_t at, size_t size) __attribute__((visibility("default"), alias("__pread_chk")));

DOOR ssize_t __recv_chk(int fd, void *buf, size_t n, size_t size, int flags)
{
	FITS(n, size);
	return recv(fd, buf, n, flags);
}

DOOR ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t size, int flags, struct sockaddr *from, socklen_t *len)
{
	FITS(n, size);
	return recvfrom(fd, buf, n, flags, from, len);
}

DOOR int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size)
{
	FITS(n * sizeof(*fds), size);
	return poll(fds, n, timeout);
}

DOOR int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask, size_t size)
{
	FITS(n * sizeof(*fds), size);
	return ppoll(fds, n, timeout, mask);
}

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);

#define NEEDS_MODE(flags) (((flags) & O_CREAT) || ((flags) & O_TMPFILE) == O_TMPFILE)

/* A file to be made, and no mode: libc says so, by the function's name, and aborts */
DOOR int __open_2(const char *path, int flags)
{
	return NEEDS_MODE(flags) ? REAL(__open_2)(path, flags) : open(path, flags);
}

DOOR int __open64_2(const char *path, int flags)
{
	return NEEDS_MODE(flags) ? REAL(__open64_2)(path, flags) : open(path, flags);
}

DOOR int __openat_2(int dir, const char *path, int flags)
{
	return NEEDS_MODE(flags) ? REAL(__openat_2)(dir, path, flags) : openat(dir, path, flags);
}

DOOR int __openat64_2(int dir, const char *path, int flags)
{
	return NEEDS_MODE(flags) ? REAL(__openat64_2)(dir, path, flags) : openat(dir, path, flags);
}

/* Names that libc exports for the same functions */
DOOR ssize_t __read(int fd, void *buf, size_t n) { return read(fd, buf, n); }
DOOR ssize_t __write(int fd, const void *buf, size_t n) { return write(fd, buf, n); }
DOOR ssize_t __pread64(int fd, void *buf, size_t n, off_t at) { return pread(fd, buf, n, at); }
DOOR ssize_t __pwrite64(int fd, const void *buf, size_t n, off_t at) { return pwrite(fd, buf, n, at); }
DOOR int __close(int fd) { return close(fd); }
DOOR int __dup2(int from, int to) { return dup2(from, to); }
DOOR int __pipe(int fds[2]) { return pipe(fds); }
DOOR int __connect(int fd, const struct sockaddr *addr, socklen_t len) { return connect(fd, addr, len); }
DOOR ssize_t __send(int fd, const void *buf, size_t n, int flags) { return send(fd, buf, n, flags); }
DOOR int __poll(struct pollfd *fds, nfds_t n, int timeout) { return poll(fds, n, timeout); }
DOOR int __nanosleep(const struct timespec *req, struct timespec *rem) { return nanosleep(req, rem); }
DOOR int __sched_yield(void) { return sched_yield(); }
DOOR pid_t __wait(int *status) { return wait(status); }
DOOR pid_t __waitpid(pid_t pid, int *status, int options) { return waitpid(pid, status, options); }

DOOR int __select(int n, fd_set *in, fd_set *out, fd_set *ex, struct timeval *timeout)
{
	return select(n, in, out, ex, timeout);
}
