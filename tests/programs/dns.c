/*
 * dns.c - asks libc about hosts as standard input says, and prints all it is told
 *
 *	gai NODE SERVICE FAMILY SOCKTYPE FLAGS		getaddrinfo(); - is NULL, FAMILY 0 4 6, SOCKTYPE a number
 *	gni ADDRESS PORT FLAGS				getnameinfo()
 *	name NAME, name2 NAME FAMILY			gethostbyname() and gethostbyname2()
 *	name_r NAME FAMILY SIZE				gethostbyname2_r() with a buffer of SIZE bytes
 *	addr ADDRESS, addr_r ADDRESS SIZE		gethostbyaddr(), gethostbyaddr_r()
 *	many N NODE					getaddrinfo() by N threads at once; NODE has a %d; answers in the order of threads
 *	during NODE					getaddrinfo() by a thread, while two others pass a byte to and fro 1000 times
 *	cancel NODE					pthread_cancel() of a thread in getaddrinfo()
 *	signal NODE					getaddrinfo() by a thread, to which a signal with a handler is sent
 *	put FILE TEXT					writes TEXT (\n is a new line) to FILE
 *	wait MS						lets so many milliseconds pass
 *	fork						the rest of the input is done by a child
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int family_of(const char *s)
{
	return *s == '4' ? AF_INET : *s == '6' ? AF_INET6 : atoi(s);
}

static int parse_address(const char *text, unsigned char *ret)
{
	int af = strchr(text, ':') ? AF_INET6 : AF_INET;

	if (inet_pton(af, text, ret) != 1)
		abort();
	return af;
}

static const char *eai(int r)
{
	static const struct { int code; const char *name; } names[] = {
		{ 0, "found" }, { EAI_ADDRFAMILY, "EAI_ADDRFAMILY" }, { EAI_AGAIN, "EAI_AGAIN" }, { EAI_BADFLAGS, "EAI_BADFLAGS" },
		{ EAI_FAIL, "EAI_FAIL" }, { EAI_FAMILY, "EAI_FAMILY" }, { EAI_MEMORY, "EAI_MEMORY" }, { EAI_NODATA, "EAI_NODATA" },
		{ EAI_NONAME, "EAI_NONAME" }, { EAI_OVERFLOW, "EAI_OVERFLOW" }, { EAI_SERVICE, "EAI_SERVICE" },
		{ EAI_SOCKTYPE, "EAI_SOCKTYPE" }, { EAI_SYSTEM, "EAI_SYSTEM" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].code == r)
			return names[i].name;
	return "another code";
}

static void print_addresses(FILE *out, const struct addrinfo *list)
{
	char host[100], port[20];

	for (; list; list = list->ai_next) {
		getnameinfo(list->ai_addr, list->ai_addrlen, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
		fprintf(out, "    %s %s family %d type %d protocol %d flags %#x length %u%s%s\n", host, port, list->ai_family,
			list->ai_socktype, list->ai_protocol, list->ai_flags, list->ai_addrlen, list->ai_canonname ? " canonical " : "",
			list->ai_canonname ? list->ai_canonname : "");
	}
}

static void gai(FILE *out, const char *node, const char *service, const struct addrinfo *hints)
{
	struct addrinfo *list = NULL;
	int r;

	errno = 4242;
	r = getaddrinfo(node, service, hints, &list);
	fprintf(out, "  %s%s%s\n", eai(r), r == EAI_SYSTEM ? ": " : "", r == EAI_SYSTEM ? strerror(errno) : "");
	if (r)
		return;
	print_addresses(out, list);
	freeaddrinfo(list);
}

static void do_gai(char **a)
{
	struct addrinfo hints = { .ai_family = family_of(a[3]), .ai_socktype = atoi(a[4]), .ai_flags = (int)strtol(a[5], NULL, 0) };

	gai(stdout, strcmp(a[1], "-") ? a[1] : NULL, strcmp(a[2], "-") ? a[2] : NULL, &hints);
}

static void do_gni(char **a)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(a[2])) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(a[2])) };
	unsigned char addr[16];
	bool v4 = parse_address(a[1], addr) == AF_INET;
	char host[256] = "", serv[64] = "";
	int r;

	memcpy(&in.sin_addr, addr, 4);
	memcpy(&in6.sin6_addr, addr, 16);
	r = getnameinfo(v4 ? (void *)&in : (void *)&in6, v4 ? sizeof(in) : sizeof(in6), host, sizeof(host), serv, sizeof(serv),
			(int)strtol(a[3], NULL, 0));
	printf("  %s %s %s\n", eai(r), r ? "" : host, r ? "" : serv);
}

static void print_host(const struct hostent *h, const int *herr)
{
	char text[100];

	if (!h) {
		printf("  h_errno %d\n", *herr);
		return;
	}
	printf("  %s family %d length %d\n", h->h_name, h->h_addrtype, h->h_length);
	for (char **p = h->h_aliases; *p; p++)
		printf("    alias %s\n", *p);
	for (char **p = h->h_addr_list; *p; p++)
		printf("    %s\n", inet_ntop(h->h_addrtype, *p, text, sizeof(text)));
}

static void do_name_r(char **a)
{
	size_t size = (size_t)atoi(a[3]);
	struct hostent host, *result = &host;
	char *buf = malloc(size);
	int herr = 4242, r = gethostbyname2_r(a[1], family_of(a[2]), &host, buf, size, &result, &herr);

	printf("  returns %s\n", r ? strerror(r) : "0");
	print_host(result, &herr);
	free(buf);
}

static void do_addr_r(char **a)
{
	size_t size = (size_t)atoi(a[2]);
	struct hostent host, *result = &host;
	unsigned char addr[16];
	int af = parse_address(a[1], addr);
	char *buf = malloc(size);
	int herr = 4242, r = gethostbyaddr_r(addr, af == AF_INET ? 4 : 16, af, &host, buf, size, &result, &herr);

	printf("  returns %s\n", r ? strerror(r) : "0");
	print_host(result, &herr);
	free(buf);
}

static void do_addr(char **a)
{
	unsigned char addr[16];
	int af = parse_address(a[1], addr);

	print_host(gethostbyaddr(addr, af == AF_INET ? 4 : 16, af), &h_errno);
}

struct one {
	pthread_t thread;
	char node[64];
	char *said;
	size_t len;
};

static void *look_up(void *arg)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct one *one = arg;
	FILE *out = open_memstream(&one->said, &one->len);

	fprintf(out, "  %s\n", one->node);
	gai(out, one->node, "http", &hints);
	fclose(out);
	return NULL;
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static void do_many(char **a)
{
	int n = atoi(a[1]);
	struct one *ones = calloc((size_t)n, sizeof(*ones));

	for (int i = 0; i < n; i++) {
		snprintf(ones[i].node, sizeof(ones[i].node), a[2], i);
		pthread_create(&ones[i].thread, NULL, look_up, &ones[i]);
	}
	for (int i = 0; i < n; i++) {
		pthread_join(ones[i].thread, NULL);
		fputs(ones[i].said, stdout);
		free(ones[i].said);
	}
	free(ones);
}

static volatile sig_atomic_t handled;
static volatile bool resolved;

static void *look_up_alone(void *arg)
{
	look_up(arg);
	resolved = true;
	return NULL;
}

static void begin_alone(struct one *one, const char *node)
{
	resolved = false;
	snprintf(one->node, sizeof(one->node), "%s", node);
	pthread_create(&one->thread, NULL, look_up_alone, one);
}

static void *echo(void *arg)
{
	int *ends = arg;
	char c;

	while (read(ends[0], &c, 1) == 1)
		if (write(ends[3], &c, 1) != 1)
			abort();
	return NULL;
}

static void do_during(char **a)
{
	struct one one = { 0 };
	int ends[4];
	pthread_t other;
	char c = 'x';

	if (pipe(ends) || pipe(ends + 2))
		abort();
	begin_alone(&one, a[1]);
	pthread_create(&other, NULL, echo, ends);
	for (int i = 0; i < 1000; i++)
		if (write(ends[1], &c, 1) != 1 || read(ends[2], &c, 1) != 1)
			abort();
	printf("  others %s\n", resolved ? "had to wait" : "went on meanwhile");
	close(ends[1]);
	pthread_join(other, NULL);
	pthread_join(one.thread, NULL);
	fputs(one.said, stdout);
	free(one.said);
}

static void do_cancel(char **a)
{
	struct one one = { 0 };
	void *result;

	begin_alone(&one, a[1]);
	usleep(100000);
	pthread_cancel(one.thread);
	pthread_join(one.thread, &result);
	printf("  %s\n", result == PTHREAD_CANCELED ? "canceled" : "went its way");
}

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

static void do_signal(char **a)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct one one = { 0 };

	sigaction(SIGUSR1, &act, NULL);
	begin_alone(&one, a[1]);
	usleep(100000);
	pthread_kill(one.thread, SIGUSR1);
	for (int i = 0; i < 1000 && !handled; i++)
		usleep(1000);
	printf("  handler %s\n", !handled ? "did not run" : resolved ? "ran late" : "ran meanwhile");
	pthread_join(one.thread, NULL);
	fputs(one.said, stdout);
	free(one.said);
}

static void do_put(char **a, char *text)
{
	FILE *f = fopen(a[1], "w");

	for (; f && *text; text++)
		if (*text == '\\' && text[1] == 'n')
			putc('\n', f), text++;
		else
			putc(*text, f);
	if (!f || fclose(f))
		abort();
}

static void one_line(char *line)
{
	char *a[7] = { 0 }, *save = NULL, *rest = strdup(line);
	int n = 0;

	printf("%s\n", line);
	for (char *w = strtok_r(line, " ", &save); w && n < 6; w = strtok_r(NULL, " ", &save))
		a[n++] = w;
	if (n == 6 && !strcmp(a[0], "gai"))
		do_gai(a);
	else if (n == 4 && !strcmp(a[0], "gni"))
		do_gni(a);
	else if (n == 2 && !strcmp(a[0], "name"))
		print_host(gethostbyname(a[1]), &h_errno);
	else if (n == 3 && !strcmp(a[0], "name2"))
		print_host(gethostbyname2(a[1], family_of(a[2])), &h_errno);
	else if (n == 4 && !strcmp(a[0], "name_r"))
		do_name_r(a);
	else if (n == 2 && !strcmp(a[0], "addr"))
		do_addr(a);
	else if (n == 3 && !strcmp(a[0], "addr_r"))
		do_addr_r(a);
	else if (n == 3 && !strcmp(a[0], "many"))
		do_many(a);
	else if (n == 2 && !strcmp(a[0], "during"))
		do_during(a);
	else if (n == 2 && !strcmp(a[0], "cancel"))
		do_cancel(a);
	else if (n == 2 && !strcmp(a[0], "signal"))
		do_signal(a);
	else if (n >= 2 && !strcmp(a[0], "put"))
		do_put(a, n > 2 ? rest + (a[2] - line) : (char *)"");
	else if (n == 2 && !strcmp(a[0], "wait"))
		usleep((useconds_t)atoi(a[1]) * 1000);
	else
		printf("  what?\n");
	free(rest);
}

static void fork_here(void)
{
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (child == 0)
		return;
	waitpid(child, &status, 0);
	printf("child: %d\n", status);
	exit(0);
}

int main(void)
{
	static char lines[400][512];
	int n = 0;

	while (n < 400 && fgets(lines[n], sizeof(lines[n]), stdin)) {
		lines[n][strcspn(lines[n], "\n")] = '\0';
		n += lines[n][0] && lines[n][0] != '#';
	}
	for (int i = 0; i < n; i++) {
		if (!strcmp(lines[i], "fork"))
			fork_here();
		else
			one_line(lines[i]);
	}
	return 0;
}
