/*
 * creds.c - calls that change what the kernel thread is allowed to do or to see: the offload threads made before are not to be used again
 */
#include "green.h"
#include "../audit.h"
#include "../mounts.h"
#include "../offload.h"
#include "../slack.h"
#include "../raw.h"
#include "../uring.h"
#include <errno.h>
#include <linux/seccomp.h>
#include <time.h>

static long changed(long r)
{
	if (!raw_failed(r))
		gr_offload_retire();
	return r;
}

#define CHANGES_CREDENTIALS(name, nr)                                                                                              \
	long name(long a, long b, long c)                                                                                          \
	{                                                                                                                          \
		return changed(raw(nr, a, b, c));                                                                                  \
	}

CHANGES_CREDENTIALS(green_setuid, SYS_setuid)
CHANGES_CREDENTIALS(green_setgid, SYS_setgid)
CHANGES_CREDENTIALS(green_setreuid, SYS_setreuid)
CHANGES_CREDENTIALS(green_setregid, SYS_setregid)
CHANGES_CREDENTIALS(green_setresuid, SYS_setresuid)
CHANGES_CREDENTIALS(green_setresgid, SYS_setresgid)
CHANGES_CREDENTIALS(green_setfsuid, SYS_setfsuid)
CHANGES_CREDENTIALS(green_setfsgid, SYS_setfsgid)
CHANGES_CREDENTIALS(green_setgroups, SYS_setgroups)
CHANGES_CREDENTIALS(green_capset, SYS_capset)
CHANGES_CREDENTIALS(green_landlock_restrict_self, SYS_landlock_restrict_self)

/* A filter without a program is a question: is the call known? */
long green_seccomp(long a, long b, long c)
{
	if (a == SECCOMP_SET_MODE_STRICT || (a == SECCOMP_SET_MODE_FILTER && c)) {
		gr_uring_forbid();
		gr_slack_forbid();
	}
	return changed(raw(SYS_seccomp, a, b, c));
}

/* User and process name spaces are only for processes with one kernel thread; ours may be there just because something was offloaded
 * before.  The kernel forgets a thread that has ended within microseconds. */
static long alone(long nr, long a, long b)
{
	struct timespec moment = { 0, 50000 };
	bool idle = gr_offload_end_idle(), watchdog = gr_watchdog_end(), others = idle || watchdog;
	long r = raw(nr, a, b);

	for (int i = 0; i < 100 && r == -EINVAL && others; i++) {
		raw(SYS_nanosleep, &moment, 0);
		r = raw(nr, a, b);
	}
	gr_mounts_changed();
	return changed(r);
}

long green_unshare(unsigned long flags)
{
	return alone(SYS_unshare, (long)flags, 0);
}

long green_setns(int fd, int type)
{
	return alone(SYS_setns, fd, type);
}
