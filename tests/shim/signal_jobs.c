/* signal_jobs.c - job control: a process in the background of its terminal, stopped and continued while its threads wait */
#include "t.h"
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <termios.h>

static volatile int handled;
static int place;

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

static void on_back(int sig)
{
	(void)sig;
	handled++;
	if (handled >= 3)
		signal(SIGTTOU, SIG_IGN), tcsetpgrp(0, getpgrp());		/* back to the foreground */
}

static void install(int sig, void (*fn)(int), int flags)
{
	MUST(sigaction(sig, &(struct sigaction){ .sa_handler = fn, .sa_flags = flags }, NULL));
}

static void block(int sig)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, sig);
	pthread_sigmask(SIG_BLOCK, &s, NULL);
}

static void *loiter(void *arg)
{
	(void)arg;
	for (;;)
		msleep(1000);
	return NULL;
}

/* --- what the background process does; standard input is its terminal --- */

static void b_read(void) { char c; R("read", read(0, &c, 1)); }
static void b_read_handler(void) { char c; install(SIGTTIN, on_signal, 0); R("read, a handler", read(0, &c, 1)); YES("handled", handled >= 1); }
static void b_read_blocked(void) { char c; block(SIGTTIN); R("read, blocked", read(0, &c, 1)); }
static void b_read_ignored(void) { char c; signal(SIGTTIN, SIG_IGN); R("read, ignored", read(0, &c, 1)); }
static void b_read_restarted(void)
{
	char c;

	install(SIGTTIN, on_back, SA_RESTART);
	R("read, restarted until in the foreground", read(0, &c, 1));
	YES("handled", handled >= 3);
}
static void b_read_nonblock(void) { char c; fcntl(0, F_SETFL, O_RDWR | O_NONBLOCK); install(SIGTTIN, on_signal, 0); R("read, O_NONBLOCK", read(0, &c, 1)); }
static void tostop(void)
{
	struct termios t;

	MUST(tcgetattr(0, &t));
	t.c_lflag |= TOSTOP;
	signal(SIGTTOU, SIG_IGN);
	MUST(tcsetattr(0, TCSANOW, &t));
	signal(SIGTTOU, SIG_DFL);
}
static void b_write(void) { R("write", write(0, "w", 1)); }
static void b_write_tostop(void) { tostop(); R("write, TOSTOP", write(0, "w", 1)); }
static void b_write_handler(void) { tostop(); install(SIGTTOU, on_signal, 0); R("write, a handler", write(0, "w", 1)); YES("handled", handled >= 1); }
static void b_write_blocked(void) { tostop(); block(SIGTTOU); R("write, blocked", write(0, "w", 1)); }
static void b_setpgrp(void) { R("tcsetpgrp", tcsetpgrp(0, getpgrp())); }
static void b_setpgrp_blocked(void) { block(SIGTTOU); R("tcsetpgrp, blocked", tcsetpgrp(0, getpgrp())); }
static void b_setpgrp_handler(void) { install(SIGTTOU, on_signal, 0); R("tcsetpgrp, a handler", tcsetpgrp(0, getpgrp())); YES("handled", handled >= 1); }
static void b_drain(void) { block(SIGTTOU); R("tcdrain", tcdrain(0)); }

static void *in_thread(void *arg)
{
	((void (*)(void))arg)();
	return NULL;
}

static const struct row {
	const char *what;
	void (*fn)(void);
} rows[] = {
	{ "read", b_read }, { "read, a handler", b_read_handler }, { "read, blocked", b_read_blocked }, { "read, ignored", b_read_ignored },
	{ "read, restarted", b_read_restarted }, { "read, O_NONBLOCK", b_read_nonblock }, { "write", b_write },
	{ "write, TOSTOP", b_write_tostop }, { "write, a handler", b_write_handler }, { "write, blocked", b_write_blocked },
	{ "tcsetpgrp", b_setpgrp }, { "tcsetpgrp, blocked", b_setpgrp_blocked }, { "tcsetpgrp, a handler", b_setpgrp_handler },
	{ "tcdrain, blocked", b_drain },
};

/* As the leader of a session with the terminal: a child in a process group of its own, in the background */
static int leader(const struct row *r, bool thread, int master)
{
	int status, stops = 0;
	pid_t pid;

	signal(SIGTTOU, SIG_IGN);
	signal(SIGTTIN, SIG_DFL);
	pid = MUST(fork());
	if (pid == 0) {
		alarm(10);
		signal(SIGTTOU, SIG_DFL);
		setpgid(0, 0);
		while (tcgetpgrp(0) == getpgrp())
			msleep(1);
		if (thread) {
			start(loiter, NULL);
			join(start(in_thread, (void *)r->fn));
		} else {
			r->fn();
		}
		_exit(7);
	}
	setpgid(pid, pid);
	if (r->fn == b_read_restarted)
		MUST(write(master, "i\n", 2));
	while (waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status) && stops++ < 5) {
		say("  stopped by %s", sigabbrev_np(WSTOPSIG(status)));
		tcsetpgrp(0, pid);
		if (r->fn == b_read)
			MUST(write(master, "i\n", 2));
		kill(pid, SIGCONT);
	}
	say("  %s %d", WIFEXITED(status) ? "exit" : "signal", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return 0;
}

static void background(void)
{
	for (unsigned i = 0; i < T_LENGTH(rows); i++)
		for (int thread = 0; thread < 2; thread++) {
			int master, slave;
			pid_t pid;

			say("-- in the background: %s%s", rows[i].what, thread ? ", in a thread" : "");
			MUST(openpty(&master, &slave, NULL, NULL, NULL));
			pid = MUST(fork());
			if (pid == 0) {
				alarm(20);
				setsid();
				MUST(ioctl(slave, TIOCSCTTY, 0));
				dup2(slave, 0);
				close(slave);
				_exit(leader(&rows[i], thread, master));
			}
			close(slave);
			say("status %d", t_reap(pid));
			close(master);
		}
}

/* --- stopped and continued --- */

static int p[2];

static long s_read(void) { char c; return read(p[0], &c, 1); }
static long s_poll(void) { return poll(&(struct pollfd){ p[0], POLLIN, 0 }, 1, -1); }
static long s_select(void)
{
	fd_set in;

	FD_ZERO(&in);
	FD_SET(p[0], &in);
	return select(p[0] + 1, &in, NULL, NULL, NULL);
}
static long s_sleep(void) { struct timespec t = { 0, 300000000 }; return nanosleep(&t, NULL); }

static const struct { const char *what; long (*fn)(void); } stops[] = {
	{ "read", s_read }, { "poll", s_poll }, { "select", s_select }, { "nanosleep", s_sleep },
};

static void *stopped(void *arg)
{
	long i = (long)arg;

	t_here(&place);
	R(stops[i].what, stops[i].fn());
	return NULL;
}

static void stop_and_go(void)
{
	say("-- stopped and continued");
	for (long i = 0; i < (long)T_LENGTH(stops); i++) {
		int status, ready[2];
		char c;

		must_pipe(p);
		must_pipe(ready);
		pid_t pid = MUST(fork());
		if (pid == 0) {
			alarm(20);
			install(SIGCONT, on_signal, SA_RESTART);
			sigset_t s;
			sigemptyset(&s);
			sigaddset(&s, SIGCONT);
			place = 0;
			pthread_sigmask(SIG_BLOCK, &s, NULL);
			pthread_t t = start(stopped, (void *)i);
			pthread_sigmask(SIG_UNBLOCK, &s, NULL);
			wait_parked(&place);
			(void)!write(ready[1], "x", 1);
			join(t);
			say("SIGCONT handled %d", handled);
			_exit(0);
		}
		MUST(read(ready[0], &c, 1));
		kill(pid, SIGSTOP);
		MUST(waitpid(pid, &status, WUNTRACED));
		say("stopped %d", WIFSTOPPED(status));
		kill(pid, SIGCONT);
		msleep(20);
		MUST(write(p[1], "x", 1));
		say("status %d", t_reap(pid));
		close2(p);
		close2(ready);
	}
}

int main(void)
{
	t_begin();
	background();
	stop_and_go();
	return 0;
}
