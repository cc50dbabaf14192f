/* libc_process.c - functions that run a shell: they wait for it, keep their rules about signals, and the others go on */
#include "inside.h"
#include <sys/stat.h>
#include <wordexp.h>

static const char *fifo = "go";		/* shells wait for a line from here */
static char command[256], line[64];
static int ints, chlds;

static void let_go(void)
{
	int fd = MUST(open(fifo, O_WRONLY));

	MUST(write(fd, "go\n", 3));
	close(fd);
}

static void on_int(int sig) { (void)sig; __atomic_add_fetch(&ints, 1, __ATOMIC_SEQ_CST); }
static void on_chld(int sig) { (void)sig; __atomic_add_fetch(&chlds, 1, __ATOMIC_SEQ_CST); }

/* --- system --- */

static long do_system(void) { return system(command); }

/* What SIGINT does is asked while the command runs: it is ignored then, and so is SIGQUIT. */
static void look_and_let_go(void)
{
	struct sigaction a, q;

	sigaction(SIGINT, NULL, &a);
	sigaction(SIGQUIT, NULL, &q);
	say("SIGINT ignored %d, SIGQUIT ignored %d", a.sa_handler == SIG_IGN, q.sa_handler == SIG_IGN);
	kill(getpid(), SIGINT);
	let_go();
}

static void systems(void)
{
	struct sigaction a;
	sigset_t now;

	say("-- system");
	signal(SIGINT, on_int);
	signal(SIGCHLD, on_chld);
	strcpy(command, "read x < go; test $x = go && exit 3");
	say("exit: %ld", inside("system", do_system, look_and_let_go));
	sigaction(SIGINT, NULL, &a);
	sigprocmask(SIG_BLOCK, NULL, &now);
	say("SIGINT: %d came, handler back %d; SIGCHLD blocked %d", t_get(&ints), a.sa_handler == on_int, sigismember(&now, SIGCHLD));
	strcpy(command, "kill -TERM $$");
	long r = do_system();
	say("killed: %d", WIFSIGNALED(r) && WTERMSIG(r) == SIGTERM);
	strcpy(command, "trap 'exit 4' INT; kill -INT $$; exit 5");	/* for the command it is as it was before */
	say("SIGINT in the command: %ld", WEXITSTATUS(do_system()));
	signal(SIGCHLD, SIG_DFL);
	signal(SIGINT, SIG_DFL);
}

static void *many_systems(void *arg)
{
	char text[64];
	int i = (int)(intptr_t)arg, r;

	snprintf(text, sizeof(text), i % 2 ? "exit %d" : "read x < /dev/null; exit %d", i);
	r = system(text);
	return (void *)(intptr_t)(WIFEXITED(r) && WEXITSTATUS(r) == i);
}

static void *many_popens(void *arg)
{
	char text[64], got[32] = "";
	int i = (int)(intptr_t)arg;

	snprintf(text, sizeof(text), "echo number %d; exit %d", i, i);
	FILE *f = popen(text, "re");
	bool good = f && fgets(got, sizeof(got), f) && atoi(got + 7) == i;
	return (void *)(intptr_t)(f && WEXITSTATUS(pclose(f)) == i && good);
}

static void many(const char *what, void *(*fn)(void *), int n)
{
	pthread_t t[50];
	int good = 0;

	for (intptr_t i = 0; i < n; i++)
		t[i] = start(fn, (void *)i);
	for (int i = 0; i < n; i++)
		good += (int)(intptr_t)join(t[i]);
	say("%s: %d", what, good);
}

/* system() in a thread that is cancelled: the shell is killed, and what it changed is put back */
static int place;

static void *cancelled_system(void *arg)
{
	t_here(&place);
	return (void *)(intptr_t)system(arg);
}

static void cancelling(void)
{
	struct sigaction a;

	signal(SIGINT, on_int);
	pthread_t t = start(cancelled_system, "read x < go");
	wait_parked(&place);
	pthread_cancel(t);
	say("cancelled in system: %d", join(t) == PTHREAD_CANCELED);
	sigaction(SIGINT, NULL, &a);
	say("handler back %d, no child left %d", a.sa_handler == on_int, waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	signal(SIGINT, SIG_DFL);
}

/* --- popen --- */

static FILE *stream;
static long do_read(void) { return fgets(line, sizeof(line), stream) ? (long)strlen(line) : -1; }
static long do_pclose(void) { return pclose(stream); }

static void popens(void)
{
	say("-- popen");
	stream = popen("read x < go; echo $x on; exit 3", "r");
	R("read", inside("read", do_read, let_go));
	say("%s", line);
	say("status %d", WEXITSTATUS(pclose(stream)));
	stream = popen("cat >out; read x < go; exit 4", "w");
	fputs("words\n", stream);
	say("pclose: %ld", inside("pclose", do_pclose, let_go) >> 8);
	stream = popen("exit 5", "r");
	say("of nothing: %d", fgetc(stream) == EOF);
	say("then %d", WEXITSTATUS(pclose(stream)));
	R("bad mode", popen("true", "x") ? 0 : -1);
	/* the streams of earlier popens are not open in later ones */
	FILE *first = popen("cat; exit 6", "w");
	stream = popen("cat; exit 7", "w");
	say("the first ends by itself: %d", WEXITSTATUS(pclose(first)));
	say("and the second: %d", WEXITSTATUS(pclose(stream)));
}

/* --- wordexp --- */

static long do_wordexp(void)
{
	wordexp_t w;
	int r = wordexp("one $(read x < go; echo $x two) three", &w, 0);
	long n = r == 0 ? (long)w.we_wordc : -1 - r;

	if (r == 0) {
		snprintf(line, sizeof(line), "%s %s %s", w.we_wordv[0], w.we_wordv[1], w.we_wordv[2]);
		wordfree(&w);
	}
	return n;
}

static void words(void)
{
	wordexp_t w;

	say("-- wordexp");
	say("words: %ld", inside("wordexp", do_wordexp, let_go));
	say("%s", line);
	say("no commands: %d", wordexp("$(echo x)", &w, WRDE_NOCMD) == WRDE_CMDSUB);
	say("bad: %d", wordexp("$(echo", &w, 0) == WRDE_SYNTAX);
}

int main(void)
{
	t_begin();
	MUST(mkfifo(fifo, 0600));
	systems();
	many("50 systems at once", many_systems, 50);
	cancelling();
	popens();
	many("50 popens at once", many_popens, 50);
	words();
	return 0;
}
