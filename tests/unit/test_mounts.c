/*
 * test_mounts.c - where files lie, told without asking their file systems; mounts that come and go
 *
 * Links: mounts.c.  There is no scheduler: who else there is, and turns of the hub, are numbers that the tests set.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mounts.h"
#include "hub.h"
#include "sched.h"
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

struct gr_carrier gr_carrier0 = { .stats = { .alive = 2 } };
static int own_fds;

int gr_own_fd(int fd)
{
	own_fds++;
	return fd;
}

void gr_own_fd_close(int fd)
{
	own_fds--;
	close(fd);
}

static enum gr_speed speed_of(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum gr_speed speed = gr_mounts_fd(fd);

	assert_true(fd >= 0);
	close(fd);
	return speed;
}

static void hub_turns(void)
{
	gr_carrier0.stats.hub_turns++;
}

static void test_kinds(void **state)
{
	(void)state;
	assert_int_equal(gr_mounts_type(0x01021994), GR_SPEED_MEMORY);		/* tmpfs */
	assert_int_equal(gr_mounts_type(0x9fa0), GR_SPEED_PSEUDO);		/* proc */
	assert_int_equal(gr_mounts_type(0xef53), GR_SPEED_ASYNC);		/* ext4 */
	assert_int_equal(gr_mounts_type(0x794c7630), GR_SPEED_DISK);		/* overlay */
	assert_int_equal(gr_mounts_type(0x65735546), GR_SPEED_SLOW);		/* fuse */
	assert_int_equal(gr_mounts_type(0x6969), GR_SPEED_SLOW);		/* nfs */
	assert_int_equal(gr_mounts_type(0x12345678), GR_SPEED_SLOW);		/* who knows */
	assert_int_equal(gr_mounts_type(0), GR_SPEED_SLOW);
}

/* In a chroot the mount that @path lies on is in nobody's list, unless it begins there. */
static bool listed(const char *path)
{
	struct statx st;

	assert_int_equal(statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &st), 0);
	return st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

static void test_here(void **state)
{
	struct stat st;
	struct statfs fs;
	int mem = memfd_create("test", MFD_CLOEXEC);

	(void)state;
	gr_mounts_slow();
	assert_int_equal(own_fds, 1);
	assert_int_equal(speed_of("/proc/self/stat"), GR_SPEED_PSEUDO);
	assert_int_equal(stat("/proc", &st), 0);
	assert_int_equal(gr_mounts_dev(st.st_dev), GR_SPEED_PSEUDO);
	assert_int_equal(gr_mounts_fd(mem), GR_SPEED_NEW);
	assert_int_equal(gr_mounts_fd(-1), GR_SPEED_NEW);
	if (listed("/")) {
		assert_int_equal(statfs("/", &fs), 0);
		assert_int_equal(speed_of("/"), gr_mounts_type((unsigned long)fs.f_type));
	} else {
		assert_int_equal(speed_of("/"), GR_SPEED_NEW);
	}
	close(mem);
}

static void test_alone(void **state)
{
	(void)state;
	gr_carrier0.stats.alive = 1;
	gr_mounts_changed();
	assert_false(gr_mounts_slow());
	gr_carrier0.api_on = true;
	gr_mounts_slow();
	gr_carrier0.api_on = false;
	gr_carrier0.stats.alive = 2;
}

/* --- with mounts of our own, in a child ---------------------------------------------------------------------------------------------- */

#define MUST(ok)                                                                                                                  \
	do                                                                                                                         \
		if (!(ok)) {                                                                                                       \
			fprintf(stderr, "%s:%d: %s is not so\n", __FILE__, __LINE__, #ok);                                         \
			_exit(1);                                                                                                  \
		}                                                                                                                  \
	while (0)

static void mounts_come_and_go(const char *dir)
{
	char options[128], inside[256], through[256];
	struct stat st;
	struct open_how how = { .flags = O_PATH | O_CLOEXEC };
	bool before, looks_up = syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof(how)) >= 0;		/* not under valgrind */
	int dev, fd;

	if (unshare(CLONE_NEWNS) == -1 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == -1)
		_exit(77);
	gr_mounts_changed();
	before = gr_mounts_slow();
	MUST(mount("none", dir, "tmpfs", 0, NULL) == 0);
	MUST(stat(dir, &st) == 0);
	MUST(gr_mounts_dev(st.st_dev) == GR_SPEED_NEW || before);	/* nobody has told yet */
	hub_turns();
	MUST(gr_mounts_dev(st.st_dev) == GR_SPEED_MEMORY);
	MUST(speed_of(dir) == GR_SPEED_MEMORY);
	snprintf(inside, sizeof(inside), "%s/slow", dir);
	snprintf(through, sizeof(through), "%s/slow/file", dir);
	MUST(mkdir(inside, 0700) == 0);
	MUST(gr_mounts_slow() == before);
	dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", dev);
	if (dev == -1 || mount("test", inside, "fuse", 0, options) == -1)
		_exit(77);
	hub_turns();
	MUST(gr_mounts_slow());
	MUST(gr_mounts_path(AT_FDCWD, inside));
	MUST(gr_mounts_path(AT_FDCWD, through));		/* its server would never answer */
	MUST(!looks_up || !gr_mounts_path(AT_FDCWD, dir));
	MUST(access("/dev/null", F_OK) == 0 && (!looks_up || !gr_mounts_path(AT_FDCWD, "/dev/null")));
	MUST(!looks_up || !gr_mounts_path(AT_FDCWD, (char *)8));		/* EFAULT by the call itself */
	fd = open(inside, O_PATH | O_CLOEXEC);
	MUST(gr_mounts_fd(fd) == GR_SPEED_SLOW);
	MUST(gr_mounts_path(fd, "file"));
	close(fd);
	MUST(umount2(inside, MNT_DETACH) == 0);
	hub_turns();
	MUST(gr_mounts_slow() == before);
	_exit(0);
}

/* In a child, since it changes its mounts; it leaves with 77 where it may not. */
static void in_child(void (*fn)(const char *dir))
{
	char dir[] = "/tmp/grove-mounts-XXXXXX";
	int status;
	pid_t pid;

	assert_non_null(mkdtemp(dir));
	pid = fork();
	if (pid == 0) {
		alarm(60);
		gr_mounts_fork_child();
		fn(dir);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	rmdir(dir);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

static void test_mounts(void **state)
{
	(void)state;
	in_child(mounts_come_and_go);
}

/* More of them than the table has room for at first */
static void many(const char *dir)
{
	char path[64];

	if (unshare(CLONE_NEWNS) == -1 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == -1)
		_exit(77);
	MUST(mount("none", dir, "tmpfs", 0, NULL) == 0);
	for (int i = 0; i < 700; i++) {
		snprintf(path, sizeof(path), "%s/%d", dir, i);
		MUST(mkdir(path, 0700) == 0 && mount("none", path, i % 2 ? "tmpfs" : "ramfs", 0, NULL) == 0);
	}
	gr_mounts_changed();
	gr_mounts_slow();
	for (int i = 0; i < 700; i++) {
		snprintf(path, sizeof(path), "%s/%d", dir, i);
		MUST(speed_of(path) == GR_SPEED_MEMORY);
	}
	MUST(speed_of("/proc/self/stat") == GR_SPEED_PSEUDO);
	_exit(0);
}

static void test_many(void **state)
{
	(void)state;
	in_child(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_here),
		cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
