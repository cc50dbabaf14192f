/*
 * offload_try.c - calls that can be tried again and again, for when there are no more threads
 *
 * That is no way to wait, but the only one left: a lock that has become free must be taken by somebody who wants it, although all threads
 * wait for other locks, perhaps for those that he holds.
 */
#include "offload.h"
#include "raw.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/wait.h>
#include <time.h>

static bool waits_by_futex(int op)
{
	op &= FUTEX_CMD_MASK;
	return op == FUTEX_WAIT || op == FUTEX_WAIT_BITSET;
}

/* The same call in a form that does not wait, and what that says if it would have had to.  False: there is none. */
static bool form_at_once(long call[7], const struct timespec *past, long *ret_not_yet)
{
	*ret_not_yet = -EAGAIN;
	switch (call[0]) {
	case SYS_flock:
		call[2] |= LOCK_NB;
		return true;
	case SYS_fcntl:
		call[2] = call[2] == F_SETLKW ? F_SETLK : call[2] == F_OFD_SETLKW ? F_OFD_SETLK : -1;
		return call[2] != -1;
	case SYS_wait4:
		call[3] |= WNOHANG;
		*ret_not_yet = 0;
		return true;
	case SYS_futex:			/* a time that has passed, counted from now or not: both are over at once */
		call[4] = (long)past;
		*ret_not_yet = -ETIMEDOUT;
		return waits_by_futex((int)call[2]);
	case SYS_semop:
		call[0] = SYS_semtimedop;
		call[4] = (long)past;
		return true;
	case SYS_semtimedop:
		call[4] = (long)past;
		return true;
	case SYS_msgsnd:
		call[4] |= IPC_NOWAIT;
		return true;
	case SYS_msgrcv:
		call[5] |= IPC_NOWAIT;
		*ret_not_yet = -ENOMSG;
		return true;
	}
	return false;
}

static const struct timespec past;

bool gr_offload_can_try(const long call[7])
{
	long now[7], not_yet;

	memcpy(now, call, sizeof(now));
	return form_at_once(now, &past, &not_yet);
}

bool gr_offload_try(const long call[7], long *ret)
{
	long now[7], not_yet;

	memcpy(now, call, sizeof(now));
	if (!form_at_once(now, &past, &not_yet))
		return false;
	*ret = raw_syscall6(now[0], now[1], now[2], now[3], now[4], now[5], now[6]);
	return *ret != not_yet && !(now[0] == SYS_fcntl && *ret == -EACCES);
}
