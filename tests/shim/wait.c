/* wait.c - wait, waitpid, wait4 and waitid: ends, stops, many waiters, what is left of a child */
#include "t.h"
#include <sys/resource.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static int handled;

static void on_signal(int sig)
{
	(void)sig;
	t_set(&handled, t_get(&handled) + 1);
}

/* A child that ends with @status after @ms; negative: waits for a signal */
static pid_t child(int ms, int status)
{
	pid_t pid = MUST(fork());

	if (pid)
		return pid;
	if (ms < 0)
		for (;;)
			pause();
	msleep(ms);
	_exit(status);
}

static const char *how(int status)
{
	static char text[40];

	if (WIFEXITED(status))
		snprintf(text, sizeof(text), "exit %d", WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "signal %d", WTERMSIG(status));
	else if (WIFSTOPPED(status))
		snprintf(text, sizeof(text), "stop %d", WSTOPSIG(status));
	else
		snprintf(text, sizeof(text), "%s", WIFCONTINUED(status) ? "continued" : "?");
	return text;
}

static void one(void)
{
	struct rusage usage = { .ru_maxrss = -1 };
	int status = 0;
	pid_t pid;

	say("-- one");
	R("no children", wait(NULL));
	pid = child(300, 3);
	R("not yet", waitpid(pid, &status, WNOHANG));
	YES("waitpid", waitpid(pid, &status, 0) == pid);
	say("    %s", how(status));
	R("again", waitpid(pid, &status, 0));
	pid = child(20, 4);
	YES("wait", wait(&status) == pid);
	say("    %s", how(status));
	pid = child(20, 5);
	YES("wait4", wait4(-1, &status, 0, &usage) == pid && usage.ru_maxrss >= 0);
	pid = child(20, 6);
	usage.ru_maxrss = -1;
	YES("wait4 by pid", wait4(pid, NULL, 0, &usage) == pid && usage.ru_maxrss >= 0);
	pid = child(20, 7);
	R("bad pointer", waitpid(pid, T_BAD, 0));
	R("which is lost", waitpid(pid, NULL, 0));
	R("bad options", waitpid(-1, NULL, 0x40));
	R("not a child", waitpid(1, NULL, 0));
	pid = child(20, 8);
	YES("of our group", waitpid(0, &status, 0) == pid);
	pid = child(-1, 0);
	kill(pid, SIGKILL);
	YES("killed", waitpid(pid, &status, 0) == pid);
	say("    %s", how(status));
	R("none left", wait(NULL));
}

static int seen;

/* One after the other was seen, or a stop is gone before anybody looks. */
static void *stop_and_go(void *arg)
{
	static const int signals[] = { SIGSTOP, SIGCONT, SIGTERM };
	pid_t pid = *(pid_t *)arg;

	for (int i = 0; i < 3; i++) {
		msleep(20);
		kill(pid, signals[i]);
		while (t_get(&seen) == i)
			msleep(1);
	}
	return NULL;
}

static void stops(void)
{
	pid_t pid = child(-1, 0);
	pthread_t t = start(stop_and_go, &pid);
	int status;

	say("-- stops");
	for (int i = 0; i < 3; i++) {
		YES("waitpid", waitpid(pid, &status, WUNTRACED | WCONTINUED) == pid);
		say("    %s", how(status));
		t_set(&seen, i + 1);
	}
	join(t);
}

#define WAITID(what, type, id, options) do {							\
	siginfo_t i_;										\
	memset(&i_, 0x55, sizeof(i_));								\
	R(what, waitid(type, id, &i_, options));						\
	say("    signo %d code %d pid %d status %d", i_.si_signo, i_.si_code, i_.si_pid == pid, i_.si_status);	\
} while (0)

static void ids(void)
{
	pid_t pid = child(300, 9);
	int fd;

	say("-- waitid");
	WAITID("not yet", P_PID, pid, WEXITED | WNOHANG);
	WAITID("looked at", P_PID, pid, WEXITED | WNOWAIT);
	WAITID("taken", P_PID, pid, WEXITED);
	WAITID("gone", P_PID, pid, WEXITED);
	pid = child(20, 10);
	WAITID("any", P_ALL, 0, WEXITED);
	pid = child(20, 11);
	fd = MUST(syscall(SYS_pidfd_open, pid, 0));
	WAITID("pidfd", P_PIDFD, fd, WEXITED);
	WAITID("pidfd again", P_PIDFD, fd, WEXITED);
	close(fd);
	pid = child(300, 12);
	fd = MUST(syscall(SYS_pidfd_open, pid, O_NONBLOCK));
	R("pidfd, not blocking", waitid(P_PIDFD, fd, NULL, WEXITED));
	R("no info wanted", waitid(P_PID, pid, NULL, WEXITED));
	close(fd);
	WAITID("no options", P_ALL, 0, 0);
	R("bad type", waitid(77, 0, NULL, WEXITED));
	R("bad pidfd", waitid(P_PIDFD, 900, NULL, WEXITED));
	pid = child(20, 13);
	R("bad pointer", waitid(P_PID, pid, T_BAD, WEXITED));
	R("which is lost", waitid(P_PID, pid, NULL, WEXITED));
}

/* --- many --- */

static void *own_child(void *arg)
{
	int status, n = (int)(intptr_t)arg;
	pid_t pid = child(50 - n, n);

	if (waitpid(pid, &status, 0) != pid)
		return (void *)-1;
	return (void *)(intptr_t)WEXITSTATUS(status);
}

static void *this_child(void *arg)
{
	int status, *place = arg;
	pid_t pid = *place;

	return (void *)(intptr_t)(waitpid(pid, &status, 0) == pid ? 1 : errno == ECHILD ? 0 : 100);
}

static void *any_child(void *arg)
{
	int status;

	(void)arg;
	return (void *)(intptr_t)(wait(&status) > 0 ? WEXITSTATUS(status) : -1);
}

static void many(void)
{
	pthread_t t[20];
	pid_t pid;
	long sum = 0;

	say("-- many");
	for (int i = 0; i < 20; i++)
		t[i] = start(own_child, (void *)(intptr_t)i);
	for (int i = 0; i < 20; i++)
		sum += (intptr_t)join(t[i]);
	say("20 threads, a child each: %ld", sum);
	pid = child(50, 1);
	sum = 0;
	for (int i = 0; i < 5; i++)
		t[i] = start(this_child, &pid);
	for (int i = 0; i < 5; i++)
		sum += (intptr_t)join(t[i]);
	say("5 threads, one child: %ld", sum);
	sum = 0;
	for (int i = 0; i < 5; i++)
		child(40 + i, 1 << i);
	for (int i = 0; i < 5; i++)
		t[i] = start(any_child, NULL);
	for (int i = 0; i < 5; i++)
		sum += (intptr_t)join(t[i]);
	say("5 threads, any child: %ld", sum);
}

static void sigchld(void)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART | SA_NOCLDSTOP };
	pid_t pid;

	say("-- SIGCHLD");
	sigaction(SIGCHLD, &sa, NULL);
	pid = child(30, 1);
	YES("handled, and waited for", waitpid(pid, NULL, 0) == pid);
	say("handled %d", t_get(&handled));
	pid = child(30, 1);
	YES("any", wait(NULL) == pid);
	say("handled %d", t_get(&handled));
	pid = child(30, 1);
	R("a sleep is cut short", poll(NULL, 0, 10000));
	YES("there it is", waitpid(pid, NULL, WNOHANG) == pid);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGCHLD, &sa, NULL);
	pid = child(30, 1);
	R("ignored: gone by itself", waitpid(pid, NULL, 0));
	child(10, 1);
	child(30, 1);
	R("all of them", wait(NULL));
}

/* The end of a child comes before the signal that tells of it: neither wait() nor waitid() is interrupted. */
static void end_and_signal(int flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };
	siginfo_t info;
	int as_it_should = 0, status;

	say("-- the end of a child and SIGCHLD, %s", flags ? "SA_NOCLDWAIT" : "a handler");
	sigaction(SIGCHLD, &sa, NULL);
	for (int i = 0; i < 400; i++) {
		pid_t pid = child(0, 0);
		int r = i % 4 == 0 ? wait(&status) : i % 4 == 1 ? waitpid(pid, &status, 0) :
			i % 4 == 2 ? waitid(P_ALL, 0, &info, WEXITED) : waitid(P_PID, (id_t)pid, &info, WEXITED);

		as_it_should += flags ? r == -1 && errno == ECHILD : r >= 0;
		while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
			continue;
	}
	say("%d of 400 times", as_it_should);
}

int main(void)
{
	t_begin();
	one();
	stops();
	ids();
	many();
	sigchld();
	end_and_signal(0);
	end_and_signal(SA_NOCLDWAIT);
	return 0;
}
