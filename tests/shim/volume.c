/* volume.c - files: 50 MB written and read back, offsets kept apart, and FIFOs that open when the other end comes */
#include "t.h"
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define SIZE (50L << 20)
#define PIECE (1 << 20)

static int place;

static uint64_t sum_of(uint64_t sum, const unsigned char *p, long n)
{
	for (long i = 0; i < n; i++)
		sum = (sum ^ p[i]) * 0x100000001b3;
	return sum;
}

static uint64_t written = 0xcbf29ce484222325, read_back = 0xcbf29ce484222325;

static void whole_file(void)
{
	unsigned char *buf = malloc(PIECE);
	int fd = MUST(open("volume.data", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	long n, total = 0;

	say("-- 50 MB");
	for (long i = 0; i < SIZE / PIECE; i++) {
		for (long k = 0; k < PIECE; k++)
			buf[k] = k * 7 + i * 13 + k / 1000;
		written = sum_of(written, buf, PIECE);
		if (write(fd, buf, PIECE) != PIECE)
			fail("write");
	}
	R("size", lseek(fd, 0, SEEK_END));
	R("rewind", lseek(fd, 0, SEEK_SET));
	while ((n = read(fd, buf, 777777)) > 0) {
		read_back = sum_of(read_back, buf, n);
		total += n;
	}
	say("read %ld, the same %d", total, read_back == written);
	R("at the end", read(fd, buf, 10));
	R("pread", pread(fd, buf, 5, 1000000));
	R("the offset stayed", lseek(fd, 0, SEEK_CUR));
	R("pread at the end", pread(fd, buf, 5, SIZE));
	R("pread over the end", pread(fd, buf, 10, SIZE - 3));
	R("pread negative", pread(fd, buf, 5, -1));
	R("pread bad pointer", pread(fd, T_BAD, 5, 0));
	R("read bad pointer", lseek(fd, 0, SEEK_SET) == 0 ? read(fd, T_BAD, 5) : -2);
	R("write bad pointer", write(fd, T_BAD, 5));
	struct iovec v[2] = { { buf, 3 }, { buf + 100, 4 } };
	R("preadv", preadv(fd, v, 2, 10));
	R("pwritev", pwritev(fd, v, 2, SIZE));
	R("preadv2", preadv2(fd, v, 2, 0, 0));
	R("preadv2 at the offset", preadv2(fd, v, 2, -1, 0));
	R("the offset moved", lseek(fd, 0, SEEK_CUR));
	R("lseek negative", lseek(fd, -1, SEEK_SET));
	R("lseek bad whence", lseek(fd, 0, 99));
	R("ftruncate", ftruncate(fd, 100));
	R("size", lseek(fd, 0, SEEK_END));
	R("SEEK_HOLE", lseek(fd, 0, SEEK_HOLE));
	close(fd);
	fd = MUST(open("volume.data", O_WRONLY | O_APPEND | O_CLOEXEC));
	R("append", write(fd, "tail", 4));
	R("offset", lseek(fd, 0, SEEK_CUR));
	R("read, write-only", read(fd, buf, 1));
	close(fd);
	R("unlink", unlink("volume.data"));
	free(buf);
}

/* --- many threads on one file, each in its own part --- */

static int shared;

static void *own_part(void *arg)
{
	int me = (int)(intptr_t)arg, wrong = 0;
	unsigned char buf[4096];

	for (int round = 0; round < 20; round++) {
		memset(buf, me * 20 + round, sizeof(buf));
		if (pwrite(shared, buf, sizeof(buf), (me * 20 + round) * 4096L) != 4096)
			wrong++;
		sched_yield();
		memset(buf, 0, sizeof(buf));
		if (pread(shared, buf, sizeof(buf), (me * 20 + round) * 4096L) != 4096)
			wrong++;
		for (int i = 0; i < 4096; i++)
			wrong += buf[i] != (unsigned char)(me * 20 + round);
	}
	return (void *)(intptr_t)wrong;
}

static void *append_lines(void *arg)
{
	for (int i = 0; i < 100; i++)
		(void)!write(shared, arg, 10);
	return NULL;
}

static void parts(void)
{
	pthread_t t[8];
	long wrong = 0;

	say("-- parts");
	shared = MUST(open("parts.data", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	for (intptr_t i = 0; i < 8; i++)
		t[i] = start(own_part, (void *)i);
	for (int i = 0; i < 8; i++)
		wrong += (long)join(t[i]);
	say("wrong %ld", wrong);
	close(shared);
	shared = MUST(open("parts.data", O_RDWR | O_TRUNC | O_APPEND | O_CLOEXEC));
	for (int i = 0; i < 8; i++)
		t[i] = start(append_lines, "123456789\n");
	for (int i = 0; i < 8; i++)
		join(t[i]);
	R("appended", lseek(shared, 0, SEEK_END));
	close(shared);
	unlink("parts.data");
}

/* --- FIFOs --- */

static void *open_writer(void *arg)
{
	t_here(&place);
	int fd = MUST(open("volume.fifo", O_WRONLY | O_CLOEXEC));

	MUST(write(fd, "through", 7));
	msleep(5);
	close(fd);
	return arg;
}

static int opened;

static void *open_reader(void *arg)
{
	char buf[16];

	t_here(&place);
	int fd = MUST(open("volume.fifo", O_RDONLY | O_CLOEXEC));
	__atomic_add_fetch(&opened, 1, __ATOMIC_SEQ_CST);
	long n, total = 0;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		total += n;
	close(fd);
	(void)arg;
	return (void *)total;
}

static void fifos(void)
{
	char buf[16];

	say("-- FIFO");
	MUST(mkfifo("volume.fifo", 0600));
	place = 0;
	pthread_t t = start(open_writer, NULL);
	wait_parked(&place);
	int fd = OK("the reader comes", open("volume.fifo", O_RDONLY | O_CLOEXEC));
	R("read", read(fd, buf, 16));
	R("read eof", read(fd, buf, 16));
	join(t);
	close(fd);
	place = 0;
	t = start(open_reader, NULL);
	wait_parked(&place);
	fd = OK("the writer comes", open("volume.fifo", O_WRONLY | O_CLOEXEC));
	R("write", write(fd, "1234567890", 10));
	close(fd);
	say("it read %ld", (long)join(t));
	fd = OK("O_RDWR does not wait", open("volume.fifo", O_RDWR | O_CLOEXEC));
	R("write", write(fd, "abc", 3));
	R("read", read(fd, buf, 16));
	close(fd);
	fd = OK("O_NONBLOCK reader does not wait", open("volume.fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	R("read, no writer", read(fd, buf, 16));
	int w = OK("O_NONBLOCK writer, there is a reader", open("volume.fifo", O_WRONLY | O_NONBLOCK | O_CLOEXEC));
	R("read, nothing there", read(fd, buf, 16));
	close(w);
	close(fd);
	R("O_NONBLOCK writer, no reader", open("volume.fifo", O_WRONLY | O_NONBLOCK | O_CLOEXEC));
	/* ten opens wait at once, more than a small pool of helpers might have */
	pthread_t many[10];
	t_set(&opened, 0);
	for (int i = 0; i < 10; i++)
		many[i] = start(open_reader, NULL);
	msleep(20);
	fd = OK("the writer comes", open("volume.fifo", O_WRONLY | O_CLOEXEC));
	t_until(&opened, 10);
	MUST(write(fd, "x", 1));
	close(fd);
	long sum = 0;
	for (int i = 0; i < 10; i++)
		sum += (long)join(many[i]);
	say("they read %ld", sum);
	unlink("volume.fifo");
}

int main(void)
{
	t_begin();
	whole_file();
	parts();
	fifos();
	return 0;
}
