/*
 * server_socket.c - where a server listens: its socket, the file of a Unix one, the port that it has got
 */
#include "net.h"
#include "server.h"
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void remember_file(struct grove_server *s)
{
	struct stat st;

	s->file_ino = 0;
	if (strncmp(s->address, "unix:/", 6) != 0 && (strncmp(s->address, "unix:", 5) != 0 || s->address[5] == '@'))
		return;
	if (stat(s->address + 5, &st) == 0) {
		s->file_dev = st.st_dev;
		s->file_ino = st.st_ino;
	}
}

/* Unless somebody else has put his own in its place */
static void remove_file(struct grove_server *s)
{
	struct stat st;

	if (s->file_ino && stat(s->address + 5, &st) == 0 && st.st_dev == s->file_dev && st.st_ino == s->file_ino)
		unlink(s->address + 5);
	s->file_ino = 0;
}

int gr_server_port_of(int fd)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);

	if (getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		return -1;
	if (at.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&at)->sin_port);
	return at.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&at)->sin6_port) : 0;
}

/* Port 0 is another one each time, so next time ask for the one we have got. */
static void want_port(struct grove_server *s)
{
	char *colon = strrchr(s->wanted, ':');
	int port = gr_server_port_of(s->fd);

	if (port > 0)
		sprintf(colon + 1, "%d", port);		/* there is room: see make() */
}

int gr_server_open(struct grove_server *s)
{
	if (s->fd >= 0)
		return 0;
	s->fd = gr_net_open(s->wanted, s->stream ? SOCK_STREAM : SOCK_DGRAM, s->attr.backlog,
			    (s->attr.flags & ~GROVE_HANDLER_CLOSES) | GROVE_NONBLOCK);
	if (s->fd < 0)
		return -1;
	want_port(s);
	if (grove_local_address(s->fd, s->address, sizeof(s->address)) < 0)
		s->address[0] = '\0';
	remember_file(s);
	return 0;
}

/* A socket that was given stays. */
void gr_server_close(struct grove_server *s)
{
	if (s->fd < 0 || !s->wanted)
		return;
	remove_file(s);
	close(s->fd);
	s->fd = -1;
	s->address[0] = '\0';
}

/* 0, or -1 with errno */
int gr_server_check(int fd, bool datagram)
{
	int type = 0, listens = 0;
	socklen_t len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0)
		return -1;
	return datagram ? (type == SOCK_DGRAM ? 0 : gr_fails(EINVAL)) : (listens ? 0 : gr_fails(EINVAL));
}
