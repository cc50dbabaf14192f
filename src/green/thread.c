/*
 * thread.c - threads made and ended: clone and exit without the kernel, and what the kernel would know about each thread
 */
#include "green.h"
#include "../api/greenlet.h"
#include "../api/start.h"
#include "../arch/x86_64/arch.h"
#include "../fd.h"
#include "../futex.h"
#include "../gate.h"
#include "../offload.h"
#include "../raw.h"
#include "../sched.h"
#include "../signal.h"
#include "../slack.h"
#include "../start.h"
#include "../standin.h"
#include "../stats.h"
#include "../threads.h"
#include "../uring.h"
#include <errno.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define THREAD_FLAGS	(CLONE_VM | CLONE_THREAD)
#define VFORK_FLAGS	(CLONE_VM | CLONE_VFORK)

/* What libc's next thread is to be: told by who calls pthread_create() for the API, else by the program's choice. */
static uint8_t next_clone(struct gr_carrier *c)
{
	uint8_t next = c->current->next_clone;

	c->current->next_clone = GR_CLONE_USUAL;
	if (next == GR_CLONE_NATIVE)
		__atomic_fetch_add(&c->own_threads, 1, __ATOMIC_SEQ_CST);
	return next == GR_CLONE_USUAL && !c->patched ? GR_CLONE_NATIVE : next;
}

/* A kernel thread, made the raw way.  A wake may come from it from now on, so who waits here must look again, and wait in the kernel. */
static long native(struct gr_carrier *c, uint64_t flags)
{
	if (!c->natives) {
		c->natives = true;
		gr_futex_wake_all();
	}
	__atomic_fetch_add(&c->native_threads, 1, __ATOMIC_SEQ_CST);
	gr_signal_exact(~0ull);
	c->clone_flags = (long)flags;
	c->inside = GR_INSIDE_CLONE;
	return GR_CALL_RAW;
}

/* Adopt a new thread: a greenlet that leaves the gate as its creator did, on the stack and TLS block given, with 0 for an answer. */
static long adopt(uint64_t flags, void *stack, int *parent_tid, int *child_tid, uintptr_t tls)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *me = c->current, *g;
	uint8_t next = next_clone(c);

	if (next == GR_CLONE_NATIVE)
		return native(c, flags);
	if (!me->regs || !(flags & CLONE_SETTLS) || !stack)
		return -EINVAL;
	g = gr_greenlet_new(tls);
	if (!g)
		return -EAGAIN;
	if (GR_UNLIKELY(gr_standin_wanted()))
		gr_standin_give(g, tls);
	if ((flags & CLONE_PARENT_SETTID) && gr_user_write(parent_tid, &g->tid, sizeof(int)) < 0)
		goto fault;
	if ((flags & CLONE_CHILD_SETTID) && gr_user_write(child_tid, &g->tid, sizeof(int)) < 0)
		goto fault;
	if (flags & CLONE_CHILD_CLEARTID) {
		g->clear_tid = child_tid;
		if (!c->tid_at)
			c->tid_at = (char *)child_tid - (char *)tls;
	}
	g->worker = next == GR_CLONE_GREEN;
	gr_thread_born(tls, stack);
	gr_greenlet_start(g, gr_frame_clone(me->regs, stack, gr_thread_starts));
	return g->tid;
fault:
	if (g->standin)
		gr_standin_end(g->standin);
	gr_greenlet_drop(g);
	return -EFAULT;
}

/* In every new thread, before it goes on in libc: we are out of the runtime. */
void gr_thread_starts(void)
{
	struct gr_carrier *c = gr_carrier();

	gr_greenlet_started();
	c->inside = GR_OUTSIDE;
}

/* A process will run in our memory beside us: to futexes it is a native thread, but it may have other descriptors, and so no way to post us
 * notes.  So who waits must look again, and wait in the kernel. */
static void beside(struct gr_carrier *c)
{
	c->vm_child = c->natives = true;
	gr_futex_wake_all();
}

/* A new process.  With memory of its own and on our stack it can be made from here; otherwise only the gate's raw way will do. */
static long new_process(uint64_t flags, bool own_stack, long nr, long a, long b, long d, long e, long f)
{
	struct gr_carrier *c = gr_carrier();
	long r;

	gr_fd_forked();
	c->clone_flags = (long)flags;
	if ((flags & CLONE_VM) || own_stack) {
		if ((flags & VFORK_FLAGS) == CLONE_VM)
			beside(c);
		gr_signal_clone_begins();
		c->inside = GR_INSIDE_CLONE;
		return GR_CALL_RAW;
	}
	gr_signal_block_all();
	r = raw(nr, a, b, d, e, f);
	if (r == 0)
		gr_forked_child();
	else
		gr_signal_inexact();
	return r;
}

long green_clone(unsigned long flags, void *stack, int *parent_tid, int *child_tid, uintptr_t tls)
{
	if ((flags & THREAD_FLAGS) == THREAD_FLAGS)
		return adopt(flags, stack, parent_tid, child_tid, tls);
	if (gr_spawn_is(flags, stack != NULL))
		return gr_spawn_clone(flags, stack, parent_tid, tls);
	return new_process(flags, stack != NULL, SYS_clone, (long)flags, (long)stack, (long)parent_tid, (long)child_tid, (long)tls);
}

long green_clone3(struct clone_args *args, size_t size)
{
	struct clone_args a = { 0 };

	if (size < CLONE_ARGS_SIZE_VER0 || size > sizeof(a))
		return raw(SYS_clone3, args, size);	/* the kernel says what is wrong, or knows more than we do */
	if (gr_user_read(&a, args, size) < 0)
		return -EFAULT;
	if ((a.flags & THREAD_FLAGS) == THREAD_FLAGS)
		return adopt(a.flags, (char *)a.stack + a.stack_size, (int *)a.parent_tid, (int *)a.child_tid, a.tls);
	if (gr_spawn_is(a.flags, a.stack != 0))
		return gr_spawn_clone3(&a, size);
	return new_process(a.flags, a.stack != 0, SYS_clone3, (long)args, (long)size, 0, 0, 0);
}

long green_fork(void)
{
	return new_process(0, false, SYS_fork, 0, 0, 0, 0, 0);
}

long green_vfork(void)
{
	return new_process(VFORK_FLAGS, false, SYS_vfork, 0, 0, 0, 0, 0);
}

/* A thread ends: robust locks are passed on, the joiner is woken, the greenlet is gone.  The last one takes the process along. */
long green_exit(int status)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *g = c->current;
	bool in_background = g->api && g->api->counted;
	int zero = 0;

	if (c->stats.alive - c->background == !in_background && c->api_on && !gr_natives_left(c))
		gr_api_last_one_ends();		/* to libc there are others: they see to what it does at the end of a process */
	else if (c->stats.alive == 1)
		return green_exit_group(status);
	if (g == c->main && c->tid != c->pid)	/* the runtime was started by a thread of the program's, whose TLS block the hub needs */
		for (;;)
			gr_park("the end", GR_NEVER, GR_PARK_HOLD);
	gr_futex_exit_robust(g->robust, g->tid);
	if (g->standin)
		gr_standin_end(g->standin);
	if (g->api)
		gr_greenlet_gone(g);
	if (!g->clear_tid && c->tid_at)		/* the main thread told the kernel before we were there */
		g->clear_tid = (int *)(g->fs + c->tid_at);
	if (g->clear_tid && gr_user_write(g->clear_tid, &zero, sizeof(zero)) == 0)
		gr_futex_wake((uint32_t *)g->clear_tid, 1);
	gr_exit();
}

long green_exit_group(int status)
{
	gr_list_each(it, &gr_carrier()->all) {
		struct gr_greenlet *g = gr_container(it, struct gr_greenlet, all);

		gr_futex_exit_robust(g->robust, g->tid);
	}
	gr_stats_print();
	return raw(SYS_exit_group, status);
}

long green_set_tid_address(int *clear_tid)
{
	struct gr_greenlet *g = gr_carrier()->current;

	g->clear_tid = clear_tid;
	return g->tid;
}

long green_set_robust_list(void *head, size_t len)
{
	if (len != 24)
		return -EINVAL;
	gr_carrier()->current->robust = head;
	if (gr_carrier()->current->tid == gr_carrier()->tid)	/* so that a killed process lets go of what its main thread held */
		return raw(SYS_set_robust_list, head, len);
	if (gr_carrier()->current->standin)
		gr_standin_robust(gr_carrier()->current->standin, head);
	return 0;
}

/* glibc wants it to succeed in each thread; left alone, the area says that rseq is not registered, and libc does without. */
long green_rseq(void *area, uint32_t len, int flags, uint32_t sig)
{
	struct gr_carrier *c = gr_carrier();

	if (c->current->tid == c->tid)
		return raw(SYS_rseq, area, len, flags, sig);
	return 0;
}

long green_gettid(void)
{
	return gr_carrier()->current->tid;
}

long green_sched_yield(void)
{
	if (!gr_others_ready())
		raw(SYS_sched_yield);
	gr_yield();
	return 0;
}

long green_arch_prctl(int code, unsigned long addr)
{
	long r;

	if (code == 0x5001 /* ARCH_SHSTK_ENABLE */)
		return -EOPNOTSUPP;	/* a switch leaves by a return address that no shadow stack knows */
	r = raw(SYS_arch_prctl, code, addr);
	if (r == 0 && code == 0x1002 /* ARCH_SET_FS */)
		gr_carrier()->current->fs = addr;
	return r;
}

/* Checkpoint tools ask; some programs give the answer to set_tid_address() again.  Before we were there main told the kernel only. */
static long get_tid_address(void *where, int *clear_tid)
{
	int *kernels;
	long r = raw(SYS_prctl, PR_GET_TID_ADDRESS, &kernels, 0, 0, 0);

	if (r < 0)
		return r;
	return gr_user_write(where, clear_tid ? &clear_tid : &kernels, sizeof(clear_tid));
}

static long set_slack(unsigned long a, unsigned long b, unsigned long d, unsigned long e)
{
	long r = raw(SYS_prctl, PR_SET_TIMERSLACK, a, b, d, e);

	if (r == 0)
		gr_slack_set();
	return r;
}

/* Names are per thread; the kernel's one thread keeps the main thread's. */
long green_prctl(int option, unsigned long a, unsigned long b, unsigned long d, unsigned long e)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *g = c->current;
	char name[16] = "";

	if (option == PR_GET_NAME)
		return gr_user_write((void *)a, g->name, sizeof(g->name));
	if (option == PR_GET_TID_ADDRESS)
		return get_tid_address((void *)a, g->clear_tid);
	if (option == PR_SET_NO_NEW_PRIVS || option == PR_SET_SECCOMP || option == PR_SET_SECUREBITS || option == PR_CAPBSET_DROP)
		gr_offload_retire();
	if (option == PR_SET_SECCOMP) {
		gr_uring_forbid();
		gr_slack_forbid();
	}
	if (option == PR_SET_TIMERSLACK)
		return set_slack(a, b, d, e);
	if (option != PR_SET_NAME)
		return raw(SYS_prctl, option, a, b, d, e);
	for (size_t i = 0; i < sizeof(name) - 1; i++) {
		if (gr_user_read(&name[i], (char *)a + i, 1) < 0)
			return -EFAULT;
		if (!name[i])
			break;
	}
	memcpy(g->name, name, sizeof(name));
	return g == c->main ? raw(SYS_prctl, PR_SET_NAME, name) : 0;
}

/* Calls whose argument names a thread: for ours the kernel's one thread stands in.  0 is the caller in all of them. */
static int kernel_tid(int tid)
{
	return gr_find_tid(tid) ? 0 : tid;
}

#define BY_TID(name, nr)                                                                                                           \
	long name(int tid, long b, long d, long e)                                                                                \
	{                                                                                                                          \
		return raw(nr, kernel_tid(tid), b, d, e);                                                                          \
	}

/* Real-time threads have no timer slack. */
#define SCHEDULES(name, nr)                                                                                                        \
	long name(int tid, long b, long d, long e)                                                                                \
	{                                                                                                                          \
		gr_slack_look();                                                                                                   \
		return raw(nr, kernel_tid(tid), b, d, e);                                                                          \
	}

BY_TID(green_sched_setparam, SYS_sched_setparam)
BY_TID(green_sched_getparam, SYS_sched_getparam)
SCHEDULES(green_sched_setscheduler, SYS_sched_setscheduler)
BY_TID(green_sched_getscheduler, SYS_sched_getscheduler)
BY_TID(green_sched_setaffinity, SYS_sched_setaffinity)
BY_TID(green_sched_getaffinity, SYS_sched_getaffinity)
BY_TID(green_sched_rr_get_interval, SYS_sched_rr_get_interval)
SCHEDULES(green_sched_setattr, SYS_sched_setattr)
BY_TID(green_sched_getattr, SYS_sched_getattr)
BY_TID(green_prlimit64, SYS_prlimit64)
BY_TID(green_getpgid, SYS_getpgid)
BY_TID(green_getsid, SYS_getsid)

/* Only the main thread's list is known to the kernel. */
long green_get_robust_list(int tid, long head, long len, long unused)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *g = tid ? gr_find_tid(tid) : c->current;
	size_t size = 24;
	int r;

	if (!g || g->tid == c->tid)
		return raw(SYS_get_robust_list, kernel_tid(tid), head, len, unused);
	r = gr_user_write((void *)len, &size, sizeof(size));
	return r < 0 ? r : gr_user_write((void *)head, &g->robust, sizeof(g->robust));
}

long green_setpriority(int which, int who, int prio)
{
	return raw(SYS_setpriority, which, which == PRIO_PROCESS ? kernel_tid(who) : who, prio);
}

long green_getpriority(int which, int who)
{
	return raw(SYS_getpriority, which, which == PRIO_PROCESS ? kernel_tid(who) : who);
}

enum { IOPRIO_THREAD = 1 };		/* IOPRIO_WHO_PROCESS */

/* Threads that are made later have it, too: those that read and write for us. */
long green_ioprio_set(int which, int who, int prio)
{
	long r = raw(SYS_ioprio_set, which, which == IOPRIO_THREAD ? kernel_tid(who) : who, prio);

	if (r == 0)
		gr_offload_retire();
	return r;
}

long green_ioprio_get(int which, int who)
{
	return raw(SYS_ioprio_get, which, which == IOPRIO_THREAD ? kernel_tid(who) : who);
}
