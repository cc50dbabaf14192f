/*
 * exec.c - a new program in this process: what the kernel hands over must be what the old one knew
 */
#include "green.h"
#include "../preempt.h"
#include "../raw.h"
#include "../signal.h"

#define TRIES	64		/* signals may come faster than they are handled */

static long exec(const long call[7])
{
	long r = -GR_ERESTART;

	for (int i = 0; r == -GR_ERESTART; i++) {
		if (i > 0)
			gr_signal_handle();
		gr_preempt_pause();
		r = gr_signal_exec(call, i == TRIES);
		gr_preempt_go_on();
	}
	return r;
}

long green_execve(const char *path, char *const argv[], char *const envp[])
{
	return exec((long[7]){ SYS_execve, (long)path, (long)argv, (long)envp });
}

long green_execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
	return exec((long[7]){ SYS_execveat, dir, (long)path, (long)argv, (long)envp, flags });
}
