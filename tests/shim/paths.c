/*
 * paths.c - every call on a name or on an open file that the kernel answers at once on file systems of the machine's own, while another
 * thread is there
 */
#include "t.h"
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <utime.h>

/* numbers that old headers lack */
#define NR_fchmodat2		452
#define NR_setxattrat		463
#define NR_getxattrat		464
#define NR_listxattrat		465
#define NR_removexattrat	466
#define NR_file_getattr		468
#define NR_file_setattr		469

#define CALL(...) syscall(__VA_ARGS__, 0L, 0L, 0L)

static char buf[4096];

/* Kernels and file systems differ in whether they know it; what matters is that it is the same bare. */
static void names(void)
{
	struct stat st;
	int dir = (int)MUST(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	say("names");
	R("mkdir", CALL(SYS_mkdir, "d", 0755));
	R("mkdirat", CALL(SYS_mkdirat, dir, "d/e", 0755));
	R("mkdir again", CALL(SYS_mkdir, "d", 0755));
	R("mknod", CALL(SYS_mknod, "n", S_IFREG | 0600, 0));
	R("mknodat", CALL(SYS_mknodat, dir, "m", S_IFREG | 0600, 0));
	R("link", CALL(SYS_link, "n", "n2"));
	R("linkat", CALL(SYS_linkat, dir, "n", AT_FDCWD, "n3", 0));
	R("symlink", CALL(SYS_symlink, "n", "s"));
	R("symlinkat", CALL(SYS_symlinkat, "nowhere", dir, "s2"));
	R("readlink", CALL(SYS_readlink, "s", buf, sizeof(buf)));
	R("readlinkat", CALL(SYS_readlinkat, dir, "s2", buf, sizeof(buf)));
	R("rename", CALL(SYS_rename, "n3", "n4"));
	R("renameat", CALL(SYS_renameat, dir, "n4", dir, "n5"));
	R("renameat2, not over", CALL(SYS_renameat2, dir, "n5", dir, "n2", RENAME_NOREPLACE));
	R("unlink", CALL(SYS_unlink, "n5"));
	R("unlink again", CALL(SYS_unlink, "n5"));
	R("unlinkat", CALL(SYS_unlinkat, dir, "s2", 0));
	R("rmdir, not empty", CALL(SYS_rmdir, "d"));
	R("unlinkat of a folder", CALL(SYS_unlinkat, dir, "d/e", AT_REMOVEDIR));
	R("chdir", CALL(SYS_chdir, "d"));
	R("fchdir", CALL(SYS_fchdir, dir));
	R("rmdir", CALL(SYS_rmdir, "d"));
	R("chroot to what is not there", CALL(SYS_chroot, "d"));
	YES("we are where we were", stat("n", &st) == 0);
	close(dir);
}

static void about(void)
{
	struct stat st;
	struct statx stx;
	struct statfs fs;
	int dir = (int)MUST(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), fd = (int)MUST(open("n", O_RDWR | O_CLOEXEC));

	say("about files");
	R("stat", CALL(SYS_stat, "s", &st));
	YES("a file", S_ISREG(st.st_mode));
	R("lstat", CALL(SYS_lstat, "s", &st));
	YES("a link", S_ISLNK(st.st_mode));
	R("fstat", CALL(SYS_fstat, fd, &st));
	YES("a file", S_ISREG(st.st_mode) && st.st_nlink == 2);
	R("newfstatat", CALL(SYS_newfstatat, dir, "n", &st, 0));
	R("newfstatat of the descriptor", CALL(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH));
	YES("a file", S_ISREG(st.st_mode));
	R("newfstatat of no name", CALL(SYS_newfstatat, fd, "", &st, 0));
	R("newfstatat, bad pointer", CALL(SYS_newfstatat, dir, T_BAD, &st, 0));
	R("newfstatat, nowhere to put it", CALL(SYS_newfstatat, dir, "n", T_BAD, 0));
	R("newfstatat of nothing", CALL(SYS_newfstatat, -7, "n", &st, 0));
	R("statx", CALL(SYS_statx, dir, "n", 0, STATX_BASIC_STATS, &stx));
	R("statx of the descriptor", CALL(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx));
	R("access", CALL(SYS_access, "n", R_OK));
	R("faccessat", CALL(SYS_faccessat, dir, "nothing", R_OK));
	R("faccessat2", CALL(SYS_faccessat2, dir, "n", R_OK, AT_EACCESS));
	R("statfs", CALL(SYS_statfs, ".", &fs));
	R("fstatfs", CALL(SYS_fstatfs, fd, &fs));
	R("fstatfs of nothing", CALL(SYS_fstatfs, -1, &fs));
	close(fd);
	close(dir);
}

static void attributes(void)
{
	struct utimbuf u = { 1, 2 };
	struct timeval tv[2] = { { 3, 0 }, { 4, 0 } };
	struct timespec ts[2] = { { 5, 0 }, { 6, 0 } };
	struct { uint64_t value; uint32_t size, flags; } x = { (uintptr_t)"b", 1, 0 };
	struct stat st;
	int dir = (int)MUST(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), fd = (int)MUST(open("n", O_RDWR | O_CLOEXEC));

	say("attributes");
	R("chmod", CALL(SYS_chmod, "n", 0644));
	R("fchmod", CALL(SYS_fchmod, fd, 0640));
	R("fchmodat", CALL(SYS_fchmodat, dir, "n", 0604));
	R("fchmodat2", CALL(NR_fchmodat2, dir, "n", 0600, 0));
	R("chown", CALL(SYS_chown, "n", -1, -1));
	R("lchown", CALL(SYS_lchown, "s", -1, -1));
	R("fchown", CALL(SYS_fchown, fd, -1, -1));
	R("fchownat", CALL(SYS_fchownat, dir, "n", -1, -1, 0));
	R("utime", CALL(SYS_utime, "n", &u));
	R("utimes", CALL(SYS_utimes, "n", tv));
	R("futimesat", CALL(SYS_futimesat, dir, "n", tv));
	R("utimensat", CALL(SYS_utimensat, dir, "n", ts, 0));
	R("utimensat of the descriptor", CALL(SYS_utimensat, fd, NULL, ts, 0));
	MUST(stat("n", &st));
	say("%o, times %ld %ld", (unsigned)st.st_mode & 07777, (long)st.st_atime, (long)st.st_mtime);
	R("setxattr", CALL(SYS_setxattr, "n", "user.a", "xy", 2L, 0));
	R("lsetxattr", CALL(SYS_lsetxattr, "s", "user.a", "xy", 2L, 0));
	R("fsetxattr", CALL(SYS_fsetxattr, fd, "user.b", "xyz", 3L, 0));
	R("setxattrat", CALL(NR_setxattrat, dir, "n", 0, "user.c", &x, sizeof(x)));
	R("getxattr", CALL(SYS_getxattr, "n", "user.a", buf, sizeof(buf)));
	R("lgetxattr", CALL(SYS_lgetxattr, "n", "user.b", buf, sizeof(buf)));
	R("fgetxattr", CALL(SYS_fgetxattr, fd, "user.none", buf, sizeof(buf)));
	R("getxattrat", CALL(NR_getxattrat, dir, "n", 0, "user.c", &x, sizeof(x)));
	YES("listxattr", CALL(SYS_listxattr, "n", buf, sizeof(buf)) >= 0);
	YES("llistxattr", CALL(SYS_llistxattr, "n", buf, sizeof(buf)) >= 0);
	YES("flistxattr", CALL(SYS_flistxattr, fd, buf, sizeof(buf)) >= 0);
	YES("listxattrat", CALL(NR_listxattrat, dir, "n", 0, buf, sizeof(buf)) >= 0);
	R("removexattr", CALL(SYS_removexattr, "n", "user.a"));
	R("lremovexattr", CALL(SYS_lremovexattr, "n", "user.a"));
	R("fremovexattr", CALL(SYS_fremovexattr, fd, "user.b"));
	R("removexattrat", CALL(NR_removexattrat, dir, "n", 0, "user.c"));
	R("file_getattr", CALL(NR_file_getattr, dir, "nothing", buf, 24L, 0));
	R("file_setattr", CALL(NR_file_setattr, dir, "nothing", buf, 24L, 0));
	close(fd);
	close(dir);
}

static void handles(void)
{
	union { struct file_handle h; char room[256]; } u = { .h.handle_bytes = 0 };
	int mount, fd, in = (int)MUST(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));

	say("handles and watches");
	R("name_to_handle_at, no room", CALL(SYS_name_to_handle_at, AT_FDCWD, "n", &u.h, &mount, 0));
	u.h.handle_bytes = 0;
	R("open_by_handle_at", CALL(SYS_open_by_handle_at, AT_FDCWD, &u.h, O_RDONLY));
	OK("inotify_add_watch", CALL(SYS_inotify_add_watch, in, ".", IN_CREATE));
	R("inotify_add_watch of nothing", CALL(SYS_inotify_add_watch, in, "nothing", IN_CREATE));
	R("fanotify_mark of nothing", CALL(SYS_fanotify_mark, -1, 0, 0L, AT_FDCWD, "n"));
	fd = (int)MUST(open("made", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	YES("inotify says so", read(in, buf, sizeof(buf)) > 0);
	close(fd);
	close(in);
}

static void sizes_and_places(void)
{
	struct iovec v[2] = { { "ab", 2 }, { "cde", 3 } };
	int fd = (int)MUST(open("n", O_RDWR | O_CLOEXEC)), mem, dir;
	long n;

	say("sizes and places");
	R("pwrite", pwrite(fd, "0123456789", 10, 0));
	R("pwrite, negative", pwrite(fd, "0", 1, -1));
	R("pwritev", CALL(SYS_pwritev, fd, v, 2L, 5L));
	R("pwritev, negative", CALL(SYS_pwritev, fd, v, 2L, -5L, -1L));
	R("pwrite, bad pointer", pwrite(fd, T_BAD, 1, 0));
	R("lseek", lseek(fd, -4, SEEK_END));
	R("read", read(fd, buf, 9));
	R("lseek, hole", lseek(fd, 0, SEEK_HOLE));
	R("lseek, negative", lseek(fd, -1, SEEK_SET));
	R("lseek of nothing", lseek(-1, 0, SEEK_SET));
	R("ftruncate", ftruncate(fd, 3));
	R("ftruncate, negative", ftruncate(fd, -3));
	R("ftruncate of nothing", ftruncate(-1, 3));
	R("truncate", truncate("n", 2));
	R("pread", pread(fd, buf, 9, 0));
	mem = (int)MUST(memfd_create("m", MFD_CLOEXEC));
	R("ftruncate in memory", ftruncate(mem, 12345));
	R("its size", lseek(mem, 0, SEEK_END));
	MUST(mkdir("d", 0700));
	dir = (int)MUST(open("d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	n = CALL(SYS_getdents64, dir, buf, (long)sizeof(buf));
	YES("getdents64", n > 0);
	R("getdents64 at the end", CALL(SYS_getdents64, dir, buf, (long)sizeof(buf)));
	R("lseek to the beginning", lseek(dir, 0, SEEK_SET));
	YES("getdents", CALL(SYS_getdents, dir, buf, (long)sizeof(buf)) > 0);
	R("getdents64 of a file", CALL(SYS_getdents64, fd, buf, (long)sizeof(buf)));
	R("getdents64 of nothing", CALL(SYS_getdents64, -1, buf, (long)sizeof(buf)));
	close(dir);
	close(mem);
	close(fd);
}

/* Files with something to say only now and then */
static void not_disks(void)
{
	int fd = (int)MUST(open("/proc/self/stat", O_RDONLY | O_CLOEXEC)), null = (int)MUST(open("/dev/zero", O_RDWR | O_CLOEXEC));

	say("not disks");
	YES("/proc", read(fd, buf, sizeof(buf)) > 10);
	R("/proc, at the end", read(fd, buf, sizeof(buf)));
	YES("/proc, again", pread(fd, buf, sizeof(buf), 0) > 10);
	R("/dev/zero", read(null, buf, sizeof(buf)));
	R("/dev/zero takes all", write(null, buf, sizeof(buf)));
	close(null);
	close(fd);
	fd = (int)MUST(open("/dev/urandom", O_RDONLY | O_CLOEXEC));
	R("/dev/urandom", read(fd, buf, sizeof(buf)));
	close(fd);
}

static void *parked(void *arg)
{
	char c;

	return (void *)(long)read(*(int *)arg, &c, 1);
}

int main(void)
{
	pthread_t t;
	int p[2];

	t_begin();
	must_pipe(p);
	t = start(parked, &p[0]);
	umask(022);
	names();
	about();
	attributes();
	handles();
	sizes_and_places();
	not_disks();
	MUST(write(p[1], "x", 1));
	join(t);
	close2(p);
	return 0;
}
