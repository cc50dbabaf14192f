/*
 * pages.c - calls that read, write out or move pages: of files, of this process, of another
 */
#include "t.h"
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#ifndef SYS_process_mrelease
#define SYS_process_mrelease	448
#endif
#define SIZE	(64 * 4096)

static char *fresh(int prot)
{
	char *p = mmap(NULL, SIZE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

static int resident(char *p)
{
	unsigned char v[SIZE / 4096];
	int n = 0;

	MUST(mincore(p, SIZE, v));
	for (size_t i = 0; i < sizeof(v); i++)
		n += v[i] & 1;
	return n;
}

static void advice(int fd)
{
	char *p = fresh(PROT_READ | PROT_WRITE), *f = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);

	say("--- madvise");
	R("populate", madvise(p, SIZE, MADV_POPULATE_WRITE));
	say("resident %d", resident(p));
	p[0] = 1;
	R("don't need", madvise(p, SIZE, MADV_DONTNEED));
	say("zeros again %d", p[0] == 0);
	R("populate to read", madvise(p, SIZE, MADV_POPULATE_READ));
	R("will need", madvise(f, SIZE, MADV_WILLNEED));
	R("cold", madvise(p, SIZE, MADV_COLD));
	R("page out", madvise(p, SIZE, MADV_PAGEOUT));
	R("remove, private", madvise(p, SIZE, MADV_REMOVE));
	R("populate what may not be read", madvise(fresh(PROT_NONE), SIZE, MADV_POPULATE_READ));
	R("nothing there", madvise(T_BAD, SIZE, MADV_POPULATE_READ));
	R("not aligned", madvise(p + 1, SIZE, MADV_WILLNEED));
	R("no such advice", madvise(p, SIZE, 9999));
	munmap(f, SIZE);
	munmap(p, SIZE);
}

static void populated(int fd)
{
	char *p = mmap(NULL, SIZE, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	char *q = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_POPULATE, fd, 0);

	say("--- populated mappings");
	say("resident %d", resident(p));
	say("resident %d", resident(q));
	R("not open", mmap(NULL, SIZE, PROT_READ, MAP_SHARED | MAP_POPULATE, 9999, 0) == MAP_FAILED ? -1 : 0);
	munmap(p, SIZE);
	munmap(q, SIZE);
}

static void files(int fd)
{
	int p[2];

	must_pipe(p);
	say("--- files");
	R("readahead", readahead(fd, 0, SIZE));
	R("readahead: a pipe", readahead(p[0], 0, 1));
	R("readahead: not open", readahead(9999, 0, 1));
	R("will need", syscall(SYS_fadvise64, fd, 0L, 0L, POSIX_FADV_WILLNEED));
	R("don't need", syscall(SYS_fadvise64, fd, 0L, 0L, POSIX_FADV_DONTNEED));
	R("random", syscall(SYS_fadvise64, fd, 0L, 0L, POSIX_FADV_RANDOM));
	R("a pipe", syscall(SYS_fadvise64, p[0], 0L, 0L, POSIX_FADV_WILLNEED));
	R("not open", syscall(SYS_fadvise64, 9999, 0L, 0L, POSIX_FADV_WILLNEED));
	R("no such advice", syscall(SYS_fadvise64, fd, 0L, 0L, 99));
	close2(p);
}

static void locked(void)
{
	char *p = fresh(PROT_READ | PROT_WRITE);

	say("--- locked memory");
	R("mlock", mlock(p, 4 * 4096));
	R("munlock", munlock(p, 4 * 4096));
	R("mlock2", mlock2(p, 4 * 4096, 0));
	R("on fault", mlock2(p, 4 * 4096, MLOCK_ONFAULT));
	R("flags", mlock2(p, 4096, 99));
	R("nothing there", mlock(T_BAD, 4096));
	R("all: flags", mlockall(0));
	R("all: flags", mlockall(99));
	munmap(p, SIZE);
}

static void policies(void)
{
	unsigned long nodes = 1;
	char *p = fresh(PROT_READ | PROT_WRITE);
	void *pages[2] = { p, p + 4096 };
	int status[2] = { 9, 9 };

	p[0] = p[4096] = 1;
	say("--- where pages are");
	R("mbind", syscall(SYS_mbind, p, SIZE, MPOL_BIND, &nodes, 64L, 0));
	R("mbind, moving", syscall(SYS_mbind, p, SIZE, MPOL_BIND, &nodes, 64L, MPOL_MF_MOVE));
	R("mbind: no such mode", syscall(SYS_mbind, p, SIZE, 999, &nodes, 64L, MPOL_MF_MOVE));
	R("mbind: bad pointer", syscall(SYS_mbind, p, SIZE, MPOL_BIND, T_BAD, 64L, MPOL_MF_MOVE));
	R("move_pages", syscall(SYS_move_pages, 0, 2L, pages, NULL, status, 0));
	say("status %d %d", status[0], status[1]);
	R("move_pages: by tid", syscall(SYS_move_pages, (int)syscall(SYS_gettid), 1L, pages, NULL, status, 0));
	R("move_pages: bad pointer", syscall(SYS_move_pages, 0, 2L, T_BAD, NULL, status, 0));
	R("migrate_pages", syscall(SYS_migrate_pages, 0, 64L, &nodes, &nodes));
	R("migrate_pages: bad pointer", syscall(SYS_migrate_pages, 0, 64L, T_BAD, &nodes));
	munmap(p, SIZE);
}

static void *policies_of_a_thread(void *arg)
{
	policies();
	return arg;
}

static void another_process(void)
{
	char *p = fresh(PROT_READ | PROT_WRITE);
	struct iovec v = { p, SIZE };
	int p1[2];
	pid_t pid;
	int fd;

	say("--- another process");
	must_pipe(p1);
	pid = fork();
	if (pid == 0) {
		char c;

		close(p1[1]);
		_exit((int)read(p1[0], &c, 1));
	}
	fd = (int)MUST(syscall(SYS_pidfd_open, pid, 0));
	R("advice", syscall(SYS_process_madvise, fd, &v, 1L, MADV_COLD, 0));
	R("no such advice", syscall(SYS_process_madvise, fd, &v, 1L, MADV_SEQUENTIAL, 0));
	R("flags", syscall(SYS_process_madvise, fd, &v, 1L, MADV_COLD, 1));
	R("not open", syscall(SYS_process_madvise, 9999, &v, 1L, MADV_COLD, 0));
	R("mrelease: it lives", syscall(SYS_process_mrelease, fd, 0));
	R("mrelease: not open", syscall(SYS_process_mrelease, 9999, 0));
	close2(p1);
	say("it ended with %d", t_reap(pid));
	R("mrelease: it is gone", syscall(SYS_process_mrelease, fd, 0));
	close(fd);
	munmap(p, SIZE);
}

int main(void)
{
	int fd = open("pages.tmp", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	t_begin();
	MUST(ftruncate(fd, SIZE));
	advice(fd);
	populated(fd);
	files(fd);
	locked();
	policies();
	join(start(policies_of_a_thread, NULL));
	another_process();
	unlink("pages.tmp");
	return 0;
}
