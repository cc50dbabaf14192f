/* own_fds.c - a program that looks through all numbers of descriptors finds its own, and no others, however low its limit is */
#include "t.h"
#include <sys/resource.h>
#include <sys/stat.h>

enum { MOST = 48 };

static int scan(const char *how, int (*open_there)(int fd))
{
	int n = 0;

	for (int fd = 0; fd < MOST; fd++) {
		errno = 0;
		if (open_there(fd))
			n++;
		else if (errno != EBADF)
			say("%s: errno %d", how, errno);
	}
	return n;
}

static int by_fstat(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0;
}

static int by_syscall(int fd)
{
	struct stat st;

	return syscall(SYS_fstat, fd, &st) == 0;
}

static int by_flags(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int by_dup(int fd)
{
	int d = fcntl(fd, F_DUPFD, 0);

	return d >= 0 && close(d) == 0;
}

static int by_statx(int fd)
{
	struct statx st;

	return statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &st) == 0;
}

static void *nap(void *arg)
{
	usleep(1000);
	return arg;
}

int main(void)
{
	struct rlimit limit = { MOST, MOST };
	static const struct {
		const char *name;
		int (*open_there)(int fd);
	} ways[] = {
		{ "fstat", by_fstat }, { "syscall", by_syscall }, { "F_GETFD", by_flags }, { "F_DUPFD", by_dup }, { "statx", by_statx },
	};
	int before;

	t_begin();
	R("limit", setrlimit(RLIMIT_NOFILE, &limit));
	before = scan("before", by_flags);
	join(start(nap, NULL));
	for (size_t i = 0; i < T_LENGTH(ways); i++)
		say("%s: %d more than before", ways[i].name, scan(ways[i].name, ways[i].open_there) - before);
	return 0;
}
