/*
 * privileges.c - calls that change what a process may do or see: users, groups, capabilities, filters, name spaces; and whether calls that
 * another kernel thread makes for it come under them
 */
#include "t.h"
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset	444
#define SYS_landlock_add_rule		445
#define SYS_landlock_restrict_self	446
#endif
#define NOBODY	65534u

/* Opening a FIFO may wait, so it is another thread's: does it have our rights? */
static void may_open(const char *what, const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	say("%s: open for writing: %s", what, fd == -1 ? t_errname(errno) : "ok");
	close(fd);
}

static void *reader(void *arg)
{
	int fd = open(arg, O_RDONLY | O_CLOEXEC);

	if (fd != -1)
		pause();
	return NULL;
}

static void in_child(const char *name, void (*fn)(void))
{
	pid_t pid;

	say("--- %s", name);
	pid = fork();
	if (pid == 0) {
		fn();
		_exit(0);
	}
	say("the child: %d", t_reap(pid));
}

static void same(void)
{
	uid_t u = getuid();
	gid_t g = getgid(), groups[64];
	int n = getgroups(64, groups);

	R("setuid", syscall(SYS_setuid, u));
	R("setgid", syscall(SYS_setgid, g));
	R("setreuid", syscall(SYS_setreuid, -1, u));
	R("setregid", syscall(SYS_setregid, -1, g));
	R("setresuid", syscall(SYS_setresuid, -1, -1, u));
	R("setresgid", syscall(SYS_setresgid, -1, -1, g));
	YES("setfsuid", setfsuid(u) == (int)u);
	YES("setfsgid", setfsgid(g) == (int)g);
	R("setgroups", syscall(SYS_setgroups, n, groups));
	R("setgroups: too many", syscall(SYS_setgroups, 1 << 20, groups));
	R("setgroups: bad pointer", syscall(SYS_setgroups, 4, T_BAD));
	R("landlock: not open", syscall(SYS_landlock_restrict_self, 9999, 0));
	R("setuid by libc", setuid(u));
	R("setgid by libc", setgid(g));
}

/* As root: what was opened before as root is refused afterwards. */
static void drop_user(void)
{
	static char path[] = "fifo";

	start(reader, path);
	may_open("before", path);
	R("setgroups", setgroups(0, NULL));
	R("setresgid", setresgid(NOBODY, NOBODY, NOBODY));
	R("setresuid", setresuid(NOBODY, NOBODY, NOBODY));
	may_open("after", path);
	R("back", setuid(0));
}

static void drop_capabilities(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	R("capget", syscall(SYS_capget, &h, d));
	d[0].effective = d[1].effective = 0;
	R("capset: none", syscall(SYS_capset, &h, d));
	R("chroot", chroot("/"));
	R("capset: bad pointer", syscall(SYS_capset, &h, T_BAD));
	h.version = 99;
	R("capset: version", syscall(SYS_capset, &h, d));
}

static void filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsync, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { T_LENGTH(code), code };
	int fd = open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	R("before", fsync(fd));
	R("no_new_privs", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	R("seccomp: bad pointer", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, T_BAD));
	R("seccomp", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
	R("after", fsync(fd));
	R("no such operation", syscall(SYS_seccomp, 99, 0, NULL));
}

static void landlock(void)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE };
	int fd;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (fd == -1) {
		say("create: %s", t_errname(errno));
		return;
	}
	R("restrict", syscall(SYS_landlock_restrict_self, fd, 0));
	R("mkdir", mkdir("folder", 0700));
	R("open to write", open("file", O_WRONLY | O_CLOEXEC));
	R("open to read", open("file", O_RDONLY | O_CLOEXEC) >= 0 ? 0 : -1);
}

static void spaces(void)
{
	int fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);

	R("fsync first", fsync(open("file", O_RDWR | O_CLOEXEC)));
	R("unshare: flags", unshare(1));
	R("a user name space", unshare(CLONE_NEWUSER));
	R("names of its own", unshare(CLONE_NEWUTS));
	R("sethostname", sethostname("grove-test", 10));
	R("setns: back", setns(fd, CLONE_NEWUTS));
	R("setns: of another kind", setns(fd, CLONE_NEWNET));
	R("setns: not open", setns(9999, 0));
}

int main(void)
{
	static char path[] = "fifo";

	t_begin();
	umask(0);
	MUST(mkfifo(path, 0600));
	MUST(chmod(".", 0755));
	in_child("the same as before", same);
	in_child("capabilities", drop_capabilities);
	in_child("a filter", filter);
	in_child("landlock", landlock);
	in_child("name spaces", spaces);
	if (geteuid() == 0)
		in_child("another user", drop_user);
	unlink(path);
	unlink("file");
	return 0;
}
