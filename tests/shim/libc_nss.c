/*
 * libc_nss.c - users, groups, hosts, services: libc waits for files, a daemon, a module or the network, and the others go on
 *
 * Each part runs in a child with namespaces of its own, where /etc and /run are empty; FIFOs stand for files on slow disks.
 */
#include "inside.h"
#include <aliases.h>
#include <arpa/inet.h>
#include <dlfcn.h>
#include <grp.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/ether.h>
#include <nss.h>
#include <pwd.h>
#include <resolv.h>
#include <rpc/netdb.h>
#include <shadow.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static char buf[8192];

static void write_file(const char *path, const char *text)
{
	int fd = MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));

	MUST(write(fd, text, strlen(text)));
	close(fd);
}

/* An /etc of our own, and a /run; @net: and a network.  False where that is not allowed. */
static bool own_etc(bool net)
{
	int user = geteuid() ? CLONE_NEWUSER : 0;
	struct ifreq up = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	if (unshare(user | CLONE_NEWNS | (net ? CLONE_NEWNET : 0)) == -1 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
	    mount("etc", "/etc", "tmpfs", 0, NULL) == -1 || mount("run", "/run", "tmpfs", 0, NULL) == -1)
		return false;
	write_file("/etc/nsswitch.conf",
		   "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n"
		   "networks: files\nethers: files\nrpc: files\naliases: files\nnetgroup: files\ninitgroups: files\n");
	if (!net)
		return true;
	int s = MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	bool is_up = ioctl(s, SIOCSIFFLAGS, &up) == 0;
	close(s);
	return is_up;
}

static void in_child(const char *what, void (*fn)(void), bool net)
{
	say("-- %s", what);
	pid_t pid = MUST(fork());
	if (pid == 0) {
		if (!own_etc(net)) {
			say("no namespaces here");
			_exit(0);
		}
		fn();
		_exit(0);
	}
	say("left with %d", t_reap(pid));
}

/* --- files --- */

static const char *fifo;

/* Some look-ups open it more than once. */
static void open_fifo(void)
{
	while (!t_get(&inside_.done)) {
		int fd = open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

		if (fd != -1)
			close(fd);
		msleep(1);
	}
}

/* The _r functions: the result, and the error where there is one */
#define FOUND(type, call)                                                                                                         \
	{                                                                                                                         \
		type one, *r = NULL;                                                                                              \
		int e = call;                                                                                                     \
		return e ? e : r != NULL;                                                                                         \
	}
#define INTO &one, buf, sizeof(buf), &r

static long do_pwnam(void) FOUND(struct passwd, getpwnam_r("somebody", INTO))
static long do_pwuid(void) FOUND(struct passwd, getpwuid_r(1234, INTO))
static long do_grnam(void) FOUND(struct group, getgrnam_r("somebody", INTO))
static long do_grgid(void) FOUND(struct group, getgrgid_r(1234, INTO))
static long do_spnam(void) FOUND(struct spwd, getspnam_r("somebody", INTO))
static long do_service(void) FOUND(struct servent, getservbyname_r("nothing", "tcp", INTO))
static long do_port(void) FOUND(struct servent, getservbyport_r(htons(7), "tcp", INTO))
static long do_protocol(void) FOUND(struct protoent, getprotobyname_r("nothing", INTO))
static long do_rpc(void) FOUND(struct rpcent, getrpcbyname_r("nothing", INTO))
static long do_alias(void) FOUND(struct aliasent, getaliasbyname_r("nobody", INTO))
static long do_ether(void) { struct ether_addr a; return ether_hostton("nobody", &a) == 0; }
static long do_netgroup(void) { return innetgr("nothing", "host", "user", "domain"); }
static long do_pwent(void) { return getpwent() != NULL; }

static long do_groups(void)
{
	gid_t groups[8];
	int n = 8;

	return getgrouplist("somebody", 42, groups, &n) == n && groups[0] == 42 ? n : -1;
}

static long do_host(void)
{
	struct hostent h, *r = NULL;
	int err;

	gethostbyname_r("nowhere.test", &h, buf, sizeof(buf), &r, &err);
	return r != NULL;
}

static long do_address(void)
{
	struct addrinfo *list = NULL, hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
	int r = getaddrinfo("nowhere.test", NULL, &hints, &list);

	if (r == 0)
		freeaddrinfo(list);
	return r == 0;
}

static void files(void)
{
	static const struct {
		const char *what, *file;
		long (*call)(void);
	} calls[] = {
		{ "getpwnam_r", "/etc/passwd", do_pwnam },
		{ "getpwuid_r", "/etc/passwd", do_pwuid },
		{ "getpwent", "/etc/passwd", do_pwent },
		{ "getgrnam_r", "/etc/group", do_grnam },
		{ "getgrgid_r", "/etc/group", do_grgid },
		{ "getgrouplist", "/etc/group", do_groups },
		{ "getspnam_r", "/etc/shadow", do_spnam },
		{ "getservbyname_r", "/etc/services", do_service },
		{ "getservbyport_r", "/etc/services", do_port },
		{ "getprotobyname_r", "/etc/protocols", do_protocol },
		{ "ether_hostton", "/etc/ethers", do_ether },
		{ "getrpcbyname_r", "/etc/rpc", do_rpc },
		{ "getaliasbyname_r", "/etc/aliases", do_alias },
		{ "innetgr", "/etc/netgroup", do_netgroup },
		{ "gethostbyname_r", "/etc/hosts", do_host },
		{ "getaddrinfo", "/etc/hosts", do_address },
	};

	__nss_configure_lookup("hosts", "files");
	for (size_t i = 0; i < T_LENGTH(calls); i++) {
		fifo = calls[i].file;
		unlink(fifo);
		MUST(mkfifo(fifo, 0644));
		say("found %ld", inside(calls[i].what, calls[i].call, open_fifo));
		unlink(fifo);
	}
}

/* --- nscd that says nothing --- */

static int nscd, stop;

/* Takes connections, and hangs up when told */
static void *hang_up(void *arg)
{
	struct pollfd p = { nscd, POLLIN, 0 };

	while (!t_get(&stop)) {
		if (poll(&p, 1, 5) == 1) {
			int s = accept(nscd, NULL, NULL);

			if (s != -1)
				close(s);
		}
	}
	return arg;
}

static pthread_t daemon_;

static void let_nscd_go(void)
{
	stop = 0;
	daemon_ = start(hang_up, NULL);
}

static void silent_nscd(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "/var/run/nscd/socket" };

	mkdir("/run/nscd", 0755);
	nscd = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	if (bind(nscd, (struct sockaddr *)&a, sizeof(a)) == -1) {
		say("/var/run is not /run");
		return;
	}
	MUST(listen(nscd, 10));
	write_file("/etc/passwd", "somebody:x:1234:42:Some Body:/:/bin/sh\n");
	write_file("/etc/group", "somebody:x:1234:\n");
	say("getpwnam_r: found %ld", inside("getpwnam_r", do_pwnam, let_nscd_go));
	t_set(&stop, 1);
	join(daemon_);
	say("getgrnam_r: found %ld", inside("getgrnam_r", do_grnam, let_nscd_go));
	t_set(&stop, 1);
	join(daemon_);
}

/* --- a module of ours that waits --- */

static char library[512];
static int gate_[2];

static bool find_library(void)
{
	static const char *const places[] = { "libnss_slow.so.2", ".libs/libnss_slow.so.2" };
	char dir[256] = "";

	MUST(readlink("/proc/self/exe", dir, sizeof(dir) - 1));
	*strrchr(dir, '/') = 0;
	for (size_t i = 0; i < T_LENGTH(places); i++) {
		snprintf(library, sizeof(library), "%s/%s", dir, places[i]);
		if (access(library, R_OK) == 0)
			return true;
	}
	return false;
}

static void let_go(void) { MUST(write(gate_[1], "g", 1)); }

static long do_slow_user(void)
{
	struct passwd p, *r = NULL;

	getpwnam_r("slow", &p, buf, sizeof(buf), &r);
	return r ? (long)r->pw_uid : -1;
}

static long do_slow_uid(void)
{
	struct passwd *p = getpwuid(7777);

	return p ? (long)p->pw_gid : -1;
}

static long do_slow_group(void)
{
	struct group *g = getgrnam("slow");

	return g ? (long)g->gr_gid : -1;
}

static long do_slow_groups(void)
{
	gid_t groups[8];
	int n = 8;

	return getgrouplist("slow", 8888, groups, &n) < 0 ? -1 : n * 10000L + groups[n - 1];
}

static long do_slow_initgroups(void)
{
	gid_t groups[8];

	if (initgroups("slow", 8888) == -1)
		return errno == EPERM || errno == EINVAL ? 0 : -1;	/* not allowed here, but it was asked */
	return getgroups(8, groups) >= 1 ? 0 : -1;
}

static long do_slow_host(void)
{
	struct hostent h, *r = NULL;
	int err;

	gethostbyname2_r("slow.host", AF_INET, &h, buf, sizeof(buf), &r, &err);
	return r ? (long)((unsigned char *)r->h_addr)[3] : -1;
}

static void *many_users(void *arg)
{
	struct passwd p, *r = NULL;
	char space[1024];

	getpwnam_r("slow", &p, space, sizeof(space), &r);
	return (void *)(intptr_t)(arg == NULL && r && r->pw_uid == 7777 && !strcmp(r->pw_shell, "/bin/slow"));
}

static void module(void)
{
	pthread_t t[10];
	char text[16];
	int good = 0;

	if (!find_library() || !dlopen(library, RTLD_NOW)) {
		say("the module is not built");
		return;
	}
	must_pipe(gate_);
	snprintf(text, sizeof(text), "%d", gate_[0]);
	setenv("SLOW_NSS", text, 1);
	__nss_configure_lookup("passwd", "slow");
	__nss_configure_lookup("group", "slow");
	__nss_configure_lookup("initgroups", "slow");
	__nss_configure_lookup("hosts", "slow");
	say("%ld", inside("getpwnam_r", do_slow_user, let_go));
	say("%ld", inside("getpwuid", do_slow_uid, let_go));
	say("%ld", inside("getgrnam", do_slow_group, let_go));
	say("%ld", inside("getgrouplist", do_slow_groups, let_go));
	say("%ld", inside("initgroups", do_slow_initgroups, let_go));
	say("%ld", inside("gethostbyname2_r", do_slow_host, let_go));
	for (int i = 0; i < 10; i++)
		t[i] = start(many_users, NULL);
	for (int i = 0; i < 10; i++)
		let_go();
	for (int i = 0; i < 10; i++)
		good += (int)(intptr_t)join(t[i]);
	say("ten at once: %d", good);
}

/* --- a name server that takes its time --- */

static int server;

/* Answers what is asked: one A record, or that there is no such name */
static void answer(bool exists)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	unsigned char m[512];
	ssize_t n = MUST(recvfrom(server, m, sizeof(m), 0, (struct sockaddr *)&from, &len));
	size_t q = 12;

	while (m[q])
		q += m[q] + 1u;
	q += 5;
	m[2] |= 0x80;
	m[3] = exists ? 0x80 : 0x83;
	m[7] = exists;
	m[10] = m[11] = 0;
	if (exists) {
		memcpy(m + q, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\1\2\3", 16);
		q += 16;
	}
	if (n > 0)
		MUST(sendto(server, m, q, 0, (struct sockaddr *)&from, len));
}

static void answer_yes(void) { answer(true); }
static void answer_no(void) { answer(false); }

static long do_query(void)
{
	unsigned char m[512];

	return res_query("host.test", 1, 1, m, sizeof(m)) > 12;
}

static long do_search(void)
{
	unsigned char m[512];

	return res_search("none.test.", 1, 1, m, sizeof(m)) > 12;
}

static long do_lookup(void)
{
	struct hostent h, *r = NULL;
	int err;

	gethostbyname_r("host.test", &h, buf, sizeof(buf), &r, &err);
	return r ? (long)((unsigned char *)r->h_addr)[3] : -1;
}

static void resolver(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	write_file("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:10 attempts:2\n");
	server = MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	MUST(bind(server, (struct sockaddr *)&a, sizeof(a)));
	say("%ld", inside("res_query", do_query, answer_yes));
	say("%ld", inside("res_search, no such name", do_search, answer_no));
	say("%ld", inside("gethostbyname_r", do_lookup, answer_yes));
}

/* --- interfaces --- */

static void *interfaces(void *arg)
{
	struct ifaddrs *list;
	int good = arg == NULL;

	for (int i = 0; i < 5; i++) {
		struct if_nameindex *names = if_nameindex();

		good &= names && if_nametoindex("lo") == 1 && getifaddrs(&list) == 0;
		if_freenameindex(names);
		freeifaddrs(list);
		sched_yield();
	}
	return (void *)(intptr_t)good;
}

static void networks(void)
{
	pthread_t t[20];
	int good = 0;

	for (int i = 0; i < 20; i++)
		t[i] = start(interfaces, NULL);
	for (int i = 0; i < 20; i++)
		good += (int)(intptr_t)join(t[i]);
	say("getifaddrs, if_nameindex: %d of 20", good);
}

int main(void)
{
	t_begin();
	in_child("files", files, false);
	in_child("nscd", silent_nscd, false);
	in_child("module", module, false);
	in_child("name server", resolver, true);
	in_child("interfaces", networks, true);
	return 0;
}
