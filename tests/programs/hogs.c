/*
 * hogs.c - two threads that answer each other through pipes, beside threads that compute or copy, all on one processor
 *
 * Where they wait at each step for the others' slices to end, there is one round trip in two of these; else as many as fit into the
 * time that the two have.  Counted against the processor time of the process, which does not depend on what else runs.  Forked
 * children begin anew, with threads of their own.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ENOUGH	20000
#define SLICE	10000000ll		/* ns; grove's, and the kernel's are shorter */
#define LONGEST	200			/* slices */
#define FEWEST	100			/* round trips in each */

static int there[2], back[2];

static void check(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	_exit(1);
}

static void *computes(void *arg)
{
	volatile uint64_t n = 0;

	(void)arg;
	for (;;)
		n++;
	return NULL;
}

/* From the page cache: it never has to wait. */
static void *copies(void *arg)
{
	static char block[65536];
	int fd = open("hogs.file", O_RDWR | O_CREAT, 0600);

	(void)arg;
	check(fd >= 0 && write(fd, block, sizeof(block)) == sizeof(block), "hogs.file");
	for (;;)
		check(pread(fd, block, sizeof(block), 0) == sizeof(block), "pread");
	return NULL;
}

static void *answers(void *arg)
{
	char c;

	(void)arg;
	while (read(there[0], &c, 1) == 1)
		check(write(back[1], &c, 1) == 1, "write");
	return NULL;
}

static void begin(int hogs, void *(*hog)(void *))
{
	pthread_t t;

	check(pipe(there) == 0 && pipe(back) == 0, "pipe");
	for (int i = 0; i < hogs; i++)
		check(pthread_create(&t, NULL, hog, NULL) == 0, "pthread_create");
	check(pthread_create(&t, NULL, answers, NULL) == 0, "pthread_create");
}

static long long used(void)
{
	struct timespec ts;

	check(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) == 0, "clock_gettime");
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static void round_trips(void)
{
	long long from = used(), took = 0;
	long n = 0;
	char c = 'x';

	while (n < ENOUGH && took < LONGEST * SLICE) {
		check(write(there[1], &c, 1) == 1 && read(back[0], &c, 1) == 1, "round trip");
		n++;
		took = used() - from;
	}
	fprintf(stderr, "%ld round trips in %lld ms\n", n, took / 1000000);
	if (n * SLICE >= FEWEST * took)
		return;
	fputs("these wait for whole slices\n", stderr);
	_exit(1);
}

static void in_child(int hogs, void *(*hog)(void *))
{
	pid_t pid = fork();
	int status;

	check(pid >= 0, "fork");
	if (pid == 0) {
		begin(hogs, hog);
		round_trips();
		_exit(0);
	}
	check(waitpid(pid, &status, 0) == pid, "waitpid");
	if (status != 0)
		_exit(1);
}

int main(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	check(sched_setaffinity(0, sizeof(one), &one) == 0, "sched_setaffinity");
	begin(1, computes);
	round_trips();
	in_child(2, computes);
	in_child(1, copies);
	in_child(0, NULL);
	round_trips();
	_exit(0);
}
