/* seams.c - where two things meet: a signal and a temporary mask, vfork and a parked reader, errno and a thread that waits */
#include "t.h"
#include <mqueue.h>
#include <sched.h>
#include <setjmp.h>
#include <sys/time.h>

static int p[2], handled, got;
static sigjmp_buf back;
static jmp_buf plain_back;
static mqd_t mq;

static void show_mask(const char *what)
{
	sigset_t set;
	char text[200] = "";

	pthread_sigmask(SIG_BLOCK, NULL, &set);
	for (int i = 1; i < 32; i++)
		if (sigismember(&set, i))
			snprintf(text + strlen(text), sizeof(text) - strlen(text), " %d", i);
	say("%s: blocked%s", what, text);
}

static void on_signal(int sig)
{
	(void)sig;
	t_set(&handled, t_get(&handled) + 1);
}

static void polls(int sig)
{
	sigset_t set;

	(void)sig;
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	ppoll(NULL, 0, &(struct timespec){ 0, 1000 }, &set);
}

static void jumps(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

static void jumps_plainly(int sig)
{
	(void)sig;
	longjmp(plain_back, 1);
}

static void masks(void)
{
	sigset_t block, none, quit, set;

	say("-- sigsuspend");
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigaddset(&block, SIGUSR2);
	sigaddset(&block, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &block, NULL);
	signal(SIGUSR1, polls);
	signal(SIGUSR2, on_signal);
	raise(SIGUSR1);
	R("the handler calls ppoll", sigsuspend(&none));
	show_mask("after it");
	raise(SIGUSR1);
	raise(SIGUSR2);
	R("two at once", sigsuspend(&none));
	sigpending(&set);
	say("    pending %d %d", sigismember(&set, SIGUSR1), sigismember(&set, SIGUSR2));
	signal(SIGUSR1, jumps);
	if (!sigsetjmp(back, 1)) {
		raise(SIGUSR1);
		sigsuspend(&none);
	}
	show_mask("after siglongjmp");
	signal(SIGUSR1, jumps_plainly);
	sigemptyset(&quit);
	sigaddset(&quit, SIGQUIT);
	if (!setjmp(plain_back)) {
		raise(SIGUSR1);
		sigsuspend(&quit);
	}
	show_mask("after longjmp");
	msleep(1);
	show_mask("and later");
	pthread_sigmask(SIG_SETMASK, &none, NULL);
	sigfillset(&set);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	R("bad pointer, all signals blocked", syscall(SYS_nanosleep, T_BAD, NULL));
	pthread_sigmask(SIG_SETMASK, &none, NULL);
}

static void *reads(void *arg)
{
	char c;

	(void)arg;
	while (read(p[0], &c, 1) == 1)
		t_set(&got, t_get(&got) + 1);
	return NULL;
}

/* The child has our memory, and closes what another thread reads from. */
static void vforks(void)
{
	int q[2];
	char c;

	say("-- vfork");
	must_pipe(p);
	must_pipe(q);
	pthread_t t = start(reads, NULL);
	for (int i = 0; i < 300; i++) {
		msleep(0);
		for (int k = 0; k < i; k++) {
			MUST(write(q[1], "x", 1));
			MUST(read(q[0], &c, 1));
		}
		MUST(write(p[1], "x", 1));
		pid_t pid = vfork();
		if (pid == 0) {
			close(p[0]);
			close(p[1]);
			_exit(0);
		}
		t_reap(pid);
	}
	close(p[1]);
	join(t);
	close(p[0]);
	close2(q);
	say("the reader got %d", t_get(&got));

	struct itimerval soon = { { 0, 0 }, { 0, 50000 } };
	t_set(&handled, 0);
	signal(SIGALRM, on_signal);
	setitimer(ITIMER_REAL, &soon, NULL);
	pid_t pid = vfork();
	if (pid == 0)
		_exit(0);
	for (unsigned long i = 0; !t_get(&handled) && i < 20000000000ul; i++)
		continue;			/* and no call is made */
	say("a signal after vfork: handled %d", t_get(&handled));
	t_reap(pid);
}

static void *writes_later(void *arg)
{
	msleep(100);
	MUST(write(*(int *)arg, "x", 1));
	return NULL;
}

static void waits(void)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct itimerval soon = { { 0, 0 }, { 0, 30000 } };
	char c;

	say("-- errno");
	must_pipe(p);
	sigaction(SIGALRM, &sa, NULL);
	pthread_t t = start(writes_later, &p[1]);
	setitimer(ITIMER_REAL, &soon, NULL);
	R("read, restarted once", read(p[0], &c, 1));
	join(t);
	close2(p);
}

static void *sends_later(void *arg)
{
	(void)arg;
	msleep(30);
	MUST(mq_send(mq, "x", 1, 0));
	return NULL;
}

/* fstat() says that it is a regular file; it is not always ready all the same */
static void queue(void)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 8 };
	char name[40];

	snprintf(name, sizeof(name), "/grove-seams-%d", getpid());
	mq = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
	if (mq == (mqd_t)-1)
		return;
	mq_unlink(name);
	say("-- poll of a message queue");
	pthread_t t = start(sends_later, NULL);
	long long before = now_ns();
	R("poll", poll(&(struct pollfd){ mq, POLLIN, 0 }, 1, 20000));
	YES("in time", now_ns() - before < 10000000000);
	join(t);
	mq_close(mq);
}

/* A process that shares our memory and does not hold us up: its calls are its own, whatever our threads do meanwhile. */
static int in_our_memory(void *arg)
{
	for (int i = 0; i < 20; i++) {
		syscall(SYS_write, *(int *)arg, "c", 1);
		t_set(&got, t_get(&got) + 1);
		syscall(SYS_sched_yield);
	}
	return 7;
}

static void *counts(void *arg)
{
	char byte;
	long n = 0;

	while (n < 20 && read(*(int *)arg, &byte, 1) == 1) {
		n++;
		usleep(100);
	}
	return (void *)n;
}

static void shares_memory(void)
{
	char *stack = malloc(65536);
	void *n;
	int status;

	say("-- a process in our memory");
	t_set(&got, 0);
	OK("pipe", pipe(p));
	pthread_t t = start(counts, &p[0]);
	pid_t pid = clone(in_our_memory, stack + 65536, CLONE_VM | SIGCHLD, &p[1]);
	pthread_join(t, &n);
	YES("waitpid", waitpid(pid, &status, 0) == pid);
	say("status %d, wrote %d, read %ld", WEXITSTATUS(status), t_get(&got), (long)n);
	free(stack);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	masks();
	vforks();
	waits();
	t_begin();
	queue();
	shares_memory();
	return 0;
}
