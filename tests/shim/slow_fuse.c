/*
 * slow_fuse.c - a file system whose server does not answer holds up who asks it, and nobody else
 *
 * A child serves it by the kernel's own protocol and keeps back the answer to one kind of request until told.  Each round: a thread makes
 * the call, the server says that it has the question, the main thread and a third one do things that need others, then the answer is given.
 */
#include "t.h"
#include <dirent.h>
#include <linux/fuse.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#define MNT "mnt"

enum { ROOT = 1, AFILE, ADIR, ALINK, NEWFILE, NEWDIR };

static struct control {
	int hold;		/* opcode whose answer is kept back, or 0 */
	int held;		/* the server has such a question */
	int failed;		/* no file systems for us: skip */
	int interrupts;
} *ctl;
static int release_pipe[2];

/* --- the server, in a child ------------------------------------------------------------------------------------------------------------ */

static int dev;
static struct fuse_in_header kept;

static void answer(const struct fuse_in_header *in, int error, const void *data, size_t n)
{
	struct fuse_out_header out = { .len = sizeof(out) + (error ? 0 : n), .error = -error, .unique = in->unique };
	struct iovec iov[2] = { { &out, sizeof(out) }, { (void *)data, n } };

	if (writev(dev, iov, error || !n ? 1 : 2) < 0 && errno != ENOENT)
		_exit(3);
}

static struct fuse_attr attr_of(uint64_t node)
{
	struct fuse_attr a = { .ino = node, .size = 5, .nlink = 1, .uid = getuid(), .gid = getgid(), .blksize = 4096 };

	a.mode = node == AFILE || node == NEWFILE ? S_IFREG | 0644 : node == ALINK ? S_IFLNK | 0777 : S_IFDIR | 0755;
	return a;
}

static void answer_entry(const struct fuse_in_header *in, uint64_t node, bool open)
{
	struct { struct fuse_entry_out e; struct fuse_open_out o; } out = { .e = { .nodeid = node, .attr = attr_of(node) } };

	answer(in, node ? 0 : ENOENT, &out, open ? sizeof(out) : sizeof(out.e));
}

static uint64_t node_named(const char *name)
{
	return !strcmp(name, "file") ? AFILE : !strcmp(name, "dir") ? ADIR : !strcmp(name, "link") ? ALINK : 0;
}

static void answer_readdir(const struct fuse_in_header *in, const struct fuse_read_in *read)
{
	char buf[FUSE_NAME_OFFSET + 8] = "";
	struct fuse_dirent *d = (void *)buf;

	*d = (struct fuse_dirent){ .ino = AFILE, .off = 1, .namelen = 4, .type = DT_REG };
	memcpy(buf + FUSE_NAME_OFFSET, "file", 4);
	answer(in, 0, buf, read->offset ? 0 : FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + 4));
}

static void serve(const struct fuse_in_header *in, void *arg)
{
	struct fuse_init_out init = { .major = 7, .minor = 31, .max_write = 65536, .max_background = 16, .congestion_threshold = 12 };
	struct fuse_attr_out attr = { .attr = attr_of(in->nodeid) };
	struct fuse_open_out open = { .open_flags = FOPEN_DIRECT_IO };
	struct fuse_statfs_out statfs = { .st = { .bsize = 512, .namelen = 255 } };
	struct fuse_getxattr_out xattr = { .size = 3 };
	struct fuse_write_out written = { 0 };
	struct fuse_lseek_out seek = { .offset = 5 };

	switch (in->opcode) {
	case FUSE_INIT: answer(in, 0, &init, sizeof(init)); break;
	case FUSE_LOOKUP: answer_entry(in, node_named(arg), false); break;
	case FUSE_GETATTR: case FUSE_SETATTR: answer(in, 0, &attr, sizeof(attr)); break;
	case FUSE_MKNOD: case FUSE_LINK: answer_entry(in, NEWFILE, false); break;
	case FUSE_SYMLINK: answer_entry(in, ALINK, false); break;
	case FUSE_MKDIR: answer_entry(in, NEWDIR, false); break;
	case FUSE_CREATE: answer_entry(in, NEWFILE, true); break;
	case FUSE_READLINK: answer(in, 0, "file", 4); break;
	case FUSE_OPEN: case FUSE_OPENDIR: answer(in, 0, &open, sizeof(open)); break;
	case FUSE_READ: answer(in, 0, "hello", ((struct fuse_read_in *)arg)->offset ? 0 : 5); break;
	case FUSE_WRITE: written.size = ((struct fuse_write_in *)arg)->size; answer(in, 0, &written, sizeof(written)); break;
	case FUSE_READDIR: answer_readdir(in, arg); break;
	case FUSE_STATFS: answer(in, 0, &statfs, sizeof(statfs)); break;
	case FUSE_GETXATTR: case FUSE_LISTXATTR:
		if (((struct fuse_getxattr_in *)arg)->size)
			answer(in, 0, "ab", 3);
		else
			answer(in, 0, &xattr, sizeof(xattr));
		break;
	case FUSE_LSEEK: answer(in, 0, &seek, sizeof(seek)); break;
	case FUSE_FORGET: case FUSE_BATCH_FORGET: break;
	case FUSE_ACCESS: case FUSE_UNLINK: case FUSE_RMDIR: case FUSE_RENAME: case FUSE_RENAME2: case FUSE_FLUSH: case FUSE_RELEASE:
	case FUSE_RELEASEDIR: case FUSE_FSYNC: case FUSE_FSYNCDIR: case FUSE_SETXATTR: case FUSE_REMOVEXATTR: case FUSE_FALLOCATE:
		answer(in, 0, NULL, 0);
		break;
	default: answer(in, ENOSYS, NULL, 0);
	}
}

static char question[1 << 17] __attribute__((aligned(8))), kept_arg[4096];

static void take(void)
{
	struct fuse_in_header *in = (void *)question;

	if (read(dev, question, sizeof(question)) < (ssize_t)sizeof(*in))
		_exit(errno == ENODEV ? 0 : 2);
	if (in->opcode == FUSE_INTERRUPT) {
		if (kept.unique == ((struct fuse_interrupt_in *)(in + 1))->unique) {
			answer(&kept, EINTR, NULL, 0);
			t_set(&ctl->interrupts, ctl->interrupts + 1);
		}
	} else if ((int)in->opcode == t_get(&ctl->hold)) {
		kept = *in;
		memcpy(kept_arg, in + 1, sizeof(kept_arg));
		t_set(&ctl->hold, 0);
		t_set(&ctl->held, 1);
	} else {
		serve(in, in + 1);
	}
}

static void server(void)
{
	struct pollfd p[2] = { { dev, POLLIN, 0 }, { release_pipe[0], POLLIN, 0 } };
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(2 * T_MAX_SECONDS);
	for (;;) {
		if (poll(p, 2, -1) < 0)
			_exit(4);
		if (p[1].revents) {
			if (read(release_pipe[0], &c, 1) != 1)
				_exit(0);
			serve(&kept, kept_arg);
		}
		if (p[0].revents)
			take();
	}
}

/* --- mounting it ----------------------------------------------------------------------------------------------------------------------- */

static void put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		t_set(&ctl->failed, 1);
	close(fd);
}

static void own_namespace(void)
{
	char map[32];
	unsigned uid = getuid(), gid = getgid();

	if (unshare(CLONE_NEWNS) == -1) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == -1) {
			say("skipped: no mounts for us");
			exit(77);
		}
		snprintf(map, sizeof(map), "%u %u 1", uid, uid);
		put_file("/proc/self/uid_map", map);
		put_file("/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "%u %u 1", gid, gid);
		put_file("/proc/self/gid_map", map);
	}
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1) {
		say("skipped: no mounts for us");
		exit(77);
	}
}

static void begin(void)
{
	char options[128];

	own_namespace();
	dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%u,group_id=%u", dev, getuid(), getgid());
	mkdir(MNT, 0755);
	if (dev == -1 || mount("test", MNT, "fuse", 0, options) == -1) {
		say("skipped: no FUSE here");
		exit(77);
	}
	must_pipe(release_pipe);
	if (MUST(fork()) == 0) {
		close(release_pipe[1]);
		server();
	}
	close(dev);
	close(release_pipe[0]);
}

/* --- the calls ------------------------------------------------------------------------------------------------------------------------- */

static char buf[64];

static int a_file(int flags)
{
	return (int)MUST(open(MNT "/file", flags | O_CLOEXEC));
}

static int fd;			/* of MNT/file, opened before the call */

static long do_stat(void) { struct stat st; return stat(MNT "/file", &st); }
static long do_lstat(void) { struct stat st; return lstat(MNT "/link", &st); }
static long do_statx(void) { struct statx st; return statx(AT_FDCWD, MNT "/file", 0, STATX_BASIC_STATS, &st); }
static long do_fstat(void) { struct stat st; return fstat(fd, &st); }
static long do_access(void) { return access(MNT "/file", R_OK); }
static long do_readlink(void) { return readlink(MNT "/link", buf, sizeof(buf)); }
static long do_open(void) { int f = open(MNT "/file", O_RDONLY | O_CLOEXEC); return f < 0 ? -1 : close(f); }
static long do_openat2(void) { int f = (int)syscall(SYS_openat2, AT_FDCWD, MNT "/file", &(uint64_t[3]){ O_CLOEXEC }, 24L); return f < 0 ? -1 : close(f); }
static long do_create(void) { int f = open(MNT "/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600); return f < 0 ? -1 : close(f); }
static long do_read(void) { return read(fd, buf, sizeof(buf)); }
static long do_pread(void) { return pread(fd, buf, sizeof(buf), 0); }
static long do_readv(void) { struct iovec v = { buf, sizeof(buf) }; return preadv(fd, &v, 1, 0); }
static long do_write(void) { return write(fd, "abc", 3); }
static long do_pwrite(void) { return pwrite(fd, "abcd", 4, 0); }
static long do_pwritev(void) { struct iovec v = { "ab", 2 }; return pwritev(fd, &v, 1, 0); }
static long do_fsync(void) { return fsync(fd); }
static long do_close(void) { return close(dup(fd)); }
static long do_dup2(void) { int f = a_file(O_RDONLY); return dup2(1, f) == f ? close(f) : -1; }
static long do_ftruncate(void) { return ftruncate(fd, 5); }
static long do_truncate(void) { return truncate(MNT "/file", 5); }
static long do_fallocate(void) { return posix_fallocate(fd, 0, 4); }
static long do_lseek(void) { return lseek(fd, 0, SEEK_HOLE); }
static long do_chmod(void) { return chmod(MNT "/file", 0600); }
static long do_fchmod(void) { return fchmod(fd, 0600); }
static long do_utimes(void) { return utimensat(AT_FDCWD, MNT "/file", NULL, 0); }
static long do_futimens(void) { return futimens(fd, NULL); }
static long do_rename(void) { return rename(MNT "/file", MNT "/new"); }
static long do_link(void) { return link(MNT "/file", MNT "/new"); }
static long do_symlink(void) { return symlink("file", MNT "/new"); }
static long do_unlink(void) { return unlink(MNT "/file"); }
static long do_mkdir(void) { return mkdir(MNT "/new", 0700); }
static long do_rmdir(void) { return rmdir(MNT "/dir"); }
static long do_mknod(void) { return mknod(MNT "/new", S_IFREG | 0600, 0); }
static long do_statfs(void) { struct statfs st; return statfs(MNT, &st); }
static long do_fstatfs(void) { struct statfs st; return fstatfs(fd, &st); }
static long do_getxattr(void) { return getxattr(MNT "/file", "user.a", buf, sizeof(buf)); }
static long do_fsetxattr(void) { return fsetxattr(fd, "user.a", "b", 1, 0); }
static long do_listxattr(void) { return flistxattr(fd, buf, sizeof(buf)); }
static long do_chdir(void) { return chdir(MNT "/dir") ? -1 : chdir("../.."); }

static long do_readdir(void)
{
	DIR *d = opendir(MNT "/dir");
	struct dirent *e = d ? readdir(d) : NULL;
	long r = e && !strcmp(e->d_name, "file") ? 1 : -1;

	return d && closedir(d) == 0 ? r : -1;
}

static const struct round {
	const char *name;
	long (*call)(void);
	int hold, flags;		/* the request kept back; how fd is opened */
} rounds[] = {
	{ "stat, looking up", do_stat, FUSE_LOOKUP, 0 },
	{ "stat", do_stat, FUSE_GETATTR, 0 },
	{ "lstat", do_lstat, FUSE_LOOKUP, 0 },
	{ "statx", do_statx, FUSE_LOOKUP, 0 },
	{ "fstat", do_fstat, FUSE_GETATTR, 0 },
	{ "access", do_access, FUSE_ACCESS, 0 },
	{ "readlink", do_readlink, FUSE_READLINK, 0 },
	{ "open, looking up", do_open, FUSE_LOOKUP, 0 },
	{ "open", do_open, FUSE_OPEN, 0 },
	{ "openat2", do_openat2, FUSE_OPEN, 0 },
	{ "open with O_CREAT", do_create, FUSE_CREATE, 0 },
	{ "close of the last", do_open, FUSE_FLUSH, 0 },
	{ "close of a duplicate", do_close, FUSE_FLUSH, 0 },
	{ "dup2 onto it", do_dup2, FUSE_FLUSH, 0 },
	{ "read", do_read, FUSE_READ, 0 },
	{ "pread", do_pread, FUSE_READ, 0 },
	{ "preadv", do_readv, FUSE_READ, 0 },
	{ "write", do_write, FUSE_WRITE, O_WRONLY },
	{ "pwrite", do_pwrite, FUSE_WRITE, O_WRONLY },
	{ "pwritev", do_pwritev, FUSE_WRITE, O_WRONLY },
	{ "fsync", do_fsync, FUSE_FSYNC, O_WRONLY },
	{ "ftruncate", do_ftruncate, FUSE_SETATTR, O_WRONLY },
	{ "truncate", do_truncate, FUSE_SETATTR, 0 },
	{ "posix_fallocate", do_fallocate, FUSE_FALLOCATE, O_WRONLY },
	{ "lseek", do_lseek, FUSE_LSEEK, 0 },
	{ "chmod", do_chmod, FUSE_SETATTR, 0 },
	{ "fchmod", do_fchmod, FUSE_SETATTR, 0 },
	{ "utimensat", do_utimes, FUSE_SETATTR, 0 },
	{ "futimens", do_futimens, FUSE_SETATTR, 0 },
	{ "opendir", do_readdir, FUSE_OPENDIR, 0 },
	{ "readdir", do_readdir, FUSE_READDIR, 0 },
	{ "rename", do_rename, FUSE_RENAME, 0 },
	{ "link", do_link, FUSE_LINK, 0 },
	{ "symlink", do_symlink, FUSE_SYMLINK, 0 },
	{ "unlink", do_unlink, FUSE_UNLINK, 0 },
	{ "mkdir", do_mkdir, FUSE_MKDIR, 0 },
	{ "rmdir", do_rmdir, FUSE_RMDIR, 0 },
	{ "mknod", do_mknod, FUSE_MKNOD, 0 },
	{ "statfs", do_statfs, FUSE_STATFS, 0 },
	{ "fstatfs", do_fstatfs, FUSE_STATFS, 0 },
	{ "getxattr", do_getxattr, FUSE_GETXATTR, 0 },
	{ "fsetxattr", do_fsetxattr, FUSE_SETXATTR, 0 },
	{ "flistxattr", do_listxattr, FUSE_LISTXATTR, 0 },
	{ "chdir", do_chdir, FUSE_LOOKUP, 0 },
};

/* --- a round ------------------------------------------------------------------------------------------------------------------------- */

static long result;
static int result_errno;

static void *caller(void *arg)
{
	const struct round *r = arg;

	errno = 0;
	result = r->call();
	result_errno = errno;
	return NULL;
}

static void *echo(void *arg)
{
	int *p = arg;
	char c;

	while (read(p[0], &c, 1) == 1)
		if (write(p[3], &c, 1) != 1)
			break;
	return NULL;
}

static int ping[4];		/* there: [1] to [0]; back: [3] to [2] */

static bool others_go_on(void)
{
	struct stat st;
	char c = 'x';

	for (int i = 0; i < 3; i++)
		if (write(ping[1], &c, 1) != 1 || read(ping[2], &c, 1) != 1)
			return false;
	return stat(".", &st) == 0 && open("not there", O_RDONLY) == -1 && errno == ENOENT;
}

static pthread_t hang(const struct round *r)
{
	pthread_t t;

	fd = a_file(r->flags);
	t_set(&ctl->held, 0);
	t_set(&ctl->hold, r->hold);
	t = start(caller, (void *)r);
	t_until(&ctl->held, 1);
	return t;
}

static void one(const struct round *r)
{
	pthread_t t = hang(r);

	YES("others go on", others_go_on());
	MUST(write(release_pipe[1], "r", 1));
	join(t);
	say("%s: %ld %s", r->name, result, result < 0 ? t_errname(result_errno) : "");
	close(fd);
}

static void on_signal(int sig)
{
	(void)sig;
}

/* The server is told, and what it answers is final, whatever SA_RESTART says. */
static void interrupted(const struct round *r)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	pthread_t t;

	sigaction(SIGUSR1, &sa, NULL);
	t = hang(r);
	pthread_kill(t, SIGUSR1);
	join(t);
	say("%s, interrupted: %ld %s", r->name, result, result < 0 ? t_errname(result_errno) : "");
	close(fd);
}

/* More than there are threads for calls that a disk ends by itself: what is the disk's goes on. */
#define MANY 80

static void *sync_it(void *arg)
{
	long r = fsync(fd);

	(void)arg;
	return (void *)r;
}

static void many(void)
{
	pthread_t t[MANY], first = hang(&(struct round){ "fsync", do_fsync, FUSE_FSYNC, O_WRONLY });
	int local = (int)MUST(open("local", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	long sum = 0;

	for (int i = 0; i < MANY; i++)
		t[i] = start(sync_it, NULL);
	R("fsync of a file of ours meanwhile", fsync(local));
	YES("others go on", others_go_on());
	MUST(write(release_pipe[1], "r", 1));
	join(first);
	for (int i = 0; i < MANY; i++)
		sum += (long)join(t[i]);
	say("fsync by many: %ld", sum);
	close(local);
	close(fd);
}

/* Another one at the same position waits for the first, and nobody else does. */
static void same_position(void)
{
	struct round rd = { "read", do_read, FUSE_READ, 0 };
	pthread_t t = hang(&rd), u = start(caller, &(struct round){ "lseek", do_lseek, 0, 0 });

	YES("others go on while two want the position", others_go_on());
	MUST(write(release_pipe[1], "r", 1));
	join(t);
	join(u);
	close(fd);
}

int main(void)
{
	int back[2];
	pthread_t echoer;

	t_begin();
	ctl = mmap(NULL, sizeof(*ctl), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	begin();
	must_pipe(ping);
	must_pipe(back);
	ping[2] = back[0];
	ping[3] = back[1];
	echoer = start(echo, ping);
	for (size_t i = 0; i < T_LENGTH(rounds); i++)
		one(&rounds[i]);
	interrupted(&rounds[14]);
	interrupted(&rounds[1]);
	say("the server was told %d times", t_get(&ctl->interrupts));
	same_position();
	many();
	close(ping[1]);
	join(echoer);
	MUST(umount2(MNT, MNT_DETACH));
	rmdir(MNT);
	return 0;
}
