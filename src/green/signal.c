/*
 * signal.c - system calls about signals: actions, masks, sending, waiting for
 */
#include "green.h"
#include "poller.h"
#include "../hub.h"
#include "../offload.h"
#include "../preempt.h"
#include "../raw.h"
#include "../sched.h"
#include "../signal.h"
#include <errno.h>
#include <signal.h>
#include <string.h>

#define SETSIZE 8

long green_rt_sigaction(int sig, const struct gr_action *act, struct gr_action *old, size_t size)
{
	struct gr_action copy;

	if (size != SETSIZE)
		return -EINVAL;
	if (act && gr_user_read(&copy, act, sizeof(copy)) < 0)
		return -EFAULT;		/* before anything is said about the number */
	return gr_signal_action(sig, act ? &copy : NULL, old);
}

long green_rt_sigprocmask(int how, const uint64_t *set, uint64_t *old, size_t size)
{
	struct gr_greenlet *g = gr_carrier()->current;
	uint64_t was = g->sigmask, now;

	if (size != SETSIZE)
		return -EINVAL;
	if (set) {
		if (gr_user_read(&now, set, sizeof(now)) < 0)
			return -EFAULT;
		if (GR_UNLIKELY(g->makes_thread) && how == SIG_BLOCK && now == ~0ull) {
			g->makes_thread = false;
			gr_signal_block_for_clone();
		} else if (how == SIG_BLOCK)
			gr_signal_set_mask(was | now);
		else if (how == SIG_UNBLOCK)
			gr_signal_set_mask(was & ~now);
		else if (how == SIG_SETMASK)
			gr_signal_set_mask(now);
		else
			return -EINVAL;
	}
	return old ? gr_user_write(old, &was, sizeof(was)) : 0;
}

long green_rt_sigpending(uint64_t *set, size_t size)
{
	struct gr_greenlet *g = gr_carrier()->current;
	uint64_t pending = 0;

	if (size > SETSIZE)
		return -EINVAL;
	raw(SYS_rt_sigpending, &pending, SETSIZE);
	pending = (pending | gr_signal_pending_set(g) | gr_signal_nobodys()) & g->sigmask;
	return gr_user_write(set, &pending, size);
}

/* --- sending ---------------------------------------------------------------------------------------------------------------- */

static siginfo_t from_us(int sig, int code)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = sig;
	info.si_code = code;
	info.si_pid = gr_carrier()->pid;
	info.si_uid = (uid_t)raw(SYS_getuid);
	return info;
}

static long send_to(int tid, int sig, const siginfo_t *info)
{
	struct gr_greenlet *g = gr_find_tid(tid);

	if (!g)
		return -ESRCH;
	if (sig < 0 || sig >= GR_NSIG)
		return -EINVAL;
	if (sig == SIGKILL || sig == SIGSTOP)		/* the whole process's, at once */
		return raw(SYS_tgkill, gr_carrier()->pid, gr_carrier()->tid, sig);
	return sig ? gr_signal_send(g, sig, info) : 0;
}

long green_tgkill(int tgid, int tid, int sig)
{
	siginfo_t info = from_us(sig, SI_TKILL);

	if (tgid != gr_carrier()->pid || !gr_find_tid(tid))
		return raw(SYS_tgkill, tgid, tid, sig);
	return send_to(tid, sig, &info);
}

long green_tkill(int tid, int sig)
{
	siginfo_t info = from_us(sig, SI_TKILL);

	return gr_find_tid(tid) ? send_to(tid, sig, &info) : raw(SYS_tkill, tid, sig);
}

long green_rt_tgsigqueueinfo(int tgid, int tid, int sig, const siginfo_t *info)
{
	siginfo_t copy;

	if (tgid != gr_carrier()->pid || !gr_find_tid(tid))
		return raw(SYS_rt_tgsigqueueinfo, tgid, tid, sig, info);
	if (gr_user_read(&copy, info, sizeof(copy)) < 0)
		return -EFAULT;
	return send_to(tid, sig, &copy);
}

/* The number of a process; that of any of its threads will do. */
static int process_of(int pid)
{
	return pid >= GR_FIRST_TID && gr_find_tid(pid) ? gr_carrier()->pid : pid;
}

long green_kill(int pid, int sig)
{
	return raw(SYS_kill, process_of(pid), sig);
}

long green_rt_sigqueueinfo(int pid, int sig, const siginfo_t *info)
{
	return raw(SYS_rt_sigqueueinfo, process_of(pid), sig, info);
}

/* --- waiting ---------------------------------------------------------------------------------------------------------------- */

/* A handler ran, or -EINTR is what there is to say: the kernel's ERESTARTNOHAND. */
static long wait_for_handler(void)
{
	int r;

	do
		r = gr_park("signal", GR_NEVER, GR_PARK_INTR);
	while (r == 0);
	return r;
}

long green_pause(void)
{
	return wait_for_handler();
}

long green_rt_sigsuspend(const uint64_t *set, size_t size)
{
	uint64_t mask;

	if (size != SETSIZE)
		return -EINVAL;
	if (gr_user_read(&mask, set, sizeof(mask)) < 0)
		return -EFAULT;
	gr_signal_set_mask_until_return(mask);
	return wait_for_handler();
}

/* Never restarted.  Where grove's own signalfd cannot be made, signals to the process are taken by an offload thread's call. */
long green_rt_sigtimedwait(const uint64_t *set, siginfo_t *info, const struct timespec *timeout, size_t size)
{
	gr_time deadline;
	siginfo_t got;
	uint64_t mask;
	long r;

	if (size != SETSIZE)
		return -EINVAL;
	if (gr_user_read(&mask, set, sizeof(mask)) < 0)
		return -EFAULT;
	r = gr_poller_deadline(timeout, &deadline);
	if (r < 0)
		return r;
	r = gr_signal_wait(mask, &got, deadline);
	if (r > 0 && info && gr_user_write(info, &got, sizeof(got)) < 0)
		return -EFAULT;
	if (r > 0 || r == -EAGAIN || r == -EINTR || r == -GR_EBROKEN)
		return r;
	r = gr_offload(SYS_rt_sigtimedwait, (long)set, (long)info, (long)timeout, (long)size, 0, 0);
	return r == -GR_ERESTART ? -EINTR : r;
}

/* --- signalfd ----------------------------------------------------------------------------------------------------------------- */

long green_signalfd4(int fd, const uint64_t *mask, size_t size, int flags)
{
	long r = gr_is_own_fd(fd) ? -EBADF : raw(SYS_signalfd4, fd, mask, size, flags);

	if (r >= 0)
		gr_signal_fd_made();
	return r;
}

long green_signalfd(int fd, const uint64_t *mask, size_t size)
{
	return green_signalfd4(fd, mask, size, 0);
}

/* --- timers ------------------------------------------------------------------------------------------------------------------- */

#define SIGEV_TID(ev) ((ev)->_sigev_un._tid)

/* Where @event says so, or is NULL, the process gets a signal */
static long create_for_process(clockid_t clock, const struct sigevent *event, int sig, int *ret_id)
{
	long r = gr_signal_timer_room();
	int id;

	if (r < 0)
		return r;
	r = raw(SYS_timer_create, clock, event, ret_id);
	if (r == 0 && gr_user_read(&id, ret_id, sizeof(id)) == 0)
		gr_signal_timer_of_process(id, sig);
	return r;
}

long green_timer_create(clockid_t clock, const struct sigevent *event, int *ret_id)
{
	struct gr_carrier *c = gr_carrier();
	struct sigevent ev;
	int tid, id;
	long r;

	if (!event)
		return create_for_process(clock, NULL, SIGALRM, ret_id);
	if (gr_user_read(&ev, event, sizeof(ev)) < 0)
		return -EFAULT;
	if (ev.sigev_notify == SIGEV_SIGNAL)
		return create_for_process(clock, event, ev.sigev_signo, ret_id);
	if (ev.sigev_notify != SIGEV_THREAD_ID)
		return raw(SYS_timer_create, clock, event, ret_id);
	tid = SIGEV_TID(&ev);
	if (!gr_find_tid(tid))
		return raw(SYS_timer_create, clock, event, ret_id);
	r = gr_signal_timer_begin(ev.sigev_signo);
	if (r < 0)
		return r;
	SIGEV_TID(&ev) = c->tid;
	r = raw(SYS_timer_create, clock, &ev, ret_id);
	if (r == 0 && gr_user_read(&id, ret_id, sizeof(id)) == 0)
		gr_signal_timer_made(id, ev.sigev_signo, tid);
	return r;
}

long green_timer_delete(int id)
{
	long r = gr_preempt_is_timer(id) ? -EINVAL : raw(SYS_timer_delete, id);

	if (r == 0)
		gr_signal_timer_gone(id);
	return r;
}

long green_timer_settime(int id, int flags, const struct itimerspec *at, struct itimerspec *was)
{
	long r;

	if (gr_preempt_is_timer(id))
		return -EINVAL;
	gr_signal_block_all();		/* what comes from now on is the new time's */
	gr_signal_collect_closed();
	r = raw(SYS_timer_settime, id, flags, at, was);
	if (r == 0)
		gr_signal_timer_set(id);
	gr_signal_inexact();
	return r;
}

long green_timer_gettime(int id, struct itimerspec *left)
{
	return gr_preempt_is_timer(id) ? -EINVAL : raw(SYS_timer_gettime, id, left);
}

long green_timer_getoverrun(int id)
{
	int overrun = gr_signal_timer_overrun(id);

	return overrun >= 0 ? overrun : gr_preempt_is_timer(id) ? -EINVAL : raw(SYS_timer_getoverrun, id);
}

/* --- the alternate stack ------------------------------------------------------------------------------------------------------ */

static void altstack_is_set(struct gr_carrier *c, struct gr_greenlet *g)
{
	raw(SYS_sigaltstack, 0, &g->altstack);
	g->altstack.ss_flags &= ~SS_ONSTACK;
	c->altstack_of = g;
}

/* Nobody has had one yet: what the kernel has is ours. */
static long first_altstack(struct gr_carrier *c, struct gr_greenlet *g, const stack_t *ss, stack_t *old)
{
	stack_t none = g->altstack;
	long r;

	if (ss) {
		r = raw(SYS_sigaltstack, ss, 0);
		if (r < 0)
			return r;
		gr_signal_altstack_replaced();
		altstack_is_set(c, g);
	}
	return old ? gr_user_write(old, &none, sizeof(none)) : 0;
}

long green_sigaltstack(const stack_t *ss, stack_t *old)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *g = c->current;
	long r;

	if (gr_signal_altstack_lent())
		return first_altstack(c, g, ss, old);
	if (c->altstack_of && c->altstack_of != g)
		gr_signal_altstack(g);
	r = raw(SYS_sigaltstack, ss, old);
	if (r == 0 && ss)
		altstack_is_set(c, g);
	return r;
}
