/*
 * dns.c - twenty names looked up at once by the blocking getaddrinfo(), on one kernel thread
 *
 * libc's resolver sends a question and waits for the answer, one name at a time, so programs that look up many use thread pools.
 * grove_patch() makes getaddrinfo() park its greenlet.  The name server of dns.sh answers nobody before all twenty have asked: a
 * program that asks one after another would wait until it gives up.
 */
#include <arpa/inet.h>
#include <grove.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#define N 20

static void *look_up(void *arg)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found;
	static char text[N][100];
	long i = (long)arg;
	char name[40], address[40] = "";
	int r;

	snprintf(name, sizeof(name), "host%ld.test", i);
	r = getaddrinfo(name, "80", &hints, &found);
	if (r == 0) {
		inet_ntop(AF_INET, &((struct sockaddr_in *)found->ai_addr)->sin_addr, address, sizeof(address));
		freeaddrinfo(found);
	}
	snprintf(text[i], sizeof(text[i]), "%s: %s", name, r ? gai_strerror(r) : address);
	return text[i];
}

int main(void)
{
	grove_greenlet *g[N];
	void *text;

	if (grove_patch() == -1)
		return 1;
	for (long i = 0; i < N; i++)
		g[i] = grove_spawn(look_up, (void *)i);
	for (int i = 0; i < N; i++) {
		grove_get(g[i], &text, GROVE_FOREVER);
		puts(text);
		grove_release(g[i]);
	}
	return 0;
}
