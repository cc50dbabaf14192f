/*
 * exec.c - a new program in this process: what the kernel hands over must be what the old one knew
 */
#include "green.h"
#include "../preempt.h"
#include "../raw.h"
#include "../signal.h"

static void begin(void)
{
	gr_preempt_pause();
	gr_signal_exec_begins();
}

static void failed(void)
{
	gr_signal_exec_failed();
	gr_preempt_go_on();
}

long green_execve(const char *path, char *const argv[], char *const envp[])
{
	long r;

	begin();
	r = raw(SYS_execve, path, argv, envp);
	failed();
	return r;
}

long green_execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
	long r;

	begin();
	r = raw(SYS_execveat, dir, path, argv, envp, flags);
	failed();
	return r;
}
