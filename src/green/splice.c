/*
 * splice.c - bytes moved between descriptors within the kernel: sendfile, splice, tee, vmsplice
 *
 * SPLICE_F_NONBLOCK is about pipes only; a file or socket at the other end waits as its own flags say.  So a first try on the
 * carrier is made only where that end cannot wait; everything else is left to the kernel on an offload thread, which is exact for
 * every mixture of flags, timeouts and partial transfers.
 */
#include "green.h"
#include "disk.h"
#include "try.h"
#include "../offload.h"
#include "../signal.h"
#include <fcntl.h>
#include <sys/stat.h>

/* A socket's timeout makes an interrupted transfer fail for good. */
static long ended(const struct gr_fd *f, int dir, long r)
{
	return r == -GR_ERESTART && f && gr_is_socket(f) && f->timeo[dir] != GR_NEVER ? -EINTR : r;
}

/* Data that somebody has yet to send; a file is always ready, but may be slow. */
static bool may_wait_for(int in)
{
	struct gr_fd *f = gr_fd_get(in);

	return f && f->kind != GR_KIND_FILE && f->kind != GR_KIND_OTHER && gr_fd_blocking(f);
}

/* From a file whose pages are not there the kernel would wait for the disk, whatever the output's flags say. */
static bool from_cold_file(int in, const off_t *at)
{
	struct gr_fd *f = gr_fd_get(in);
	off_t from = GR_HERE;

	if (!f || f->kind != GR_KIND_FILE || (at && gr_user_read(&from, at, sizeof(from)) < 0))
		return false;
	return gr_disk_cold(f, from);
}

/* An event loop with non-blocking sockets calls this often, mostly for what is in the page cache, and would not thank us for threads. */
long green_sendfile(int out, int in, off_t *at, size_t n)
{
	struct gr_fd *f = gr_fd_get(out);
	bool waits = f && may_wait_for(in);

	if (!f || (f->kind != GR_KIND_FILE && !waits && !gr_fd_blocking(f) && !gr_disk_slow(in) && !from_cold_file(in, at)))
		return raw(SYS_sendfile, out, in, at, n);
	if (!waits && (f->kind == GR_KIND_FILE || f->kind == GR_KIND_OTHER))
		return gr_offload_nointr(SYS_sendfile, out, in, (long)at, (long)n, 0, 0);
	return ended(f, GR_WRITE, gr_offload(SYS_sendfile, out, in, (long)at, (long)n, 0, 0));
}

static bool is_pipe(int fd)
{
	struct stat st;

	return raw(SYS_fstat, fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* Can the end that is no pipe make us wait?  Not a socket that has data, which nobody else takes before we do. */
static bool may_wait(int fd, int dir)
{
	struct gr_fd *f = gr_fd_get(fd);

	if (!f || f->kind == GR_KIND_OTHER)
		return false;
	return f->kind == GR_KIND_FILE || (gr_fd_blocking(f) && (dir == GR_WRITE || !gr_ready_now(fd, dir)));
}

long green_splice(int in, off_t *in_at, int out, off_t *out_at, size_t n, unsigned flags)
{
	long r;

	if ((is_pipe(in) || !may_wait(in, GR_READ)) && (is_pipe(out) || !may_wait(out, GR_WRITE))) {
		r = raw(SYS_splice, in, in_at, out, out_at, n, flags | SPLICE_F_NONBLOCK);
		if (r != -EAGAIN || (flags & SPLICE_F_NONBLOCK))
			return r;
	}
	r = gr_offload(SYS_splice, in, (long)in_at, out, (long)out_at, (long)n, flags);
	return ended(gr_fd_get(out), GR_WRITE, ended(gr_fd_get(in), GR_READ, r));
}

long green_tee(int in, int out, size_t n, unsigned flags)
{
	long r = raw(SYS_tee, in, out, n, flags | SPLICE_F_NONBLOCK);

	if (r != -EAGAIN || (flags & SPLICE_F_NONBLOCK))
		return r;
	return gr_offload(SYS_tee, in, out, (long)n, flags, 0, 0);
}

long green_vmsplice(int fd, const struct iovec *iov, size_t count, unsigned flags)
{
	long r = raw(SYS_vmsplice, fd, iov, count, flags | SPLICE_F_NONBLOCK);

	if (r != -EAGAIN || (flags & SPLICE_F_NONBLOCK))
		return r;
	return gr_offload(SYS_vmsplice, fd, (long)iov, (long)count, flags, 0, 0);
}
