/*
 * echo_st.c - the echo server on State Threads: a thread in user space per connection
 *
 *	echo_st PORT		0: any free port; the one in use is printed
 * Needs: libst-dev
 * Build: -lst
 *
 * It waits by epoll where it was built with that.  Debian's was not: then by poll, which any number of descriptors may wait in.
 */
#include "../listen.h"
#include <st.h>
#include <string.h>

static void *serve(void *arg)
{
	st_netfd_t fd = arg;
	char buf[4096];
	ssize_t n;

	while ((n = st_read(fd, buf, sizeof(buf), ST_UTIME_NO_TIMEOUT)) > 0 && st_write(fd, buf, n, ST_UTIME_NO_TIMEOUT) == n)
		;
	st_netfd_close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	st_netfd_t listener;

	st_set_eventsys(ST_EVENTSYS_ALT);
	if (strcmp(st_get_eventsys_name(), "epoll") != 0)
		st_set_eventsys(ST_EVENTSYS_POLL);
	if (st_init() == -1) {
		perror("echo_st");
		return 1;
	}
	listener = st_netfd_open_socket(listen_on(argc > 1 ? atoi(argv[1]) : 0, 0));
	for (;;) {
		st_netfd_t fd = st_accept(listener, NULL, NULL, ST_UTIME_NO_TIMEOUT);

		if (!fd) {
			perror("echo_st: accept");
			return 1;
		}
		send_at_once(st_netfd_fileno(fd));
		if (!st_thread_create(serve, fd, 0, 0))
			st_netfd_close(fd);
	}
}
