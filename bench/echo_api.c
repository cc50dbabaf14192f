/*
 * echo_api.c - the echo server on grove's C API: a greenlet per connection
 *
 *	echo_api PORT		0: any free port; the one in use is printed
 */
#include "listen.h"
#include <grove.h>

static void serve(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
	char buf[4096];
	ssize_t n;

	(void)peer;
	(void)len;
	(void)arg;
	send_at_once(fd);
	while ((n = grove_recv(fd, buf, sizeof(buf), GROVE_FOREVER)) > 0 && grove_sendall(fd, buf, (size_t)n, GROVE_FOREVER) == 0)
		;
}

int main(int argc, char **argv)
{
	grove_server *server = grove_server_new_fd(listen_on(argc > 1 ? atoi(argv[1]) : 0, 0), serve, NULL, NULL);

	if (!server || grove_server_serve_forever(server) == -1) {
		perror("echo_api");
		return 1;
	}
	return 0;
}
