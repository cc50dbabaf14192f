/*
 * file.c - opening, locking, flushing: what waits for a disk, for another process' lock, or for the other end of a FIFO
 *
 * Where the kernel has a form of the call that does not wait, that is tried first, on the carrier; offload threads are for the rest.
 */
#include "green.h"
#include "disk.h"
#include "../fd.h"
#include "../hub.h"
#include "../offload.h"
#include "../raw.h"
#include "../signal.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* --- open ---------------------------------------------------------------------------------------------------------------------- */

enum { MEM_MAJOR = 1, TTYAUX_MAJOR = 5, MISC_MAJOR = 10, PTS_FIRST = 136, PTS_LAST = 143 };

/* Devices whose open never waits: /dev/null and its like, /dev/tty, /dev/ptmx, miscellaneous, pseudo-terminals. */
static bool opens_at_once(dev_t dev)
{
	unsigned n = major(dev);

	return n == MEM_MAJOR || n == TTYAUX_MAJOR || n == MISC_MAJOR || (n >= PTS_FIRST && n <= PTS_LAST);
}

/* A FIFO waits for its other end, a serial line for a carrier, a drive for its medium.  @ret_st: what there is; its mode is 0 if nothing. */
static bool open_may_wait(int dir, const char *path, uint64_t flags, struct stat *ret_st)
{
	mode_t mode;

	ret_st->st_mode = 0;
	if (flags & (O_NONBLOCK | O_PATH | O_DIRECTORY))
		return false;
	if (raw(SYS_newfstatat, dir, path, ret_st, flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0) < 0) {
		ret_st->st_mode = 0;
		return false;		/* and open() says why */
	}
	mode = ret_st->st_mode;
	if (S_ISFIFO(mode))
		return (flags & O_ACCMODE) != O_RDWR;
	return S_ISBLK(mode) || (S_ISCHR(mode) && !opens_at_once(ret_st->st_rdev));
}

long green_openat(int dir, const char *path, int flags, mode_t mode)
{
	struct stat st;
	long r;

	if (GR_UNLIKELY(gr_path_slow(dir, path)))
		return gr_offload_exact(SYS_openat, dir, (long)path, flags, mode, 0, 0);
	if (GR_UNLIKELY(open_may_wait(dir, path, (unsigned)flags, &st)))
		return gr_offload(SYS_openat, dir, (long)path, flags, mode, 0, 0);
	r = raw(SYS_openat, dir, path, flags, mode);
	if (r >= 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))	/* what we know of it need not be asked for */
		gr_fd_born_file((int)r, flags, gr_mounts_dev(st.st_dev));
	return r;
}

long green_open(const char *path, int flags, mode_t mode)
{
	return green_openat(AT_FDCWD, path, flags, mode);
}

long green_creat(const char *path, mode_t mode)
{
	return green_openat(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

long green_openat2(int dir, const char *path, struct open_how *how, size_t size)
{
	struct stat st;
	uint64_t flags;

	if (GR_UNLIKELY(gr_path_slow(dir, path)))
		return gr_offload_exact(SYS_openat2, dir, (long)path, (long)how, (long)size, 0, 0);
	if (size >= sizeof(*how) && gr_user_read(&flags, &how->flags, sizeof(flags)) == 0 && open_may_wait(dir, path, flags, &st))
		return gr_offload(SYS_openat2, dir, (long)path, (long)how, (long)size, 0, 0);
	return raw(SYS_openat2, dir, path, how, size);
}

/* --- locks, and what fcntl(2) changes that the descriptor table must know -------------------------------------------------------- */

long green_flock(int fd, int op)
{
	long r;

	if (gr_disk_slow(fd))
		return gr_offload_exact(SYS_flock, fd, op, 0, 0, 0, 0);
	r = raw(SYS_flock, fd, op | LOCK_NB);
	if (r != -EAGAIN || (op & LOCK_NB))
		return r;
	return gr_offload(SYS_flock, fd, op, 0, 0, 0, 0);
}

static long lock_range(int fd, int cmd, int cmd_now, long arg)
{
	long r = raw(SYS_fcntl, fd, cmd_now, arg);

	return r == -EAGAIN || r == -EACCES ? gr_offload(SYS_fcntl, fd, cmd, arg, 0, 0, 0) : r;
}

static bool locks(int cmd)
{
	return cmd == F_SETLKW || cmd == F_SETLK || cmd == F_GETLK || cmd == F_OFD_SETLKW || cmd == F_OFD_SETLK || cmd == F_OFD_GETLK ||
	       cmd == F_SETLEASE;
}

long green_fcntl(int fd, int cmd, long arg)
{
	struct gr_fd *f;
	long r;

	if (gr_is_own_fd(fd))
		return -EBADF;
	if (locks(cmd) && gr_disk_slow(fd))
		return gr_offload_exact(SYS_fcntl, fd, cmd, arg, 0, 0, 0);
	if (cmd == F_SETLKW)
		return lock_range(fd, cmd, F_SETLK, arg);
	if (cmd == F_OFD_SETLKW)
		return lock_range(fd, cmd, F_OFD_SETLK, arg);
	if (cmd == F_SETOWN || cmd == F_SETOWN_EX)
		gr_fd_urgent(fd);
	r = raw(SYS_fcntl, fd, cmd, arg);
	if (r < 0)
		return r;
	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) {
		gr_fd_dup(fd, (int)r);
	} else if (cmd == F_SETFL) {
		f = gr_fd_peek(fd);
		if (f) {
			f->nonblock = (arg & O_NONBLOCK) != 0;
			f->direct = (arg & O_DIRECT) != 0;
		}
	}
	return r;
}

/* --- disks ----------------------------------------------------------------------------------------------------------------------- */

/* It ends by itself, unless a server is to answer. */
static long on_disk(long nr, int fd, long b, long c, long d)
{
	return gr_disk_slow(fd) ? gr_offload_exact(nr, fd, b, c, d, 0, 0) : gr_offload_nointr(nr, fd, b, c, d, 0, 0);
}

long green_fsync(int fd)
{
	return on_disk(SYS_fsync, fd, 0, 0, 0);
}

long green_fdatasync(int fd)
{
	return on_disk(SYS_fdatasync, fd, 0, 0, 0);
}

long green_sync(void)
{
	return gr_offload_nointr(SYS_sync, 0, 0, 0, 0, 0, 0);
}

long green_syncfs(int fd)
{
	return on_disk(SYS_syncfs, fd, 0, 0, 0);
}

long green_sync_file_range(int fd, off_t at, off_t n, unsigned flags)
{
	return on_disk(SYS_sync_file_range, fd, at, n, flags);
}

long green_msync(uintptr_t addr, size_t size, int flags)
{
	if (!(flags & MS_SYNC))
		return raw(SYS_msync, addr, size, flags);
	return gr_offload_nointr(SYS_msync, (long)addr, (long)size, flags, 0, 0, 0);
}

long green_fallocate(int fd, int mode, off_t at, off_t n)
{
	return on_disk(SYS_fallocate, fd, mode, at, n);
}

long green_copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t n, unsigned flags)
{
	if (gr_disk_slow(in) || gr_disk_slow(out))
		return gr_offload_exact(SYS_copy_file_range, in, (long)in_at, out, (long)out_at, (long)n, flags);
	return gr_offload_nointr(SYS_copy_file_range, in, (long)in_at, out, (long)out_at, (long)n, flags);
}

/* --- file systems as a whole --------------------------------------------------------------------------------------------------------- */

long green_mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)
{
	return gr_offload_nointr(SYS_mount, (long)source, (long)target, (long)type, (long)flags, (long)data, 0);
}

long green_umount2(const char *target, int flags)
{
	return gr_offload_nointr(SYS_umount2, (long)target, flags, 0, 0, 0, 0);
}

long green_swapon(const char *path, int flags)
{
	return gr_offload_nointr(SYS_swapon, (long)path, flags, 0, 0, 0, 0);
}

long green_swapoff(const char *path)
{
	return gr_offload(SYS_swapoff, (long)path, 0, 0, 0, 0, 0);
}

long green_quotactl(int cmd, const char *special, int id, void *addr)
{
	return gr_offload_nointr(SYS_quotactl, cmd, (long)special, id, (long)addr, 0, 0);
}
