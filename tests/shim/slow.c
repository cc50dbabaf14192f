/*
 * slow.c - a library that waits: in its constructor, its destructor and its look-ups, for a byte from the descriptor that the
 * environment names at that time; and that registers functions for fork
 *
 * It is its own NSS module as well (libnss_slow.so.2): one user, one group, one host.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <nss.h>
#include <pthread.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((visibility("default"))) int slow_loaded = 0, slow_forks = 0;
__thread int slow_local = 7;

static void wait_as_told(const char *variable)
{
	const char *fd = getenv(variable);
	char c;

	if (fd && read(atoi(fd), &c, 1) != 1)
		abort();
}

static void tell(const char *text)
{
	if (getenv("SLOW_SAYS") && write(1, text, strlen(text)) < 0)
		abort();
}

static void before_fork(void) { tell("slow: before fork\n"); }
static void in_parent(void) { slow_forks++; }
static void in_child(void) { tell("slow: in the child\n"); }

__attribute__((constructor)) static void load(void)
{
	wait_as_told("SLOW_LOAD");
	slow_loaded = 1;
	if (getenv("SLOW_ATFORK"))
		pthread_atfork(before_fork, in_parent, in_child);
	tell("slow: loaded\n");
}

__attribute__((destructor)) static void unload(void)
{
	wait_as_told("SLOW_UNLOAD");
	tell("slow: unloaded\n");
}

__attribute__((visibility("default"))) int slow_add(int a);

int slow_add(int a)
{
	return slow_local += a;
}

/* --- NSS --- */

typedef enum nss_status status;
status _nss_slow_getpwnam_r(const char *name, struct passwd *ret, char *buf, size_t size, int *err);
status _nss_slow_getpwuid_r(uid_t uid, struct passwd *ret, char *buf, size_t size, int *err);
status _nss_slow_getgrnam_r(const char *name, struct group *ret, char *buf, size_t size, int *err);
status _nss_slow_initgroups_dyn(const char *user, gid_t group, long *start, long *size, gid_t **groups, long limit, int *err);
status _nss_slow_gethostbyname2_r(const char *name, int af, struct hostent *ret, char *buf, size_t size, int *err, int *h_err);

static status user(struct passwd *ret, char *buf, size_t size, int *err)
{
	static const char text[] = "slow\0x\0Slow User\0/slow\0/bin/slow";

	wait_as_told("SLOW_NSS");
	if (size < sizeof(text)) {
		*err = ERANGE;
		return NSS_STATUS_TRYAGAIN;
	}
	memcpy(buf, text, sizeof(text));
	*ret = (struct passwd){ buf, buf + 5, 7777, 8888, buf + 7, buf + 17, buf + 23 };
	return NSS_STATUS_SUCCESS;
}

status _nss_slow_getpwnam_r(const char *name, struct passwd *ret, char *buf, size_t size, int *err)
{
	return strcmp(name, "slow") ? NSS_STATUS_NOTFOUND : user(ret, buf, size, err);
}

status _nss_slow_getpwuid_r(uid_t uid, struct passwd *ret, char *buf, size_t size, int *err)
{
	return uid != 7777 ? NSS_STATUS_NOTFOUND : user(ret, buf, size, err);
}

status _nss_slow_getgrnam_r(const char *name, struct group *ret, char *buf, size_t size, int *err)
{
	wait_as_told("SLOW_NSS");
	if (strcmp(name, "slow"))
		return NSS_STATUS_NOTFOUND;
	if (size < 32) {
		*err = ERANGE;
		return NSS_STATUS_TRYAGAIN;
	}
	memset(buf, 0, 16);
	strcpy(buf + 16, "slow");
	*ret = (struct group){ buf + 16, buf, 8888, (char **)(void *)buf };
	return NSS_STATUS_SUCCESS;
}

status _nss_slow_initgroups_dyn(const char *name, gid_t group, long *start, long *size, gid_t **groups, long limit, int *err)
{
	(void)name;
	(void)group;
	(void)limit;
	(void)err;
	wait_as_told("SLOW_NSS");
	if (*start < *size)
		(*groups)[(*start)++] = 9999;
	return NSS_STATUS_SUCCESS;
}

status _nss_slow_gethostbyname2_r(const char *name, int af, struct hostent *ret, char *buf, size_t size, int *err, int *h_err)
{
	(void)size;
	wait_as_told("SLOW_NSS");
	if (strcmp(name, "slow.host") || af != 2) {
		*h_err = HOST_NOT_FOUND;
		*err = ENOENT;
		return NSS_STATUS_NOTFOUND;
	}
	memset(buf, 0, 64);
	memcpy(buf, "\x7f\0\0\x05", 4);
	*(char **)(void *)(buf + 8) = buf;
	strcpy(buf + 32, "slow.host");
	*ret = (struct hostent){ buf + 32, (char **)(void *)(buf + 16), 2, 4, (char **)(void *)(buf + 8) };
	return NSS_STATUS_SUCCESS;
}
