/*
 * signal.c - waiting for signals
 */
#include "door.h"
#include <signal.h>
#include <unistd.h>

#define MASK_SIZE 8

DOOR int pause(void) { return (int)DOOR_CANCEL(SYS_pause); }
DOOR int sigsuspend(const sigset_t *mask) { return (int)DOOR_CANCEL(SYS_rt_sigsuspend, mask, MASK_SIZE); }

/* libc calls what raise() and pthread_kill() send by the name that kill() has */
DOOR int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	int r = (int)DOOR_CANCEL(SYS_rt_sigtimedwait, set, info, timeout, MASK_SIZE);

	if (r >= 0 && info && info->si_code == SI_TKILL)
		info->si_code = SI_USER;
	return r;
}

DOOR int sigwaitinfo(const sigset_t *set, siginfo_t *info) { return sigtimedwait(set, info, NULL); }

/* Returns the error, and EINTR is none: it waits on. */
DOOR int sigwait(const sigset_t *set, int *ret_sig)
{
	long r;

	do
		r = gr_call_cancel(SYS_rt_sigtimedwait, (long)set, 0, 0, MASK_SIZE, 0, 0);
	while (r == -EINTR);
	if (r < 0)
		return (int)-r;
	*ret_sig = (int)r;
	return 0;
}
