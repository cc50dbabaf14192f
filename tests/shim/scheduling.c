/*
 * scheduling.c - policies, priorities and processors, and what else the kernel keeps of each thread, asked and set for a thread by its tid
 */
#include "t.h"
#include <linux/futex.h>
#include <sys/resource.h>

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static int tid, stop;

static void policies(int who, const char *name)
{
	struct sched_param p = { 0 };
	struct attr attr = { 0 };
	struct timespec slice;

	say("--- %s", name);
	R("getscheduler", syscall(SYS_sched_getscheduler, who));
	R("setscheduler", syscall(SYS_sched_setscheduler, who, SCHED_OTHER, &p));
	R("setscheduler: no such policy", syscall(SYS_sched_setscheduler, who, 99, &p));
	R("getparam", syscall(SYS_sched_getparam, who, &p));
	R("setparam", syscall(SYS_sched_setparam, who, &p));
	p.sched_priority = 1;
	R("setparam: not for this policy", syscall(SYS_sched_setparam, who, &p));
	R("setparam: bad pointer", syscall(SYS_sched_setparam, who, T_BAD));
	R("rr_get_interval", syscall(SYS_sched_rr_get_interval, who, &slice));
	R("getattr", syscall(SYS_sched_getattr, who, &attr, sizeof(attr), 0));
	say("policy %u, nice %d", attr.policy, attr.nice);
	R("setattr", syscall(SYS_sched_setattr, who, &attr, 0));
	attr.policy = 99;
	R("setattr: no such policy", syscall(SYS_sched_setattr, who, &attr, 0));
}

static void processors(int who)
{
	cpu_set_t set, none;

	CPU_ZERO(&none);
	YES("getaffinity", syscall(SYS_sched_getaffinity, who, sizeof(set), &set) > 0);
	R("setaffinity", syscall(SYS_sched_setaffinity, who, sizeof(set), &set));
	R("setaffinity: none", syscall(SYS_sched_setaffinity, who, sizeof(none), &none));
	R("setaffinity: bad pointer", syscall(SYS_sched_setaffinity, who, sizeof(set), T_BAD));
}

static void priorities(int who)
{
	struct rlimit limit;
	long now;

	now = R("getpriority", syscall(SYS_getpriority, PRIO_PROCESS, who));
	R("setpriority", syscall(SYS_setpriority, PRIO_PROCESS, who, 20 - now));
	YES("ioprio_get", syscall(SYS_ioprio_get, 1, who) >= 0);
	R("ioprio_set", syscall(SYS_ioprio_set, 1, who, 2 << 13 | 6));
	R("ioprio_get", syscall(SYS_ioprio_get, 1, who));
	R("ioprio_set: no such class", syscall(SYS_ioprio_set, 1, who, 7 << 13));
	R("prlimit64", syscall(SYS_prlimit64, who, RLIMIT_NOFILE, NULL, &limit));
	R("prlimit64: no such limit", syscall(SYS_prlimit64, who, 99, NULL, &limit));
	YES("getpgid", syscall(SYS_getpgid, who) == getpgrp());
	YES("getsid", syscall(SYS_getsid, who) == getsid(0));
	R("getpriority: no such kind", syscall(SYS_getpriority, 9, who));
	R("setpriority: no such kind", syscall(SYS_setpriority, 9, who, 0));
}

/* What the runtime of a thread library sets up; the same again changes nothing. */
static void records(void)
{
	unsigned long fs = 0;
	void *list;
	size_t size;

	say("--- records");
	R("get_robust_list", syscall(SYS_get_robust_list, 0, &list, &size));
	say("of %zu bytes", size);
	R("set_robust_list", syscall(SYS_set_robust_list, list, size));
	R("set_robust_list: another size", syscall(SYS_set_robust_list, list, size + 1));
	R("get_robust_list: bad pointer", syscall(SYS_get_robust_list, 0, T_BAD, &size));
	R("arch_prctl: FS", syscall(SYS_arch_prctl, 0x1003, &fs));
	YES("that is pthread_self", fs == (unsigned long)pthread_self());
	R("arch_prctl: the same again", syscall(SYS_arch_prctl, 0x1002, fs));
	R("arch_prctl: bad pointer", syscall(SYS_arch_prctl, 0x1003, T_BAD));
	R("arch_prctl: no such thing", syscall(SYS_arch_prctl, 0x9999, fs));
}

/* A child has its own word, which is cleared when it ends, and whoever waits for it is woken. */
static void clear_tid(void)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		static int word = 1;

		_exit(syscall(SYS_set_tid_address, &word) == getpid() ? 4 : 5);
	}
	say("set_tid_address in a child: %d", t_reap(pid));
}

static void *sits(void *arg)
{
	t_set(&tid, (int)syscall(SYS_gettid));
	while (!t_get(&stop))
		msleep(1);
	return arg;
}

static void *own(void *arg)
{
	records();
	policies(0, "a thread of itself");
	return arg;
}

int main(void)
{
	pthread_t t;

	t_begin();
	t = start(sits, NULL);
	while (!t_get(&tid))
		msleep(1);
	policies(0, "itself");
	policies(tid, "another thread");
	processors(0);
	processors(tid);
	priorities(0);
	priorities(tid);
	policies(0x3ffffff0, "no such thread");
	processors(0x3ffffff0);
	records();
	join(start(own, NULL));
	t_set(&stop, 1);
	join(t);
	clear_tid();
	return 0;
}
