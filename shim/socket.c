/*
 * socket.c - <sys/socket.h>
 */
#include "door.h"
#include <sys/socket.h>

DOOR ssize_t recv(int fd, void *buf, size_t n, int flags) { return DOOR_CANCEL(SYS_recvfrom, fd, buf, n, flags); }
DOOR ssize_t send(int fd, const void *buf, size_t n, int flags) { return DOOR_CANCEL(SYS_sendto, fd, buf, n, flags); }
DOOR ssize_t recvmsg(int fd, struct msghdr *msg, int flags) { return DOOR_CANCEL(SYS_recvmsg, fd, msg, flags); }
DOOR ssize_t sendmsg(int fd, const struct msghdr *msg, int flags) { return DOOR_CANCEL(SYS_sendmsg, fd, msg, flags); }

DOOR ssize_t recvfrom(int fd, void *restrict buf, size_t n, int flags, __SOCKADDR_ARG from, socklen_t *restrict len)
{
	return DOOR_CANCEL(SYS_recvfrom, fd, buf, n, flags, from.__sockaddr__, len);
}

DOOR ssize_t sendto(int fd, const void *buf, size_t n, int flags, __CONST_SOCKADDR_ARG to, socklen_t len)
{
	return DOOR_CANCEL(SYS_sendto, fd, buf, n, flags, to.__sockaddr__, len);
}

DOOR int recvmmsg(int fd, struct mmsghdr *vec, unsigned n, int flags, struct timespec *timeout)
{
	return (int)DOOR_CANCEL(SYS_recvmmsg, fd, vec, n, flags, timeout);
}

DOOR int sendmmsg(int fd, struct mmsghdr *vec, unsigned n, int flags) { return (int)DOOR_CANCEL(SYS_sendmmsg, fd, vec, n, flags); }

DOOR int accept(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len)
{
	return (int)DOOR_CANCEL(SYS_accept, fd, addr.__sockaddr__, len);
}

DOOR int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len, int flags)
{
	return (int)DOOR_CANCEL(SYS_accept4, fd, addr.__sockaddr__, len, flags);
}

DOOR int connect(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
	return (int)DOOR_CANCEL(SYS_connect, fd, addr.__sockaddr__, len);
}

DOOR int listen(int fd, int backlog) { return (int)DOOR_CALL(SYS_listen, fd, backlog); }
DOOR int socket(int domain, int type, int protocol) { return (int)DOOR_CALL(SYS_socket, domain, type, protocol); }

DOOR int socketpair(int domain, int type, int protocol, int fds[2])
{
	return (int)DOOR_CALL(SYS_socketpair, domain, type, protocol, fds);
}

DOOR int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	return (int)DOOR_CALL(SYS_setsockopt, fd, level, name, value, len);
}
