/* ipc.c - System V semaphores and message queues, POSIX message queues: waiting, being woken, being interrupted, removal */
#include "t.h"
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

static int sem, msgs, parked, handled;
static mqd_t mq;

struct message {
	long type;
	char text[64];
};

static void on_usr1(int sig)
{
	(void)sig;
	t_set(&handled, 1);
}

static int op(int n, int flags)
{
	struct sembuf s = { 0, (short)n, (short)flags };

	return semop(sem, &s, 1);
}

static void *signal_it(void *main_thread)
{
	msleep(30);
	pthread_kill(*(pthread_t *)main_thread, SIGUSR1);
	return NULL;
}

#define INTERRUPTED(what, call) do {				\
	pthread_t self_ = pthread_self(), t_;			\
	t_set(&handled, 0);					\
	t_ = start(signal_it, &self_);				\
	R(what, call);						\
	say("    handled %d", t_get(&handled));			\
	join(t_);						\
} while (0)

/* --- semaphores --- */

static void *up_soon(void *arg)
{
	(void)arg;
	msleep(20);
	MUST(op(1, 0));
	return NULL;
}

static void *down(void *arg)
{
	(void)arg;
	t_here(&parked);
	return op(-1, 0) == 0 ? NULL : (void *)(intptr_t)errno;
}

static void semaphores(void)
{
	struct sembuf two[2] = { { 0, 1, 0 }, { 0, -1, IPC_NOWAIT } };
	pthread_t t;

	say("-- semaphores");
	sem = MUST(semget(IPC_PRIVATE, 1, 0600));
	R("up", op(1, 0));
	R("down", op(-1, 0));
	R("down, no waiting", op(-1, IPC_NOWAIT));
	R("up and down", semop(sem, two, 2));
	R("wait for zero", op(0, 0));
	R("20 ms", semtimedop(sem, &(struct sembuf){ 0, -1, 0 }, 1, &(struct timespec){ 0, 20000000 }));
	R("bad time", semtimedop(sem, &(struct sembuf){ 0, -1, 0 }, 1, &(struct timespec){ 0, -1 }));
	R("bad time pointer", semtimedop(sem, &(struct sembuf){ 0, -1, 0 }, 1, T_BAD));
	R("bad pointer", semop(sem, T_BAD, 1));
	R("none", semop(sem, two, 0));
	R("too many", semop(sem, two, 100000));
	R("no such semaphore", semop(sem, &(struct sembuf){ 7, -1, 0 }, 1));
	t = start(up_soon, NULL);
	R("woken", op(-1, 0));
	join(t);
	parked = 0;
	t = start(down, NULL);
	wait_parked(&parked);
	R("value", semctl(sem, 0, GETVAL));
	R("waiters", semctl(sem, 0, GETNCNT));
	R("up", op(1, 0));
	say("the waiter: %s", t_errname((int)(intptr_t)join(t)));
	INTERRUPTED("interrupted", op(-1, 0));
	parked = 0;
	t = start(down, NULL);
	wait_parked(&parked);
	R("remove", semctl(sem, 0, IPC_RMID));
	say("the waiter: %s", t_errname((int)(intptr_t)join(t)));
}

/* --- messages --- */

static void *send_soon(void *arg)
{
	struct message m = { 5, "later" };

	(void)arg;
	msleep(20);
	MUST(msgsnd(msgs, &m, 6, 0));
	return NULL;
}

static void *take_all(void *arg)
{
	struct message m;
	long n = 0;

	(void)arg;
	msleep(20);
	while (msgrcv(msgs, &m, sizeof(m.text), 0, IPC_NOWAIT) != -1)
		n++;
	return (void *)n;
}

static void messages(void)
{
	struct message m = { 3, "hello" };
	pthread_t t;

	say("-- messages");
	msgs = MUST(msgget(IPC_PRIVATE, 0600));
	R("send", msgsnd(msgs, &m, 6, 0));
	R("receive", msgrcv(msgs, &m, sizeof(m.text), 0, 0));
	R("receive, no waiting", msgrcv(msgs, &m, sizeof(m.text), 0, IPC_NOWAIT));
	m.type = 1;
	MUST(msgsnd(msgs, &m, 64, 0));
	R("too long", msgrcv(msgs, &m, 3, 0, 0));
	R("cut", msgrcv(msgs, &m, 3, 0, MSG_NOERROR));
	m.type = -1;
	R("bad type", msgsnd(msgs, &m, 3, 0));
	R("bad pointer", msgsnd(msgs, T_BAD, 3, 0));
	m.type = 1;
	t = start(send_soon, NULL);
	R("the right type", msgrcv(msgs, &m, sizeof(m.text), 5, 0));
	say("    %ld %s", m.type, m.text);
	join(t);
	INTERRUPTED("interrupted", msgrcv(msgs, &m, sizeof(m.text), 0, 0));
	while (msgsnd(msgs, &m, 64, IPC_NOWAIT) == 0)
		continue;
	INTERRUPTED("interrupted, full", msgsnd(msgs, &m, 64, 0));
	t = start(take_all, NULL);
	R("room after a while", msgsnd(msgs, &m, 64, 0));
	join(t);
	R("remove", msgctl(msgs, IPC_RMID, NULL));
	R("gone", msgrcv(msgs, &m, 64, 0, 0));
}

/* --- POSIX --- */

static void *mq_send_soon(void *arg)
{
	(void)arg;
	msleep(20);
	MUST(mq_send(mq, "later", 5, 7));
	return NULL;
}

static void *mq_send_later(void *arg)
{
	msleep(60);
	return mq_send_soon(arg);
}

static void *mq_take_soon(void *arg)
{
	char buf[16];

	(void)arg;
	msleep(20);
	MUST(mq_receive(mq, buf, sizeof(buf), NULL));
	return NULL;
}

static struct timespec in_ms(int ms)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += ms * 1000000L;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

static void queues(void)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 16 };
	struct sigaction sa = { .sa_handler = on_usr1, .sa_flags = SA_RESTART };
	struct timespec soon;
	char name[40], buf[16];
	unsigned prio;
	pthread_t t;

	say("-- queues");
	snprintf(name, sizeof(name), "/grove-ipc-%d", getpid());
	mq = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
	if (mq == (mqd_t)-1) {
		say("there are none here");
		return;
	}
	soon = in_ms(20);
	R("empty, 20 ms", mq_timedreceive(mq, buf, 16, &prio, &soon));
	R("empty, past", mq_timedreceive(mq, buf, 16, &prio, &(struct timespec){ 1, 0 }));
	R("bad time", mq_timedreceive(mq, buf, 16, &prio, &(struct timespec){ 0, -1 }));
	R("small buffer", mq_receive(mq, buf, 1, &prio));
	t = start(mq_send_soon, NULL);
	R("woken", mq_receive(mq, buf, 16, &prio));
	say("    %.5s %u", buf, prio);
	join(t);
	R("send", mq_send(mq, "a", 1, 1));
	soon = in_ms(20);
	R("full, 20 ms", mq_timedsend(mq, "b", 1, 1, &soon));
	t = start(mq_take_soon, NULL);
	R("room after a while", mq_send(mq, "b", 1, 1));
	join(t);
	R("receive", mq_receive(mq, buf, 16, NULL));
	INTERRUPTED("interrupted", mq_receive(mq, buf, 16, &prio));
	sigaction(SIGUSR1, &sa, NULL);
	t = start(mq_send_later, NULL);
	INTERRUPTED("restarted", mq_receive(mq, buf, 16, &prio));
	join(t);
	mq_close(mq);
	mq_unlink(name);
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_usr1 };

	t_begin();
	sigaction(SIGUSR1, &sa, NULL);
	semaphores();
	messages();
	queues();
	return 0;
}
