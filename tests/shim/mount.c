/*
 * mount.c - the calls that change the tree of mounts, in a name space of their own; where that is forbidden there is nothing to see
 */
#include "t.h"
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/quota.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/vfs.h>

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd		443
#endif
#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr	467
#endif
#define TMPFS	0x01021994

static void is_tmpfs(const char *path)
{
	struct statfs st;

	say("%s: %s", path, statfs(path, &st) == 0 && st.f_type == TMPFS ? "tmpfs" : "something else");
}

static void old_calls(void)
{
	say("--- mount");
	R("mount", mount("grove", "m", "tmpfs", MS_NOSUID, "size=64k"));
	is_tmpfs("m");
	R("remount", mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	R("read only", open("m/x", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	R("umount", umount2("m", 0));
	R("umount again", umount2("m", 0));
	R("no such type", mount("grove", "m", "no-such-type", 0, NULL));
	R("no such folder", mount("grove", "none", "tmpfs", 0, NULL));
	R("bad pointer", mount(T_BAD, "m", "tmpfs", 0, NULL));
	R("umount: bad pointer", umount2(T_BAD, 0));
	R("umount: bad flags", umount2("m", 0x40000000));
}

static void new_calls(void)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	int fs, mnt = -1, tree;

	say("--- fsopen");
	fs = (int)OK("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
	R("a string", syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "size", "64k", 0));
	R("create", syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	mnt = (int)OK("fsmount", syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0));
	R("move_mount", syscall(SYS_move_mount, mnt, "", AT_FDCWD, "m", MOVE_MOUNT_F_EMPTY_PATH));
	is_tmpfs("m");
	close(mnt);
	close(fs);
	R("mount_setattr", syscall(SYS_mount_setattr, AT_FDCWD, "m", 0, &attr, sizeof(attr)));
	R("read only", open("m/x", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	tree = (int)OK("open_tree", syscall(SYS_open_tree, AT_FDCWD, "m", OPEN_TREE_CLONE));
	close(tree);
	tree = (int)OK("open_tree_attr", syscall(SYS_open_tree_attr, AT_FDCWD, "m", OPEN_TREE_CLONE, &attr, sizeof(attr)));
	close(tree);
	fs = (int)OK("fspick", syscall(SYS_fspick, AT_FDCWD, "m", 0));
	close(fs);
	R("umount", umount2("m", MNT_DETACH));
}

static void bad_arguments(void)
{
	char buf[256];

	say("--- bad arguments");
	R("fsopen: no such type", syscall(SYS_fsopen, "no-such-type", 0));
	R("fsopen: bad pointer", syscall(SYS_fsopen, T_BAD, 0));
	R("fsconfig: not open", syscall(SYS_fsconfig, 9999, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	R("fsmount: not open", syscall(SYS_fsmount, 9999, 0, 0));
	R("fspick: no such folder", syscall(SYS_fspick, AT_FDCWD, "none", 0));
	R("open_tree: no such folder", syscall(SYS_open_tree, AT_FDCWD, "none", 0));
	R("open_tree_attr: no such folder", syscall(SYS_open_tree_attr, AT_FDCWD, "none", 0, NULL, 0L));
	R("move_mount: not open", syscall(SYS_move_mount, 9999, "x", AT_FDCWD, "m", 0));
	R("mount_setattr: bad pointer", syscall(SYS_mount_setattr, AT_FDCWD, "m", 0, T_BAD, sizeof(struct mount_attr)));
	R("pivot_root: no such folder", syscall(SYS_pivot_root, "none", "none"));
	R("pivot_root: bad pointer", syscall(SYS_pivot_root, T_BAD, "none"));
	R("quotactl: no such device", quotactl(QCMD(Q_SYNC, USRQUOTA), "none", 0, NULL));
	R("quotactl: bad pointer", quotactl(QCMD(Q_GETQUOTA, USRQUOTA), T_BAD, 0, NULL));
	R("quotactl_fd: not open", syscall(SYS_quotactl_fd, 9999, QCMD(Q_SYNC, USRQUOTA), 0, NULL));
	R("ustat: no such device", syscall(SYS_ustat, 0xfffff, buf));
	R("ustat: bad pointer", syscall(SYS_ustat, 0, T_BAD));
	R("swapon: no such file", swapon("none", 0));
	R("swapon: a folder", swapon("m", 0));
	R("swapoff: no such file", swapoff("none"));
}

static void pivot(void)
{
	pid_t pid;

	say("--- pivot_root");
	R("mount", mount("grove", "m", "tmpfs", 0, NULL));
	R("mkdir", mkdir("m/old", 0700));
	pid = fork();
	if (pid == 0) {
		MUST(unshare(CLONE_NEWNS));
		R("pivot_root", syscall(SYS_pivot_root, "m", "m/old"));
		is_tmpfs("/");
		_exit(0);
	}
	say("the child: %d", t_reap(pid));
	R("umount", umount2("m", MNT_DETACH));
}

/* Who may not mount, or is in a chroot, whose root is no mount that could be made private, has nothing to compare. */
static bool own_namespace(void)
{
	if (unshare(CLONE_NEWNS) == -1 && unshare(CLONE_NEWUSER | CLONE_NEWNS) == -1)
		return false;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

int main(void)
{
	int status;
	pid_t pid;

	t_begin();
	MUST(mkdir("m", 0700));
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (!own_namespace())
			_exit(77);
		old_calls();
		new_calls();
		bad_arguments();
		pivot();
		_exit(0);
	}
	status = t_reap(pid);
	say(status == 77 ? "skipped: no mounts for us" : "the child: %d", status);
	rmdir("m");
	return status == 77 ? 77 : 0;
}
