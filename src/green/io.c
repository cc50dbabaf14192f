/*
 * io.c - read and write in all their forms, and descriptors made, duplicated and closed
 */
#include "green.h"
#include "disk.h"
#include "try.h"
#include "tty.h"
#include "../hub.h"
#include "../offload.h"
#include "../sched.h"
#include "../signal.h"
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

/* RWF_NOWAIT is not for every file. */
static bool no_nowait(struct gr_try *t, long r)
{
	if (r != -EOPNOTSUPP)
		return false;
	t->f->poll_first |= GR_BIT(t->dir);
	return true;
}

/*
 * Where only the kernel knows whether a call waits: reads of nothing (inotify waits, terminals do not), flags of preadv2, files that read
 * the parts of a vector one by one.
 */
static long unsure(struct gr_fd *f, int dir, long nr, long a, long b, long c, long d, long e)
{
	long r;

	if (f->kind == GR_KIND_OTHER || !gr_fd_blocking(f) || (dir == GR_READ && gr_ready_now(f->fd, dir)))
		return raw(nr, f->fd, a, b, c, d, e);
	r = gr_offload(nr, f->fd, a, b, c, d, e);
	return r == -GR_ERESTART && gr_is_socket(f) && f->timeo[dir] != GR_NEVER ? -EINTR : r;
}

/* A buffer that ends where no program's memory can be: read() and write() refuse it, although they would not transfer as much. */
static bool beyond(const void *buf, size_t n)
{
	return (uintptr_t)buf + n > (1ul << 47) || (uintptr_t)buf + n < n;
}

/* What the kernel refuses it refuses at once: a file that is not ready is asked in a way that waits for nothing and, if there is no such
 * way for it, only looks at the arguments. */
static long refused(int fd, long nr, const struct iovec *iov, int n)
{
	long r = raw(nr, fd, iov, n, GR_HERE, GR_HERE, RWF_NOWAIT);

	return r == -EOPNOTSUPP ? -EAGAIN : r;
}

/* --- reading --------------------------------------------------------------------------------------------------------------- */

/*
 * A file to be polled first is not ready.  A non-blocking one is the kernel's to answer.  A FIFO may have no writer, which is the end
 * of the file, and poll() does not say so before the first writer came: a second, non-blocking description of it does.
 */
static long read_unready(struct gr_try *t, const struct iovec *iov, int n)
{
	char path[GR_FD_PATH];
	long fd, r;

	if (!gr_fd_blocking(t->f))
		return raw(SYS_readv, t->w.fd, iov, n);
	if (t->waited)
		return -EAGAIN;
	r = refused(t->w.fd, SYS_preadv2, iov, n);
	if (!t->f->fifo || r != -EAGAIN)
		return r;
	gr_fd_path(t->w.fd, path);
	fd = raw(SYS_open, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (raw_failed(fd))
		return -EAGAIN;
	r = raw(SYS_readv, fd, iov, n);
	raw(SYS_close, fd);
	return r;
}

static long read_try(struct gr_try *t, const struct iovec *iov, int n)
{
	int fd = t->w.fd;
	long r;

	if (gr_is_socket(t->f)) {
		struct msghdr m = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n };

		r = raw(SYS_recvmsg, fd, &m, MSG_DONTWAIT);
		return r == -EAGAIN && gr_try_ended(t) ? raw(SYS_recvmsg, fd, &m, 0) : r;
	}
	if (!(t->f->poll_first & GR_BIT(GR_READ))) {
		r = raw(SYS_preadv2, fd, iov, n, GR_HERE, GR_HERE, RWF_NOWAIT);
		if (!no_nowait(t, r))
			return r;
	}
	if (GR_UNLIKELY(t->f->tty) && gr_tty_background(fd))
		return gr_tty_read(fd, iov, n);
	if (GR_UNLIKELY(t->f->signalfd) && gr_signal_shows())
		return gr_signal_read_fd(fd, iov, n);
	if (n > 1 && !t->f->tty && !t->f->fifo && gr_fd_blocking(t->f))
		return gr_offload(SYS_readv, fd, (long)iov, n, 0, 0, 0);
	return gr_ready_now(fd, GR_READ) ? raw(SYS_readv, fd, iov, n) : read_unready(t, iov, n);
}

static long read_loop(struct gr_try *t, const struct iovec *iov, int n)
{
	long r;

	r = read_try(t, iov, n);
	while (r == -EAGAIN && (r = gr_try_wait(t)) == 0)
		r = read_try(t, iov, n);
	if (r == 0 && t->waited && t->f->tty && gr_tty_orphaned(t->w.fd))
		r = -EIO;		/* for who waits when it happens; later it is the end of the file */
	gr_try_end(t);
	return r;
}

static long read_nothing(struct gr_try *t, long nr, long a, long b)
{
	return t->f->tty || t->f->kind == GR_KIND_FILE || gr_is_socket(t->f) ? raw(nr, t->w.fd, a, b) : unsure(t->f, GR_READ, nr, a, b, 0, 0, 0);
}

long green_read(int fd, void *buf, size_t n)
{
	struct iovec iov = { buf, n };
	struct gr_try t;

	if ((ssize_t)n < 0 || !gr_try_begin(&t, fd, GR_READ))
		return raw(SYS_read, fd, buf, n);
	if (GR_UNLIKELY(beyond(buf, n)))
		return unsure(t.f, GR_READ, SYS_read, (long)buf, (long)n, 0, 0, 0);
	if (n == 0)
		return read_nothing(&t, SYS_read, (long)buf, 0);
	if (gr_is_socket(t.f))
		return green_recvfrom(fd, buf, n, 0, NULL, NULL);
	if (n > INT_MAX - GR_PAGE + 1)
		iov.iov_len = INT_MAX - GR_PAGE + 1;		/* MAX_RW_COUNT: vectors above it are cut by the kernel the same */
	if (t.f->kind == GR_KIND_FILE) {
		long r = gr_disk_read(t.f, &iov, 1, iov.iov_len, GR_HERE, 0);

		if (t.f->kind == GR_KIND_FILE)
			return r;
	}
	if (t.f->signalfd && n < sizeof(struct signalfd_siginfo))
		return raw(SYS_read, fd, buf, n);
	return read_loop(&t, &iov, 1);
}

/* 0 also for what the kernel will refuse: too many, too long, not there */
static size_t bytes_of(const struct iovec *iov, int n)
{
	struct gr_iov copy;
	size_t bytes = 0;

	if (n < 0 || n > IOV_MAX || gr_iov_copy(&copy, iov, n) < 0)
		return 0;
	for (int i = 0; i < n; i++) {
		if ((ssize_t)copy.v[i].iov_len < 0) {
			bytes = 0;
			break;
		}
		bytes += copy.v[i].iov_len;
	}
	gr_iov_free(&copy);
	return bytes;
}

long green_readv(int fd, const struct iovec *iov, int n)
{
	struct gr_try t;
	size_t bytes = bytes_of(iov, n);

	if (!gr_try_begin(&t, fd, GR_READ))
		return raw(SYS_readv, fd, iov, n);
	if (bytes == 0)
		return read_nothing(&t, SYS_readv, (long)iov, n);
	if (t.f->kind == GR_KIND_FILE) {
		long r = gr_disk_read(t.f, iov, n, bytes, GR_HERE, 0);

		if (t.f->kind == GR_KIND_FILE)
			return r;
	}
	return read_loop(&t, iov, n);
}

long green_pread64(int fd, void *buf, size_t n, off_t at)
{
	struct iovec iov = { buf, n };
	struct gr_fd *f = gr_fd_get(fd);

	if (!f || f->kind != GR_KIND_FILE || at < 0 || n == 0 || n > INT_MAX - GR_PAGE)
		return raw(SYS_pread64, fd, buf, n, at);
	return gr_disk_read(f, &iov, 1, n, at, 0);
}

long green_preadv(int fd, const struct iovec *iov, int n, unsigned long lo, unsigned long hi)
{
	struct gr_fd *f = gr_fd_get(fd);
	size_t bytes = bytes_of(iov, n);

	if (!f || f->kind != GR_KIND_FILE || (off_t)lo < 0 || bytes == 0)
		return raw(SYS_preadv, fd, iov, n, lo, hi);
	return gr_disk_read(f, iov, n, bytes, (off_t)lo, 0);
}

long green_preadv2(int fd, const struct iovec *iov, int n, unsigned long lo, unsigned long hi, int flags)
{
	struct gr_fd *f;
	size_t bytes;

	if ((off_t)lo == GR_HERE && flags == 0)
		return green_readv(fd, iov, n);
	if (flags == 0)
		return green_preadv(fd, iov, n, lo, hi);
	f = gr_fd_get(fd);
	bytes = bytes_of(iov, n);
	if (!f || bytes == 0 || (flags & RWF_NOWAIT))
		return raw(SYS_preadv2, fd, iov, n, lo, hi, flags);
	if (f->kind != GR_KIND_FILE)
		return unsure(f, GR_READ, SYS_preadv2, (long)iov, n, (long)lo, (long)hi, flags);
	return gr_disk_read(f, iov, n, bytes, (off_t)lo, flags);
}

/* --- writing --------------------------------------------------------------------------------------------------------------- */

/* A terminal or a pipe that is ready has room for PIPE_BUF bytes; more might block.  As one piece, so that the pages of a pipe are full. */
static long write_piece(int fd, const struct iovec *iov, int n)
{
	struct iovec piece[16];
	size_t left = PIPE_BUF;
	int m = 0;

	for (int i = 0; i < n && left && m < (int)GR_LENGTH(piece); i++) {
		if (iov[i].iov_len == 0)
			continue;
		piece[m] = iov[i];
		if (piece[m].iov_len > left)
			piece[m].iov_len = left;
		left -= piece[m++].iov_len;
	}
	return raw(SYS_writev, fd, piece, m);
}

/* To other devices a write may be one message (FUSE, tun), so it is made as a whole; what is longer than they must have room for may block. */
static bool takes_pieces(const struct gr_fd *f)
{
	return f->kind != GR_KIND_POLL || f->tty;
}

static long write_ready(struct gr_try *t, const struct iovec *iov, int n)
{
	const struct gr_iov whole = { .v = (struct iovec *)iov, .n = n };
	int fd = t->w.fd;

	if (t->f->answers)
		return raw(SYS_writev, fd, iov, n);
	if (!gr_ready_now(fd, GR_WRITE))
		return t->waited ? -EAGAIN : refused(fd, SYS_pwritev2, iov, n);
	if (gr_iov_bytes(&whole) <= PIPE_BUF)
		return raw(SYS_writev, fd, iov, n);
	return takes_pieces(t->f) ? write_piece(fd, iov, n) : gr_offload(SYS_writev, fd, (long)iov, n, 0, 0, 0);
}

static long write_try(struct gr_try *t, const struct iovec *iov, int n, bool first)
{
	int fd = t->w.fd;
	long r;

	if (gr_is_socket(t->f)) {
		struct msghdr m = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n };

		/* once something was sent an error is told by the next call, and so is SIGPIPE */
		return raw(SYS_sendmsg, fd, &m, MSG_DONTWAIT | (first ? 0 : MSG_NOSIGNAL));
	}
	if (!(t->f->poll_first & GR_BIT(GR_WRITE))) {
		r = raw(SYS_pwritev2, fd, iov, n, GR_HERE, GR_HERE, RWF_NOWAIT);
		if (!no_nowait(t, r))
			return r;
	}
	if (GR_LIKELY(!t->f->tty))
		return write_ready(t, iov, n);
	gr_tty_begin();
	return gr_tty_end(fd, write_ready(t, iov, n));
}

/* A blocking write is over when all is written.  @r: what the first try has returned. */
static long write_rest(struct gr_try *t, struct gr_iov *iov, long r)
{
	long done = 0;

	for (;; r = write_try(t, iov->v, iov->n, done == 0)) {
		if (r > 0) {
			done += r;
			gr_iov_skip(iov, (size_t)r);
			if (!iov->n || t->f->kind == GR_KIND_DGRAM || !takes_pieces(t->f)) {
				gr_try_wrote(t);
				break;
			}
		}
		if (r == 0 || (r < 0 && r != -EAGAIN))
			break;
		if (r > 0 && ((t->f->poll_first & GR_BIT(GR_WRITE)) || gr_fd_edge_passed(t->f)))
			continue;
		r = gr_try_wait(t);
		if (r != 0)
			break;
	}
	gr_try_end(t);
	return done ? done : r;
}

static long write_loop(struct gr_try *t, const struct iovec *user_iov, int n)
{
	struct gr_iov iov;
	long r = gr_iov_copy(&iov, user_iov, n);

	if (r < 0)
		return r;
	r = write_rest(t, &iov, write_try(t, iov.v, iov.n, true));
	gr_iov_free(&iov);
	return r;
}

static __attribute__((noinline)) long write_rest_of_one(struct gr_try *t, const struct iovec *one, long r)
{
	struct gr_iov iov = { .few = { *one }, .v = iov.few, .n = 1 };

	return write_rest(t, &iov, r);
}

long green_write(int fd, const void *buf, size_t n)
{
	struct iovec iov = { (void *)buf, n };
	struct gr_try t;
	long r;

	if (n == 0 || (ssize_t)n < 0 || !gr_try_begin(&t, fd, GR_WRITE))
		return raw(SYS_write, fd, buf, n);
	if (t.f->kind == GR_KIND_FILE)
		return gr_disk_write(t.f, n, true, 0, SYS_write, fd, (long)buf, (long)n, 0, 0, 0);
	if (GR_UNLIKELY(beyond(buf, n)))
		return unsure(t.f, GR_WRITE, SYS_write, (long)buf, (long)n, 0, 0, 0);
	if (gr_is_socket(t.f))
		return green_sendto(fd, buf, n, 0, NULL, 0);
	r = write_try(&t, &iov, 1, true);
	return GR_LIKELY(r == (long)n) ? r : write_rest_of_one(&t, &iov, r);
}

long green_writev(int fd, const struct iovec *iov, int n)
{
	size_t bytes = bytes_of(iov, n);
	struct gr_try t;

	if (bytes == 0 || !gr_try_begin(&t, fd, GR_WRITE))
		return raw(SYS_writev, fd, iov, n);
	if (t.f->kind == GR_KIND_FILE)
		return gr_disk_write(t.f, bytes, true, 0, SYS_writev, fd, (long)iov, n, 0, 0, 0);
	return write_loop(&t, iov, n);
}

long green_pwrite64(int fd, const void *buf, size_t n, off_t at)
{
	struct gr_fd *f = gr_fd_get(fd);

	if (!f || f->kind != GR_KIND_FILE)
		return raw(SYS_pwrite64, fd, buf, n, at);
	return gr_disk_write(f, n, false, 0, SYS_pwrite64, fd, (long)buf, (long)n, at, 0, 0);
}

long green_pwritev2(int fd, const struct iovec *iov, int n, unsigned long lo, unsigned long hi, int flags)
{
	bool here = (off_t)lo == GR_HERE;
	struct gr_fd *f;
	size_t bytes;

	if (here && flags == 0)
		return green_writev(fd, iov, n);
	f = gr_fd_get(fd);
	bytes = bytes_of(iov, n);
	if (!f || bytes == 0 || (flags & RWF_NOWAIT))
		return raw(SYS_pwritev2, fd, iov, n, lo, hi, flags);
	if (f->kind != GR_KIND_FILE)
		return unsure(f, GR_WRITE, SYS_pwritev2, (long)iov, n, (long)lo, (long)hi, flags);
	return gr_disk_write(f, bytes, here, flags, SYS_pwritev2, fd, (long)iov, n, (long)lo, (long)hi, flags);
}

long green_pwritev(int fd, const struct iovec *iov, int n, unsigned long lo, unsigned long hi)
{
	return (off_t)lo < 0 ? raw(SYS_pwritev, fd, iov, n, lo, hi) : green_pwritev2(fd, iov, n, lo, hi, 0);
}

/* --- the end of a descriptor ------------------------------------------------------------------------------------------------ */

long green_close(int fd)
{
	struct gr_fd *f = gr_fd_peek(fd);
	bool lingers = f && f->lingers, slow;

	if (f && f->own)
		return -EBADF;
	slow = gr_disk_slow(fd);
	gr_fd_close(fd);
	if (slow)
		return gr_offload_deaf(SYS_close, fd, 0, 0, 0, 0, 0);
	return lingers ? gr_offload(SYS_close, fd, 0, 0, 0, 0, 0) : raw(SYS_close, fd);
}

long green_close_range(unsigned first, unsigned last, unsigned flags)
{
	long r;

	if (flags == CLOSE_RANGE_UNSHARE && first <= last) {	/* offload threads must not go on with the old table */
		r = green_unshare(CLONE_FILES);
		if (r < 0)
			return r;
		flags = 0;
	}
	if (flags != 0 || first > last)
		return raw(SYS_close_range, first, last, flags);
	for (unsigned fd = first; fd <= last && fd < GR_FD_MAX; fd++) {
		struct gr_fd *f = gr_fd_peek((int)fd);

		if (!f) {
			fd |= GR_FD_CHUNK - 1;
		} else if (!f->own) {
			if (f->speed == GR_SPEED_SLOW)
				green_close((int)fd);
			else
				gr_fd_close((int)fd);
		} else {
			r = fd > first ? raw(SYS_close_range, first, fd - 1, 0) : 0;
			if (r < 0)
				return r;
			first = fd + 1;
		}
	}
	return first <= last ? raw(SYS_close_range, first, last, 0) : 0;
}

/* --- descriptors made ------------------------------------------------------------------------------------------------------- */

static long born(long fd, enum gr_fd_kind kind, bool nonblock)
{
	if (fd >= 0)
		gr_fd_born((int)fd, kind, nonblock);
	return fd;
}

long green_dup(int fd)
{
	long r = gr_is_own_fd(fd) ? -EBADF : raw(SYS_dup, fd);

	if (r >= 0)
		gr_fd_dup(fd, (int)r);
	return r;
}

long green_dup3(int from, int to, int flags)
{
	bool slow;
	long r;

	if (from == to || to < 0 || gr_is_own_fd(from) || raw(SYS_fcntl, from, F_GETFD) < 0)
		return gr_is_own_fd(from) ? -EBADF : raw(SYS_dup3, from, to, flags);
	if (gr_is_own_fd(to))
		return -EBUSY;
	slow = gr_disk_slow(to);
	gr_fd_close(to);
	r = slow ? gr_offload_deaf(SYS_dup3, from, to, flags, 0, 0, 0) : raw(SYS_dup3, from, to, flags);
	if (r >= 0)
		gr_fd_dup(from, to);
	return r;
}

long green_dup2(int from, int to)
{
	return from == to || to < 0 ? raw(SYS_dup2, from, to) : green_dup3(from, to, 0);
}

long green_pipe2(int *fds, int flags)
{
	long r = raw(SYS_pipe2, fds, flags);

	if (r == 0) {
		born(fds[0], GR_KIND_NOWAIT, (flags & O_NONBLOCK) != 0);
		born(fds[1], GR_KIND_NOWAIT, (flags & O_NONBLOCK) != 0);
	}
	return r;
}

long green_pipe(int *fds)
{
	return green_pipe2(fds, 0);
}

long green_eventfd2(unsigned count, int flags)
{
	return born(raw(SYS_eventfd2, count, flags), GR_KIND_NOWAIT, (flags & EFD_NONBLOCK) != 0);
}

long green_eventfd(unsigned count)
{
	return green_eventfd2(count, 0);
}

long green_timerfd_create(int clock, int flags)
{
	return born(raw(SYS_timerfd_create, clock, flags), GR_KIND_NOWAIT, (flags & TFD_NONBLOCK) != 0);
}

long green_epoll_create1(int flags)
{
	return born(raw(SYS_epoll_create1, flags), GR_KIND_POLL, false);
}

long green_epoll_create(int size)
{
	return born(raw(SYS_epoll_create, size), GR_KIND_POLL, false);
}
