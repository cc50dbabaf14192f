/*
 * echo_pth.c - the echo server on GNU Pth: a thread in user space per connection
 *
 *	echo_pth PORT		0: any free port; the one in use is printed
 *
 * Needs: libpth-dev
 * Build: -lpth
 * Pth waits by select(2), so it ends at 1,024 descriptors, and each wait costs more the more there are.
 */
#include "../listen.h"
#include <pth.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

static void *serve(void *arg)
{
	int fd = (intptr_t)arg;
	char buf[4096];
	ssize_t n;

	while ((n = pth_read(fd, buf, sizeof(buf))) > 0 && pth_write(fd, buf, n) == n)
		;
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	int listener = listen_on(argc > 1 ? atoi(argv[1]) : 0, 0);
	pth_attr_t attr;

	signal(SIGPIPE, SIG_IGN);
	if (!pth_init()) {
		perror("echo_pth");
		return 1;
	}
	attr = pth_attr_new();
	pth_attr_set(attr, PTH_ATTR_JOINABLE, FALSE);
	for (;;) {
		int fd = pth_accept(listener, NULL, NULL);

		if (fd == -1) {
			perror("echo_pth: accept");
			return 1;
		}
		send_at_once(fd);
		if (!pth_spawn(attr, serve, (void *)(intptr_t)fd))
			close(fd);
	}
}
