/*
 * dns_switch.c - putting our module in the place of libc's dns module
 *
 * __nss_configure_lookup(3) overrides one database for this process; from then on libc does not look at nsswitch.conf again, so
 * we do.  Before that libc gets to know the module: it finds an object of that SONAME already loaded, and asks no search path.
 */
#include "dns_switch.h"
#include "dns.h"
#include "mem.h"
#include "raw.h"
#include "sched.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <nss.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define CONF		"/etc/nsswitch.conf"
#define CONF_MAX	16384u
#define LINE		512u
#define MODULE		"libnss_grove.so.2"
#define DEFAULT		"files dns"	/* glibc's, from 2.34 */
#define BLANK		" \t"

/* --- text ------------------------------------------------------------------------------------------------------------------- */

static bool append(char *to, size_t size, const char *from, size_t n)
{
	size_t len = strlen(to);

	if (len + n >= size)
		return false;
	memcpy(to + len, from, n);
	to[len + n] = '\0';
	return true;
}

/* The services if the line at @line (up to @end) is about hosts, else NULL */
static const char *hosts_line(const char *line, const char *end)
{
	line += strspn(line, BLANK);
	if (end - line < 5 || strncmp(line, "hosts", 5) != 0)
		return NULL;
	line += 5;
	line += strspn(line, BLANK);
	return line < end && *line == ':' ? line + 1 : NULL;
}

bool gr_dns_switch_hosts(const char *text, char *ret_services, size_t size)
{
	const char *services = DEFAULT, *services_end = services + strlen(DEFAULT);

	while (*text) {
		const char *end = text + strcspn(text, "\n"), *found = hosts_line(text, end);	/* a later # is no comment to libc */

		if (found) {
			services = found;
			services_end = end;
		}
		text = end + (*end == '\n');
	}
	*ret_services = '\0';
	return append(ret_services, size, services, (size_t)(services_end - services));
}

bool gr_dns_switch_rename(const char *services, char *ret_renamed, size_t size)
{
	*ret_renamed = '\0';
	while (*services) {
		size_t n = *services == '[' ? strcspn(services, "]") : strspn(services, BLANK);

		n += *services == '[' && services[n];
		if (n == 0)
			n = strcspn(services, BLANK "[");
		if (n == 3 && memcmp(services, "dns", 3) == 0) {
			if (!append(ret_renamed, size, "grove", 5))
				return false;
		} else if (!append(ret_renamed, size, services, n)) {
			return false;
		}
		services += n;
	}
	return true;
}

/* --- libc ------------------------------------------------------------------------------------------------------------------- */

static struct {
	bool looked, loaded;		/* our module: looked for, found */
	bool by_program;		/* it chose the services itself */
	bool done;			/* libc has been told what is in the file that is described by: */
	struct stat file;		/* all zero when there was none */
} now;

static bool load_module(void)
{
	char *path = gr_mem_alloc(PATH_MAX);	/* the stack may be a small thread's */
	const char *slash;
	bool loaded = false;
	Dl_info us;

	if (path && dladdr((void *)gr_dns_ready, &us) && us.dli_fname && (slash = strrchr(us.dli_fname, '/')) &&
	    snprintf(path, PATH_MAX, "%.*s/" MODULE, (int)(slash - us.dli_fname), us.dli_fname) < PATH_MAX)
		loaded = dlopen(path, RTLD_NOW) != NULL;
	gr_mem_free(path);
	return loaded;
}

/* The module lies beside libgrove.so.  It is looked for once, and stays. */
static bool module_loaded(void)
{
	if (!now.looked)
		now.loaded = load_module();
	now.looked = true;
	return now.loaded;
}

static bool read_conf(char *text, size_t size)
{
	long fd = raw(SYS_openat, AT_FDCWD, CONF, O_RDONLY | O_CLOEXEC), n, len = 0;

	if (fd == -ENOENT) {
		*text = '\0';
		return true;
	}
	if (raw_failed(fd))
		return false;
	while ((n = raw(SYS_read, fd, text + len, size - 1 - (size_t)len)) > 0)
		len += n;
	raw(SYS_close, fd);
	text[len] = '\0';
	return n == 0 && (size_t)len < size - 1 && strlen(text) == (size_t)len;
}

/* By way of libc's handle: the name is one of our doors, too. */
static int libc_configure_lookup(const char *database, const char *services)
{
	void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
	__typeof__(&__nss_configure_lookup) fn = libc ? (__typeof__(fn))dlsym(libc, "__nss_configure_lookup") : NULL;

	return fn ? fn(database, services) : -1;
}

static void configure(void)
{
	char *text = gr_mem_alloc(CONF_MAX), services[LINE], renamed[LINE];

	if (text && module_loaded() && read_conf(text, CONF_MAX) && gr_dns_switch_hosts(text, services, sizeof(services)) &&
	    gr_dns_switch_rename(services, renamed, sizeof(renamed)) && (now.done || strcmp(services, renamed) != 0))
		libc_configure_lookup("hosts", renamed);
	gr_mem_free(text);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

void gr_dns_ready(void)
{
	struct stat file = { 0 };
	int saved = errno;

	if (!gr_on_greenlet(gr_carrier()) || now.by_program)
		return;
	if (raw_failed(raw(SYS_newfstatat, AT_FDCWD, CONF, &file, 0)))
		file = (struct stat){ 0 };
	if (now.done && same_file(&file, &now.file))
		return;
	configure();
	now.file = file;
	now.done = true;
	errno = saved;
}

int gr_dns_configure_lookup(const char *database, const char *services)
{
	char renamed[LINE];

	if (database && services && strcasecmp(database, "hosts") == 0) {
		now.by_program = true;
		if (gr_on_greenlet(gr_carrier()) && module_loaded() && gr_dns_switch_rename(services, renamed, sizeof(renamed)))
			services = renamed;
	}
	return libc_configure_lookup(database, services);
}
