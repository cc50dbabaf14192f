/*
 * path.c - calls on names, and on what an open file says of itself
 *
 * On file systems of the machine's own these are the kernel's: at worst a directory must be read from a disk.  While a file system that a
 * server answers for is mounted, and others could be held up, each path is looked up first, in the kernel's cache only; what
 * leads there, or is not in the cache, goes to an offload thread.
 */
#include "disk.h"
#include "green.h"
#include "../hub.h"
#include "../numbers.h"
#include "../offload.h"
#include "../raw.h"
#include "../signal.h"
#include <errno.h>
#include <fcntl.h>

bool gr_path_slow(int dir, const char *path)
{
	char first;

	if (GR_LIKELY(!gr_mounts_slow()))
		return false;
	if (GR_UNLIKELY(gr_mounts_watched))
		return true;
	if (dir != AT_FDCWD && (gr_user_read(&first, path, 1) < 0 || !first))
		return gr_disk_slow(dir);
	return gr_mounts_path(dir, path);
}

#define ARGUMENTS long a, long b, long c, long d, long e, long f
#define CALL_IT(nr, slow) ((slow) ? gr_offload_exact(nr, a, b, c, d, e, f) : raw_syscall6(nr, a, b, c, d, e, f))

/* a path first */
#define PATH(name, nr) long name(ARGUMENTS) { return CALL_IT(nr, gr_path_slow(AT_FDCWD, (char *)a)); }
PATH(green_stat, SYS_stat)
PATH(green_lstat, SYS_lstat)
PATH(green_access, SYS_access)
PATH(green_readlink, SYS_readlink)
PATH(green_chdir, SYS_chdir)
PATH(green_truncate, SYS_truncate)
PATH(green_mkdir, SYS_mkdir)
PATH(green_rmdir, SYS_rmdir)
PATH(green_unlink, SYS_unlink)
PATH(green_mknod, SYS_mknod)
PATH(green_chmod, SYS_chmod)
PATH(green_chown, SYS_chown)
PATH(green_lchown, SYS_lchown)
PATH(green_utime, SYS_utime)
PATH(green_utimes, SYS_utimes)
PATH(green_statfs, SYS_statfs)
PATH(green_setxattr, SYS_setxattr)
PATH(green_lsetxattr, SYS_lsetxattr)
PATH(green_getxattr, SYS_getxattr)
PATH(green_lgetxattr, SYS_lgetxattr)
PATH(green_listxattr, SYS_listxattr)
PATH(green_llistxattr, SYS_llistxattr)
PATH(green_removexattr, SYS_removexattr)
PATH(green_lremovexattr, SYS_lremovexattr)

/* Grove's own descriptors are closed to the program.  Who gives a path from the root may give any number with it. */
static bool starts_at_own(int dir, const char *path)
{
	char first;

	return GR_UNLIKELY(gr_is_own_fd(dir)) && gr_user_read(&first, path, 1) == 0 && first != '/';
}

/* a directory and a path; where the path is empty the directory's descriptor itself is meant */
#define AT(name, nr)                                                                                                               \
	long name(ARGUMENTS)                                                                                                       \
	{                                                                                                                          \
		return starts_at_own((int)a, (char *)b) ? -EBADF : CALL_IT(nr, gr_path_slow((int)a, (char *)b));                   \
	}
AT(green_newfstatat, SYS_newfstatat)
AT(green_statx, SYS_statx)
AT(green_faccessat, SYS_faccessat)
AT(green_faccessat2, SYS_faccessat2)
AT(green_readlinkat, SYS_readlinkat)
AT(green_mkdirat, SYS_mkdirat)
AT(green_unlinkat, SYS_unlinkat)
AT(green_mknodat, SYS_mknodat)
AT(green_fchmodat, SYS_fchmodat)
AT(green_fchmodat2, SYS_fchmodat2)
AT(green_fchownat, SYS_fchownat)
AT(green_utimensat, SYS_utimensat)
AT(green_futimesat, SYS_futimesat)
AT(green_name_to_handle_at, SYS_name_to_handle_at)
AT(green_setxattrat, SYS_setxattrat)
AT(green_getxattrat, SYS_getxattrat)
AT(green_listxattrat, SYS_listxattrat)
AT(green_removexattrat, SYS_removexattrat)
AT(green_file_getattr, SYS_file_getattr)
AT(green_file_setattr, SYS_file_setattr)

/* a descriptor first */
#define OPENED(name, nr) long name(ARGUMENTS) { return gr_is_own_fd((int)a) ? -EBADF : CALL_IT(nr, gr_disk_slow((int)a)); }
OPENED(green_fstat, SYS_fstat)
OPENED(green_fstatfs, SYS_fstatfs)
OPENED(green_fchmod, SYS_fchmod)
OPENED(green_fchown, SYS_fchown)
OPENED(green_fchdir, SYS_fchdir)
OPENED(green_fsetxattr, SYS_fsetxattr)
OPENED(green_fgetxattr, SYS_fgetxattr)
OPENED(green_flistxattr, SYS_flistxattr)
OPENED(green_fremovexattr, SYS_fremovexattr)
OPENED(green_open_by_handle_at, SYS_open_by_handle_at)

/* two paths */
#define TWO(name, nr, dir1, path1, dir2, path2)                                                                                    \
	long name(ARGUMENTS)                                                                                                       \
	{                                                                                                                          \
		return CALL_IT(nr, gr_path_slow((int)(dir1), (char *)(path1)) || gr_path_slow((int)(dir2), (char *)(path2)));      \
	}
TWO(green_rename, SYS_rename, AT_FDCWD, a, AT_FDCWD, b)
TWO(green_link, SYS_link, AT_FDCWD, a, AT_FDCWD, b)
TWO(green_renameat, SYS_renameat, a, b, c, d)
TWO(green_renameat2, SYS_renameat2, a, b, c, d)
TWO(green_linkat, SYS_linkat, a, b, c, d)

/* The text of a symbolic link is not looked up. */
long green_symlink(ARGUMENTS) { return CALL_IT(SYS_symlink, gr_path_slow(AT_FDCWD, (char *)b)); }
long green_symlinkat(ARGUMENTS) { return CALL_IT(SYS_symlinkat, gr_path_slow((int)b, (char *)c)); }
long green_inotify_add_watch(ARGUMENTS) { return CALL_IT(SYS_inotify_add_watch, gr_path_slow(AT_FDCWD, (char *)b)); }

/* mountinfo tells of what can be reached from the root. */
long green_chroot(ARGUMENTS)
{
	long r = CALL_IT(SYS_chroot, gr_path_slow(AT_FDCWD, (char *)a));

	gr_mounts_changed();
	return r;
}

/* --- directories and sizes: at a position, or worth a thread on any disk ---------------------------------------------------------------- */

static long at_position(long nr, long fd, long b, long c)
{
	struct gr_fd *f = gr_fd_get((int)fd);

	if (f && f->kind == GR_KIND_FILE && (gr_disk_taken(f) || gr_disk_slow((int)fd)))
		return gr_disk_offload(f, true, nr, fd, b, c, 0, 0, 0);
	return raw(nr, fd, b, c);
}

long green_lseek(long fd, long at, long whence)
{
	return at_position(SYS_lseek, fd, at, whence);
}

long green_getdents(long fd, long entries, long n)
{
	return at_position(SYS_getdents, fd, entries, n);
}

long green_getdents64(long fd, long entries, long n)
{
	return at_position(SYS_getdents64, fd, entries, n);
}

long green_ftruncate(int fd, off_t size)
{
	struct gr_fd *f = gr_alone(gr_carrier()) ? NULL : gr_fd_get(fd);

	if (!f || f->kind != GR_KIND_FILE || gr_disk_speed(f) < GR_SPEED_ASYNC)
		return raw(SYS_ftruncate, fd, size);
	return gr_disk_offload(f, false, SYS_ftruncate, fd, size, 0, 0, 0, 0);
}
