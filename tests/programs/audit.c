/*
 * audit - a thread that holds up the others in the way that its argument names, while main waits for it
 *
 *	vfork	waits for a child that is in no hurry, twice at one place and once at another
 *	pages	has the kernel make many pages in one call
 *	jit	sleeps by a system call instruction that was written at run time, and so does not come to grove
 *	burn	computes
 *	calls	computes, with a system call now and then
 *	long	waits for a child for longer than a second
 *	alone	waits for a child, without another thread
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long (*volatile call_nanosleep)(const struct timespec *ts);
static volatile unsigned long sum;

static __attribute__((noinline)) void child(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };
	pid_t pid = vfork();

	if (pid == 0) {
		syscall(SYS_nanosleep, &ts, NULL);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static __attribute__((noinline)) void wait_for_child(void)
{
	for (volatile int i = 0; i < 2; i++)
		child(80);
	child(80);
}

static __attribute__((noinline)) void map_pages(void)
{
	size_t size = 256ul << 20;

	munmap(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0), size);
}

/* mov $35, %eax; xor %esi, %esi; syscall; ret */
static __attribute__((noinline)) void sleep_in_jit(void)
{
	static const uint8_t code[] = { 0xb8, 0x23, 0, 0, 0, 0x31, 0xf6, 0x0f, 0x05, 0xc3 };
	struct timespec ts = { 0, 300000000 };
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(p, code, sizeof(code));
	mprotect(p, 4096, PROT_READ | PROT_EXEC);
	call_nanosleep = (long (*)(const struct timespec *))p;
	call_nanosleep(&ts);
}

static int64_t cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static __attribute__((noinline)) void burn(long ms)
{
	int64_t end = cpu_ms() + ms;

	while (cpu_ms() < end)
		for (int i = 0; i < 1000000; i++)
			sum += (unsigned long)i;
}

static __attribute__((noinline)) void burn_with_calls(void)
{
	for (int i = 0; i < 10; i++) {
		burn(40);
		syscall(SYS_getppid);
	}
}

static void *work(void *how)
{
	pthread_setname_np(pthread_self(), "holder");
	if (!strcmp(how, "vfork"))
		wait_for_child();
	else if (!strcmp(how, "pages"))
		map_pages();
	else if (!strcmp(how, "jit"))
		sleep_in_jit();
	else if (!strcmp(how, "burn"))
		burn(400);
	else if (!strcmp(how, "calls"))
		burn_with_calls();
	else if (!strcmp(how, "long"))
		child(1800);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t;

	if (argc == 2 && !strcmp(argv[1], "alone")) {
		child(80);
		return 0;
	}
	if (argc != 2 || pthread_create(&t, NULL, work, argv[1]))
		return 2;
	pthread_join(t, NULL);
	puts("done");
	return 0;
}
