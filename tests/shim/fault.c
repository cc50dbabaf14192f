/* fault.c - when something runs out: descriptors, address space; and what must work without more of it */
#include "t.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

static int place, pipes[2];
static sigset_t none;

static void *nothing(void *arg)
{
	return arg;
}

static void *reader(void *arg)
{
	char c = '?';

	(void)arg;
	t_here(&place);
	(void)!read(pipes[0], &c, 1);
	return (void *)(intptr_t)c;
}

static int listener(struct sockaddr_in *a)
{
	int l = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	socklen_t len = sizeof(*a);

	*a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	MUST(bind(l, (struct sockaddr *)a, len));
	MUST(listen(l, 5));
	MUST(getsockname(l, (struct sockaddr *)a, &len));
	return l;
}

static void every_call(int l)
{
	int p[2];

	R("open", open("/dev/null", O_RDONLY));
	R("dup", dup(1));
	R("fcntl F_DUPFD", fcntl(1, F_DUPFD, 0));
	R("pipe", pipe(p));
	R("socket", socket(AF_INET, SOCK_STREAM, 0));
	R("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	R("eventfd", eventfd(0, 0));
	R("epoll_create1", epoll_create1(0));
	R("timerfd_create", timerfd_create(CLOCK_MONOTONIC, 0));
	R("signalfd", signalfd(-1, &none, 0));
	R("accept, one is waiting", accept(l, NULL, NULL));
	R("accept4", accept4(l, NULL, NULL, SOCK_CLOEXEC));
	R("it still waits", poll(&(struct pollfd){ l, POLLIN, 0 }, 1, 0));
	YES("fopen", fopen("/dev/null", "r") != NULL);
	YES("popen", popen("true", "r") != NULL);
	R("dup2 within", dup2(1, 1));
	R("dup2 beyond", dup2(1, 5000000));
}

/* what waits must not need a descriptor that is not there any more */
static void life_without(void)
{
	char c;

	place = 0;
	pthread_t t = start(reader, NULL);
	wait_parked(&place);
	R("write", write(pipes[1], "r", 1));
	say("a thread read %c", (int)(intptr_t)join(t));
	R("nanosleep", nanosleep(&(struct timespec){ 0, 2000000 }, NULL));
	R("poll", poll(&(struct pollfd){ pipes[0], POLLIN, 0 }, 1, 5));
	R("write", write(pipes[1], "s", 1));
	R("read", read(pipes[0], &c, 1));
	pid_t pid = MUST(fork());
	if (pid == 0) {
		msleep(20);
		_exit(12);
	}
	say("waitpid: %d", t_reap(pid));
	pid = MUST(fork());
	if (pid == 0) {
		pthread_t u = start(nothing, NULL);

		join(u);
		u = start(reader, NULL);
		msleep(2);
		(void)!write(pipes[1], "t", 1);
		_exit((int)(intptr_t)join(u));
	}
	say("a child's threads: %c", t_reap(pid));
}

static void descriptors(void)
{
	struct rlimit rl, low;
	struct sockaddr_in a;
	int l = listener(&a), s = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), fds[100], n = 0;

	say("-- descriptors");
	sigemptyset(&none);
	must_pipe(pipes);
	MUST(connect(s, (struct sockaddr *)&a, sizeof(a)));
	MUST(getrlimit(RLIMIT_NOFILE, &rl));
	low = (struct rlimit){ 20, rl.rlim_max };
	MUST(setrlimit(RLIMIT_NOFILE, &low));
	while (n < 100 && (fds[n] = dup(1)) != -1)
		n++;
	say("there were %d left", n);
	every_call(l);
	life_without();
	close(fds[--n]);
	R("one given back: pipe", pipe(fds + n));
	int c = OK("accept", accept(l, NULL, NULL));
	R("accept again", fcntl(l, F_SETFL, O_NONBLOCK) ? -1 : accept(l, NULL, NULL));
	close(c);
	while (n > 0)
		close(fds[--n]);
	MUST(setrlimit(RLIMIT_NOFILE, &rl));
	getrlimit(RLIMIT_NOFILE, &low);
	say("the limit reads back: %d", low.rlim_cur == rl.rlim_cur);
	close(l);
	close(s);
}

/* --- memory --- */

static long mapped_kb(void)
{
	char text[4096] = "", *at;
	int fd = MUST(open("/proc/self/status", O_RDONLY | O_CLOEXEC));

	(void)!read(fd, text, sizeof(text) - 1);
	close(fd);
	at = strstr(text, "VmSize:");
	return at ? atol(at + 7) : 0;
}

static void *hold(void *arg)
{
	pthread_mutex_lock(arg);
	pthread_mutex_unlock(arg);
	return (void *)1;
}

static int memory(void)
{
	static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	static pthread_t t[2000];
	pthread_attr_t attr;
	int n = 0, r = 0;

	struct rlimit rl = { (mapped_kb() + 400 * 1024) * 1024, RLIM_INFINITY };
	MUST(setrlimit(RLIMIT_AS, &rl));
	R("mmap 1 GB", mmap(NULL, 1 << 30, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 1 << 30);
	P("create with 1 GB", pthread_create(&t[0], &attr, nothing, NULL));
	pthread_attr_setstacksize(&attr, 8 << 20);
	pthread_mutex_lock(&gate);
	while (n < 2000 && (r = pthread_create(&t[n], &attr, hold, &gate)) == 0)
		n++;
	say("some threads were made %d, then %s", n >= 10, t_errname(r));
	pthread_mutex_unlock(&gate);
	long sum = 0;
	for (int i = 0; i < n; i++)
		sum += (long)join(t[i]);
	say("all of them ended %d", sum == n);
	r = pthread_create(&t[0], &attr, nothing, (void *)2);
	say("one more: %s", t_errname(r));
	if (r == 0)
		say("it returned %ld", (long)join(t[0]));
	return 0;
}

static void absurd(void)
{
	static const size_t sizes[] = { (size_t)1 << 46, (size_t)1 << 47, (size_t)1 << 50, (size_t)1 << 62, SIZE_MAX / 2, SIZE_MAX & ~4095ul };
	pthread_attr_t attr;
	pthread_t t;

	say("-- absurd stacks");
	for (unsigned i = 0; i < T_LENGTH(sizes); i++) {
		pthread_attr_init(&attr);
		P("setstacksize", pthread_attr_setstacksize(&attr, sizes[i]));
		P("create", pthread_create(&t, &attr, nothing, NULL));
	}
	pthread_attr_init(&attr);
	pthread_attr_setguardsize(&attr, (size_t)1 << 47);
	P("absurd guard", pthread_create(&t, &attr, nothing, NULL));
	pthread_attr_init(&attr);
	P("an ordinary one", pthread_create(&t, &attr, nothing, (void *)3));
	say("it returned %ld", (long)join(t));
}

int main(void)
{
	t_begin();
	descriptors();
	absurd();
	say("-- memory");
	pid_t pid = MUST(fork());
	if (pid == 0)
		_exit(memory());
	say("left with %d", t_reap(pid));
	return 0;
}
