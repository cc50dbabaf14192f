/*
 * signal_native.c - kernel threads of the program's: their handlers, and what they do to greenlets
 *
 * They share the table of actions, so their sigaction() is ours too, and the kernel enters their handlers through us; their masks and
 * pending signals are the kernel's.  What one sends to a greenlet's tid goes to the carrier as a note.
 */
#include "signal_parts.h"
#include "hub.h"
#include "standin.h"
#include <linux/futex.h>

#define NOTES	64

struct note {
	struct gr_note note;
	uint32_t state;			/* atomic: FREE, TAKEN */
	int tid;
	siginfo_t info;
};

enum { FREE, TAKEN };

static struct note notes[NOTES];

/* --- handlers ----------------------------------------------------------------------------------------------------------------- */

static void set_mask(uint64_t mask)
{
	raw(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
}

/* Nothing of ours may be touched: it may be a vfork child, which runs in our memory. */
void gr_signal_on_native(int sig, siginfo_t *info, ucontext_t *uc)
{
	struct gr_action a = gr_signal_get_action(sig);
	bool own = (int)raw(SYS_getpid) == gr_carrier()->pid;
	uint64_t mask;

	if (gr_signal_is_fault(sig, info) && gr_signal_mend_copy(uc))
		return;
	if (sig == SIGSYS && gr_offload_is_thread()) {
		uc->uc_mcontext.gregs[REG_RAX] = -GR_ETRAPPED;
		return;
	}
	if (!gr_signal_has_handler(sig)) {
		if (!gr_signal_ignored(sig) || gr_signal_is_fault(sig, info))
			gr_signal_fatal(sig, info);
		return;
	}
	memcpy(&mask, &uc->uc_sigmask, sizeof(mask));
	if ((a.flags & SA_RESETHAND) && own)
		gr_signal_reset(sig);
	mask |= a.mask | (a.flags & SA_NODEFER ? 0 : GR_SIGBIT(sig));
	set_mask(mask);
	a.handler(sig, info, uc);
	set_mask(ALL_SIGNALS);
}

/* --- to greenlets --------------------------------------------------------------------------------------------------------------- */

/* On the carrier, in the hub */
static void deliver(struct gr_note *note)
{
	struct note *n = gr_container(note, struct note, note);
	struct gr_greenlet *g = gr_find_tid(n->tid);

	if (g)
		gr_signal_send(g, n->info.si_signo, &n->info);
	__atomic_store_n(&n->state, FREE, __ATOMIC_RELEASE);
	raw(SYS_futex, &n->state, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
}

static struct note *take_note(void)
{
	for (size_t i = 0;; i = (i + 1) % NOTES) {
		if (__atomic_compare_exchange_n(&notes[i].state, &(uint32_t){ FREE }, TAKEN, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return &notes[i];
		if (i == NOTES - 1)
			raw(SYS_futex, &notes[0].state, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, TAKEN, 0);
	}
}

static long send(int tid, int sig, const siginfo_t *info)
{
	struct note *n;

	if (sig < 0 || sig >= GR_NSIG)
		return -EINVAL;
	if (tid >= GR_FIRST_TID && !gr_find_tid(tid))
		return -ESRCH;
	if (sig == SIGKILL || sig == SIGSTOP)
		return raw(SYS_tgkill, gr_carrier()->pid, gr_carrier()->tid, sig);
	if (!sig)
		return 0;
	n = take_note();
	n->tid = tid;
	n->info = *info;
	n->info.si_signo = sig;
	n->note.fn = deliver;
	gr_post(&n->note);
	return 0;
}

static bool is_greenlets(long tid)
{
	return tid >= GR_FIRST_TID || gr_standin_is((int)tid);
}

bool gr_signal_is_native_call(long nr, long a, long b)
{
	if (nr == SYS_tkill)
		return is_greenlets(a);
	return nr == SYS_rt_sigaction || ((nr == SYS_tgkill || nr == SYS_rt_tgsigqueueinfo) && a == gr_carrier()->pid && is_greenlets(b));
}

/* The threads that had taken notes are not here. */
void gr_signal_native_fork_child(void)
{
	for (size_t i = 0; i < NOTES; i++)
		if (notes[i].state != FREE)		/* the kernel copies each page that is written */
			notes[i].state = FREE;
}

long gr_signal_native(long nr, long a, long b, long d, long e)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_code = SI_TKILL;
	info.si_pid = gr_carrier()->pid;
	info.si_uid = (uid_t)raw(SYS_getuid);
	switch (nr) {
	case SYS_rt_sigaction:
		return e == 8 ? gr_signal_action((int)a, (const struct gr_action *)b, (struct gr_action *)d) : -EINVAL;
	case SYS_tkill:
		return send((int)a, (int)b, &info);
	case SYS_tgkill:
		return send((int)b, (int)d, &info);
	default:
		if (gr_user_read(&info, (const void *)e, sizeof(info)) < 0)
			return -EFAULT;
		return send((int)b, (int)d, &info);
	}
}
