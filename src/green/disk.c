/*
 * disk.c - regular files, directories and block devices
 *
 * Reading: what is in the page cache at once (RWF_NOWAIT); the rest through io_uring where that needs no thread, else on an offload thread.
 * At the file's own position io_uring only fetches the pages: the position belongs to a lock that no ring takes.
 *
 * Writing: most file systems cannot be asked to write without waiting, and a write goes into the page cache, so that small ones are made
 * on the carrier.  They wait only while the kernel makes the process wait for its disks; who has met that once goes to threads for a while.
 */
#include "disk.h"
#include "green.h"
#include "try.h"
#include "../offload.h"
#include "../sched.h"
#include "../uring.h"
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif
#define RWF_DURABLE	(RWF_DSYNC | RWF_SYNC)

#define MUCH		(256u * 1024)	/* copying this takes longer than having a thread do it */
#define ROUGH		GR_MS(2)	/* a write that took as long has waited, */
#define SUSPECTS	256		/* looks at as many after it; the kernel lets some pages pass between two pauses */
#define ROUGH_FOR	GR_MS(200)	/* and others will: the longest pause of the kernel's for one who writes too much */

static unsigned twins_moving;		/* calls at the position of descriptors that have duplicates */

/* --- where it lies ------------------------------------------------------------------------------------------------------------------- */

static enum gr_speed ask(struct gr_fd *f)
{
	struct statfs st = { 0 };
	uint32_t gen = f->gen;
	enum gr_speed speed = GR_SPEED_NEW;
	long r;

	if (gr_mounts_slow()) {
		speed = gr_mounts_fd(f->fd);
		r = speed ? 0 : gr_offload_deaf(SYS_fstatfs, f->fd, (long)&st, 0, 0, 0, 0);
	} else {
		r = raw(SYS_fstatfs, f->fd, &st);
	}
	if (!speed)
		speed = r < 0 ? GR_SPEED_DISK : gr_mounts_type((unsigned long)st.f_type);
	if (f->gen == gen)
		f->speed = (uint8_t)speed;
	return speed;
}

enum gr_speed gr_disk_speed(struct gr_fd *f)
{
	if (GR_UNLIKELY(gr_mounts_watched))
		f->speed = GR_SPEED_SLOW;
	return GR_LIKELY(f->speed) ? f->speed : ask(f);
}

bool gr_disk_slow(int fd)
{
	struct gr_fd *f;

	if (GR_LIKELY(!gr_mounts_slow()))
		return false;
	f = gr_fd_get(fd);
	return f && f->kind == GR_KIND_FILE && gr_disk_speed(f) == GR_SPEED_SLOW;
}

bool gr_disk_taken(const struct gr_fd *f)
{
	return f->moving || (f->twin && twins_moving);
}

long gr_disk_offload(struct gr_fd *f, bool moves, long nr, long a, long b, long c, long d, long e, long g)
{
	uint32_t gen = f->gen;
	bool twin = f->twin && moves;
	long r;

	f->moving += moves;
	twins_moving += twin;
	r = f->speed == GR_SPEED_SLOW ? gr_offload_exact(nr, a, b, c, d, e, g) : gr_offload_nointr(nr, a, b, c, d, e, g);
	if (f->gen == gen)
		f->moving -= moves;
	twins_moving -= twin;
	return r;
}

/* --- reading -------------------------------------------------------------------------------------------------------------------------- */

static long read_by_thread(struct gr_fd *f, const struct iovec *iov, int n, off_t at, int flags)
{
	return gr_disk_offload(f, at == GR_HERE, SYS_preadv2, f->fd, (long)iov, n, at, at >> 63, flags);
}

/* O_DIRECT: there is no cache to look into, and RWF_NOWAIT waits for the disk. */
static long read_direct(struct gr_fd *f, const struct iovec *iov, int n, off_t at)
{
	long r = gr_disk_speed(f) == GR_SPEED_ASYNC && at != GR_HERE ? gr_uring_readv(f->fd, iov, n, at) : -EOPNOTSUPP;

	return r == -EOPNOTSUPP ? read_by_thread(f, iov, n, at, 0) : r;
}

/* Pages that are not there yet. */
static long read_cold(struct gr_fd *f, const struct iovec *iov, int n, off_t at)
{
	off_t from = at;
	long r;

	if (gr_alone(gr_carrier()))
		return raw(SYS_preadv2, f->fd, iov, n, at, at >> 63, 0);
	if (gr_disk_speed(f) == GR_SPEED_ASYNC) {
		if (at == GR_HERE)
			from = raw(SYS_lseek, f->fd, 0, SEEK_CUR);
		r = from >= 0 ? gr_uring_readv(f->fd, iov, n, from) : -EOPNOTSUPP;
		if (r != -EOPNOTSUPP && at != GR_HERE)
			return r;
		if (r >= 0 && !gr_disk_taken(f)) {
			r = raw(SYS_preadv2, f->fd, iov, n, at, at >> 63, RWF_NOWAIT);
			if (r != -EAGAIN)
				return r;
		}
	}
	return read_by_thread(f, iov, n, at, 0);
}

/* RWF_NOWAIT is not for this file.  Files of /proc and its like may have nothing to read yet, which only poll() tells. */
static long read_unasked(struct gr_fd *f, const struct iovec *iov, int n, off_t at)
{
	enum gr_speed speed = gr_disk_speed(f);

	if (speed == GR_SPEED_PSEUDO && !gr_ready_now(f->fd, GR_READ) && gr_fd_blocking(f)) {
		if (at != GR_HERE)
			return gr_offload(SYS_preadv2, f->fd, (long)iov, n, at, at >> 63, 0);
		f->kind = GR_KIND_POLL;
		f->poll_first = GR_BIT(GR_READ) | GR_BIT(GR_WRITE);
		return -EAGAIN;
	}
	if (speed == GR_SPEED_MEMORY || speed == GR_SPEED_PSEUDO || gr_alone(gr_carrier()))
		return raw(SYS_preadv2, f->fd, iov, n, at, at >> 63, 0);
	return read_by_thread(f, iov, n, at, 0);
}

/* The rest of a read that the page cache answered in part: end of file, or pages to be waited for. */
static long read_rest(struct gr_fd *f, const struct iovec *iov, int n, long got, off_t at)
{
	struct gr_iov rest;
	long r = 0;

	if (gr_iov_copy(&rest, iov, n) < 0)
		return got;
	gr_iov_skip(&rest, (size_t)got);
	if (rest.n) {
		if (at >= 0)
			at += got;
		r = raw(SYS_preadv2, f->fd, rest.v, rest.n, at, at >> 63, RWF_NOWAIT);
		if (r == -EAGAIN)
			r = read_cold(f, rest.v, rest.n, at);
	}
	gr_iov_free(&rest);
	return r > 0 ? got + r : got;
}

static long read_any(struct gr_fd *f, const struct iovec *iov, int n, size_t bytes, off_t at, int flags)
{
	bool taken = at == GR_HERE && gr_disk_taken(f);
	long r;

	if (GR_UNLIKELY(gr_mounts_watched))
		f->speed = GR_SPEED_SLOW;
	if ((flags & RWF_NOWAIT) || (f->speed == GR_SPEED_MEMORY && !taken))
		return raw(SYS_preadv2, f->fd, iov, n, at, at >> 63, flags);
	if (gr_alone(gr_carrier()) && f->speed >= GR_SPEED_ASYNC)
		return raw(SYS_preadv2, f->fd, iov, n, at, at >> 63, flags);
	if (taken || flags || f->speed == GR_SPEED_SLOW)
		return read_by_thread(f, iov, n, at, flags);
	if (f->direct && gr_disk_speed(f) >= GR_SPEED_ASYNC)
		return read_direct(f, iov, n, at);
	if (f->poll_first & GR_BIT(GR_READ))
		return read_unasked(f, iov, n, at);
	r = raw(SYS_preadv2, f->fd, iov, n, at, at >> 63, RWF_NOWAIT);
	if (r == -EAGAIN)
		r = read_cold(f, iov, n, at);
	if (r == -EOPNOTSUPP) {
		f->poll_first |= GR_BIT(GR_READ);
		return read_unasked(f, iov, n, at);
	}
	return r > 0 && (size_t)r < bytes ? read_rest(f, iov, n, r, at) : r;
}

/*
 * Copying a KB takes about as long as a small call: who never has to wait, as the kernel reads ahead for him, is to let others run all
 * the same.
 */
static long charged(long r)
{
	if (r > (long)GR_PAGE && !gr_alone(gr_carrier()))
		gr_charge(gr_carrier(), (unsigned)((r - GR_PAGE) / 1024));
	return r;
}

long gr_disk_read(struct gr_fd *f, const struct iovec *iov, int n, size_t bytes, off_t at, int flags)
{
	return charged(read_any(f, iov, n, bytes, at, flags));
}

bool gr_disk_cold(struct gr_fd *f, off_t at)
{
	char byte;
	const struct iovec v = { &byte, 1 };
	long r;

	if (gr_alone(gr_carrier()) || gr_disk_speed(f) < GR_SPEED_ASYNC)
		return false;
	if (at == GR_HERE)
		at = raw(SYS_lseek, f->fd, 0, SEEK_CUR);
	r = f->poll_first & GR_BIT(GR_READ) ? -EOPNOTSUPP : raw(SYS_preadv2, f->fd, &v, 1, at, at >> 63, RWF_NOWAIT);
	if (r == -EOPNOTSUPP)
		f->poll_first |= GR_BIT(GR_READ);
	return r == -EAGAIN || r == -EOPNOTSUPP;
}

/* --- writing ------------------------------------------------------------------------------------------------------------------------- */

/*
 * Has a write on the carrier waited?  One that took long may just not have had the processor, so the next ones are looked at closely: who
 * waits leaves the processor of his own accord.
 */
static gr_time rough_until;
static unsigned suspects;		/* writes to be looked at closely */

static long switches(void)
{
	struct rusage u;

	return raw(SYS_getrusage, RUSAGE_THREAD, &u) == 0 ? u.ru_nvcsw : 0;
}

static long write_here(gr_time begun, const long call[7])
{
	bool suspect = suspects && suspects--;
	long before = suspect ? switches() : 0;
	long r = raw_syscall6(call[0], call[1], call[2], call[3], call[4], call[5], call[6]);
	gr_time ended = gr_now();

	if (GR_UNLIKELY(ended - begun > ROUGH)) {
		suspects = SUSPECTS;
		if (suspect && switches() != before)
			rough_until = ended + ROUGH_FOR;
	}
	return r;
}

/* Those made by threads tell when it is over. */
static long write_there(struct gr_fd *f, bool moves, gr_time begun, const long call[7])
{
	bool rough = begun < rough_until;
	long r = gr_disk_offload(f, moves, call[0], call[1], call[2], call[3], call[4], call[5], call[6]);
	gr_time ended = gr_now();

	if (rough && ended - begun > ROUGH)
		rough_until = ended + ROUGH_FOR;
	return r;
}

long gr_disk_write(struct gr_fd *f, size_t bytes, bool moves, int flags, long nr, long a, long b, long c, long d, long e, long g)
{
	const long call[7] = { nr, a, b, c, d, e, g };
	bool taken = moves && gr_disk_taken(f);
	gr_time now;

	if (gr_alone(gr_carrier()) || (flags & RWF_NOWAIT) || (gr_disk_speed(f) < GR_SPEED_ASYNC && !taken))
		return charged(raw_syscall6(nr, a, b, c, d, e, g));
	now = gr_now();
	if (taken || f->speed == GR_SPEED_SLOW || f->direct || f->sync || (flags & RWF_DURABLE) || bytes >= MUCH || now < rough_until)
		return write_there(f, moves, now, call);
	return charged(write_here(now, call));
}
