/* filter_kills.c - a filter of system calls that ends the process at calls which it never makes: threads that sleep under it do not end it */
#include "t.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#define ALLOW_REST	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define KILL		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
#define IF_CALL(nr, yes, no)	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, yes, no)

static struct sock_filter filter[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	IF_CALL(SYS_sched_getscheduler, 1, 0),
	IF_CALL(SYS_prctl, 0, 1),
	KILL,
	ALLOW_REST,
};

/* Deadlines that are near each other, for longer than a second */
static void *sleep_often(void *arg)
{
	for (int i = 0; i < 25; i++)
		usleep(50000 + (useconds_t)(uintptr_t)arg);
	return NULL;
}

int main(void)
{
	struct sock_fprog program = { T_LENGTH(filter), filter };
	pthread_t t[3];

	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		say("no filters here: %s", t_errname(errno));
	for (unsigned i = 0; i < T_LENGTH(t); i++)
		t[i] = start(sleep_often, (void *)(uintptr_t)(7 * i));
	for (unsigned i = 0; i < T_LENGTH(t); i++)
		join(t[i]);
	say("all have slept");
	return 0;
}
