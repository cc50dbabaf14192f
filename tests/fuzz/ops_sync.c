/*
 * ops_sync.c - locks, semaphores and queues: of pthreads, of the kernel, of System V and POSIX
 */
#include "fuzz.h"
#include <linux/futex.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

/* mutexes: normal, error checking, recursive, robust with priority inheritance */
static pthread_mutex_t mutexes[4];
static int held[4][THREADS];
static pthread_cond_t conds[4] = { PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER };
static pthread_rwlock_t rwlocks[4] = { PTHREAD_RWLOCK_INITIALIZER, PTHREAD_RWLOCK_INITIALIZER, PTHREAD_RWLOCK_INITIALIZER,
				       PTHREAD_RWLOCK_INITIALIZER };
static int rw_held[4][THREADS];
static sem_t sems[4];
static pthread_barrier_t barrier;
static uint32_t words[4];

__attribute__((constructor)) static void begin(void)
{
	pthread_mutexattr_t a;

	for (int i = 0; i < 4; i++) {
		pthread_mutexattr_init(&a);
		if (i == 1)
			pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
		if (i == 2)
			pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
		if (i == 3) {
			pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
			pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
			pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
		}
		pthread_mutex_init(&mutexes[i], &a);
		sem_init(&sems[i], 0, i == 3);
	}
	pthread_barrier_init(&barrier, NULL, 2);
}

/* A deadline of CLOCK_REALTIME: passed, soon, invalid, or never */
static struct timespec deadline(uint8_t b)
{
	struct timespec t = { 0, 0 };

	if (b % 4 == 0)
		return t;
	clock_gettime(CLOCK_REALTIME, &t);
	if (b % 4 == 1)
		t.tv_nsec += 2000000;
	else
		t.tv_sec += 3600;
	if (t.tv_nsec >= 1000000000)
		t.tv_nsec -= 1000000000, t.tv_sec++;
	if (b == 0xfe)
		t.tv_nsec = -1;
	return t;
}

static void op_lock(const struct step *s, struct result *r)
{
	int i = s->a % 4;
	struct timespec t = deadline(s->f);

	if (i == 0 && held[0][me]) {		/* for ever, and nobody else could help */
		DONE_P(r, pthread_mutex_trylock(&mutexes[0]));
		return;
	}
	if (s->b % 3 == 0)
		DONE_P(r, pthread_mutex_trylock(&mutexes[i]));
	else if (!endless(s->f))
		DONE_P(r, pthread_mutex_timedlock(&mutexes[i], &t));
	else
		DONE_P(r, pthread_mutex_lock(&mutexes[i]));
	held[i][me] += r->err == 0;
}

static void op_unlock(const struct step *s, struct result *r)
{
	int i = s->a % 4;

	if (i == 0 && !held[0][me])
		return;
	DONE_P(r, pthread_mutex_unlock(&mutexes[i]));
	held[i][me] -= r->err == 0;
}

/* with mutex 1, which tells who has it */
static void op_cond_wait(const struct step *s, struct result *r)
{
	struct timespec t = deadline(s->f);

	if (held[1][me] != 1) {
		r->ret = -2;
		return;
	}
	held[1][me] = 0;
	if (!endless(s->f))
		DONE_P(r, pthread_cond_timedwait(&conds[s->a % 4], &mutexes[1], &t));
	else
		DONE_P(r, pthread_cond_wait(&conds[s->a % 4], &mutexes[1]));
	held[1][me] = 1;
}

static void op_cond_wake(const struct step *s, struct result *r)
{
	if (s->b & 1)
		DONE_P(r, pthread_cond_signal(&conds[s->a % 4]));
	else
		DONE_P(r, pthread_cond_broadcast(&conds[s->a % 4]));
}

static void op_sem_wait(const struct step *s, struct result *r)
{
	struct timespec t = deadline(s->f);

	if (s->b % 3 == 0)
		DONE(r, sem_trywait(&sems[s->a % 4]));
	else if (!endless(s->f) || s->f == 0xfe)
		DONE(r, sem_timedwait(&sems[s->a % 4], &t));
	else
		DONE(r, sem_wait(&sems[s->a % 4]));
}

static void op_sem_post(const struct step *s, struct result *r)
{
	int value;

	DONE(r, sem_post(&sems[s->a % 4]));
	sem_getvalue(&sems[s->a % 4], &value);
}

static void op_rwlock(const struct step *s, struct result *r)
{
	int i = s->a % 4;
	struct timespec t = deadline(s->f);
	bool timed = !endless(s->f);

	if (rw_held[i][me]) {
		r->ret = -2;
		return;
	}
	switch (s->b % 4) {
	case 0: DONE_P(r, pthread_rwlock_tryrdlock(&rwlocks[i])); break;
	case 1: DONE_P(r, pthread_rwlock_trywrlock(&rwlocks[i])); break;
	case 2: DONE_P(r, timed ? pthread_rwlock_timedrdlock(&rwlocks[i], &t) : pthread_rwlock_rdlock(&rwlocks[i])); break;
	default: DONE_P(r, timed ? pthread_rwlock_timedwrlock(&rwlocks[i], &t) : pthread_rwlock_wrlock(&rwlocks[i])); break;
	}
	rw_held[i][me] = r->err == 0;
}

static void op_rwunlock(const struct step *s, struct result *r)
{
	int i = s->a % 4;

	if (!rw_held[i][me])
		return;
	rw_held[i][me] = 0;
	DONE_P(r, pthread_rwlock_unlock(&rwlocks[i]));
}

static void op_barrier(const struct step *s, struct result *r)
{
	(void)s;
	r->ret = pthread_barrier_wait(&barrier) ? 1 : 0;
	r->ret = 0;			/* who is the serial one is not promised */
}

/* On each word of both kinds, which do not meet */
static int privacy(uint8_t a)
{
	return a & 4 ? FUTEX_PRIVATE_FLAG : 0;
}

static void op_futex(const struct step *s, struct result *r)
{
	static const int calls[] = { FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_WAIT, 99 };
	struct timespec ts, *t = timeout_ts(s->f, &ts);
	int call = calls[s->b % LENGTH(calls)];
	void *word = s->c >= 0xfc ? (void *)(8l + (s->c & 1)) : s->c == 0xfb ? NULL : (void *)&words[s->a % 4];

	if (call == FUTEX_WAIT_BITSET && t == &ts && s->f % 4 == 1)
		clock_gettime(CLOCK_MONOTONIC, t), t->tv_sec -= t->tv_sec > 0;		/* an absolute one, over */
	DONE(r, syscall(SYS_futex, word, call | privacy(s->a), s->d & 1, t, NULL, s->e & 1 ? 1 : s->e == 0xfe ? 0 : ~0u));
}

static void op_futex_wake(const struct step *s, struct result *r)
{
	uint32_t *from = &words[s->a % 4], *to = &words[(s->a & 2) | (s->e & 1)];
	int private = privacy(s->a);

	if (s->d & 1)
		__atomic_store_n(from, s->d >> 7, __ATOMIC_SEQ_CST);
	switch (s->b % 7) {
	case 0: case 1: DONE(r, syscall(SYS_futex, from, FUTEX_WAKE | private, s->c % 3, NULL, NULL, 0)); break;
	case 2: DONE(r, syscall(SYS_futex, from, FUTEX_WAKE_BITSET | private, 1, NULL, NULL, s->c & 1 ? 1 : 6)); break;
	case 3: DONE(r, syscall(SYS_futex, from, FUTEX_WAKE_OP | private, 1, 1l, to, s->f & 1 ? 0x00001000 : 0x01001000)); break;
	case 4: DONE(r, syscall(SYS_futex, from, FUTEX_WAKE | private, -1, NULL, NULL, 0)); break;
	case 5: DONE(r, syscall(SYS_futex, from, FUTEX_CMP_REQUEUE | private, s->c & 1, 1l, to, s->f & 1)); break;
	default: DONE(r, syscall(SYS_futex, s->c & 1 ? buffer(s->c, 4, false) : from, FUTEX_WAKE | private, 1, NULL, NULL, 0)); break;
	}
}

static void op_semop(const struct step *s, struct result *r)
{
	struct timespec ts, *t = timeout_ts(s->f, &ts);
	struct sembuf ops[2] = { { (unsigned short)(s->a % 4), (short)(s->b % 3 == 0 ? 1 : s->b % 3 == 1 ? -1 : 0), s->c & 1 ? IPC_NOWAIT : 0 },
				 { s->d >= 0xf0 ? 99 : 3, 1, 0 } };
	size_t n = s->e == 0xff ? 100000 : s->e == 0xfe ? 0 : 1 + (s->e & 1);

	DONE(r, syscall(SYS_semtimedop, s->c == 0xff ? -1 : sysv_sems, s->c == 0xfe ? (void *)8 : ops, n, t));
}

static void op_msgsnd(const struct step *s, struct result *r)
{
	struct { long type; char text[256]; } m = { .type = s->b % 4, .text = { (char)s->c } };

	DONE(r, msgsnd(s->c == 0xff ? -1 : sysv_queue, s->c == 0xfe ? (void *)8 : (void *)&m, s->d < 0xf0 ? s->d : (size_t)-1, IPC_NOWAIT));
}

static void op_msgrcv(const struct step *s, struct result *r)
{
	struct { long type; char text[256]; } m = { 0 };

	DONE(r, msgrcv(sysv_queue, s->c == 0xfe ? (void *)8 : (void *)&m, s->c == 0xfd ? (size_t)-1 : s->c == 0xfc ? 1 : sizeof(m.text),
		       s->b % 4 - (s->b == 0xff ? 4 : 0), (s->d & 1 ? IPC_NOWAIT : 0) | (s->d & 2 ? MSG_NOERROR : 0)));
	if (r->ret >= 0)
		more(r, "type %ld %d", m.type, m.text[0]);
}

static void op_mq_send(const struct step *s, struct result *r)
{
	struct timespec t = deadline(s->f);
	char text[100];

	memset(text, s->b, sizeof(text));
	DONE(r, syscall(SYS_mq_timedsend, fd_of(s->a), s->c >= 0xf0 ? (void *)8 : text, s->b % 3 ? s->b % 65 : 65, s->d == 0xff ? 40000u : s->d % 3u,
			endless(s->f) && s->f != 0xfe ? NULL : &t));
}

static void op_mq_receive(const struct step *s, struct result *r)
{
	struct timespec t = deadline(s->f);
	unsigned priority = 0;
	char text[100] = { 0 };

	DONE(r, syscall(SYS_mq_timedreceive, fd_of(s->a), s->c >= 0xf0 ? (void *)8 : text, s->b == 0xff ? 10 : 64, &priority,
			endless(s->f) && s->f != 0xfe ? NULL : &t));
	took(r, text, r->ret);
	if (r->ret >= 0)
		more(r, "priority %u", priority);
}

/* At the end: what this thread has, it gives back, and what others may wait for, it gives away. */
static void op_release(const struct step *s, struct result *r)
{
	struct sembuf up = { 0, 10, 0 };

	(void)s;
	for (int i = 0; i < 4; i++) {
		while (held[i][me] > 0 && pthread_mutex_unlock(&mutexes[i]) == 0)
			held[i][me]--;
		if (rw_held[i][me])
			pthread_rwlock_unlock(&rwlocks[i]);
		rw_held[i][me] = 0;
		pthread_cond_broadcast(&conds[i]);
		sem_post(&sems[i]);
		syscall(SYS_futex, &words[i], FUTEX_WAKE, 100, NULL, NULL, 0);
		syscall(SYS_futex, &words[i], FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0);
		up.sem_num = (unsigned short)i;
		semop(sysv_sems, &up, 1);
	}
	r->ret = 0;
}

const struct op sync_ops[] = {
	{ "mutex_lock", op_lock, NAMED | TIMED, MUTEXES },
	{ "mutex_lock", op_lock, NAMED | TIMED, MUTEXES },
	{ "mutex_unlock", op_unlock, 0, 0 },
	{ "mutex_unlock", op_unlock, 0, 0 },
	{ "cond_wait", op_cond_wait, NAMED | TIMED, CONDS },
	{ "cond_wake", op_cond_wake, 0, 0 },
	{ "sem_wait", op_sem_wait, NAMED | TIMED, SEMS },
	{ "sem_post", op_sem_post, 0, 0 },
	{ "rwlock_lock", op_rwlock, NAMED | TIMED, RWLOCKS },
	{ "rwlock_unlock", op_rwunlock, 0, 0 },
	{ "barrier_wait", op_barrier, 0, 0 },
	{ "futex_wait", op_futex, NAMED | TIMED, WORDS },
	{ "futex_wake", op_futex_wake, 0, 0 },
	{ "semop", op_semop, NAMED | TIMED, SYSV_SEMS },
	{ "msgsnd", op_msgsnd, 0, 0 },
	{ "msgrcv", op_msgrcv, NAMED, SYSV_MSGS },
	{ "mq_send", op_mq_send, WRITES_A | TIMED, 0 },
	{ "mq_receive", op_mq_receive, READS_A | TIMED, 0 },
	{ NULL, NULL, 0, 0 },
};

const struct op release_op = { "release", op_release, 0, 0 };
