/* fork_many.c - forks in a row and one out of the other leave nothing behind; daemons; programs that close everything */
#include "t.h"
#include <dirent.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define ROWS	500			/* forks in a row, from main and from a thread each */
#define DEEP	150

struct holds {
	long fds, maps, tasks, kib;
};

static long entries(const char *path)
{
	DIR *d = opendir(path);
	long n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static struct holds what_it_holds(void)
{
	struct holds h = { entries("/proc/self/fd"), 0, entries("/proc/self/task"), 0 };
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		h.maps++;
	fclose(f);
	f = fopen("/proc/self/status", "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "RssAnon:", 8))
			h.kib = atol(line + 8);
	fclose(f);
	return h;
}

/* Memory that is touched once more by chance is no leak; each fork leaving a page would be. */
static void compare(const char *what, struct holds a, struct holds b)
{
	if (b.fds > a.fds)
		say("%s: %ld descriptors more", what, b.fds - a.fds);
	if (b.maps > a.maps + 8)
		say("%s: %ld mappings more", what, b.maps - a.maps);
	if (b.tasks > a.tasks)
		say("%s: %ld kernel threads more", what, b.tasks - a.tasks);
	if (b.kib > a.kib + 1024)
		say("%s: %ld KiB more", what, b.kib - a.kib);
	say("%s: looked at, no child left %d", what, waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static void *small_work(void *arg)
{
	msleep(1);
	return arg;
}

/* A child has its hub, timers, threads, and an offloaded call. */
static void live(void)
{
	int p[2];
	char c;

	join(start(small_work, NULL));
	must_pipe(p);
	MUST(write(p[1], "x", 1));
	MUST(read(p[0], &c, 1));
	R("poll", poll(&(struct pollfd){ p[0], POLLIN, 0 }, 1, 1));
	close2(p);
}

static void quietly_live(void)
{
	int p[2];
	char c;

	join(start(small_work, NULL));
	must_pipe(p);
	if (poll(&(struct pollfd){ p[0], POLLIN, 0 }, 1, 1) != 0 || write(p[1], "x", 1) != 1 || read(p[0], &c, 1) != 1)
		_exit(1);
	close2(p);
}

static void *in_a_row(void *arg)
{
	int n = *(int *)arg, good = 0;

	for (int i = 0; i < n; i++) {
		pid_t pid = MUST(fork());

		if (pid == 0) {
			if (i % 10 == 0)
				quietly_live();
			_exit(i % 100);
		}
		good += t_reap(pid) == i % 100;
	}
	*(int *)arg = good;
	return NULL;
}

static int stop, parked;

static void *waits(void *arg)
{
	t_here(&parked);
	t_until(&stop, 1);
	return arg;
}

static void rows(void)
{
	int n = 20;

	say("-- in a row");
	pthread_t t = start(waits, NULL);
	wait_parked(&parked);
	in_a_row(&n);
	struct holds before = what_it_holds();
	n = ROWS;
	in_a_row(&n);
	say("from main: %d", n);
	n = ROWS;
	join(start(in_a_row, &n));
	say("from a thread: %d", n);
	compare("afterwards", before, what_it_holds());
	t_set(&stop, 1);
	join(t);
}

/* --- a child's child's child --- */

static int reports[2];

static void line_of_children(void)
{
	for (int left = DEEP;; left--) {
		quietly_live();
		if (left % (DEEP / 2) == 0) {
			struct holds h = what_it_holds();

			MUST(write(reports[1], &h, sizeof(h)));
		}
		if (left == 0)
			_exit(0);
		pid_t pid = fork();		/* the child goes on here */
		if (pid != 0)
			_exit(pid == -1 ? 2 : t_reap(pid));
	}
}

static void *starts_a_line(void *arg)
{
	pid_t pid = MUST(fork());

	if (pid == 0)
		line_of_children();
	return (void *)(intptr_t)(t_reap(pid) + (arg != NULL));
}

static void deep(void)
{
	struct holds first, last;

	say("-- one out of the other");
	must_pipe(reports);
	for (int i = 0; i < 2; i++) {
		say("%s: the last left with %ld", i ? "from a thread" : "from main",
		    i ? (long)join(start(starts_a_line, NULL)) : (long)starts_a_line(NULL));
		MUST(read(reports[0], &first, sizeof(first)));
		MUST(read(reports[0], &last, sizeof(last)));
		MUST(read(reports[0], &last, sizeof(last)));
		compare("the last beside the first", first, last);
	}
	close2(reports);
}

/* --- while others are in malloc, in stdio, in pthread_create --- */

static FILE *shared;

static void *busy(void *arg)
{
	int what = (int)(intptr_t)arg % 3;
	unsigned n = 0;

	while (!t_get(&stop)) {
		void *p = malloc(100 + n++ % 5000);

		if (what == 1)
			fprintf(shared, "%u\n", n);
		else if (what == 2)
			join(start(small_work, NULL));
		free(p);
		if (n % 64 == 0)
			sched_yield();
	}
	return NULL;
}

static void while_busy(void)
{
	pthread_t t[6];
	int good = 0;

	say("-- while others are busy");
	t_set(&stop, 0);
	shared = fopen("/dev/null", "we");
	for (intptr_t i = 0; i < 6; i++)
		t[i] = start(busy, (void *)i);
	for (int i = 0; i < 60; i++) {
		pid_t pid = MUST(fork());

		if (pid == 0) {
			char *p = malloc(10000);

			fprintf(shared, "child %p\n", (void *)p);
			fflush(shared);
			free(p);
			pthread_t mine[4];
			for (int k = 0; k < 4; k++)
				mine[k] = start(small_work, NULL);
			for (int k = 0; k < 4; k++)
				join(mine[k]);
			_exit(21);
		}
		good += t_reap(pid) == 21;
		msleep(1);
	}
	t_set(&stop, 1);
	for (int i = 0; i < 6; i++)
		join(t[i]);
	fclose(shared);
	say("children that could malloc, print and make threads: %d", good);
}

/* --- daemons --- */

static void daemons(void)
{
	int p[2];
	char text[64] = "";

	say("-- daemons");
	must_pipe(p);
	pid_t pid = MUST(fork());
	if (pid == 0) {
		join(start(small_work, NULL));
		if (daemon(1, 1) == -1)
			_exit(1);
		join(start(small_work, NULL));
		dprintf(p[1], "daemon: leader %d, orphan %d", getsid(0) == getpid(), getppid() != pid);
		_exit(0);
	}
	say("its parent left with %d", t_reap(pid));
	MUST(read(p[0], text, sizeof(text) - 1));
	say("%s", text);
	memset(text, 0, sizeof(text));
	pid = MUST(fork());
	if (pid == 0) {
		setsid();
		pid = fork();
		if (pid != 0)
			_exit(pid == -1);
		join(start(small_work, NULL));
		dprintf(p[1], "forked twice: not leader %d", getsid(0) != getpid());
		_exit(0);
	}
	say("its parent left with %d", t_reap(pid));
	MUST(read(p[0], text, sizeof(text) - 1));
	say("%s", text);
	close2(p);
}

/* --- programs that close everything --- */

static void close_all(int how)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (how == 0)
		for (int fd = 3; fd < 70000; fd++)
			close(fd);
	else if (how == 1)
		close_range(3, ~0U, 0);
	else if (how == 2)
		closefrom(3);
	else
		close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
}

static void closed(void)
{
	say("-- all descriptors closed");
	for (int how = 0; how < 4; how++) {
		pid_t pid = MUST(fork());
		if (pid == 0) {
			join(start(small_work, NULL));	/* there is something to be closed */
			close_all(how);
			live();
			pid = MUST(fork());
			if (pid == 0) {
				live();
				close_all(how);
				live();
				_exit(5);
			}
			_exit(t_reap(pid));
		}
		say("%d: left with %d", how, t_reap(pid));
	}
	/* 0, 1 and 2 too: what is made next gets these numbers */
	int out = MUST(fcntl(1, F_DUPFD, 20));
	pid_t pid = MUST(fork());
	if (pid == 0) {
		for (int fd = 0; fd < 3; fd++)
			close(fd);
		int p[2], bad = pipe(p) || p[0] != 0 || p[1] != 1;

		quietly_live();
		bad |= eventfd(0, 0) != 2;
		dprintf(out, "the numbers are those wanted: %d\n", !bad);
		_exit(6);
	}
	say("left with %d", t_reap(pid));
	close(out);
}

int main(void)
{
	t_begin();
	rows();
	deep();
	while_busy();
	daemons();
	closed();
	return 0;
}
