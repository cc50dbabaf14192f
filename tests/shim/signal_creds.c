/*
 * signal_creds.c - setuid and the like in a program with threads: libc signals each of them and waits until all have made the call
 *
 * Threads are parked in every kind of wait meanwhile, others are being made.  No wait that SA_RESTART allows to go on ends with EINTR.
 */
#include "t.h"
#include <grp.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <linux/futex.h>

static int p[2], s[2], ctl[2], l, ep, ev, word, sem_id, msg_id, go;
static sem_t sem;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, cond_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_t never_ends;
static pid_t child;

static long w_read(void) { char c; return read(p[0], &c, 1); }
static long w_recv(void) { char c; return recv(s[0], &c, 1, 0); }
static long w_accept(void) { return accept(l, NULL, NULL) >= 0 ? 0 : -1; }
static long w_eventfd(void) { uint64_t v; return read(ev, &v, 8) == 8 ? 0 : -1; }
static long w_mutex(void) { int r = pthread_mutex_lock(&mutex); pthread_mutex_unlock(&mutex); return r; }
static long w_rwlock(void) { int r = pthread_rwlock_rdlock(&rwlock); pthread_rwlock_unlock(&rwlock); return r; }
static long w_cond(void)
{
	pthread_mutex_lock(&cond_mutex);
	while (!go)
		pthread_cond_wait(&cond, &cond_mutex);
	pthread_mutex_unlock(&cond_mutex);
	return 0;
}
static long w_barrier(void) { int r = pthread_barrier_wait(&barrier); return r == PTHREAD_BARRIER_SERIAL_THREAD ? 0 : r; }
static long w_sem(void) { return sem_wait(&sem); }
static long w_futex(void) { return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL) == -1 && errno != EAGAIN ? -1 : 0; }
static long w_join(void) { return pthread_join(never_ends, NULL); }
static long w_wait(void) { int st; return waitpid(child, &st, 0) == child ? 0 : -1; }
static long w_fifo(void) { int fd = open("creds.fifo", O_RDONLY | O_CLOEXEC); return fd >= 0 ? close(fd) : -1; }
static long w_flock(void) { int fd = open("creds.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0666); return flock(fd, LOCK_EX) | close(fd); }
/* never restarted: tried again */
static long w_poll(void) { struct pollfd f = { p[0], POLLIN, 0 }; int r; while ((r = poll(&f, 1, -1)) == -1 && errno == EINTR) continue; return r < 0; }
static long w_epoll(void) { struct epoll_event e; int r; while ((r = epoll_wait(ep, &e, 1, -1)) == -1 && errno == EINTR) continue; return r < 0; }
static long w_select(void)
{
	fd_set in;
	int r;

	do {
		FD_ZERO(&in);
		FD_SET(p[0], &in);
		r = select(p[0] + 1, &in, NULL, NULL, NULL);
	} while (r == -1 && errno == EINTR);
	return r < 0;
}
static long w_sleep(void) { while (!t_get(&go)) nanosleep(&(struct timespec){ 100, 0 }, NULL); return 0; }
static long w_pause(void) { while (!t_get(&go)) pause(); return 0; }
static long w_sigwait(void) { sigset_t set; int sig; sigemptyset(&set); sigaddset(&set, SIGUSR2); return sigwait(&set, &sig); }
static long w_semop(void)
{
	struct sembuf op = { 0, -1, 0 };
	int r;

	while ((r = semop(sem_id, &op, 1)) == -1 && errno == EINTR)
		continue;
	return r;
}
static long w_msg(void)
{
	struct { long type; char c; } m;
	ssize_t r;

	while ((r = msgrcv(msg_id, &m, 1, 0, 0)) == -1 && errno == EINTR)
		continue;
	return r == 1 ? 0 : -1;
}
static long w_computes(void) { while (!t_get(&go)) continue; return 0; }

static const struct row {
	const char *what;
	long (*fn)(void);
} rows[] = {
	{ "read", w_read }, { "recv", w_recv }, { "accept", w_accept }, { "eventfd", w_eventfd }, { "mutex", w_mutex }, { "rwlock", w_rwlock },
	{ "cond", w_cond }, { "barrier", w_barrier }, { "sem", w_sem }, { "futex", w_futex }, { "join", w_join }, { "waitpid", w_wait },
	{ "open of a FIFO", w_fifo }, { "flock", w_flock }, { "poll", w_poll }, { "epoll_wait", w_epoll }, { "select", w_select },
	{ "nanosleep", w_sleep }, { "pause", w_pause }, { "sigwait", w_sigwait }, { "semop", w_semop }, { "msgrcv", w_msg },
	{ "computing", w_computes },
};

static struct one {
	const struct row *row;
	int place;
	long r;
	int err;
	uid_t uid[3];
	gid_t gid[3];
} ones[T_LENGTH(rows)];

static void *waits(void *arg)
{
	struct one *o = arg;

	t_here(&o->place);
	errno = 0;
	o->r = o->row->fn();
	o->err = errno;
	getresuid(&o->uid[0], &o->uid[1], &o->uid[2]);
	getresgid(&o->gid[0], &o->gid[1], &o->gid[2]);
	return NULL;
}

static void *until_go(void *arg)
{
	while (!t_get(&go))
		msleep(1);
	return arg;
}

static void *nothing(void *arg)
{
	return arg;
}

static int made;

static void *makes(void *arg)
{
	while (!t_get(&go)) {
		join(start(nothing, NULL));
		made++;
		sched_yield();
	}
	return arg;
}

static int lock_fd;

static void set_up(uid_t uid)
{
	struct semid_ds sems;
	struct msqid_ds msgs;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct epoll_event e = { .events = EPOLLIN };

	must_pipe(p);
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s));
	l = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	strcpy(a.sun_path, "creds.sock");
	MUST(bind(l, (struct sockaddr *)&a, sizeof(a)));
	MUST(chmod(a.sun_path, 0777));
	MUST(listen(l, 1));
	ep = MUST(epoll_create1(EPOLL_CLOEXEC));
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
	ev = MUST(eventfd(0, EFD_CLOEXEC));
	sem_init(&sem, 0, 0);
	pthread_barrier_init(&barrier, NULL, 2);
	sem_id = MUST(semget(IPC_PRIVATE, 1, 0666));
	MUST(semctl(sem_id, 0, SETVAL, 0));
	MUST(semctl(sem_id, 0, IPC_STAT, &sems));
	sems.sem_perm.uid = uid;		/* who is to remove it */
	MUST(semctl(sem_id, 0, IPC_SET, &sems));
	msg_id = MUST(msgget(IPC_PRIVATE, 0666));
	MUST(msgctl(msg_id, IPC_STAT, &msgs));
	msgs.msg_perm.uid = uid;
	MUST(msgctl(msg_id, IPC_SET, &msgs));
	MUST(mkfifo("creds.fifo", 0666));
	MUST(chmod("creds.fifo", 0666));
	lock_fd = MUST(open("creds.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0666));
	MUST(fchmod(lock_fd, 0666));
	MUST(flock(lock_fd, LOCK_EX));
	must_pipe(ctl);
	child = MUST(fork());
	if (child == 0) {
		char c;

		close(ctl[1]);
		(void)!read(ctl[0], &c, 1);		/* until it is closed */
		_exit(0);
	}
	pthread_mutex_lock(&mutex);
	pthread_rwlock_wrlock(&rwlock);
}

static void let_go(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct { long type; char c; } m = { 1, 'm' };
	int c = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	t_set(&go, 1);
	close(ctl[1]);
	MUST(write(s[1], "x", 1));
	strcpy(a.sun_path, "creds.sock");
	MUST(connect(c, (struct sockaddr *)&a, sizeof(a)));
	MUST(write(ev, &(uint64_t){ 1 }, 8));
	pthread_mutex_unlock(&mutex);
	pthread_rwlock_unlock(&rwlock);
	pthread_mutex_lock(&cond_mutex);
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&cond_mutex);
	pthread_barrier_wait(&barrier);
	sem_post(&sem);
	__atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1);
	int fd = MUST(open("creds.fifo", O_WRONLY | O_CLOEXEC));
	MUST(flock(lock_fd, LOCK_UN));
	MUST(semop(sem_id, &(struct sembuf){ 0, 1, 0 }, 1));
	MUST(msgsnd(msg_id, &m, 1, 0));
	MUST(write(p[1], "xxxx", 4));
	close(fd);
	close(c);
}

static void on_usr1(int sig)
{
	(void)sig;
}

int main(void)
{
	static pthread_t t[T_LENGTH(rows)];
	bool root = geteuid() == 0;
	uid_t uid = root ? 4711 : getuid();
	gid_t gid = root ? 4712 : getgid();
	sigset_t set;

	t_begin();
	signal(SIGUSR1, on_usr1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	set_up(uid);
	never_ends = start(until_go, NULL);
	for (unsigned i = 0; i < T_LENGTH(rows); i++) {
		ones[i].row = &rows[i];
		t[i] = start(waits, &ones[i]);
	}
	for (unsigned i = 0; i < T_LENGTH(rows) - 1; i++)
		wait_parked(&ones[i].place);
	pthread_t maker = start(makes, NULL);
	if (root)
		R("setgroups", setgroups(0, NULL));
	for (int i = 0; i < 3; i++) {
		R("setregid", setregid(gid, gid));
		R("setresgid", setresgid(gid, gid, gid));
		R("setgid", setgid(gid));
		R("setegid", setegid(gid));
		R("setresuid", setresuid(uid, uid, uid));
		R("setreuid", setreuid(uid, uid));
		R("setuid", setuid(uid));
		R("seteuid", seteuid(uid));
	}
	if (root)
		R("setuid back", setuid(0));
	let_go();
	for (unsigned i = 0; i < T_LENGTH(rows); i++)
		if (rows[i].fn == w_pause)
			pthread_kill(t[i], SIGUSR1);
		else if (rows[i].fn == w_sigwait)
			pthread_kill(t[i], SIGUSR2);
		else if (rows[i].fn == w_sleep)
			pthread_kill(t[i], SIGUSR1);
	for (unsigned i = 0; i < T_LENGTH(rows); i++) {
		struct one *o = &ones[i];

		/* one may be on its way back into its wait */
		while (rows[i].fn == w_pause && pthread_tryjoin_np(t[i], NULL) == EBUSY) {
			pthread_kill(t[i], SIGUSR1);
			msleep(1);
		}
		while (rows[i].fn == w_sleep && pthread_tryjoin_np(t[i], NULL) == EBUSY) {
			pthread_kill(t[i], SIGUSR1);
			msleep(20);
		}
		if (rows[i].fn != w_pause && rows[i].fn != w_sleep)
			join(t[i]);
		say("%s: %ld %s, user %d %d %d, group %d %d %d", o->row->what, o->r, o->r ? t_errname(o->err) : "", o->uid[0] == uid,
		    o->uid[1] == uid, o->uid[2] == uid, o->gid[0] == gid, o->gid[1] == gid, o->gid[2] == gid);
	}
	join(maker);
	say("threads were made meanwhile: %d", made > 0);
	semctl(sem_id, 0, IPC_RMID);
	msgctl(msg_id, IPC_RMID, NULL);
	unlink("creds.sock");
	unlink("creds.fifo");
	unlink("creds.lock");
	return 0;
}
