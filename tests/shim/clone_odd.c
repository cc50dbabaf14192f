/* clone_odd.c - processes that the program makes by clone() with flags of its own, and exec, while threads wait */
#include "t.h"
#include <linux/futex.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);

static char stack_[64 * 1024] __attribute__((aligned(64)));
static char *const top = stack_ + sizeof(stack_);
static volatile int shared;
static int go[2], stop, place;

static void *ticks(void *arg)
{
	while (!t_get(&stop)) {
		__atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
		msleep(1);
	}
	return NULL;
}

/* --- the child shares our memory, and both run at once --- */

static int in_our_memory(void *arg)
{
	char c;

	shared = 1;
	if (read(go[0], &c, 1) != 1)
		return 1;
	for (int i = 0; i < 50; i++) {		/* both of us make calls, at once */
		if (syscall(SYS_getppid) <= 0 || write(go[1], "x", 1) != 1 || read(go[0], &c, 1) != 1)
			return 2;
		sched_yield();
	}
	shared = 2;
	return *(int *)arg;
}

static void shares_memory(void)
{
	int n = 0, status = 23;

	say("-- CLONE_VM");
	stop = 0;
	must_pipe(go);
	pthread_t t = start(ticks, &n);
	pid_t pid = MUST(clone(in_our_memory, top, CLONE_VM | SIGCHLD, &status));
	while (shared != 1)
		msleep(1);
	int before = t_get(&n);
	while (t_get(&n) < before + 3)
		msleep(1);
	say("a thread goes on beside it");
	MUST(write(go[1], "g", 1));
	say("left with %d, wrote %d", t_reap(pid), shared);
	t_set(&stop, 1);
	join(t);
	close2(go);
}

/* --- and wakes us, and is woken --- */

static uint32_t words_[3];
static int waiting[2];

static long futex(uint32_t *w, int op, uint32_t val)
{
	return syscall(SYS_futex, w, op, val, NULL, NULL, 0);
}

/* It tells that it is there, and when it has woken whom it is to wake. */
static int wakes_and_waits(void *arg)
{
	(void)arg;
	while (__atomic_load_n(&words_[1], __ATOMIC_SEQ_CST) == 0)
		futex(&words_[1], FUTEX_WAIT_PRIVATE, 0);
	for (int i = 0; i < 2; i++)
		while (futex(&words_[0], FUTEX_WAKE_PRIVATE, 1) == 0)
			sched_yield();
	return 24;
}

static void *waits_for_it(void *arg)
{
	t_here(&waiting[arg != NULL]);
	return (void *)futex(&words_[0], FUTEX_WAIT_PRIVATE, 0);
}

static void shares_words(void)
{
	pthread_t t[2];
	pid_t pid;

	say("-- CLONE_VM, futexes");
	words_[2] = 77;
	pid = MUST(clone(wakes_and_waits, top, CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, NULL, NULL, NULL, &words_[2]));
	for (int i = 0; i < 2; i++)
		t[i] = start(waits_for_it, i ? &place : NULL);
	for (int i = 0; i < 2; i++)
		wait_parked(&waiting[i]);
	__atomic_store_n(&words_[1], 1, __ATOMIC_SEQ_CST);
	futex(&words_[1], FUTEX_WAKE_PRIVATE, 1);
	for (int i = 0; i < 2; i++)
		say("woken: %ld", (long)join(t[i]));
	while (__atomic_load_n(&words_[2], __ATOMIC_SEQ_CST) == 77)
		futex(&words_[2], FUTEX_WAIT, 77);
	say("left with %d, its word %u", t_reap(pid), words_[2]);
}

static int opens(void *arg)
{
	(void)arg;
	return fcntl(1, F_DUPFD, 77) == 77 ? 3 : 4;
}

static void shares_files(void)
{
	char c;

	say("-- CLONE_FILES");
	shared = 0;
	pid_t pid = MUST(clone(opens, top, CLONE_FILES | SIGCHLD, NULL));
	say("left with %d", t_reap(pid));
	YES("what it opened is open here", fcntl(77, F_GETFD) != -1);
	close(77);
	must_pipe(go);
	pid = MUST(clone(opens, top, CLONE_VM | CLONE_FILES | CLONE_FS | SIGCHLD, NULL));
	say("with memory: left with %d", t_reap(pid));
	say("and closed here: %d", close(77));
	MUST(write(go[1], "c", 1));
	YES("what we made is ours", read(go[0], &c, 1) == 1);
	close2(go);
}

static int exec_it(void *arg)
{
	execl("/bin/sh", "sh", "-c", "exit 31", NULL);
	return arg != NULL;
}

static int exec_fails(void *arg)
{
	execl("/nonexistent", "x", NULL);
	*(int *)arg = errno;
	return 32;
}

static void like_vfork(void)
{
	int err = 0;

	say("-- CLONE_VM | CLONE_VFORK");
	say("execs: left with %d", t_reap(MUST(clone(exec_it, top, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL))));
	say("cannot: left with %d", t_reap(MUST(clone(exec_fails, top, CLONE_VM | CLONE_VFORK | SIGCHLD, &err))));
	say("and told us %s", t_errname(err));
	err = 0;
	pid_t pid = MUST(clone(exec_fails, top, CLONE_VM | SIGCHLD, &err));
	say("without VFORK: left with %d", t_reap(pid));
	say("and told us %s", t_errname(err));
	say("execs: left with %d", t_reap(MUST(clone(exec_it, top, CLONE_VM | SIGCHLD, NULL))));
}

/* --- whose child, and what of it is told --- */

static int whose(void *arg)
{
	return getppid() == *(pid_t *)arg ? 5 : 6;
}

static void sibling(void)
{
	pid_t us = getpid(), middle;
	int status;

	say("-- CLONE_PARENT");
	middle = MUST(fork());
	if (middle == 0) {
		if (clone(whose, top, CLONE_PARENT | SIGCHLD, &us) == -1)
			_exit(9);
		_exit(waitpid(-1, NULL, 0) == -1 && errno == ECHILD ? 7 : 8);
	}
	int sum = 0;
	for (int i = 0; i < 2; i++)
		sum += waitpid(-1, &status, 0) > 0 ? WEXITSTATUS(status) : 100;
	say("both are ours: %d", sum);
}

static int leaves(void *arg)
{
	return *(int *)arg;
}

static void ids(void)
{
	int pidfd = -1, parent_tid = 0, status = 41;
	volatile int child_tid = 1;
	siginfo_t si = { 0 };

	say("-- CLONE_PIDFD, tids");
	pid_t pid = MUST(clone(leaves, top, CLONE_PIDFD | SIGCHLD, &status, &pidfd));
	say("poll %d", poll(&(struct pollfd){ pidfd, POLLIN, 0 }, 1, -1));
	R("waitid", waitid((idtype_t)P_PIDFD, (id_t)pidfd, &si, WEXITED));
	say("it is: %d, left with %d", si.si_pid == pid, si.si_status);
	close(pidfd);
	pid = MUST(clone(leaves, top, CLONE_VM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, &status, &parent_tid, NULL,
			 &child_tid));
	say("left with %d", t_reap(pid));
	say("tid told %d, cleared %d", parent_tid == pid, child_tid == 0);
	pid = MUST(clone(leaves, top, 0, &status));		/* no signal at its end */
	R("waitpid does not see it", waitpid(pid, NULL, 0));
	status = 0;
	say("__WALL: %d", waitpid(pid, &status, __WALL) == pid);
	say("left with %d", WEXITSTATUS(status));
}

/* --- errors --- */

static long clone3_(struct clone_args *a)
{
	long r = syscall(SYS_clone3, a, sizeof(*a));

	if (r == 0)
		_exit(0);
	return r;
}

static void errors(void)
{
	pid_t tids[2] = { 1, 1 };

	say("-- errors");
	R("SIGHAND without VM", clone(leaves, top, CLONE_SIGHAND | SIGCHLD, NULL));
	R("NEWNS and FS", clone(leaves, top, CLONE_NEWNS | CLONE_FS | SIGCHLD, NULL));
	R("THREAD without SIGHAND", clone3_(&(struct clone_args){ .flags = CLONE_THREAD }));
	R("clone3, stack without size", clone3_(&(struct clone_args){ .stack = (uintptr_t)stack_, .exit_signal = SIGCHLD }));
	R("clone3, pid taken", clone3_(&(struct clone_args){ .exit_signal = SIGCHLD, .set_tid = (uintptr_t)tids, .set_tid_size = 1 }));
	R("clone3, too many", clone3_(&(struct clone_args){ .exit_signal = SIGCHLD, .set_tid = (uintptr_t)tids, .set_tid_size = 99 }));
	R("clone3, no cgroup", clone3_(&(struct clone_args){ .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = 1000 }));
	R("clone3, bad signal", clone3_(&(struct clone_args){ .exit_signal = 200 }));
	R("clone3, small", syscall(SYS_clone3, &(struct clone_args){ 0 }, 8));
	R("clone3, bad pointer", syscall(SYS_clone3, T_BAD, sizeof(struct clone_args)));
	pid_t pid = (pid_t)clone3_(&(struct clone_args){ .exit_signal = SIGCHLD });
	say("clone3 as fork: left with %d", t_reap(pid));
	YES("no child is left", waitpid(-1, NULL, __WALL | WNOHANG) == -1 && errno == ECHILD);
}

/* --- a child that leaves what it shares --- */

static void *small_work(void *arg)
{
	msleep(1);
	return arg;
}

static void unshares(void)
{
	say("-- unshare");
	pid_t pid = MUST(fork());
	if (pid == 0) {
		join(start(small_work, NULL));
		if (unshare(CLONE_FILES) == -1 || unshare(CLONE_FS) == -1)
			_exit(1);
		join(start(small_work, NULL));
		if (unshare(CLONE_SYSVSEM) == -1)
			_exit(2);
		_exit(unshare(-1) == -1 && errno == EINVAL && join(start(small_work, &pid)) == &pid ? 51 : 3);
	}
	say("left with %d", t_reap(pid));
}

/* --- exec by a thread, while others wait --- */

static int waits_in[2];

static void *in_read(void *arg)
{
	char c;

	t_here(&place);
	(void)!read(waits_in[0], &c, 1);
	return arg;
}

static void *executes(void *arg)
{
	char self[16], kept[16], closed[16];
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	pthread_sigmask(SIG_SETMASK, &s, NULL);
	snprintf(self, sizeof(self), "%d", getpid());
	snprintf(kept, sizeof(kept), "%ld", MUST(fcntl(1, F_DUPFD, 60)));
	snprintf(closed, sizeof(closed), "%d", waits_in[0]);
	execl("/bin/sh", "sh", "-c",
	      "test $$ = $0 && echo same pid; test -e /proc/$$/fd/$1 && echo kept; test -e /proc/$$/fd/$2 || echo closed;"
	      "kill -USR2 $$; echo not reached",
	      self, kept, closed, NULL);
	return arg;
}

/* Says by itself what it has: the mask of the thread that became it, and no other thread */
static void mask_of_thread(void)
{
	char *argv[] = { "grep", "-E", "^(SigBlk|Threads)", "/proc/self/status", NULL };

	execv("/bin/grep", argv);
	_exit(1);
}

static void *masked_exec(void *arg)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	pthread_sigmask(SIG_SETMASK, &s, NULL);
	mask_of_thread();
	return arg;
}

static void executions(void)
{
	say("-- exec");
	for (int i = 0; i < 2; i++) {
		pid_t pid = MUST(fork());
		if (pid == 0) {
			must_pipe(waits_in);
			place = 0;
			start(in_read, NULL);
			wait_parked(&place);
			start(i ? masked_exec : executes, NULL);
			for (;;)
				pause();
		}
		say("left with %d", t_reap(pid));
	}
	pid_t pid = MUST(fork());
	if (pid == 0) {
		place = 0;
		must_pipe(waits_in);
		pthread_t t = start(in_read, &place);
		wait_parked(&place);
		R("exec fails", execl("/nonexistent", "x", NULL));
		R("bad arguments", syscall(SYS_execve, "/bin/true", T_BAD, NULL));
		MUST(write(waits_in[1], "x", 1));
		_exit(join(t) == &place ? 61 : 62);
	}
	say("left with %d", t_reap(pid));
}

int main(void)
{
	t_begin();
	shares_memory();
	shares_words();
	shares_files();
	like_vfork();
	sibling();
	ids();
	errors();
	unshares();
	executions();
	return 0;
}
