/*
 * site.h - a small web site on loopback, in a process of its own, and what all fetchers of this folder have in common
 *
 * Each page takes the server 20 ms, and names others; a fetcher starts at "/" and goes on until it has them all.
 */
#ifndef SITE_H
#define SITE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAGES_MAX 16
#define PAGE_SIZE 1024

static const struct {
	const char *path, *links;
} site[] = {
	{ "/", "<a href=\"/a\"> <a href=\"/b\"> <a href=\"/c\">" },
	{ "/a", "<a href=\"/\"> <a href=\"/a/1\"> <a href=\"/a/2\"> <a href=\"/a/3\">" },
	{ "/b", "<a href=\"/a\"> <a href=\"/b/1\">" },
	{ "/c", "no links" },
	{ "/a/1", "<a href=\"/c\">" },
	{ "/a/2", "no links" },
	{ "/a/3", "<a href=\"/b\"> <a href=\"/a/3/x\">" },
	{ "/b/1", "no links" },
	{ "/a/3/x", "<a href=\"/\">" },
};

static struct sockaddr_in site_address;
static pid_t site_pid;
static double site_began;

/* --- the server ------------------------------------------------------------------------------------------------------------------- */

static inline void site_answer(int fd)
{
	char request[PAGE_SIZE] = "", path[64] = "";
	const char *links = "not found";
	struct timespec pause = { 0, 20000000 };
	ssize_t n = 0, more;

	while (!strstr(request, "\r\n\r\n") && (more = read(fd, request + n, sizeof(request) - 1 - (size_t)n)) > 0)
		n += more;
	sscanf(request, "GET %63s", path);
	for (size_t i = 0; i < sizeof(site) / sizeof(site[0]); i++)
		if (strcmp(site[i].path, path) == 0)
			links = site[i].links;
	nanosleep(&pause, NULL);
	dprintf(fd, "HTTP/1.0 200 OK\r\n\r\n%s\n", links);
}

static inline void site_serve(int listener)
{
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0 && fork() == 0) {
			site_answer(fd);
			_exit(0);
		}
		close(fd);
	}
}

static inline double site_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* First of all in main(): the server is a child that knows nothing of event loops or greenlets. */
static inline void site_start(void)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(site_address);
	pid_t parent = getpid();

	site_address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (bind(listener, (struct sockaddr *)&site_address, len) < 0 || listen(listener, 64) < 0)
		exit(2);
	getsockname(listener, (struct sockaddr *)&site_address, &len);
	site_pid = fork();
	if (site_pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			site_serve(listener);
		_exit(0);
	}
	close(listener);
	site_began = site_clock();
}

/* --- what has been seen ----------------------------------------------------------------------------------------------------------- */

struct page {
	char path[64];
	char text[PAGE_SIZE];
	size_t size;
};

static struct page pages[PAGES_MAX];
static int n_pages;

/* A place for the page at @path, unless it is known already: then NULL */
static inline struct page *page_new(const char *path)
{
	for (int i = 0; i < n_pages; i++)
		if (strcmp(pages[i].path, path) == 0)
			return NULL;
	if (n_pages == PAGES_MAX)
		return NULL;
	snprintf(pages[n_pages].path, sizeof(pages[0].path), "%s", path);
	return &pages[n_pages++];
}

/* Start to fetch every page that @p names and that is not known. */
static inline void page_follow_links(const struct page *p, void (*fetch)(struct page *))
{
	static const char mark[] = "href=\"";
	char path[64];

	for (const char *at = p->text; (at = strstr(at, mark)); ) {
		struct page *next;

		at += sizeof(mark) - 1;
		if (sscanf(at, "%63[^\"]", path) == 1 && (next = page_new(path)))
			fetch(next);
	}
}

/* A socket that is being connected, without blocking */
static inline int page_connect(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (connect(fd, (struct sockaddr *)&site_address, sizeof(site_address)) < 0 && errno != EINPROGRESS)
		exit(2);
	return fd;
}

static inline void page_request(const struct page *p, int fd)
{
	dprintf(fd, "GET %s HTTP/1.0\r\n\r\n", p->path);
}

/* What there is to read; false: that was all. */
static inline bool page_read(struct page *p, int fd)
{
	ssize_t n = read(fd, p->text + p->size, sizeof(p->text) - 1 - p->size);

	if (n > 0)
		p->size += (size_t)n;
	return n > 0 || (n < 0 && errno == EAGAIN);
}

static inline int page_compare(const void *a, const void *b)
{
	return strcmp(((const struct page *)a)->path, ((const struct page *)b)->path);
}

static inline int site_report(void)
{
	fprintf(stderr, "%d pages in %.0f ms\n", n_pages, (site_clock() - site_began) * 1e3);
	kill(site_pid, SIGKILL);
	qsort(pages, (size_t)n_pages, sizeof(pages[0]), page_compare);
	for (int i = 0; i < n_pages; i++)
		printf("%-7s %zu bytes\n", pages[i].path, pages[i].size);
	printf("%d pages\n", n_pages);
	return 0;
}

#endif
