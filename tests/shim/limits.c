/*
 * limits.c - limits that are reached: descriptors, files, queued signals, memory, threads, full disks, terminals that are hung up
 *
 * Each case in a child of its own, whose limits end with it.
 */
#include "t.h"
#include <mqueue.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>

static void limit(int what, rlim_t n)
{
	struct rlimit r = { n, n };

	MUST(setrlimit(what, &r));
}

/* No descriptor is left for what it accepts: the kernel says so before anything comes. */
static int listener;

static void *accepts(void *arg)
{
	(void)arg;
	return accept(listener, NULL, NULL) == -1 ? (void *)(long)errno : NULL;
}

static void files(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int client, p[2];
	pthread_t t;

	listener = MUST(socket(AF_INET, SOCK_STREAM, 0));
	MUST(bind(listener, (struct sockaddr *)&a, len));
	MUST(listen(listener, 5));
	MUST(getsockname(listener, (struct sockaddr *)&a, &len));
	client = MUST(socket(AF_INET, SOCK_STREAM, 0));
	limit(RLIMIT_NOFILE, 64);
	usleep(1000);			/* once something has waited, grove has what it needs */
	while (dup(0) >= 0)
		continue;
	say("no more: %s", t_errname(errno));
	t = start(accepts, NULL);
	OK("pipe", pipe(p));
	OK("socket", socket(AF_UNIX, SOCK_STREAM, 0));
	OK("eventfd", eventfd(0, 0));
	OK("open", open("/dev/null", O_RDONLY));
	OK("a sleep", usleep(1000));
	say("accept: %s", t_errname((int)(long)join(t)));
	OK("connect", connect(client, (struct sockaddr *)&a, len));
	close(63);
	OK("dup into the hole", dup(0));
}

static void file_size(void)
{
	int fd = MUST(open("limits.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600));
	char page[4096] = { 0 };

	unlink("limits.tmp");
	signal(SIGXFSZ, SIG_IGN);
	limit(RLIMIT_FSIZE, 6000);
	R("first write", write(fd, page, sizeof(page)));
	R("second write", write(fd, page, sizeof(page)));
	R("third write", write(fd, page, sizeof(page)));
	R("ftruncate", ftruncate(fd, 10000));
	R("fallocate", fallocate(fd, 0, 0, 10000));
}

static void full(void)
{
	int fd = MUST(open("/dev/full", O_RDWR));
	FILE *f = fdopen(dup(fd), "w");

	R("write", write(fd, "x", 1));
	R("writev", writev(fd, (struct iovec[]){ { "ab", 2 }, { "c", 1 } }, 2));
	R("fprintf", fprintf(f, "x"));
	R("fflush", fflush(f));
	R("fclose", fclose(f));
}

static void signals(void)
{
	sigset_t set;
	union sigval v = { 0 };

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	limit(RLIMIT_SIGPENDING, 0);
	R("sigqueue", sigqueue(getpid(), SIGRTMIN, v));
	P("pthread_sigqueue", pthread_sigqueue(pthread_self(), SIGRTMIN, v));
	R("kill", kill(getpid(), SIGUSR2));
}

static void *sleeps(void *arg)
{
	char c;

	return read(*(int *)arg, &c, 1) < 0 ? arg : NULL;
}

static void *sleeps_at(void *arg)
{
	t_here((int *)arg + 2);
	return sleeps(arg);
}

/* until there is no memory for stacks: an error, and those that run are well */
static void threads(void)
{
	pthread_t t[200];
	pthread_attr_t attr;
	int p[2], n = 0, r = 0;

	must_pipe(p);
	join(start(sleeps, (int[]){ MUST(open("/dev/null", O_RDONLY)) }));
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 20);
	limit(RLIMIT_AS, 2ul << 30);
	while (n < 200 && (r = pthread_create(&t[n], &attr, sleeps, &p[0])) == 0)
		n++;
	say("pthread_create: %s", t_errname(r));
	YES("some were made", n > 0 && n < 200);
	close(p[1]);
	while (n > 0)
		join(t[--n]);
	P("pthread_create again", pthread_create(&t[0], NULL, sleeps, (int[]){ MUST(open("/dev/null", O_RDONLY)) }));
	join(t[0]);
}

/* no memory at all: calls that wait go on waiting, and mmap fails as it does */
static void memory(void)
{
	int p[3] = { 0 };
	pthread_t t;

	must_pipe(p);
	t = start(sleeps_at, p);
	wait_parked(&p[2]);
	limit(RLIMIT_AS, 1 << 20);
	YES("mmap", mmap(NULL, 1 << 22, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
	R("a sleep", usleep(2000));
	R("poll", poll(&(struct pollfd){ .fd = p[0], .events = POLLIN }, 1, 2));
	R("write", write(p[1], "x", 1));
	join(t);
}

static void processes(void)
{
	pid_t pid;

	if (geteuid() == 0 && (setgid(65534) == -1 || setuid(65534) == -1))
		return;
	limit(RLIMIT_NPROC, 0);
	pid = fork();
	if (pid == 0)
		_exit(0);
	say("fork: %s", pid == -1 ? t_errname(errno) : "made");
}

static void queues(void)
{
	struct mq_attr attr = { .mq_maxmsg = 10, .mq_msgsize = 100 };

	limit(RLIMIT_MSGQUEUE, 100);
	OK("mq_open", mq_open("/grove-limits", O_RDWR | O_CREAT | O_EXCL, 0600, &attr));
}

static void *reads_tty(void *arg)
{
	char c;

	t_here((int *)arg + 1);
	R("read of a terminal while it is hung up", read(*(int *)arg, &c, 1));
	return NULL;
}

static void terminal(void)
{
	int master = MUST(posix_openpt(O_RDWR | O_NOCTTY)), place[2] = { -1, 0 };
	char name[64];
	pthread_t t;

	MUST(grantpt(master));
	MUST(unlockpt(master));
	MUST(ptsname_r(master, name, sizeof(name)) ? -1 : 0);
	place[0] = MUST(open(name, O_RDWR | O_NOCTTY));
	t = start(reads_tty, place);
	wait_parked(&place[1]);
	close(master);
	join(t);
	R("read again", read(place[0], name, 1));
	R("write", write(place[0], "x", 1));
	R("poll", poll(&(struct pollfd){ .fd = place[0], .events = POLLIN }, 1, -1));
}

static const struct { const char *name; void (*fn)(void); } cases[] = {
	{ "descriptors", files }, { "file size", file_size }, { "full disk", full }, { "queued signals", signals },
	{ "stacks", threads }, { "address space", memory }, { "processes", processes }, { "message queues", queues },
	{ "terminal", terminal },
};

int main(void)
{
	t_begin();
	signal(SIGUSR2, SIG_IGN);
	for (size_t i = 0; i < T_LENGTH(cases); i++) {
		pid_t pid;

		say("== %s", cases[i].name);
		pid = MUST(fork());
		if (pid == 0) {
			t_begin();
			cases[i].fn();
			_exit(0);
		}
		say("ended with %d", t_reap(pid));
	}
	return 0;
}
