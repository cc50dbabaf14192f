/* early.c - what is called before the constructors of libraries have run, so before grove has started */
#include "t.h"
#include <sys/eventfd.h>
#include <sys/socket.h>

static struct early {
	int opened, piped, made, paired, answer;
	long wrote, got, sent, received, slept, polled, opened_raw, read_raw;
	char text[4], heard[4];
} e;

static void calls(void)
{
	struct timespec none = { 0, 0 };
	int fds[2], pair[2];

	e.opened = open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0;
	e.opened_raw = syscall(SYS_openat, AT_FDCWD, "/dev/zero", O_RDONLY | O_CLOEXEC, 0);
	e.read_raw = syscall(SYS_read, (int)e.opened_raw, e.heard, 2);
	e.piped = pipe(fds);
	e.wrote = write(fds[1], "abc", 3);
	e.got = read(fds[0], e.text, 3);
	e.paired = socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	e.sent = send(pair[0], "xy", 2, 0);
	e.received = recv(pair[1], e.heard, 2, 0);
	e.slept = nanosleep(&none, NULL);
	e.polled = poll(NULL, 0, 1);
	e.made = eventfd(0, 0) >= 0;
	e.answer = kill(getpid(), 0);
}

static void early(int argc, char **argv, char **env)
{
	(void)argc, (void)argv, (void)env;
	calls();
}

__attribute__((used, section(".preinit_array"))) static void (*first)(int, char **, char **) = early;

int main(void)
{
	t_begin();
	say("open %d, openat %d, read %ld", e.opened, e.opened_raw >= 0, e.read_raw);
	say("pipe %d, write %ld, read %ld '%s'", e.piped, e.wrote, e.got, e.text);
	say("socketpair %d, send %ld, recv %ld '%s'", e.paired, e.sent, e.received, e.heard);
	say("nanosleep %ld, poll %ld, eventfd %d, kill %d", e.slept, e.polled, e.made, e.answer);
	calls();
	say("again: '%s' '%s'", e.text, e.heard);
	return 0;
}
