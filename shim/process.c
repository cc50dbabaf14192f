/*
 * process.c - waiting for children
 */
#include "door.h"
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

DOOR pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
	return (pid_t)DOOR_CANCEL(SYS_wait4, pid, status, options, usage);
}

DOOR pid_t wait3(int *status, int options, struct rusage *usage) { return wait4(-1, status, options, usage); }
DOOR pid_t waitpid(pid_t pid, int *status, int options) { return wait4(pid, status, options, NULL); }
DOOR pid_t wait(int *status) { return wait4(-1, status, 0, NULL); }

DOOR int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	return (int)DOOR_CANCEL(SYS_waitid, type, id, info, options, NULL);
}
