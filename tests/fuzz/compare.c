/*
 * compare.c - has fuzz_calls carry out a script bare and under grove, and compares
 *
 * Linked with libFuzzer (-fsanitize=fuzzer), which makes up the scripts, or with -DPLAIN, which carries out the files named and those
 * that a row of seeds gives.  A difference counts when the bare program says the same each time and grove says something else each
 * time; other differences are reported as unsteady on standard error, and do not end the run.
 *
 *	FUZZ_CALLS	the program             GROVE_SHIM	the library to preload
 *	FUZZ_TRACES	print traces            FUZZ_SHARE	how many per cent of one processor to use (100)
 *	FUZZ_FINDINGS	a folder: differences are kept there and the run goes on
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SCRIPTS		200
#define TRACE		201
#define COVER		202
#define HEAD		16
#define SCRIPT_MAX	512
#define TRACE_MAX	(1 << 18)
#define HANG_MS		15000
#define QUIET_MS	10000
#define COUNTERS	(1 << 17)

struct server {
	const char *name;
	pid_t pid;
	int scripts, trace;
	int sems, queue;
	char dir[64];
};

static struct server bare = { .name = "bare" }, grove = { .name = "grove" };
static int cover_fd = -1;
static uint8_t *cover;

/* What libFuzzer takes for coverage: which call answered what, and grove's own code where it is counted. */
__attribute__((used, section("__libfuzzer_extra_counters"))) static uint8_t counters[COUNTERS + 65536];

__attribute__((noreturn)) static void give_up(const char *what)
{
	fprintf(stderr, "fuzz: %s: %s\n", what, strerror(errno));
	exit(2);
}

static long must(long r, const char *what)
{
	if (r == -1)
		give_up(what);
	return r;
}
#define MUST(call) must(call, #call)

/* --- the two programs ---------------------------------------------------------------------------------------------------------------- */

static void clean_up(void)
{
	for (int i = 0; i < 2; i++) {
		struct server *s = i ? &grove : &bare;

		if (!s->pid)
			continue;
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
		semctl(s->sems, 0, IPC_RMID);
		msgctl(s->queue, IPC_RMID, NULL);
		DIR *d = opendir(s->dir);
		for (struct dirent *e; d && (e = readdir(d));)
			unlinkat(dirfd(d), e->d_name, 0);
		if (d)
			closedir(d);
		rmdir(s->dir);
	}
}

static void set_number(const char *name, long n)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", n);
	setenv(name, text, 1);
}

static const char *need_env(const char *name)
{
	const char *value = getenv(name);

	if (!value) {
		fprintf(stderr, "fuzz: %s is not set\n", name);
		exit(2);
	}
	return value;
}

_Noreturn static void become(struct server *s, int scripts, int trace)
{
	struct rlimit files = { 1024, 4096 }, core = { 0, 0 };
	char *path = realpath(need_env("FUZZ_CALLS"), NULL), *shim = realpath(need_env("GROVE_SHIM"), NULL);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	MUST(dup2(scripts, SCRIPTS));
	MUST(dup2(trace, TRACE));
	if (cover_fd >= 0)
		MUST(dup2(cover_fd, COVER));
	dup2(open("/dev/null", O_RDWR), 0);
	dup2(2, 1);
	close_range(3, SCRIPTS - 1, 0);
	close_range(COVER + 1, ~0u, 0);
	setrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_CORE, &core);
	set_number("FUZZ_SEMS", s->sems);
	set_number("FUZZ_QUEUE", s->queue);
	set_number("FUZZ_COVER_FD", COVER);
	if (s == &grove)
		setenv("LD_PRELOAD", shim, 1);
	if (!path || chdir(s->dir) == -1)
		give_up("become");
	setsid();
	execl(path, "fuzz_calls", NULL);
	give_up(path);
}

static void start_server(struct server *s)
{
	int scripts[2], trace[2];
	const char *tmp = getenv("TMPDIR") ?: "/tmp";

	s->sems = (int)MUST(semget(IPC_PRIVATE, 4, 0600));
	s->queue = (int)MUST(msgget(IPC_PRIVATE, 0600));
	snprintf(s->dir, sizeof(s->dir), "%s/grove-fuzz.XXXXXX", tmp);
	if (!mkdtemp(s->dir))
		give_up("mkdtemp");
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, scripts));
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, trace));
	s->pid = fork();
	if (s->pid == 0)
		become(s, scripts[1], trace[1]);
	s->scripts = scripts[0];
	s->trace = trace[0];
	close(scripts[1]);
	close(trace[1]);
}

static void begin(void)
{
	static bool begun;

	if (begun)
		return;
	begun = true;
	need_env("FUZZ_CALLS");
	need_env("GROVE_SHIM");
	signal(SIGPIPE, SIG_IGN);
	cover_fd = (int)MUST(memfd_create("cover", MFD_CLOEXEC));
	MUST(ftruncate(cover_fd, COUNTERS));
	cover = mmap(NULL, COUNTERS, PROT_READ | PROT_WRITE, MAP_SHARED, cover_fd, 0);
	atexit(clean_up);
	start_server(&bare);
	start_server(&grove);
}

/* --- quiet: every kernel thread of the process sleeps --------------------------------------------------------------------------------- */

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

/* The thread's state, or 'Z' when it is gone */
static char state_of(int dir, const char *tid)
{
	char path[300], text[512], *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/stat", tid);
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return 'Z';
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	p = strrchr(text, ')');
	return p ? p[2] : 'Z';
}

static bool all_sleep(pid_t pid)
{
	bool asleep = true;
	char path[64];
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = opendir(path);
	if (!d)
		return true;
	for (struct dirent *e; asleep && (e = readdir(d));)
		if (e->d_name[0] != '.' && !strchr("SZXtT", state_of(dirfd(d), e->d_name)))
			asleep = false;
	closedir(d);
	return asleep;
}

/* In two looks in a row; false when it never is */
static bool wait_quiet(pid_t pid, bool slow)
{
	long long end = now_ms() + QUIET_MS;
	int seen = 0;

	if (slow)
		usleep(3000);
	while (seen < 2) {
		seen = all_sleep(pid) ? seen + 1 : 0;
		if (now_ms() > end)
			return false;
		if (seen == 0)
			usleep(50);
		else
			sched_yield();
	}
	return true;
}

/* Where its kernel threads are, for people */
static void tell_where(pid_t pid)
{
	static const char *const files[] = { "wchan", "syscall" };
	char path[300], text[256];
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));) {
		for (int i = 0; i < 2 && e->d_name[0] != '.'; i++) {
			snprintf(path, sizeof(path), "/proc/%d/task/%s/%s", (int)pid, e->d_name, files[i]);
			int fd = open(path, O_RDONLY | O_CLOEXEC);
			ssize_t n = fd == -1 ? 0 : read(fd, text, sizeof(text) - 1);

			close(fd);
			fprintf(stderr, "%s %.*s", i ? "" : e->d_name, n > 0 ? (int)n : 0, text);
			if (i && (n < 1 || text[n - 1] != '\n'))
				fprintf(stderr, "\n");
		}
	}
	if (d)
		closedir(d);
}

/* --- one run -------------------------------------------------------------------------------------------------------------------------- */

struct run {
	char trace[TRACE_MAX];
	size_t len;
	bool stuck;
};

static void append(struct run *r, const char *text, size_t n)
{
	if (n > TRACE_MAX - 1 - r->len)
		n = TRACE_MAX - 1 - r->len;
	memcpy(r->trace + r->len, text, n);
	r->trace[r->len += n] = 0;
}

static void append_line(struct run *r, const char *what)
{
	append(r, what, strlen(what));
	append(r, "\n", 1);
}

/* A message of the trace: a letter, the child's pid, a number, and what was said since the last one. */
static bool take_message(struct server *s, struct run *r, pid_t *pid)
{
	static char text[65536];
	ssize_t n = recv(s->trace, text, sizeof(text) - 1, MSG_DONTWAIT);

	if (n < HEAD)
		return true;
	text[n] = 0;
	*pid = (pid_t)strtol(text + 1, NULL, 10);
	append(r, text + HEAD, (size_t)n - HEAD);
	if (text[0] == 'e' || text[0] == 't')
		return true;
	if (!wait_quiet(*pid, text[0] == 'Q'))
		return append_line(r, "NEVER QUIET"), false;
	return write(s->trace, text, HEAD) == HEAD;
}

static void take_end(struct server *s, struct run *r)
{
	char text[64];
	int status;

	if (read(s->scripts, &status, sizeof(status)) != sizeof(status)) {
		fprintf(stderr, "fuzz: the %s program has ended\n", s->name);
		abort();
	}
	snprintf(text, sizeof(text), "ended with status %x", status);
	append_line(r, text);
}

static void run_one(struct server *s, const uint8_t *script, size_t len, struct run *r)
{
	struct pollfd p[2] = { { .fd = s->trace, .events = POLLIN }, { .fd = s->scripts, .events = POLLIN } };
	pid_t child = 0;

	r->len = 0;
	r->stuck = false;
	MUST(write(s->scripts, script, len));
	for (;;) {
		int n = poll(p, 2, HANG_MS);

		if (n == 0 || (n > 0 && (p[0].revents & POLLIN) && !take_message(s, r, &child))) {
			append_line(r, "STUCK");
			r->stuck = true;
			fprintf(stderr, "stuck %s:\n", s->name);
			tell_where(child);
			if (child <= 0)
				give_up("no child");
			kill(child, SIGKILL);
		} else if (n > 0 && !(p[0].revents & POLLIN) && (p[1].revents & (POLLIN | POLLHUP))) {
			return take_end(s, r);
		}
	}
}

/* --- comparing ------------------------------------------------------------------------------------------------------------------------- */

static struct run runs[3];

static bool same(const struct run *a, const struct run *b)
{
	return a->len == b->len && memcmp(a->trace, b->trace, a->len) == 0;
}

static void print_difference(const struct run *a, const struct run *b)
{
	const char *p = a->trace, *q = b->trace, *line = p, *start = q;

	while (*p && *p == *q) {
		if (*p == '\n')
			line = p + 1, start = q + 1;
		p++;
		q++;
	}
	fprintf(stderr, "%.*s", (int)(line - a->trace), a->trace);
	fprintf(stderr, "- %.*s\n+ %.*s\n", (int)strcspn(line, "\n"), line, (int)strcspn(start, "\n"), start);
}

static void keep(const uint8_t *script, size_t len, const char *kind)
{
	const char *dir = getenv("FUZZ_FINDINGS");
	uint32_t h = 2166136261u;
	char path[300];
	int fd;

	if (!dir)
		return;
	for (size_t i = 0; i < len; i++)
		h = (h ^ script[i]) * 16777619u;
	snprintf(path, sizeof(path), "%s/%s-%08x", dir, kind, h);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd == -1 || write(fd, script, len) != (ssize_t)len)
		give_up(path);
	close(fd);
}

enum verdict { SAME, UNSTEADY, DIFFERENT };

/* It differed once.  Again and again: is the bare program steady, and grove never like it? */
static enum verdict look_again(const uint8_t *script, size_t len)
{
	int like = 0;

	for (int i = 0; i < (runs[1].stuck ? 1 : 5); i++) {
		run_one(&bare, script, len, &runs[2]);
		if (!same(&runs[0], &runs[2]))
			return SAME;		/* the kernel itself leaves it open */
		run_one(&grove, script, len, &runs[2]);
		like += same(&runs[0], &runs[2]);
	}
	return like ? UNSTEADY : DIFFERENT;
}

/* A feature for each (call, error, waits) of the bare run */
static void count_features(const struct run *r)
{
	for (const char *line = r->trace; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t n = strcspn(line, "\n");
		const char *name = memchr(line, ' ', n), *end = memchr(line, '(', n), *value = memmem(line, n, ") ", 2);
		uint32_t h = 2166136261u;

		if (!name || !end || !value)
			continue;
		for (const char *c = end; c > line && *c != ' '; c--)
			h = (h ^ (uint8_t)*c) * 16777619u;
		for (const char *c = value; c < line + n && *c != '#'; c++)
			if ((*c >= 'A' && *c <= 'Z') || *c == '-' || *c == 'w')
				h = (h ^ (uint8_t)*c) * 16777619u;
		counters[COUNTERS + h % 65536] = 1;
	}
}

static enum verdict compare(const uint8_t *script, size_t len)
{
	enum verdict v;

	begin();
	if (len > SCRIPT_MAX)
		len = SCRIPT_MAX;
	if (len < 8)
		return SAME;
	run_one(&bare, script, len, &runs[0]);
	run_one(&grove, script, len, &runs[1]);
	if (getenv("FUZZ_TRACES"))
		fprintf(stderr, "--- bare\n%s--- grove\n%s", runs[0].trace, runs[1].trace);
	count_features(&runs[0]);
	memcpy(counters, cover, COUNTERS);
	if (same(&runs[0], &runs[1]))
		return SAME;
	v = look_again(script, len);
	if (v == SAME)
		return v;
	fprintf(stderr, "=== %s\n", v == DIFFERENT ? "DIFFERENT" : "unsteady under grove");
	print_difference(&runs[0], &runs[1]);
	keep(script, len, v == DIFFERENT ? "different" : "unsteady");
	return v;
}

static long long used_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000ll + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

#ifndef PLAIN

/* A long run shares the machine: it rests as long as it worked. */
static void rest(long long worked_ms)
{
	int share = atoi(getenv("FUZZ_SHARE") ?: "100");

	if (share > 0 && share < 100)
		usleep((useconds_t)(worked_ms * 1000 * (100 - share) / share));
}

int LLVMFuzzerTestOneInput(const uint8_t *script, size_t len)
{
	long long began = now_ms();
	enum verdict v = compare(script, len);

	rest(now_ms() - began);
	if (v == DIFFERENT && !getenv("FUZZ_FINDINGS"))
		abort();
	(void)used_ms;
	return 0;
}

#else

static int tried, differed;

static void try(const char *name, const uint8_t *script, size_t len)
{
	enum verdict v = compare(script, len);

	tried++;
	if (v != DIFFERENT)
		return;
	differed++;
	printf("FAIL %s\n", name);
}

/* Leave out one step after the other, as long as it still differs. */
static void shorten(const char *path)
{
	uint8_t script[SCRIPT_MAX], shorter[SCRIPT_MAX];
	int fd = (int)MUST(open(path, O_RDWR | O_CLOEXEC));
	size_t n = (size_t)MUST(read(fd, script, sizeof(script)));

	for (size_t i = n / 8 * 8; i >= 8 && n > 8; i -= 8) {
		memcpy(shorter, script, i - 8);
		memcpy(shorter + i - 8, script + i, n - i);
		if (compare(shorter, n - 8) != DIFFERENT)
			continue;
		n -= 8;
		memcpy(script, shorter, n);
	}
	MUST(ftruncate(fd, 0));
	MUST(pwrite(fd, script, n, 0));
	close(fd);
	printf("%s: %zu steps\n", path, n / 8);
}

static void try_file(const char *path)
{
	uint8_t script[SCRIPT_MAX];
	int fd = (int)MUST(open(path, O_RDONLY | O_CLOEXEC));
	ssize_t n = MUST(read(fd, script, sizeof(script)));

	close(fd);
	try(path, script, (size_t)n);
}

/* a small generator of its own: the same scripts everywhere */
static void try_seed(unsigned seed)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15ull + 1;
	uint8_t script[SCRIPT_MAX];
	char name[40];

	for (size_t i = 0; i < sizeof(script); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		script[i] = (uint8_t)(x >> 32);
	}
	snprintf(name, sizeof(name), "seed %u", seed);
	try(name, script, 8 * (8 + x % 57));
}

int main(int argc, char **argv)
{
	unsigned from, to;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--shorten") == 0 && argv[i + 1])
			shorten(argv[++i]);
		else if (sscanf(argv[i], "%u-%u", &from, &to) == 2)
			for (unsigned seed = from; seed <= to; seed++)
				try_seed(seed);
		else
			try_file(argv[i]);
	}
	printf("%d scripts, %d differ\n", tried, differed);
	(void)used_ms;
	return differed != 0;
}

#endif
