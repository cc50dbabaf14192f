/*
 * alias.c - the names that _FORTIFY_SOURCE makes of calls: the same with the size of the buffer, which must be large enough
 */
#include "door.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
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

/* O_CREAT without a mode: libc says so and aborts */
DOOR int __open_2(const char *path, int flags)
{
	if (flags & O_CREAT)
		__chk_fail();
	return open(path, flags);
}

int __open64_2(const char *path, int flags) __attribute__((visibility("default"), alias("__open_2")));

DOOR int __openat_2(int dir, const char *path, int flags)
{
	if (flags & O_CREAT)
		__chk_fail();
	return openat(dir, path, flags);
}

int __openat64_2(int dir, const char *path, int flags) __attribute__((visibility("default"), alias("__openat_2")));

/* Names that libc exports for the same functions */
DOOR ssize_t __read(int fd, void *buf, size_t n) { return read(fd, buf, n); }
DOOR ssize_t __write(int fd, const void *buf, size_t n) { return write(fd, buf, n); }
DOOR int __close(int fd) { return close(fd); }
DOOR int __connect(int fd, const struct sockaddr *addr, socklen_t len) { return connect(fd, addr, len); }
DOOR ssize_t __send(int fd, const void *buf, size_t n, int flags) { return send(fd, buf, n, flags); }
