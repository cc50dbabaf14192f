/*
 * t.h - what the programs of tests/shim share: how they print a result, and how they know that a thread waits
 *
 * Each program is an ordinary one, linked with nothing of grove's.  It runs bare and under the launcher, and must print the same
 * both times: so nothing here depends on scheduling, on the clock, or on the numbers of descriptors and threads.
 */
#ifndef T_H
#define T_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* bad arguments are what many calls here are made for */
#ifdef __clang__
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#endif
#pragma GCC diagnostic ignored "-Wnonnull"
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"
#pragma GCC diagnostic ignored "-Warray-bounds"

#define T_UNUSED	__attribute__((unused))
#define T_LENGTH(a)	(sizeof(a) / sizeof((a)[0]))
#define T_ERRNO		4242			/* no error has this number: it tells whether a call that worked left errno alone */
#define T_BAD		((void *)8)		/* nothing is mapped there */
#define T_MAX_SECONDS	60

/* One line, by one write(2), so that it does not depend on stdio. */
__attribute__((format(printf, 1, 2))) T_UNUSED static void say(const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	for (char *p = line; n > 0;) {
		ssize_t w = write(1, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			_exit(99);
		p += w;
		n -= w;
	}
}

__attribute__((format(printf, 1, 2), noreturn)) T_UNUSED static void fail(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say("FATAL %s (%s)", text, strerror(errno));
	_exit(98);
}

T_UNUSED static const char *t_errname(int err)
{
	const char *name = strerrorname_np(err);

	return err == 0 ? "0" : name ? name : "E?";
}

T_UNUSED static void t_result(const char *what, long r, int err)
{
	if (r == -1)
		say("%s: -1 %s", what, t_errname(err));
	else
		say("%s: %ld%s", what, r, err == T_ERRNO ? "" : " (errno touched)");
}

/* A call in the manner of system calls: prints what it returned, and errno. */
#define R(what, call) __extension__({						\
	errno = T_ERRNO;							\
	long t_r = (long)(call);						\
	int t_e = errno;							\
	t_result(what, t_r, t_e);						\
	t_r; })

/* The same where the number itself depends on the run (descriptors, lengths): prints ok or the error. */
#define OK(what, call) __extension__({						\
	errno = T_ERRNO;							\
	long t_r = (long)(call);						\
	int t_e = errno;							\
	if (t_r == -1)								\
		t_result(what, t_r, t_e);					\
	else									\
		say("%s: ok%s", what, t_e == T_ERRNO ? "" : " (errno touched)");	\
	t_r; })

/* A call in the manner of pthreads, which returns the error number. */
#define P(what, call) __extension__({						\
	int t_p = (call);							\
	say("%s: %s", what, t_errname(t_p));					\
	t_p; })

#define YES(what, cond) say("%s: %s", what, (cond) ? "yes" : "no")

/* A call that must work for the test to mean anything; prints nothing. */
#define MUST(call) __extension__({						\
	long t_m = (long)(call);						\
	if (t_m == -1)								\
		fail("line %d: %s", __LINE__, #call);				\
	t_m; })

T_UNUSED static long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* the time @ms from now, or before now, on @clock */
T_UNUSED static struct timespec in(clockid_t clock, int ms)
{
	struct timespec t;

	clock_gettime(clock, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000L;
	if (t.tv_nsec < 0) {
		t.tv_sec--;
		t.tv_nsec += 1000000000;
	} else if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

T_UNUSED static void msleep(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&t, &t) == -1 && errno == EINTR)
		continue;
}

T_UNUSED static pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_t t;
	int r = pthread_create(&t, NULL, fn, arg);

	if (r) {
		errno = r;
		fail("pthread_create");
	}
	return t;
}

T_UNUSED static void *join(pthread_t t)
{
	void *ret = NULL;
	int r = pthread_join(t, &ret);

	if (r) {
		errno = r;
		fail("pthread_join");
	}
	return ret;
}

/* A thread says that its next call will wait ... */
T_UNUSED static void t_here(int *place)
{
	__atomic_store_n(place, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
}

/* ... and another returns when it does.  Where /proc does not know the thread, some rest is all there is. */
T_UNUSED static void wait_parked(int *place)
{
	char path[64], text[256];

	while (!__atomic_load_n(place, __ATOMIC_ACQUIRE))
		msleep(1);
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", __atomic_load_n(place, __ATOMIC_ACQUIRE));
	for (int i = 0; i < 300; i++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd == -1)
			break;
		ssize_t n = read(fd, text, sizeof(text) - 1);
		close(fd);
		text[n > 0 ? n : 0] = 0;
		char *state = strrchr(text, ')');
		if (state && state[1] && state[2] == 'S')
			return;
		msleep(1);
	}
	msleep(20);
}

T_UNUSED static void t_set(int *flag, int value)
{
	__atomic_store_n(flag, value, __ATOMIC_SEQ_CST);
}

T_UNUSED static int t_get(int *flag)
{
	return __atomic_load_n(flag, __ATOMIC_SEQ_CST);
}

/* Until *flag is @value; waits politely */
T_UNUSED static void t_until(int *flag, int value)
{
	while (t_get(flag) != value)
		msleep(1);
}

T_UNUSED static void must_pipe(int p[2])
{
	MUST(pipe2(p, O_CLOEXEC));
}

T_UNUSED static void close2(int p[2])
{
	close(p[0]);
	close(p[1]);
}

/* The @n signals that follow */
T_UNUSED static sigset_t set_of(int n, ...)
{
	sigset_t s;
	va_list ap;

	sigemptyset(&s);
	va_start(ap, n);
	while (n-- > 0)
		sigaddset(&s, va_arg(ap, int));
	va_end(ap);
	return s;
}

/* To be called first: nothing here runs for ever. */
T_UNUSED static void t_begin(void)
{
	alarm(T_MAX_SECONDS);
}

/* A forked child's exit status, or 128 + signal */
T_UNUSED static int t_reap(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		fail("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#endif
