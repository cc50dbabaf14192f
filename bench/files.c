/*
 * files.c - what calls on files cost that need not wait, while another thread is there
 *
 *	files FOLDER [n]	prints nanoseconds of CPU for each read, write, ... of 4 KB in the page cache, stat, open and close
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_SIZE (1 << 20)

static char buf[4096];
static int wake[2];

static void *other(void *arg)
{
	char c;

	(void)arg;
	return (void *)(long)read(wake[0], &c, 1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static long write_next(int fd, long i)
{
	return i % (FILE_SIZE / 4096) ? write(fd, buf, sizeof(buf)) : lseek(fd, 0, SEEK_SET) + write(fd, buf, sizeof(buf));
}

static long read_next(int fd, long i)
{
	return i % (FILE_SIZE / 4096) ? read(fd, buf, sizeof(buf)) : lseek(fd, 0, SEEK_SET) + read(fd, buf, sizeof(buf));
}

static long pread_any(int fd, long i)
{
	return pread(fd, buf, sizeof(buf), i * 7 % (FILE_SIZE / 4096) * 4096);
}

static long stat_it(int fd, long i)
{
	struct stat st;

	(void)fd, (void)i;
	return stat("bench-file", &st) == 0 ? (long)sizeof(buf) : -1;
}

static long open_it(int fd, long i)
{
	int f = open("bench-file", O_RDONLY | O_CLOEXEC);

	(void)fd, (void)i;
	return f >= 0 && close(f) == 0 ? (long)sizeof(buf) : -1;
}

static long open_read(int fd, long i)
{
	int f = open("bench-file", O_RDONLY | O_CLOEXEC);
	long r = read(f, buf, sizeof(buf));

	(void)fd, (void)i;
	return close(f) == 0 ? r : -1;
}

static const struct {
	const char *name;
	long (*fn)(int fd, long i);
} calls[] = {
	{ "write", write_next }, { "read", read_next }, { "pread", pread_any }, { "stat", stat_it }, { "open_close", open_it },
	{ "open_read_close", open_read },
};

int main(int argc, char **argv)
{
	long n = argc > 2 ? atol(argv[2]) : 200000;
	pthread_t thread;
	int fd;

	if (argc < 2 || n < 1 || chdir(argv[1]) == -1 || pipe(wake) == -1 || pthread_create(&thread, NULL, other, NULL))
		return 2;
	fd = open("bench-file", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	for (long i = 0; i < FILE_SIZE / 4096; i++)
		if (write_next(fd, i) != sizeof(buf))
			return 1;
	for (size_t k = 0; k < sizeof(calls) / sizeof(calls[0]); k++) {
		double from = now();

		for (long i = 0; i < n; i++)
			if (calls[k].fn(fd, i) != sizeof(buf))
				return 1;
		printf("%s %.1f\n", calls[k].name, (now() - from) / (double)n);
	}
	unlink("bench-file");
	return write(wake[1], "x", 1) != 1 || pthread_join(thread, NULL);
}
