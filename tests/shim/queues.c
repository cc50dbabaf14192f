/* queues.c - System V and POSIX queues and semaphores with many waiting: what is removed, told of, undone; and between processes */
#include "mixed.h"
#include <mqueue.h>
#include <semaphore.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#define MANY	40

static int id;

/* --- waiters of a thing that is removed ------------------------------------------------------------------------------------- */

static int ready;

struct message {
	long type;
	char text[8000];
};

static void *down(void *arg)
{
	struct sembuf op = { 0, -1, 0 };

	(void)arg;
	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	return (void *)(intptr_t)(semop(id, &op, 1) == -1 ? errno : 0);
}

static void *down_timed(void *arg)
{
	struct sembuf op = { 0, -1, 0 };
	struct timespec t = { 0, 20000000 };

	(void)arg;
	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	return (void *)(intptr_t)(semtimedop(id, &op, 1, &t) == -1 ? errno : 0);
}

static void *receive(void *arg)
{
	struct message m;

	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	return (void *)(intptr_t)(msgrcv(id, &m, sizeof(m.text), (long)(intptr_t)arg, 0) == -1 ? errno : 0);
}

static void *send_much(void *arg)
{
	struct message m = { .type = 1 };

	(void)arg;
	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	return (void *)(intptr_t)(msgsnd(id, &m, sizeof(m.text), 0) == -1 ? errno : 0);
}

static void start_many(pthread_t *t, void *(*fn)(void *))
{
	ready = 0;
	for (int i = 0; i < MANY; i++)
		t[i] = start(fn, (void *)(intptr_t)(i + 1));
	t_until(&ready, MANY);
	msleep(30);
}

/* How many ended with 0, and how many with @err */
static void join_many(const char *what, pthread_t *t, int err)
{
	int well = 0, so = 0;

	for (int i = 0; i < MANY; i++) {
		int e = (int)(intptr_t)join(t[i]);

		well += e == 0;
		so += e == err;
	}
	say("%s: %d well, %d %s", what, well, so, t_errname(err));
}

static void removed(void)
{
	struct sembuf up = { 0, 5, 0 };
	struct message m = { .type = 7 };
	pthread_t t[MANY];

	say("-- removed while others wait");
	id = MUST(semget(IPC_PRIVATE, 1, 0600));
	start_many(t, down);
	MUST(semop(id, &up, 1));
	msleep(20);
	R("waiting", semctl(id, 0, GETNCNT));
	MUST(semctl(id, 0, IPC_RMID));
	join_many("semaphore", t, EIDRM);

	id = MUST(semget(IPC_PRIVATE, 1, 0600));
	start_many(t, down_timed);
	join_many("semaphore, 20 ms", t, EAGAIN);
	MUST(semctl(id, 0, IPC_RMID));

	id = MUST(msgget(IPC_PRIVATE, 0600));
	start_many(t, receive);
	MUST(msgsnd(id, &m, 1, 0));		/* for the one who waits for this type */
	msleep(20);
	MUST(msgctl(id, IPC_RMID, NULL));
	join_many("queue", t, EIDRM);

	id = MUST(msgget(IPC_PRIVATE, 0600));
	while (msgsnd(id, &m, sizeof(m.text), IPC_NOWAIT) == 0)
		continue;
	start_many(t, send_much);
	MUST(msgrcv(id, &m, sizeof(m.text), 0, 0));
	msleep(20);
	MUST(msgctl(id, IPC_RMID, NULL));
	join_many("full queue", t, EIDRM);
}

/* --- undone --------------------------------------------------------------------------------------------------------------------- */

static void *take_for_good(void *arg)
{
	struct sembuf op = { 0, -1, SEM_UNDO };

	(void)arg;
	MUST(semop(id, &op, 1));
	return NULL;
}

/* What a thread takes belongs to the process: its end gives nothing back, that of the process does. */
static void undone(void)
{
	struct sembuf op = { 0, -1, SEM_UNDO };
	int p[2];
	char c;

	say("-- undone");
	id = MUST(semget(IPC_PRIVATE, 1, 0600));
	MUST(semctl(id, 0, SETVAL, 3));
	must_pipe(p);
	pid_t pid = (pid_t)MUST(fork());
	if (pid == 0) {
		join(start(take_for_good, NULL));
		join(start(take_for_good, NULL));
		MUST(semop(id, &op, 1));
		MUST(write(p[1], "x", 1));
		MUST(semop(id, &op, 1));	/* waits */
		_exit(0);
	}
	MUST(read(p[0], &c, 1));
	R("taken", semctl(id, 0, GETVAL));
	MUST(kill(pid, SIGKILL));
	say("child %d", t_reap(pid));
	R("given back", semctl(id, 0, GETVAL));
	MUST(semctl(id, 0, IPC_RMID));
	close2(p);
}

/* --- POSIX queues --------------------------------------------------------------------------------------------------------------- */

static mqd_t mq;
static char name[40];
static int told, place;

static void on_told(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	told += info->si_code == SI_MESGQ && info->si_value.sival_int == 5;
}

static void in_thread(union sigval v)
{
	char buf[16];

	say("told in a thread: %d", v.sival_int);
	R("it takes", mq_receive(mq, buf, 16, NULL));
	t_set(&told, 100);
}

static void *take_one(void *arg)
{
	char buf[16] = "";

	(void)arg;
	t_here(&place);
	MUST(mq_receive(mq, buf, 16, NULL));
	return (void *)(intptr_t)buf[0];
}

static int ask(int notify)
{
	struct sigevent ev = { .sigev_notify = notify, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 5 };

	if (notify == SIGEV_THREAD)
		ev.sigev_notify_function = in_thread;
	return mq_notify(mq, &ev);
}

static void notified(void)
{
	struct sigaction sa = { .sa_sigaction = on_told, .sa_flags = SA_SIGINFO };
	struct mq_attr attr = { .mq_maxmsg = 5, .mq_msgsize = 16 };
	unsigned prio;
	char buf[16] = "";
	pthread_t t;

	say("-- told of a message");
	snprintf(name, sizeof(name), "/grove-queues-%d", getpid());
	mq = mq_open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600, &attr);
	if (mq == (mqd_t)-1) {
		say("there are none here");
		return;
	}
	sigaction(SIGUSR1, &sa, NULL);
	R("ask", ask(SIGEV_SIGNAL));
	R("ask again", ask(SIGEV_SIGNAL));
	R("take it back", mq_notify(mq, NULL));
	R("ask", ask(SIGEV_SIGNAL));
	MUST(mq_send(mq, "a", 1, 3));
	say("told %d", told);
	R("ask, not empty", ask(SIGEV_SIGNAL));
	MUST(mq_send(mq, "b", 1, 9));
	say("told %d", told);
	for (int i = 0; i < 2; i++) {
		MUST(mq_receive(mq, buf, 16, &prio));
		say("%c %u", buf[0], prio);
	}
	MUST(mq_send(mq, "c", 1, 0));
	say("told %d", told);
	MUST(mq_receive(mq, buf, 16, NULL));

	place = 0;
	t = start(take_one, NULL);
	wait_parked(&place);
	R("ask, somebody waits", ask(SIGEV_SIGNAL));
	MUST(mq_send(mq, "d", 1, 0));
	say("who waits gets %c, told %d", (int)(intptr_t)join(t), told);
	MUST(mq_send(mq, "e", 1, 0));
	say("told %d", told);
	MUST(mq_receive(mq, buf, 16, NULL));

	told = 0;
	R("ask for a thread", ask(SIGEV_THREAD));
	MUST(mq_send(mq, "f", 1, 0));
	t_until(&told, 100);
	MUST(mq_setattr(mq, &(struct mq_attr){ .mq_flags = O_NONBLOCK }, NULL));
	R("O_NONBLOCK, empty", mq_receive(mq, buf, 16, NULL));
	for (int i = 0; i < 5; i++)
		MUST(mq_send(mq, "g", 1, (unsigned)i));
	R("O_NONBLOCK, full", mq_send(mq, "g", 1, 0));
	MUST(mq_close(mq));
	MUST(mq_unlink(name));
}

/* --- between processes ----------------------------------------------------------------------------------------------------------- */

static struct region {
	int sem, msg, shm;
	char name[40];
	int got;
} *r;

/* In System V memory, and by a name */
static sem_t *attached, *named[2];

#define ROUNDS	50

static void *play(void *arg)
{
	bool first = arg != NULL;
	struct sembuf down = { first ? 0 : 1, -1, 0 }, up = { first ? 1 : 0, 1, 0 };
	struct message m = { .type = 1 };
	char c[16] = "x";

	for (int i = 0; i < ROUNDS; i++) {
		MUST(semop(r->sem, &down, 1));
		r->got++;
		MUST(semop(r->sem, &up, 1));
	}
	for (int i = 0; i < ROUNDS; i++) {
		if (first) {
			m.type = 1;
			MUST(msgsnd(r->msg, &m, 1, 0));
			MUST(msgrcv(r->msg, &m, 1, 2, 0));
			MUST(mq_send(mq, c, 1, 0));
		} else {
			MUST(msgrcv(r->msg, &m, 1, 1, 0));
			m.type = 2;
			MUST(msgsnd(r->msg, &m, 1, 0));
			MUST(mq_receive(mq, c, 16, NULL));
		}
		__atomic_add_fetch(&r->got, 1, __ATOMIC_SEQ_CST);
	}
	for (int i = 0; i < ROUNDS; i++) {
		MUST(sem_wait(&attached[!first]));
		MUST(sem_post(&attached[first]));
		MUST(sem_wait(named[!first]));
		MUST(sem_post(named[first]));
		__atomic_add_fetch(&r->got, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

/* The first one's is up. */
static void open_all(void)
{
	char text[60];

	mq = (mqd_t)MUST(mq_open(r->name, O_RDWR));
	attached = (sem_t *)MUST(shmat(r->shm, NULL, 0));
	for (int i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "%s-%d", r->name, i);
		named[i] = sem_open(text, 0);
		if (named[i] == SEM_FAILED)
			fail("sem_open");
	}
}

static void make_all(void)
{
	struct mq_attr attr = { .mq_maxmsg = 2, .mq_msgsize = 16 };
	char text[60];

	r->sem = MUST(semget(IPC_PRIVATE, 2, 0600));
	r->msg = MUST(msgget(IPC_PRIVATE, 0600));
	r->shm = MUST(shmget(IPC_PRIVATE, 2 * sizeof(sem_t), 0600));
	attached = (sem_t *)MUST(shmat(r->shm, NULL, 0));
	snprintf(r->name, sizeof(r->name), "/grove-queues-%d", getpid());
	mq_close(MUST(mq_open(r->name, O_CREAT | O_EXCL | O_RDWR, 0600, &attr)));
	for (int i = 0; i < 2; i++) {
		sem_init(&attached[i], 1, !i);
		snprintf(text, sizeof(text), "%s-%d", r->name, i);
		named[i] = sem_open(text, O_CREAT | O_EXCL, 0600, !i);
	}
}

static void remove_all(void)
{
	char text[60];

	MUST(semctl(r->sem, 0, IPC_RMID));
	MUST(msgctl(r->msg, IPC_RMID, NULL));
	MUST(shmdt(attached));
	MUST(shmctl(r->shm, IPC_RMID, NULL));
	MUST(mq_unlink(r->name));
	for (int i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "%s-%d", r->name, i);
		MUST(sem_close(named[i]));
		MUST(sem_unlink(text));
	}
}

static void between(const char *one, const char *two, int fd)
{
	r->got = 0;
	make_all();
	pid_t a = other("first", one, fd), b = other("second", two, fd);
	MUST(semctl(r->sem, 0, SETVAL, 1));
	int status = t_reap(a);
	status |= t_reap(b);
	say("-- %s and %s: %d, %d", one, two, status, r->got);
	remove_all();
}

int main(int argc, char **argv)
{
	int fd;

	t_begin();
	if (argc == 3) {
		r = shared_by(argv[2], sizeof(*r));
		open_all();
		join(start(play, strcmp(argv[1], "first") == 0 ? r : NULL));
		return 0;
	}
	removed();
	undone();
	notified();
	if (mq == (mqd_t)-1)
		return 0;
	r = shared_memory(sizeof(*r), &fd);
	for (size_t i = 0; i < T_LENGTH(mixtures); i++)
		between(mixtures[i][0], mixtures[i][1], fd);
	return 0;
}
