/*
 * fork_parked.c - forking while the other threads wait in every kind of call: the child has none of them and lives on its own,
 * and in the parent nobody has noticed
 */
#include "t.h"
#include <arpa/inet.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>

static int readers[2], full[2], pair_[2], listening, backlog, event, timer, notify, signals, epoll, fifo_end, locked;
static int mq, msgq, sems;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, timed = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t cond_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_t joined;
static sem_t sem, *shared_sem;
static int gate, stop;
static pid_t held_child;
static struct sockaddr_un unix_address = { .sun_family = AF_UNIX, .sun_path = "socket" };

/* --- ways to wait; each returns 1 when it ended as it should --- */

static char c_;
static long in_read(void) { return read(readers[0], &c_, 1) == 1; }
static long in_write(void) { return write(full[1], "w", 1) == 1; }
static long in_recv(void) { char c; return recv(pair_[0], &c, 1, 0) == 1 && c == 'r'; }
static long in_accept(void) { int s = accept(listening, NULL, NULL); return s != -1 && close(s) == 0; }

static long in_connect(void)
{
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = connect(s, (struct sockaddr *)&unix_address, sizeof(unix_address));

	close(s);
	return r == 0;
}

static long in_poll(void) { return poll(&(struct pollfd){ event, POLLIN, 0 }, 1, -1) == 1; }

static long in_ppoll(void)
{
	sigset_t all;

	sigfillset(&all);
	return ppoll(&(struct pollfd){ event, POLLIN, 0 }, 1, NULL, &all) == 1;
}

static long in_select(void)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(event, &set);
	return select(event + 1, &set, NULL, NULL, NULL) == 1;
}

static long in_epoll(void) { return epoll_wait(epoll, &(struct epoll_event){ 0 }, 1, -1) == 1; }
static long in_timerfd(void) { uint64_t n; return read(timer, &n, 8) == 8; }
static long in_inotify(void) { char b[512]; return read(notify, b, sizeof(b)) > 0; }

static long in_signalfd(void)
{
	struct signalfd_siginfo i;

	return read(signals, &i, sizeof(i)) == sizeof(i) && i.ssi_signo == SIGUSR2;
}

static long in_mutex(void) { int r = pthread_mutex_lock(&mutex); pthread_mutex_unlock(&mutex); return r == 0; }

static long in_timedlock(void)
{
	struct timespec t = in(CLOCK_REALTIME, 50000);
	int r = pthread_mutex_timedlock(&timed, &t);

	pthread_mutex_unlock(&timed);
	return r == 0;
}

static long in_cond(void)
{
	pthread_mutex_lock(&cond_mutex);
	while (!gate)
		pthread_cond_wait(&cond, &cond_mutex);
	pthread_mutex_unlock(&cond_mutex);
	return 1;
}

static long in_rdlock(void) { int r = pthread_rwlock_rdlock(&rw); pthread_rwlock_unlock(&rw); return r == 0; }
static long in_wrlock(void) { int r = pthread_rwlock_wrlock(&rw); pthread_rwlock_unlock(&rw); return r == 0; }
static long in_barrier(void) { int r = pthread_barrier_wait(&barrier); return r == 0 || r == PTHREAD_BARRIER_SERIAL_THREAD; }
static long in_join(void) { return join(joined) == (void *)1; }
static long in_sem(void) { return sem_wait(&sem) == 0; }
static long in_shared_sem(void) { return sem_wait(shared_sem) == 0; }
static long in_nanosleep(void) { msleep(150); return 1; }

static long in_abs_sleep(void)
{
	struct timespec t = in(CLOCK_MONOTONIC, 150);

	return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == 0;
}

static long in_sigwait(void)
{
	sigset_t s;
	int sig = 0;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	return sigwait(&s, &sig) == 0 && sig == SIGUSR1;
}

static long in_waitpid(void) { int status; return waitpid(held_child, &status, 0) == held_child && WEXITSTATUS(status) == 6; }
static long in_open(void) { int fd = open("fifo", O_RDONLY | O_CLOEXEC); return fd != -1 && close(fd) == 0; }

static long in_flock(void)
{
	int fd = open("locked", O_RDWR | O_CLOEXEC), r = flock(fd, LOCK_EX);

	close(fd);
	return r == 0;
}

static long in_ofd_lock(void)
{
	struct flock l = { .l_type = F_WRLCK };
	int fd = open("locked", O_RDWR | O_CLOEXEC), r = fcntl(fd, F_OFD_SETLKW, &l);

	close(fd);
	return r == 0;
}

static long in_mq(void) { char b[16]; return mq_receive(mq, b, sizeof(b), NULL) == 3; }
static long in_msgrcv(void) { struct { long type; char text[8]; } m; return msgrcv(msgq, &m, 8, 0, 0) == 2; }
static long in_semop(void) { struct sembuf op = { 0, -1, 0 }; return semop(sems, &op, 1) == 0; }

static struct waiter {
	const char *what;
	long (*wait)(void);
	int place;
	pthread_t thread;
} waiters[] = {
	{ "read", in_read, 0, 0 }, { "write", in_write, 0, 0 }, { "recv", in_recv, 0, 0 }, { "accept", in_accept, 0, 0 },
	{ "connect", in_connect, 0, 0 }, { "poll", in_poll, 0, 0 }, { "ppoll", in_ppoll, 0, 0 }, { "select", in_select, 0, 0 },
	{ "epoll_wait", in_epoll, 0, 0 }, { "timerfd", in_timerfd, 0, 0 }, { "inotify", in_inotify, 0, 0 },
	{ "signalfd", in_signalfd, 0, 0 }, { "mutex", in_mutex, 0, 0 }, { "timedlock", in_timedlock, 0, 0 }, { "cond", in_cond, 0, 0 },
	{ "rdlock", in_rdlock, 0, 0 }, { "wrlock", in_wrlock, 0, 0 }, { "barrier", in_barrier, 0, 0 }, { "join", in_join, 0, 0 },
	{ "sem", in_sem, 0, 0 }, { "shared sem", in_shared_sem, 0, 0 }, { "nanosleep", in_nanosleep, 0, 0 },
	{ "clock_nanosleep", in_abs_sleep, 0, 0 }, { "sigwait", in_sigwait, 0, 0 }, { "waitpid", in_waitpid, 0, 0 },
	{ "open", in_open, 0, 0 }, { "flock", in_flock, 0, 0 }, { "F_OFD_SETLKW", in_ofd_lock, 0, 0 }, { "mq_receive", in_mq, 0, 0 },
	{ "msgrcv", in_msgrcv, 0, 0 }, { "semop", in_semop, 0, 0 },
};

static void *waits(void *arg)
{
	struct waiter *w = arg;

	t_here(&w->place);
	return (void *)w->wait();
}

static void *until_stop(void *arg)
{
	t_until(&stop, 1);
	return arg;
}

static int hold[2];

static void prepare(void)
{
	struct mq_attr at = { .mq_maxmsg = 4, .mq_msgsize = 16 };
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char name[64];
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigaddset(&s, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &s, NULL);
	must_pipe(readers);
	must_pipe(full);
	MUST(fcntl(full[1], F_SETPIPE_SZ, 4096));
	for (int i = 0; i < 4096; i++)
		MUST(write(full[1], ".", 1));
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair_));
	listening = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(bind(listening, (struct sockaddr *)&a, sizeof(a)));
	MUST(listen(listening, 4));
	backlog = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(bind(backlog, (struct sockaddr *)&unix_address, sizeof(unix_address)));
	MUST(listen(backlog, 0));
	MUST(connect(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)&unix_address, sizeof(unix_address)));
	event = MUST(eventfd(0, EFD_CLOEXEC));
	epoll = MUST(epoll_create1(EPOLL_CLOEXEC));
	MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, event, &(struct epoll_event){ .events = EPOLLIN }));
	timer = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
	notify = MUST(inotify_init1(IN_CLOEXEC));
	MUST(inotify_add_watch(notify, ".", IN_CREATE));
	sigdelset(&s, SIGUSR1);
	signals = MUST(signalfd(-1, &s, SFD_CLOEXEC));
	pthread_mutex_lock(&mutex);
	pthread_mutex_lock(&timed);
	pthread_rwlock_wrlock(&rw);
	pthread_barrier_init(&barrier, NULL, 2);
	joined = start(until_stop, (void *)1);
	sem_init(&sem, 0, 0);
	shared_sem = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sem_init(shared_sem, 1, 0);
	MUST(mkfifo("fifo", 0600));
	locked = MUST(open("locked", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	MUST(flock(locked, LOCK_EX));
	MUST(fcntl(locked, F_OFD_SETLK, &(struct flock){ .l_type = F_WRLCK }));
	snprintf(name, sizeof(name), "/grove-test-%d", getpid());
	mq = MUST(mq_open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600, &at));
	mq_unlink(name);
	msgq = MUST(msgget(IPC_PRIVATE, 0600));
	sems = MUST(semget(IPC_PRIVATE, 1, 0600));
	must_pipe(hold);
	held_child = MUST(fork());
	if (held_child == 0) {
		close(hold[1]);
		(void)!read(hold[0], &c_, 1);
		_exit(6);
	}
}

static void let_all_go(void)
{
	struct itimerspec soon = { .it_value = { 0, 1 } };
	struct { long type; char text[8]; } m = { 1, "m" };
	struct sembuf up = { 0, 1, 0 };
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	char b[4096];

	MUST(write(readers[1], "r", 1));
	MUST(read(full[0], b, sizeof(b)));
	MUST(write(pair_[1], "r", 1));
	MUST(getsockname(listening, (struct sockaddr *)&a, &len));
	int s = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(connect(s, (struct sockaddr *)&a, len));
	close(MUST(accept(backlog, NULL, NULL)));
	MUST(write(event, &(uint64_t){ 1 }, 8));
	MUST(timerfd_settime(timer, 0, &soon, NULL));
	close(MUST(open("created", O_CREAT | O_WRONLY | O_CLOEXEC, 0600)));
	MUST(kill(getpid(), SIGUSR2));
	MUST(kill(getpid(), SIGUSR1));
	pthread_mutex_unlock(&mutex);
	pthread_mutex_unlock(&timed);
	pthread_mutex_lock(&cond_mutex);
	gate = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&cond_mutex);
	pthread_rwlock_unlock(&rw);
	pthread_barrier_wait(&barrier);
	t_set(&stop, 1);
	sem_post(&sem);
	sem_post(shared_sem);
	close(hold[1]);
	fifo_end = MUST(open("fifo", O_WRONLY | O_CLOEXEC));
	close(locked);
	MUST(mq_send(mq, "mq", 3, 0));
	MUST(msgsnd(msgq, &m, 2, 0));
	MUST(semop(sems, &up, 1));
}

/* --- what a child does --- */

static void *small_work(void *arg)
{
	int p[2];
	char c = 0;

	must_pipe(p);
	(void)!write(p[1], "c", 1);
	msleep(1);
	(void)!read(p[0], &c, 1);
	close2(p);
	return (void *)(intptr_t)(c == 'c' && arg == NULL);
}

static void *reads_late(void *arg)
{
	char c = 0;

	(void)!read(*(int *)arg, &c, 1);
	return (void *)(intptr_t)c;
}

/* an offloaded call: somebody opens the other end */
static void *opens(void *arg)
{
	return (void *)(intptr_t)open(arg, O_RDONLY | O_CLOEXEC);
}

static int handled;
static void on_signal(int sig) { handled += sig == SIGTERM; }

static bool lives(void)
{
	pthread_t t[8];
	int p[2], good = 0;
	sigset_t s;
	pid_t pid;

	for (int i = 0; i < 8; i++)
		t[i] = start(small_work, NULL);
	for (int i = 0; i < 8; i++)
		good += (int)(intptr_t)join(t[i]);
	must_pipe(p);
	t[0] = start(reads_late, &p[0]);
	msleep(2);
	MUST(write(p[1], "z", 1));
	good += (intptr_t)join(t[0]) == 'z';
	unlink("own");
	MUST(mkfifo("own", 0600));
	t[0] = start(opens, "own");
	int fd = MUST(open("own", O_WRONLY | O_CLOEXEC));
	int other = (int)(intptr_t)join(t[0]);
	good += other != -1;
	close(fd);
	close(other);
	struct timespec soon = in(CLOCK_REALTIME, 5);
	sem_t none;
	sem_init(&none, 0, 0);
	good += sem_timedwait(&none, &soon) == -1 && errno == ETIMEDOUT;
	signal(SIGTERM, on_signal);
	raise(SIGTERM);
	good += handled == 1;
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	kill(getpid(), SIGUSR1);
	int sig = 0;
	good += sigwait(&s, &sig) == 0 && sig == SIGUSR1;
	pid = MUST(fork());
	if (pid == 0)
		_exit(join(start(small_work, NULL)) ? 11 : 12);
	good += t_reap(pid) == 11;
	char *argv[] = { "true", NULL };
	good += posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) == 0 && t_reap(pid) == 0;
	return good == 15;
}

static long fork_and_live(void)
{
	pid_t pid = MUST(fork());

	if (pid == 0)
		_exit(lives() && gettid() == getpid() ? 7 : 8);
	return t_reap(pid);
}

static void *forks(void *arg)
{
	return (void *)(arg ? fork_and_live() : 0);
}

/* --- fork in a signal handler, on whoever it meets --- */

static int from_handler;

static void forking_handler(int sig)
{
	(void)sig;
	pid_t pid = fork();

	if (pid == 0)
		_exit(9);
	int status;
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		continue;
	t_set(&from_handler, WEXITSTATUS(status));
}

static pthread_t main_thread;

static void *sends(void *arg)
{
	msleep(20);
	pthread_kill(main_thread, SIGURG);
	return arg;
}

int main(void)
{
	t_begin();
	prepare();
	for (size_t i = 0; i < T_LENGTH(waiters); i++)
		waiters[i].thread = start(waits, &waiters[i]);
	for (size_t i = 0; i < T_LENGTH(waiters); i++)
		if (waiters[i].wait != in_nanosleep && waiters[i].wait != in_abs_sleep)
			wait_parked(&waiters[i].place);
	say("fork from main: %ld", fork_and_live());
	say("from a thread: %ld", (long)join(start(forks, &stop)));
	struct sigaction sa = { .sa_handler = forking_handler };
	sigaction(SIGURG, &sa, NULL);
	raise(SIGURG);
	say("in a handler: %d", t_get(&from_handler));
	from_handler = 0;
	main_thread = pthread_self();
	pthread_t t = start(sends, NULL);
	R("a sleep that ends by it", nanosleep(&(struct timespec){ 20, 0 }, NULL));
	join(t);
	say("in a handler that ends a wait: %d", t_get(&from_handler));
	let_all_go();
	for (size_t i = 0; i < T_LENGTH(waiters); i++)
		say("%s: %ld", waiters[i].what, (long)join(waiters[i].thread));
	msgctl(msgq, IPC_RMID, NULL);
	semctl(sems, 0, IPC_RMID);
	return 0;
}
