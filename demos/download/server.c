/*
 * server.c - see server.h: a thread per connection, blocking calls
 */
#include "server.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
	struct server_counts *counts;
	size_t size;
	int pause_us, hold;
	pthread_mutex_t lock;
	pthread_cond_t more;		/* requests have come */
} own = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };	/* the child's */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static bool send_all(int fd, const void *buf, size_t len)
{
	for (const char *p = buf; len;) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static void request_begins(void)
{
	int now = ++own.counts->in_flight;

	pthread_mutex_lock(&own.lock);
	if (now > own.counts->most_in_flight)
		own.counts->most_in_flight = now;
	if (++own.counts->requests >= own.hold)
		pthread_cond_broadcast(&own.more);
	while (own.counts->requests < own.hold)
		pthread_cond_wait(&own.more, &own.lock);
	pthread_mutex_unlock(&own.lock);
}

static bool send_file(int fd, int k)
{
	unsigned char piece[SERVER_PIECE];
	char head[128];
	int len = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", own.size);

	if (!send_all(fd, head, (size_t)len))
		return false;
	for (size_t at = 0; at < own.size;) {
		size_t n = 0;

		while (n < sizeof(piece) && at < own.size)
			piece[n++] = server_byte(k, at++);
		if (at == own.size)
			own.counts->in_flight--;	/* before the last bytes: the next request may come with them */
		if (!send_all(fd, piece, n))
			return false;
		usleep((useconds_t)own.pause_us);
	}
	return true;
}

/* Requests come one after another, in lines up to an empty one. */
static void *serve_connection(void *arg)
{
	int fd = (int)(intptr_t)arg, k;
	FILE *in = fdopen(fd, "r");
	char line[1024], path[1024];

	own.counts->connections++;
	while (fgets(line, sizeof(line), in) && sscanf(line, "GET %1023s", path) == 1) {
		while (fgets(line, sizeof(line), in) && strcmp(line, "\r\n") != 0)
			;
		k = atoi(path + 1);
		request_begins();
		if (!send_file(fd, k))
			break;
	}
	fclose(in);
	return NULL;
}

static void *serve_port(void *arg)
{
	int listener = (int)(intptr_t)arg, fd, on = 1;
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (pthread_create(&thread, &attr, serve_connection, (void *)(intptr_t)fd) != 0)
			close(fd);
	}
	return NULL;
}

static int listen_somewhere(int *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(at);

	if (fd == -1 || bind(fd, (struct sockaddr *)&at, len) == -1 || listen(fd, 1024) == -1 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) == -1)
		die("server: listen");
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static void serve(const int *listener, int n)
{
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < n; i++)
		if (pthread_create(&thread, NULL, serve_port, (void *)(intptr_t)listener[i]) != 0)
			_exit(1);
	for (;;)
		pause();
}

void server_start(struct server *s, int ports, size_t size, int pause_us, int hold)
{
	int listener[SERVER_PORTS];

	s->ports = ports < SERVER_PORTS ? ports : SERVER_PORTS;
	s->counts = mmap(NULL, sizeof(*s->counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s->counts == MAP_FAILED)
		die("server: mmap");
	for (int i = 0; i < s->ports; i++)
		listener[i] = listen_somewhere(&s->port[i]);
	own.counts = s->counts;
	own.size = size;
	own.pause_us = pause_us;
	own.hold = hold;
	fflush(NULL);
	s->pid = fork();
	if (s->pid == -1)
		die("server: fork");
	if (s->pid == 0)
		serve(listener, s->ports);
	for (int i = 0; i < s->ports; i++)
		close(listener[i]);
}

void server_stop(struct server *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	munmap(s->counts, sizeof(*s->counts));
}
