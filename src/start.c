/*
 * start.c - start-up as an ordered list, and the same for a forked child
 */
#include "start.h"
#include "api/start.h"
#include "audit.h"
#include "deadlock.h"
#include "dns.h"
#include "fd.h"
#include "futex_queue.h"
#include "gate.h"
#include "green/rings.h"
#include "hub.h"
#include "mounts.h"
#include "offload.h"
#include "preempt.h"
#include "raw.h"
#include "sched.h"
#include "signal.h"
#include "standin.h"
#include "stats.h"
#include "threads.h"
#include "uring.h"
#include <errno.h>

/* Kernel threads from before us (made by a constructor) stay kernel threads. */
static unsigned other_threads(void)
{
	struct { long ino, off; unsigned short len; unsigned char type; char name[]; } *d;
	char buf[1024] __attribute__((aligned(8)));
	long fd = raw(SYS_openat, -100, "/proc/self/task", 0200000 | 02000000), n;
	unsigned threads = 0;

	if (raw_failed(fd))
		return 0;
	n = raw(SYS_getdents64, fd, buf, sizeof(buf));
	raw(SYS_close, fd);
	for (long at = 0; at < n; at += d->len) {
		d = (void *)(buf + at);
		threads += d->name[0] != '.';
	}
	return threads - 1;
}

/* A switch leaves by a return address that a shadow stack does not know (ARCH_SHSTK_STATUS; processors with CET). */
static bool has_shadow_stack(void)
{
	uint64_t on = 0;

	return raw(SYS_arch_prctl, 0x5005, &on) == 0 && (on & 1);
}

int gr_init_unpatched(char **env)
{
	struct gr_carrier *c = gr_carrier();
	int r;

	if (c->on)
		return 0;
	r = gr_start();
	if (r < 0)
		return r;
	c->base_fs = gr_hub_tls(c->base_fs);
	gr_stats_start(env);
	gr_audit_start(env);
	gr_offload_start(env);
	c->native_threads = other_threads();
	c->natives = c->native_threads != 0;
	gr_futex_natives_moved = c->natives;		/* those wait already */
	if (has_shadow_stack()) {
		gr_warn("the program runs with a shadow stack, which green threads cannot have (switch it off: GLIBC_TUNABLES="
			"glibc.cpu.x86_shstk=off); the program's threads stay kernel threads and its calls go straight to the kernel",
			-EOPNOTSUPP);
		return 0;
	}
	r = gr_gate_patch();
	if (r < 0) {
		/* Nobody but the main thread would be a greenlet: its calls may as well block in the kernel, as the other threads' do. */
		gr_warn("libc's system calls cannot be rewritten here (a security policy refuses it: run without that policy); the program's "
			"threads stay kernel threads and its calls go straight to the kernel", r);
		return 0;
	}
	gr_signal_start();
	gr_audit_go();
	c->gated = true;
	c->on = true;
	c->inside = GR_OUTSIDE;
	return 0;
}

int gr_init(char **env)
{
	int r = gr_init_unpatched(env);

	gr_carrier()->patched = gr_carrier()->gated;
	if (gr_carrier()->on)
		gr_preempt_start(env);
	return r;
}

void gr_forked_child(void)
{
	gr_threads_fork_begins();
	gr_sched_fork_child();
	gr_preempt_fork_child();
	gr_threads_fork_child();
	gr_fd_fork_child();
	gr_hub_fork_child();
	gr_signal_fork_child();
	gr_futex_reset();
	gr_standin_reset();
	gr_offload_reset();
	gr_mounts_fork_child();
	gr_uring_fork_child();
	gr_ring_forked();
	gr_dns_fork_child();
	gr_audit_fork_child();
	gr_deadlock_fork_child();
	gr_api_fork_child();
}
