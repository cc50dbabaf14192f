/*
 * disk.c - reading and writing files while other threads are there: cold pages, positions shared by several, appending, writes that are long, in
 * pieces, through, refused
 */
#include "t.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define PAGE	4096
#define PAGES	512
#define READERS	4

static char page[PAGE];
static int fd;

static void fill(void)
{
	uint32_t *word = (uint32_t *)page;

	fd = (int)MUST(open("file", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	for (uint32_t i = 0; i < PAGES; i++) {
		for (uint32_t k = 0; k < PAGE / 4; k++)
			word[k] = i * 1024 + k;
		if (write(fd, page, PAGE) != PAGE)
			fail("write");
	}
	MUST(fsync(fd));
}

static bool is_page(const char *p, uint32_t i)
{
	const uint32_t *word = (const uint32_t *)p;

	for (uint32_t k = 0; k < PAGE / 4; k++)
		if (word[k] != i * 1024 + k)
			return false;
	return true;
}

static void cool(void)
{
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* --- reading ------------------------------------------------------------------------------------------------------------------------- */

static int wrong;

static void *read_places(void *arg)
{
	char *buf = aligned_alloc(PAGE, 3 * PAGE);
	uint32_t seed = (uint32_t)(long)arg + 1;

	for (int i = 0; i < 60; i++) {
		uint32_t at = (seed = seed * 1103515245 + 12345) / 65536 % (PAGES - 3);
		struct iovec v[3] = { { buf + PAGE, PAGE }, { buf, 100 }, { buf + 100, PAGE - 100 } };

		if (i % 2 ? pread(fd, buf, 3 * PAGE, at * PAGE) != 3 * PAGE || !is_page(buf, at) || !is_page(buf + 2 * PAGE, at + 2) :
			    preadv(fd, v, 3, at * PAGE) != 2 * PAGE || !is_page(buf + PAGE, at) || !is_page(buf, at + 1))
			__atomic_fetch_add(&wrong, 1, __ATOMIC_SEQ_CST);
	}
	free(buf);
	return NULL;
}

static uint8_t seen[PAGES];

static void *read_on(void *arg)
{
	char buf[PAGE];
	ssize_t n;

	(void)arg;
	while ((n = read(fd, buf, PAGE)) == PAGE) {
		uint32_t i = *(uint32_t *)buf / 1024;

		if (i >= PAGES || !is_page(buf, i) || __atomic_fetch_add(&seen[i], 1, __ATOMIC_SEQ_CST))
			__atomic_fetch_add(&wrong, 1, __ATOMIC_SEQ_CST);
	}
	return (void *)(long)n;
}

static int all(void *(*fn)(void *))
{
	pthread_t t[READERS];
	long sum = 0;

	for (long i = 0; i < READERS; i++)
		t[i] = start(fn, (void *)i);
	for (int i = 0; i < READERS; i++)
		sum += (long)join(t[i]);
	return (int)sum;
}

static void reading(void)
{
	int missing = 0;

	wrong = 0;
	cool();
	all(read_places);
	say("cold pages at places: %d wrong", wrong);
	MUST(lseek(fd, 0, SEEK_SET));
	memset(seen, 0, sizeof(seen));
	cool();
	say("a position shared by %d: the ends %d", READERS, all(read_on));
	for (int i = 0; i < PAGES; i++)
		missing += seen[i] != 1;
	say("%d wrong, %d missing, position %ld", wrong, missing, (long)lseek(fd, 0, SEEK_CUR));
}

static void *read_odd(void *arg)
{
	char *buf = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)arg;
	MUST(mprotect(buf + PAGE, PAGE, PROT_NONE));
	cool();
	R("across the end", pread(fd, buf, PAGE, PAGES * PAGE - 100));
	R("at the end", pread(fd, buf, PAGE, PAGES * PAGE));
	R("behind it", pread(fd, buf, PAGE, 2 * PAGES * PAGE));
	cool();
	R("into half a buffer", pread(fd, buf, 2 * PAGE, 0));
	cool();
	R("into none", pread(fd, T_BAD, PAGE, 0));
	R("negative", pread(fd, buf, PAGE, -1));
	MUST(lseek(fd, -50, SEEK_END));
	cool();
	R("read at the end", read(fd, buf, PAGE));
	R("read again", read(fd, buf, PAGE));
	munmap(buf, 2 * PAGE);
	return NULL;
}

static void *read_past_cache(void *arg)
{
	char *buf = aligned_alloc(PAGE, PAGE);
	int direct = open("file", O_RDWR | O_DIRECT | O_CLOEXEC);

	(void)arg;
	if (direct == -1) {
		say("no O_DIRECT here");
	} else {
		R("O_DIRECT, pread", pread(direct, buf, PAGE, 5 * PAGE));
		YES("what is there", is_page(buf, 5));
		R("O_DIRECT, read", read(direct, buf, PAGE));
		YES("what is there", is_page(buf, 0));
		R("O_DIRECT, write", write(direct, buf, PAGE));
		R("O_DIRECT, pread", pread(direct, buf, PAGE, PAGE));
		YES("what is there", is_page(buf, 0));
		close(direct);
	}
	free(buf);
	return NULL;
}

/* --- writing ------------------------------------------------------------------------------------------------------------------------- */

static int flags;

static void *append(void *arg)
{
	char line[8] = "-------\n";
	int mine = (int)MUST(open("log", O_WRONLY | O_APPEND | flags | O_CLOEXEC));

	line[0] = (char)('a' + (long)arg);
	for (int i = 0; i < 50; i++)
		if (write(mine, line, sizeof(line)) != sizeof(line))
			__atomic_fetch_add(&wrong, 1, __ATOMIC_SEQ_CST);
	close(mine);
	return NULL;
}

static void *write_on(void *arg)
{
	char line[8] = "-------\n";

	line[0] = (char)('a' + (long)arg);
	for (int i = 0; i < 50; i++)
		if ((i % 2 ? write(fd, line, sizeof(line)) : writev(fd, &(struct iovec){ line, sizeof(line) }, 1)) != sizeof(line))
			__atomic_fetch_add(&wrong, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Each line is whole, and each writer's are all there. */
static void count(const char *what)
{
	char line[8];
	int of[READERS] = { 0 }, odd = 0, log = (int)MUST(open("log", O_RDONLY | O_CLOEXEC));

	while (read(log, line, sizeof(line)) == sizeof(line)) {
		if (line[0] >= 'a' && line[0] < 'a' + READERS && line[7] == '\n')
			of[line[0] - 'a']++;
		else
			odd++;
	}
	say("%s: %d %d %d %d, odd %d, failed %d", what, of[0], of[1], of[2], of[3], odd, wrong);
	close(log);
}

static void appending(void)
{
	wrong = 0;
	for (flags = 0; flags != -1; flags = flags ? -1 : O_DSYNC) {
		close((int)MUST(open("log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)));
		all(append);
		count(flags ? "appended, through" : "appended");
	}
	fd = (int)MUST(open("log", O_RDWR | O_TRUNC | O_SYNC | O_CLOEXEC));
	all(write_on);
	count("at one position, through");
	close(fd);
	fd = (int)MUST(open("log", O_RDWR | O_TRUNC | O_CLOEXEC));
	all(write_on);
	count("at one position");
	close(fd);
}

static int told;

static void on_xfsz(int sig)
{
	told = sig;
}

static void *limited(void *arg)
{
	struct sigaction sa = { .sa_handler = on_xfsz };
	struct rlimit was, r;
	int f = (int)MUST(open("limited", O_RDWR | O_CREAT | O_TRUNC | *(int *)arg | O_CLOEXEC, 0600));

	MUST(getrlimit(RLIMIT_FSIZE, &was));
	r = was;
	r.rlim_cur = PAGE;
	sigaction(SIGXFSZ, &sa, NULL);
	MUST(setrlimit(RLIMIT_FSIZE, &r));
	told = 0;
	R("up to the limit", pwrite(f, page, PAGE, PAGE - 10));
	R("beyond it", pwrite(f, page, PAGE, PAGE));
	say("signal: %s", told == SIGXFSZ ? "SIGXFSZ" : "none");
	told = 0;
	R("ftruncate beyond it", ftruncate(f, 2 * PAGE));
	say("signal: %s", told == SIGXFSZ ? "SIGXFSZ" : "none");
	MUST(setrlimit(RLIMIT_FSIZE, &was));
	close(f);
	return NULL;
}

static void *written(void *arg)
{
	size_t many = 3 << 20;
	char *buf = mmap(NULL, many + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int f = (int)MUST(open("written", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)), full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct iovec v = { buf, 10 };

	(void)arg;
	memset(buf, 'x', many);
	R("much", write(f, buf, many));
	R("much, at a place", pwrite(f, buf, many, 1));
	YES("position", lseek(f, 0, SEEK_CUR) == (off_t)many);
	MUST(munmap(buf + many, PAGE));
	R("from a buffer that ends too soon", pwrite(f, buf, many + PAGE, 0));
	R("from nowhere", write(f, T_BAD, many));
	R("through", pwritev2(f, &v, 1, 0, RWF_DSYNC));
	R("through, at the end", pwritev2(f, &v, 1, -1, RWF_SYNC));
	R("appended", pwritev2(f, &v, 1, 0, RWF_APPEND));
	YES("size", lseek(f, 0, SEEK_END) == (off_t)many + 20);
	R("flags that nobody knows", pwritev2(f, &v, 1, 0, 1 << 30));
	R("where only reading is allowed", write((int)MUST(open("written", O_RDONLY | O_CLOEXEC)), buf, 1));
	R("where there is no room", write(full, buf, 10));
	R("much, where there is no room", write(full, buf, many));
	R("O_APPEND by fcntl", fcntl(f, F_SETFL, O_APPEND));
	R("at the end, whatever place is said", pwrite(f, "y", 1, 0));
	YES("size", lseek(f, 0, SEEK_END) == (off_t)many + 21);
	munmap(buf, many);
	close(full);
	close(f);
	return NULL;
}

/* --- without io_uring ------------------------------------------------------------------------------------------------------------------- */

static void forbid_rings(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { T_LENGTH(code), code };

	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

int main(void)
{
	int how[] = { 0, O_DSYNC };
	pid_t pid;

	t_begin();
	fill();
	say("reading");
	reading();
	join(start(read_odd, NULL));
	join(start(read_past_cache, NULL));
	pid = MUST(fork());
	if (pid == 0) {
		forbid_rings();
		fill();
		say("without io_uring");
		reading();
		join(start(read_odd, NULL));
		exit(0);
	}
	say("child: %d", t_reap(pid));
	close(fd);
	say("writing");
	appending();
	join(start(limited, &how[0]));
	join(start(limited, &how[1]));
	join(start(written, NULL));
	return 0;
}
