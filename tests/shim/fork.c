/* fork.c - children: forked while other threads wait, spawned, executed; and every way to wait for them */
#include "t.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>

extern char **environ;

static int parked[8], pipes[2], listening;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int gate, stop;

static int status_of(pid_t pid)
{
	return t_reap(pid);
}

/* --- others wait in every kind of call --- */

static void *in_read(void *arg)
{
	char c = '?';

	(void)arg;
	t_here(&parked[0]);
	(void)!read(pipes[0], &c, 1);
	return (void *)(intptr_t)c;
}

static void *in_sleep(void *arg)
{
	(void)arg;
	t_here(&parked[1]);
	msleep(300);
	return (void *)1;
}

static void *in_cond(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&mutex);
	t_here(&parked[2]);
	while (!gate)
		pthread_cond_wait(&cond, &mutex);
	pthread_mutex_unlock(&mutex);
	return (void *)2;
}

static void *in_poll(void *arg)
{
	(void)arg;
	t_here(&parked[3]);
	return (void *)(intptr_t)poll(&(struct pollfd){ pipes[0], POLLHUP, 0 }, 1, 400);
}

static void *in_accept(void *arg)
{
	(void)arg;
	t_here(&parked[4]);
	int s = accept(listening, NULL, NULL);
	close(s);
	return (void *)(intptr_t)(s >= 0);
}

static void *child_thread(void *arg)
{
	int p[2];
	char c = 0;

	must_pipe(p);
	(void)!write(p[1], arg, 1);
	msleep(2);
	(void)!read(p[0], &c, 1);
	close2(p);
	return (void *)(intptr_t)c;
}

static void *child_reader(void *arg)
{
	char c = 0;

	(void)!read(*(int *)arg, &c, 1);
	return (void *)(intptr_t)c;
}

static void child_lives(void)
{
	pthread_t t[5];
	int p[2], n = 0;

	say("child: pid is new %d, main's tid is the pid %d", getpid() != getppid(), gettid() == getpid());
	for (int i = 0; i < 5; i++)
		t[i] = start(child_thread, "c");
	for (int i = 0; i < 5; i++)
		n += (intptr_t)join(t[i]) == 'c';
	say("child: %d threads did their work", n);
	must_pipe(p);
	t[0] = start(child_reader, &p[0]);
	msleep(5);
	R("child: write", write(p[1], "z", 1));
	say("child: its thread read %c", (int)(intptr_t)join(t[0]));
	pthread_mutex_lock(&mutex);
	struct timespec limit = in(CLOCK_REALTIME, 10);
	pthread_cond_t own = PTHREAD_COND_INITIALIZER;
	P("child: cond timedwait", pthread_cond_timedwait(&own, &mutex, &limit));
	pthread_mutex_unlock(&mutex);
	R("child: poll 10 ms", poll(&(struct pollfd){ p[0], POLLIN, 0 }, 1, 10));
	pid_t pid = MUST(fork());
	if (pid == 0) {
		say("grandchild: %ld", (long)(intptr_t)join(start(child_thread, "g")));
		_exit(9);
	}
	say("child: grandchild left with %d", status_of(pid));
}

static void while_others_wait(void)
{
	static void *(*const fns[])(void *) = { in_read, in_sleep, in_cond, in_poll, in_accept };
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	pthread_t t[5];

	say("-- others wait");
	must_pipe(pipes);
	listening = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(bind(listening, (struct sockaddr *)&a, len));
	MUST(listen(listening, 4));
	MUST(getsockname(listening, (struct sockaddr *)&a, &len));
	for (int i = 0; i < 5; i++)
		t[i] = start(fns[i], NULL);
	for (int i = 0; i < 5; i++)
		wait_parked(&parked[i]);
	pid_t pid = MUST(fork());
	if (pid == 0) {
		child_lives();
		_exit(4);
	}
	say("child left with %d", status_of(pid));
	pid = MUST(fork());
	if (pid == 0)
		exit(5);
	say("exit: %d", status_of(pid));
	say("slept %ld", (long)join(t[1]));
	pthread_mutex_lock(&mutex);
	gate = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&mutex);
	say("cond %ld", (long)join(t[2]));
	say("poll %ld", (long)join(t[3]));
	R("write", write(pipes[1], "r", 1));
	say("read %c", (int)(intptr_t)join(t[0]));
	int s = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	R("connect", connect(s, (struct sockaddr *)&a, len));
	say("accept %ld", (long)join(t[4]));
	close(s);
	close(listening);
	close2(pipes);
}

/* --- parent and child talk through the same pipes, each with a parked thread --- */

static void *echo(void *arg)
{
	int *fds = arg;
	char c;

	while (read(fds[0], &c, 1) == 1)
		if (write(fds[1], &c, 1) != 1)
			break;
	return NULL;
}

static void both_sides(void)
{
	int to[2], from[2], good = 0;
	char c;

	say("-- both sides");
	must_pipe(to);
	must_pipe(from);
	pid_t pid = MUST(fork());
	if (pid == 0) {
		int fds[2] = { to[0], from[1] };

		close(to[1]);
		close(from[0]);
		join(start(echo, fds));
		_exit(0);
	}
	close(to[0]);
	close(from[1]);
	for (int i = 0; i < 500; i++) {
		c = i;
		MUST(write(to[1], &c, 1));
		good += read(from[0], &c, 1) == 1 && c == (char)i;
	}
	close(to[1]);
	say("echoed %d", good);
	R("end of file", read(from[0], &c, 1));
	say("child left with %d", status_of(pid));
	close(from[0]);
}

/* --- waiting for children --- */

static pid_t quick(int status)
{
	pid_t pid = MUST(fork());

	if (pid == 0)
		_exit(status);
	return pid;
}

static pid_t held(int p[2])
{
	char c;

	must_pipe(p);
	pid_t pid = MUST(fork());
	if (pid == 0) {
		close(p[1]);
		(void)!read(p[0], &c, 1);
		_exit(6);
	}
	close(p[0]);
	return pid;
}

static void *release(void *fd)
{
	msleep(20);
	close(*(int *)fd);
	return NULL;
}

static void waits(void)
{
	int p[2], status = 0;
	siginfo_t si = { 0 };
	struct rusage ru;
	pid_t a, b;

	say("-- waits");
	R("no children", waitpid(-1, &status, 0));
	R("not our child", waitpid(1, &status, 0));
	R("bad options", waitpid(-1, &status, 0x100));
	a = held(p);
	R("WNOHANG, alive", waitpid(a, &status, WNOHANG));
	R("WNOHANG any", waitpid(-1, &status, WNOHANG));
	R("waitid WNOHANG, alive", waitid(P_PID, a, &si, WEXITED | WNOHANG));
	say("si_pid %d", si.si_pid);
	pthread_t t = start(release, &p[1]);
	say("waitpid: the child %d", waitpid(a, &status, 0) == a);
	say("status %d", WEXITSTATUS(status));
	join(t);
	R("again", waitpid(a, &status, 0));
	a = held(p);
	t = start(release, &p[1]);
	R("waitid WNOWAIT", waitid(P_PID, a, &si, WEXITED | WNOWAIT));
	say("the child %d, code %d, status %d", si.si_pid == a, si.si_code == CLD_EXITED, si.si_status);
	say("wait4: the child %d", wait4(a, &status, 0, &ru) == a);
	join(t);
	a = quick(1);
	b = quick(2);
	int sum = 0;
	for (int i = 0; i < 2; i++) {
		pid_t got = waitpid(-1, &status, 0);

		sum += (got == a && WEXITSTATUS(status) == 1) + (got == b && WEXITSTATUS(status) == 2);
	}
	say("any of two, twice: %d", sum);
	a = held(p);
	kill(a, SIGSTOP);
	say("WUNTRACED: %d", waitpid(a, &status, WUNTRACED) == a);
	say("stopped %d", WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	kill(a, SIGCONT);
	say("WCONTINUED: %d", waitpid(a, &status, WCONTINUED) == a);
	say("continued %d", WIFCONTINUED(status));
	kill(a, SIGKILL);
	say("wait: %d", wait(&status) == a);
	say("killed %d", WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	close(p[1]);
	a = MUST(fork());
	if (a == 0) {
		setpgid(0, 0);
		_exit(3);
	}
	setpgid(a, a);
	say("by process group: %d", waitpid(-a, &status, 0) == a);
	a = quick(0);
	R("bad status pointer", waitpid(a, T_BAD, 0) == a ? 0 : -1);
	waitpid(a, NULL, 0);
	R("waitid, no options", waitid(P_ALL, 0, &si, 0));
	R("waitid, no children", waitid(P_ALL, 0, &si, WEXITED));
	signal(SIGCHLD, SIG_IGN);
	a = quick(0);
	R("SIGCHLD ignored", waitpid(a, &status, 0));
	signal(SIGCHLD, SIG_DFL);
}

static void *wait_for(void *arg)
{
	int status;
	pid_t pid = (pid_t)(intptr_t)arg;

	return (void *)(intptr_t)(waitpid(pid, &status, 0) == pid ? WEXITSTATUS(status) : -1);
}

static void *wait_any(void *arg)
{
	int status;

	(void)arg;
	return (void *)(intptr_t)(waitpid(-1, &status, 0) > 0 ? WEXITSTATUS(status) : -1);
}

static void waits_by_many(void)
{
	pthread_t t[5];
	int p[5][2];
	long sum = 0;

	say("-- many wait");
	for (int i = 0; i < 5; i++) {
		pid_t pid = held(p[i]);
		t[i] = start(wait_for, (void *)(intptr_t)pid);
	}
	for (int i = 4; i >= 0; i--)
		close(p[i][1]);
	for (int i = 0; i < 5; i++)
		sum += (long)join(t[i]);
	say("each its own: %ld", sum);
	sum = 0;
	for (int i = 0; i < 5; i++) {
		held(p[i]);
		t[i] = start(wait_any, NULL);
	}
	for (int i = 4; i >= 0; i--)
		close(p[i][1]);
	for (int i = 0; i < 5; i++)
		sum += (long)join(t[i]);
	say("any: %ld", sum);
	/* a thread made the child; another may wait for it */
	long n = 0;
	for (int i = 0; i < 100; i++)
		n += status_of(quick(i)) == i;
	say("100 in a row: %ld", n);
}

/* --- pthread_atfork --- */

static char order[8];
static void before_1(void) { say("prepare 1"); }
static void before_2(void) { say("prepare 2"); }
static void parent_1(void) { strcat(order, "1"); }	/* said later: the child is talking now */
static void parent_2(void) { strcat(order, "2"); }
static void child_1(void) { say("child 1"); }
static void child_2(void) { say("child 2"); }

static void *fork_here(void *arg)
{
	(void)arg;
	pid_t pid = MUST(fork());
	if (pid == 0) {
		char name[16];

		pthread_getname_np(pthread_self(), name, sizeof(name));
		say("forked from a thread: it is the only one, tid is the pid %d", gettid() == getpid());
		say("its threads work: %c", (int)(intptr_t)join(start(child_thread, "t")));
		msleep(1);
		exit(8);
	}
	return (void *)(intptr_t)status_of(pid);
}

static void *return_from_child(void *arg)
{
	pid_t pid = MUST(fork());

	if (pid == 0) {
		*(int *)arg = 1;
		return NULL;		/* the only thread of the child ends: the child leaves with 0 */
	}
	return (void *)(intptr_t)status_of(pid);
}

static void from_thread(void)
{
	say("-- from a thread");
	say("left with %ld", (long)join(start(fork_here, NULL)));
	say("returned: left with %ld", (long)join(start(return_from_child, &(int){ 0 })));
}

static void atforks(void)
{
	say("-- atfork");
	pthread_atfork(before_1, parent_1, child_1);
	pthread_atfork(before_2, parent_2, child_2);
	pid_t pid = MUST(fork());
	if (pid == 0)
		_exit(0);
	status_of(pid);
	say("parent %s", order);
}

/* --- vfork, spawn, exec --- */

static void vforks(void)
{
	int p[2], status;
	volatile int touched = 0;

	say("-- vfork");
	pid_t pid = vfork();
	if (pid == 0) {
		touched = 1;
		_exit(11);
	}
	say("shares memory %d", touched);
	say("left with %d", status_of(pid));
	must_pipe(p);
	pid = vfork();
	if (pid == 0) {
		dup2(p[1], 1);
		execl("/bin/sh", "sh", "-c", "echo vforked; exit 12", NULL);
		_exit(127);
	}
	close(p[1]);
	char buf[32] = "";
	R("read", read(p[0], buf, sizeof(buf) - 1));
	say("%.7s, left with %d", buf, status_of(pid));
	close(p[0]);
	pid = vfork();
	if (pid == 0) {
		execl("/nonexistent/program", "program", NULL);
		_exit(errno == ENOENT ? 13 : 14);
	}
	say("no such program: %d", status_of(pid));
	for (volatile int i = 0; i < 50; i++) {
		pid = vfork();
		if (pid == 0)
			_exit(i);
		if (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != i)
			say("wrong");
	}
}

static int spawn(const char *file, char *const argv[], posix_spawn_file_actions_t *fa, posix_spawnattr_t *at)
{
	pid_t pid;
	int r = posix_spawn(&pid, file, fa, at, argv, environ);

	return r ? -r : status_of(pid);
}

static void spawns(void)
{
	char *sh[] = { "sh", "-c", "read line; echo got $line; exit 21", NULL }, *none[] = { "none", NULL }, buf[64] = "";
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	sigset_t s;
	int in_[2], out[2];

	say("-- spawn");
	must_pipe(in_);
	must_pipe(out);
	MUST(write(in_[1], "line\n", 5));
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, in_[0], 0);
	posix_spawn_file_actions_adddup2(&fa, out[1], 1);
	posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addclose(&fa, in_[1]);
	say("status %d", spawn("/bin/sh", sh, &fa, NULL));
	R("read", read(out[0], buf, sizeof(buf) - 1));
	say("%.8s", buf);
	posix_spawn_file_actions_destroy(&fa);
	say("no such file: %s", t_errname(-spawn("/nonexistent/none", none, NULL, NULL)));
	say("a directory: %s", t_errname(-spawn("/tmp", none, NULL, NULL)));
	pid_t pid;
	P("spawnp, not in PATH", posix_spawnp(&pid, "no-such-program-at-all", NULL, NULL, none, environ));
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 5, "/nonexistent/file", O_RDONLY, 0);
	char *true_[] = { "true", NULL };
	say("bad file action: %s", t_errname(-spawn("/bin/true", true_, &fa, NULL)));
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_init(&at);
	sigemptyset(&s);
	sigaddset(&s, SIGTERM);
	posix_spawnattr_setsigmask(&at, &s);
	posix_spawnattr_setpgroup(&at, 0);
	posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	char *blocked[] = { "sh", "-c", "kill -TERM $$; exit 22", NULL };
	say("SIGTERM blocked: %d", spawn("/bin/sh", blocked, NULL, &at));
	posix_spawnattr_destroy(&at);
	char *false_[] = { "false", NULL };
	int n = 0;
	for (int i = 0; i < 20; i++)
		n += spawn("/bin/false", false_, NULL, NULL);
	say("20 in a row: %d", n);
	close2(in_);
	close2(out);
}

static void *run_system(void *arg)
{
	int r = system(arg);

	return (void *)(intptr_t)(WIFEXITED(r) ? WEXITSTATUS(r) : -1);
}

static void systems(void)
{
	char line[64] = "";
	pthread_t t[8];
	long sum = 0;

	say("-- system, popen");
	say("exit 3: %ld", (long)(intptr_t)run_system("exit 3"));
	say("no such: %ld", (long)(intptr_t)run_system("no-such-program-at-all 2>/dev/null"));
	YES("a shell", system(NULL));
	for (int i = 0; i < 8; i++)
		t[i] = start(run_system, "sleep 0.05; exit 2");
	for (int i = 0; i < 8; i++)
		sum += (long)join(t[i]);
	say("8 at once: %ld", sum);
	FILE *f = popen("echo one; sleep 0.02; echo two; exit 4", "r");
	for (int i = 0; i < 3; i++)
		if (fgets(line, sizeof(line), f))
			say("popen: %.3s", line);
	say("pclose %d", WEXITSTATUS(pclose(f)));
	fflush(stdout);
	f = popen("cat >&1; exit 5", "w");
	fputs("through cat\n", f);
	say("pclose %d", WEXITSTATUS(pclose(f)));
}

static void *exec_here(void *arg)
{
	(void)arg;
	execl("/bin/sh", "sh", "-c", "echo executed; test $$ = $PARENT_KNOWS && exit 31", NULL);
	return NULL;
}

static void *spin_sleep(void *arg)
{
	(void)arg;
	while (!t_get(&stop))
		msleep(1);
	return NULL;
}

static void execs(void)
{
	say("-- exec");
	pid_t pid = MUST(fork());
	if (pid == 0) {
		char text[16];

		snprintf(text, sizeof(text), "%d", getpid());
		setenv("PARENT_KNOWS", text, 1);
		start(spin_sleep, NULL);
		start(exec_here, NULL);
		msleep(50000);
	}
	say("from a thread: %d", status_of(pid));
	pid = MUST(fork());
	if (pid == 0) {
		start(spin_sleep, NULL);
		msleep(2);
		execl("/bin/sh", "sh", "-c", "kill -0 $$ && exit 32", NULL);
	}
	say("from main, another sleeps: %d", status_of(pid));
	pid = MUST(fork());
	if (pid == 0) {
		pthread_t t = start(spin_sleep, NULL);

		R("exec fails", execl("/nonexistent/x", "x", NULL));
		R("exec of a directory", execl("/", "x", NULL));
		t_set(&stop, 1);
		join(t);
		_exit(33);
	}
	say("threads go on after a failed exec: %d", status_of(pid));
	pid = MUST(fork());
	if (pid == 0) {
		char *argv[] = { "sh", "-c", "exit 34", NULL };

		start(spin_sleep, NULL);
		fexecve(MUST(open("/bin/sh", O_RDONLY | O_CLOEXEC)), argv, environ);
	}
	say("by its descriptor: %d", status_of(pid));
	/* descriptors: close-on-exec, and the inherited still block as they did */
	int p[2];
	MUST(pipe(p));
	pid = MUST(fork());
	if (pid == 0) {
		dup2(p[0], 0);
		close2(p);
		execl("/bin/cat", "cat", NULL);
	}
	close(p[0]);
	msleep(30);
	MUST(write(p[1], "late line\n", 10));
	close(p[1]);
	say("cat waited for its input: %d", status_of(pid));
}

int main(void)
{
	t_begin();
	setvbuf(stdout, NULL, _IONBF, 0);
	while_others_wait();
	both_sides();
	waits();
	waits_by_many();
	from_thread();
	vforks();
	spawns();
	systems();
	execs();
	atforks();
	return 0;
}
