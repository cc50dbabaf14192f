/* io.c - read, write and their vector forms on pipes: ends of file, whole and partial transfers, errors, waiting */
#include "t.h"
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>

static int parked, sigpipes;

static void on_sigpipe(int sig)
{
	(void)sig;
	sigpipes++;
}

static void *read_one(void *fd)
{
	char c = '?';

	t_here(&parked);
	long r = R("parked read", read((int)(intptr_t)fd, &c, 1));
	return (void *)(intptr_t)(r == 1 ? c : -1);
}

static void ends(void)
{
	char buf[16];
	int p[2];

	must_pipe(p);
	R("write 3", write(p[1], "abc", 3));
	R("read 10 of 3", read(p[0], buf, 10));
	R("write 5", write(p[1], "defgh", 5));
	R("read 2 of 5", read(p[0], buf, 2));
	R("read 0 bytes", read(p[0], buf, 0));
	R("read the rest", read(p[0], buf, 16));
	R("read 0 bytes of an empty pipe", read(p[0], buf, 0));
	R("write 0 bytes", write(p[1], buf, 0));
	close(p[1]);
	R("read eof", read(p[0], buf, 10));
	R("read eof again", read(p[0], buf, 10));
	close(p[0]);

	must_pipe(p);
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	R("write, no reader, SIGPIPE ignored", write(p[1], "x", 1));
	signal(SIGPIPE, on_sigpipe);
	R("write, no reader, SIGPIPE handled", write(p[1], "x", 1));
	R("write 0, no reader", write(p[1], "x", 0));
	say("handlers: %d", sigpipes);
	struct iovec v = { buf, 3 };
	R("writev, no reader", writev(p[1], &v, 1));
	say("handlers: %d", sigpipes);
	signal(SIGPIPE, SIG_IGN);
	close(p[1]);
}

static int places[5];

static void *read_short(void *arg)
{
	int fd = (intptr_t)arg & 0xffff, i = (intptr_t)arg >> 16;
	char c;

	t_here(&places[i]);
	return (void *)(long)read(fd, &c, 1);
}

static void waits(void)
{
	pthread_t many[5];
	int p[2], got = 0, eof = 0;

	must_pipe(p);
	parked = 0;
	pthread_t t = start(read_one, (void *)(intptr_t)p[0]);
	wait_parked(&parked);
	MUST(write(p[1], "A", 1));
	say("it read %c", (int)(intptr_t)join(t));

	for (intptr_t i = 0; i < 5; i++)
		many[i] = start(read_short, (void *)(p[0] | i << 16));
	for (int i = 0; i < 5; i++)
		wait_parked(&places[i]);
	R("two bytes for five readers", write(p[1], "x", 1));
	R("two bytes for five readers", write(p[1], "y", 1));
	msleep(10);
	close(p[1]);
	for (int i = 0; i < 5; i++) {
		long r = (long)join(many[i]);

		got += r == 1;
		eof += r == 0;
	}
	say("bytes %d, ends of file %d", got, eof);
	close(p[0]);
}

/* --- more than the pipe holds --- */

#define BIG (2 << 20)

static unsigned char *big;

struct writer {
	int fd, how;
};

static void *write_big(void *arg)
{
	struct writer *w = arg;
	struct iovec v[5] = {
		{ big, 100 }, { big + 100, 0 }, { big + 100, 700000 }, { big + 700100, 3 }, { big + 700103, BIG - 700103 },
	};

	if (w->how == 0)
		R("write 2 MB", write(w->fd, big, BIG));
	else if (w->how == 1)
		R("writev 2 MB", writev(w->fd, v, 5));
	else
		R("pwritev2 2 MB", pwritev2(w->fd, v, 5, -1, 0));
	close(w->fd);
	return NULL;
}

static void whole_writes(void)
{
	big = malloc(BIG);
	for (int i = 0; i < BIG; i++)
		big[i] = i * 31 + i / 4096;
	for (int how = 0; how < 3; how++) {
		unsigned char buf[3000];
		long total = 0, bad = 0, n;
		int p[2];

		must_pipe(p);
		R("pipe of 4 KB", fcntl(p[1], F_SETPIPE_SZ, 4096));
		struct writer w = { p[1], how };
		pthread_t t = start(write_big, &w);
		for (int i = 0; (n = read(p[0], buf, 1 + (i * 997) % sizeof(buf))) > 0; i++) {
			for (long k = 0; k < n; k++)
				bad += buf[k] != big[total + k];
			total += n;
			if (i % 100 == 0)
				msleep(1);
		}
		join(t);
		say("read %ld, %ld of them wrong, end %ld", total, bad, n);
		close(p[0]);
	}
}

static void *write_much(void *arg)
{
	t_here(&parked);
	R("write 1 MB, the reader goes away", write(*(int *)arg, big, 1 << 20));
	return NULL;
}

static void *write_200(void *arg)
{
	t_here(&parked);
	R("write 200, must be whole", write(*(int *)arg, big, 200));
	return NULL;
}

static void partial_writes(void)
{
	static char buf[8192];
	int p[2];

	sigpipes = 0;
	signal(SIGPIPE, on_sigpipe);
	must_pipe(p);
	fcntl(p[1], F_SETPIPE_SZ, 4096);
	parked = 0;
	pthread_t t = start(write_much, &p[1]);
	wait_parked(&parked);
	close(p[0]);
	join(t);
	say("handlers: %d", sigpipes);
	close(p[1]);
	signal(SIGPIPE, SIG_IGN);

	must_pipe(p);
	fcntl(p[1], F_SETPIPE_SZ, 4096);
	R("fill but 96", write(p[1], buf, 4000));
	parked = 0;
	t = start(write_200, &p[1]);
	wait_parked(&parked);
	R("read 10, no room yet", read(p[0], buf, 10));
	msleep(10);
	MUST(read(p[0], buf, 3990));
	join(t);
	R("read the 200", read(p[0], buf, 8192));
	close2(p);
}

#define RECORD 512

static void *write_records(void *arg)
{
	char rec[RECORD];
	int fd = (intptr_t)arg & 0xffff, id = (intptr_t)arg >> 16;

	memset(rec, 'a' + id, sizeof(rec));
	for (int i = 0; i < 200; i++)
		if (write(fd, rec, sizeof(rec)) != sizeof(rec))
			say("short record");
	return NULL;
}

static void records(void)
{
	char rec[RECORD];
	int p[2], torn = 0, count[8] = { 0 };
	pthread_t t[8];

	must_pipe(p);
	fcntl(p[1], F_SETPIPE_SZ, 4096);
	for (intptr_t i = 0; i < 8; i++)
		t[i] = start(write_records, (void *)(p[1] | i << 16));
	for (int n = 0; n < 8 * 200; n++) {
		for (int have = 0; have < RECORD;)
			have += MUST(read(p[0], rec + have, RECORD - have));
		for (int k = 1; k < RECORD; k++)
			torn += rec[k] != rec[0];
		count[rec[0] - 'a']++;
	}
	for (int i = 0; i < 8; i++) {
		join(t[i]);
		say("records of writer %d: %d", i, count[i]);
	}
	say("torn: %d", torn);
	close2(p);
}

/* --- vectors, offsets, flags --- */

static void *read_vector(void *arg)
{
	char a[2], b[3], c[10];
	struct iovec v[] = { { a, 2 }, { NULL, 0 }, { b, 3 }, { c, 10 } };

	t_here(&parked);
	R("parked readv", readv(*(int *)arg, v, 4));
	say("%.2s|%.3s|%.2s", a, b, c);
	return NULL;
}

static void vectors(void)
{
	char a[4] = "", b[4] = "";
	struct iovec v[] = { { a, 3 }, { b, 3 } }, w[] = { { "abc", 3 }, { "", 0 }, { "defg", 4 } };
	int p[2];

	must_pipe(p);
	parked = 0;
	pthread_t t = start(read_vector, &p[0]);
	wait_parked(&parked);
	MUST(writev(p[1], w, 3));
	join(t);
	R("writev", writev(p[1], w, 3));
	R("preadv2 at -1", preadv2(p[0], v, 2, -1, 0));
	say("%s|%s", a, b);
	R("preadv2 RWF_NOWAIT", preadv2(p[0], v, 2, -1, RWF_NOWAIT));
	R("preadv2 RWF_NOWAIT of nothing", preadv2(p[0], v, 2, -1, RWF_NOWAIT));
	R("pwritev2 at -1", pwritev2(p[1], w, 3, -1, 0));
	R("pwritev2 RWF_NOWAIT", pwritev2(p[1], w, 3, -1, RWF_NOWAIT));
	R("preadv2 bad flags", preadv2(p[0], v, 2, -1, 1 << 30));
	R("preadv2 at 0", preadv2(p[0], v, 2, 0, 0));
	R("pread", pread(p[0], a, 1, 0));
	R("pwrite", pwrite(p[1], a, 1, 0));
	R("preadv", preadv(p[0], v, 2, 0));
	R("pwritev", pwritev(p[1], w, 2, 0));
	R("pread negative offset", pread(p[0], a, 1, -1));
	R("lseek", lseek(p[0], 0, SEEK_CUR));
	R("readv 0 vectors", readv(p[0], v, 0));
	R("readv -1 vectors", readv(p[0], v, -1));
	R("readv 1025 vectors", readv(p[0], v, 1025));
	R("writev 0 vectors", writev(p[1], w, 0));
	close2(p);
}

static void *read_later(void *arg)
{
	char c;

	t_here(&parked);
	R("blocking again: read", read(*(int *)arg, &c, 1));
	return NULL;
}

static void nonblocking(void)
{
	static char buf[100000];
	char c;
	int p[2], on = 1, off = 0;

	MUST(pipe2(p, O_NONBLOCK | O_CLOEXEC));
	R("O_NONBLOCK read", read(p[0], &c, 1));
	R("O_NONBLOCK read 0", read(p[0], &c, 0));
	struct iovec v = { &c, 1 };
	R("O_NONBLOCK readv", readv(p[0], &v, 1));
	R("O_NONBLOCK write of more than fits", write(p[1], buf, sizeof(buf)));
	R("O_NONBLOCK write, full", write(p[1], buf, 1));
	R("O_NONBLOCK writev, full", writev(p[1], &v, 1));
	R("read 100", read(p[0], buf, 100));
	R("O_NONBLOCK write 200, room for less", write(p[1], buf, 200));
	R("read 4096", read(p[0], buf, 4096));
	R("O_NONBLOCK write 5000", write(p[1], buf, 5000));
	close2(p);

	must_pipe(p);
	int d = MUST(dup(p[0]));
	MUST(fcntl(d, F_SETFL, O_NONBLOCK));
	R("O_NONBLOCK set through a duplicate", read(p[0], &c, 1));
	MUST(fcntl(p[0], F_SETFL, 0));
	parked = 0;
	pthread_t t = start(read_later, &p[0]);
	wait_parked(&parked);
	MUST(write(p[1], "z", 1));
	join(t);
	R("FIONBIO on", ioctl(p[0], FIONBIO, &on));
	R("read", read(p[0], &c, 1));
	YES("O_NONBLOCK shows", fcntl(d, F_GETFL) & O_NONBLOCK);
	R("FIONBIO off", ioctl(d, FIONBIO, &off));
	YES("O_NONBLOCK shows", fcntl(p[0], F_GETFL) & O_NONBLOCK);
	parked = 0;
	t = start(read_later, &p[0]);
	wait_parked(&parked);
	MUST(write(p[1], "z", 1));
	join(t);
	R("write", write(p[1], "12345", 5));
	int n = -1;
	R("FIONREAD", ioctl(p[0], FIONREAD, &n));
	say("there are %d", n);
	R("FIONBIO bad pointer", ioctl(p[0], FIONBIO, T_BAD));
	R("FIONBIO bad descriptor", ioctl(-1, FIONBIO, &on));
	close(d);
	close2(p);
}

/* --- bad pointers and descriptors --- */

static void bad_pointers(void)
{
	char *two = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), c[4];
	struct iovec v[2] = { { c, 1 }, { T_BAD, 4 } };
	int p[2];

	MUST(mprotect(two + 4096, 4096, PROT_NONE));
	must_pipe(p);
	R("read to a kernel address", read(p[0], (void *)0xffff800000000000, 1));
	R("write 4", write(p[1], "abcd", 4));
	R("read to a bad pointer", read(p[0], T_BAD, 4));
	R("read to NULL", read(p[0], NULL, 4));
	R("readv bad array", readv(p[0], (struct iovec *)T_BAD, 2));
	R("readv second bad", readv(p[0], v, 2));
	R("what is left", read(p[0], c, 4));
	R("write from a bad pointer", write(p[1], T_BAD, 4));
	R("write from a bad pointer, 0", write(p[1], T_BAD, 0));
	R("write from a bad pointer, 1 MB", write(p[1], T_BAD, 1 << 20));
	R("writev bad array", writev(p[1], (struct iovec *)T_BAD, 2));
	R("writev second bad", writev(p[1], v, 2));
	v[0].iov_len = (size_t)-1;
	R("writev negative length", writev(p[1], v, 2));
	R("write, second page bad", write(p[1], two, 8192));
	R("read into a good page and a bad one", read(p[0], two, 8192));
	close2(p);

	must_pipe(p);
	R("write 8000", write(p[1], big, 8000));
	R("read into a good page and a bad one", read(p[0], two, 8000));
	R("what is left", read(p[0], big, 8000));
	R("pipe2 bad pointer", pipe2((int *)T_BAD, 0));
	R("pipe2 bad flags", pipe2(p, 1));
	munmap(two, 8192);
}

static void bad_descriptors(void)
{
	char c[4];
	struct iovec v = { c, 1 };
	int p[2];

	must_pipe(p);
	R("read from the writing end", read(p[1], c, 1));
	R("write to the reading end", write(p[0], c, 1));
	close2(p);
	R("read closed", read(p[0], c, 1));
	R("write closed", write(p[1], c, 1));
	R("read -1", read(-1, c, 1));
	R("write -1", write(-1, c, 1));
	R("read 1 million", read(1000000, c, 1));
	R("readv -1", readv(-1, &v, 1));
	R("writev -1", writev(-1, &v, 1));
	R("pread -1", pread(-1, c, 1, 0));
	R("preadv2 -1", preadv2(-1, &v, 1, -1, 0));
	R("close -1", close(-1));
	R("close again", close(p[0]));
	R("dup closed", dup(p[0]));
	R("dup2 closed", dup2(p[0], 200));
	R("dup3 same", dup3(1, 1, 0));
	R("dup2 same", dup2(1, 1));
	R("fcntl closed", fcntl(p[0], F_GETFL));
	int d = MUST(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	R("read a directory", read(d, c, 1));
	close(d);
	int z = MUST(open("/dev/zero", O_RDWR | O_CLOEXEC)), n = MUST(open("/dev/null", O_RDWR | O_CLOEXEC));
	R("read /dev/zero", read(z, c, 4));
	R("write /dev/zero", write(z, c, 4));
	R("read /dev/null", read(n, c, 4));
	R("write /dev/null", write(n, c, 4));
	R("write 1 GB of nothing to /dev/null", write(n, T_BAD, 1 << 30));
	close(z);
	close(n);
}

int main(void)
{
	t_begin();
	ends();
	waits();
	whole_writes();
	partial_writes();
	records();
	vectors();
	nonblocking();
	bad_pointers();
	bad_descriptors();
	return 0;
}
