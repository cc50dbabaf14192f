/*
 * cold_file.c - an echo server some of whose threads read a file that is not in memory, over and over, all the time
 *
 *	cold_file FILE READERS	prints `port N'
 *	cold_file -m FILE MB	makes the file
 *
 * Knows nothing of grove.  Each of READERS threads reads a part of the file from its beginning to its end, tells the kernel to
 * forget it, and begins again.  What is read is checked: every 8 bytes say where they are.  The echo is that of demos/serve/echo.
 */
#define _GNU_SOURCE
#include "listen.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK	65536

static int file, readers;
static off_t part;			/* bytes for each reader */

static void give_up(const char *what)
{
	perror(what);
	exit(1);
}

static void check(const uint64_t *block, off_t at)
{
	for (size_t i = 0; i < BLOCK / sizeof(*block); i++)
		if (block[i] != at / sizeof(*block) + i) {
			fprintf(stderr, "cold_file: wrong at %lld\n", (long long)(at + (off_t)(i * sizeof(*block))));
			exit(1);
		}
}

static void *read_part(void *arg)
{
	off_t from = (intptr_t)arg * part;
	uint64_t *block = malloc(BLOCK);

	for (;;) {
		for (off_t at = from; at < from + part; at += BLOCK) {
			if (pread(file, block, BLOCK, at) != BLOCK)
				give_up("cold_file: pread");
			check(block, at);
		}
		posix_fadvise(file, from, part, POSIX_FADV_DONTNEED);
	}
	return NULL;
}

static void *serve(void *arg)
{
	int fd = (intptr_t)arg;
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0 && write(fd, buf, n) == n)
		;
	close(fd);
	return NULL;
}

static void start(void *(*run)(void *), intptr_t arg)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, run, (void *)arg);
	if (errno)
		give_up("cold_file: thread");
	pthread_detach(thread);
}

static int make(const char *path, long mb)
{
	uint64_t *block = malloc(BLOCK), next = 0;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	for (long i = 0; i < mb * (1048576 / BLOCK); i++) {
		for (size_t j = 0; j < BLOCK / sizeof(*block); j++)
			block[j] = next++;
		if (write(fd, block, BLOCK) != BLOCK)
			give_up(path);
	}
	if (fsync(fd) == -1)
		give_up(path);
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	struct stat st;
	int listener;

	if (argc == 4 && strcmp(argv[1], "-m") == 0)
		return make(argv[2], atol(argv[3]));
	if (argc != 3) {
		fprintf(stderr, "usage: cold_file FILE READERS | -m FILE MB\n");
		return 2;
	}
	readers = atoi(argv[2]);
	file = open(argv[1], O_RDONLY);
	if (file == -1 || fstat(file, &st) == -1)
		give_up(argv[1]);
	part = readers ? st.st_size / readers / BLOCK * BLOCK : 0;
	signal(SIGPIPE, SIG_IGN);
	posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
	listener = listen_on(0, 0);
	for (intptr_t i = 0; i < readers; i++)
		start(read_part, i);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd == -1)
			give_up("cold_file: accept");
		send_at_once(fd);
		start(serve, fd);
	}
}
