/*
 * spawn.c - children that share our memory until they exec, as posix_spawn(), system() and popen() make them
 *
 * The kernel suspends who makes a child with CLONE_VFORK until the child execs or exits, which may take long: it opens files, and
 * a program may lie on a slow disk.  So that only the greenlet waits and not the carrier, the child is made without that flag.
 * When it leaves our memory the kernel clears a word for it (CLONE_CHILD_CLEARTID) and wakes who waits there: a call on an
 * offload thread.
 *
 * Child and carrier then run at once in one memory, as with kernel threads.  The child runs libc's code on its own stack and on
 * the TLS block of its greenlet, which is parked, so nobody else is there (the hub has one of its own: hub_tls.c); its system
 * calls go straight to the kernel, since its FS base is not that of the current greenlet.  vfork() goes the raw way, because its
 * child runs on its creator's stack; and so does all in a program where nobody is there to go on.
 */
#include "green.h"
#include "../arch/x86_64/arch.h"
#include "../fd.h"
#include "../offload.h"
#include "../raw.h"
#include "../sched.h"
#include "../signal.h"
#include <errno.h>
#include <linux/futex.h>
#include <linux/sched.h>

#define SPAWN_FLAGS	(CLONE_VM | CLONE_VFORK)
#define OTHER_FLAGS	(CLONE_SETTLS | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_SIGHAND | CLONE_THREAD)

bool gr_spawn_is(uint64_t flags, bool own_stack)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *me = c->current;

	if ((flags & (SPAWN_FLAGS | OTHER_FLAGS)) != SPAWN_FLAGS || !own_stack || !me->regs)
		return false;
	return c->stats.alive > 1 && me->fs != c->base_fs;	/* the hub shares our TLS block where it could not get its own */
}

/* Parks until the kernel has cleared *@in_memory.  It may have done so already. */
static void wait_until_gone(const int *in_memory)
{
	while (__atomic_load_n(in_memory, __ATOMIC_ACQUIRE))
		gr_offload_deaf(SYS_futex, (long)in_memory, FUTEX_WAIT, 1, 0, 0, 0);
}

static long spawn(long nr, long a, long b, long d, long e, long f, const int *in_memory)
{
	long r;

	gr_fd_forked();
	gr_signal_clone_begins();
	r = gr_raw_clone_child(nr, a, b, d, e, f, gr_carrier()->current->regs);
	gr_signal_clone_done();
	if (!raw_failed(r))
		wait_until_gone(in_memory);
	return r;
}

long gr_spawn_clone(uint64_t flags, void *stack, int *parent_tid, uintptr_t tls)
{
	int in_memory = 1;

	flags = (flags & ~(uint64_t)CLONE_VFORK) | CLONE_CHILD_CLEARTID;
	return spawn(SYS_clone, (long)flags, (long)stack, (long)parent_tid, (long)&in_memory, (long)tls, &in_memory);
}

long gr_spawn_clone3(const struct clone_args *args, size_t size)
{
	struct clone_args a = *args;
	int in_memory = 1;

	a.flags = (a.flags & ~(uint64_t)CLONE_VFORK) | CLONE_CHILD_CLEARTID;
	a.child_tid = (uintptr_t)&in_memory;
	return spawn(SYS_clone3, (long)&a, (long)size, 0, 0, 0, &in_memory);
}
