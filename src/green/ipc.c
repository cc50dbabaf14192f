/*
 * ipc.c - System V semaphores and message queues, POSIX message queues
 *
 * Tried without waiting; what would wait goes to an offload thread, where it stands among other processes' waiters as it should: those are
 * served in the order in which they came, and mq_notify() tells of no message for which a receiver waits.  POSIX queues are descriptors
 * that can be polled, and a call with a deadline long past is one that does not wait: so senders, of whom nobody can tell, are parked on that,
 * and receivers when there are too many for a thread each.
 */
#include "../clock.h"
#include "../fd.h"
#include "../offload.h"
#include "../raw.h"
#include "../signal.h"
#include "green.h"
#include <errno.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>

#define FEW_OPS		32	/* longer lists of semaphore operations go straight to an offload thread */

/* These calls are never restarted. */
static long not_restarted(long r)
{
	return r == -GR_ERESTART ? -EINTR : r;
}

/* --- semaphores --------------------------------------------------------------------------------------------------------------- */

/* How many of the operations say that they will not wait; -EFAULT */
static int copy_ops(const struct sembuf *ops, size_t n, struct sembuf *copy)
{
	int nowait = 0;

	if (gr_user_read(copy, ops, n * sizeof(*copy)) < 0)
		return -EFAULT;
	for (size_t i = 0; i < n; i++) {
		nowait += (copy[i].sem_flg & IPC_NOWAIT) != 0;
		copy[i].sem_flg |= IPC_NOWAIT;
	}
	return nowait;
}

/* Which of mixed operations would have to wait, the kernel does not say: then only it can tell EAGAIN from waiting. */
long green_semtimedop(int semid, struct sembuf *ops, size_t n, const struct timespec *timeout)
{
	struct sembuf copy[FEW_OPS];
	int nowait;
	long r;

	if (n == 0)
		return raw(SYS_semtimedop, semid, ops, n, timeout);
	if (n <= FEW_OPS) {
		nowait = copy_ops(ops, n, copy);
		if (nowait < 0 || (size_t)nowait == n)
			return raw(SYS_semtimedop, semid, ops, n, timeout);	/* EFAULT, EINVAL: in the kernel's order */
		if (nowait == 0) {
			r = raw(SYS_semtimedop, semid, copy, n, timeout);
			if (r != -EAGAIN)
				return r;
		}
	}
	return not_restarted(gr_offload(SYS_semtimedop, semid, (long)ops, (long)n, (long)timeout, 0, 0));
}

long green_semop(int semid, struct sembuf *ops, size_t n)
{
	return green_semtimedop(semid, ops, n, NULL);
}

/* --- message queues ------------------------------------------------------------------------------------------------------------ */

long green_msgsnd(int msqid, const void *msg, size_t size, int flags)
{
	long r = raw(SYS_msgsnd, msqid, msg, size, flags | IPC_NOWAIT);

	if (r != -EAGAIN || (flags & IPC_NOWAIT))
		return r;
	return not_restarted(gr_offload(SYS_msgsnd, msqid, (long)msg, (long)size, flags, 0, 0));
}

long green_msgrcv(int msqid, void *msg, size_t size, long type, int flags)
{
	long r;

	if (flags & MSG_COPY)
		return raw(SYS_msgrcv, msqid, msg, size, type, flags);	/* EINVAL without IPC_NOWAIT */
	r = raw(SYS_msgrcv, msqid, msg, size, type, flags | IPC_NOWAIT);
	if (r != -ENOMSG || (flags & IPC_NOWAIT))
		return r;
	return not_restarted(gr_offload(SYS_msgrcv, msqid, (long)msg, (long)size, type, flags, 0));
}

/* --- POSIX message queues -------------------------------------------------------------------------------------------------------- */

static const struct timespec long_past = { 0, 0 };

/* The program's absolute time, as the kernel checks it before all else. */
static int read_until(const struct timespec *until, gr_time *ret_at)
{
	struct timespec ts;

	*ret_at = GR_NEVER;
	if (!until)
		return 0;
	if (gr_user_read(&ts, until, sizeof(ts)) < 0)
		return -EFAULT;
	if (!gr_timespec_ok(&ts))
		return -EINVAL;
	*ret_at = gr_from_timespec(&ts);
	return 0;
}

struct mq_wait {
	struct gr_fd_wait fd;
	int dir;
	gr_time at;		/* on CLOCK_REALTIME */
};

/* The queue is full, or empty.  0: try again. */
static long mq_park(struct mq_wait *w)
{
	gr_time deadline = w->at == GR_NEVER ? GR_NEVER : gr_deadline_on(CLOCK_REALTIME, w->at);
	struct gr_fd *f = gr_fd_get(w->fd.fd);
	int r;

	if (deadline <= gr_now())
		return -ETIMEDOUT;
	if (f)
		f->kind = GR_KIND_POLL;		/* to fstat() it looks like a regular file */
	r = gr_fd_wait(&w->fd, w->dir, deadline);
	return r == -ETIMEDOUT ? 0 : r == -EINTR ? -GR_ERESTART : r;
}

long green_mq_timedsend(int mq, const char *msg, size_t size, unsigned prio, const struct timespec *until)
{
	struct mq_wait w = { .fd.fd = mq, .dir = GR_WRITE };
	long r = read_until(until, &w.at), n;

	if (r < 0)
		return r;
	do
		n = raw(SYS_mq_timedsend, w.fd.fd, msg, size, prio, &long_past);
	while (n == -ETIMEDOUT && (r = mq_park(&w)) == 0);
	gr_fd_wait_end(&w.fd);
	return n == -ETIMEDOUT ? r : n;
}

static bool room_for_receiver(void)
{
	struct gr_offload_stats stats;

	gr_offload_get_stats(&stats);
	return stats.threads - stats.idle + stats.queued < gr_offload_max[0];
}

long green_mq_timedreceive(int mq, char *msg, size_t size, unsigned *prio, const struct timespec *until)
{
	struct mq_wait w = { .fd.fd = mq, .dir = GR_READ };
	long r = read_until(until, &w.at), n;

	if (r < 0)
		return r;
	n = raw(SYS_mq_timedreceive, mq, msg, size, prio, &long_past);
	if (n == -ETIMEDOUT && (w.at == GR_NEVER || gr_deadline_on(CLOCK_REALTIME, w.at) > gr_now()) && room_for_receiver())
		return gr_offload(SYS_mq_timedreceive, mq, (long)msg, (long)size, (long)prio, (long)until, 0);
	while (n == -ETIMEDOUT && (r = mq_park(&w)) == 0)
		n = raw(SYS_mq_timedreceive, w.fd.fd, msg, size, prio, &long_past);
	gr_fd_wait_end(&w.fd);
	return n == -ETIMEDOUT ? r : n;
}
