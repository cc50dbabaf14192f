/*
 * bus_push.c - event dispatch (1): the bus filter behind a push parser that is a coroutine itself
 *
 * The parser is written as if it could read: next_char() gives the next character.  In truth it is pushed, a few bytes at a time, as they come
 * from a socket: where it needs a character that is not there yet, it yields.
 */
#include "bus.h"
#include <stdio.h>
#include <string.h>

struct piece {
	const char *at;
	int left;
};

static struct piece *now;

/* -1: there will be no more. */
static int next_char(void)
{
	while (!now || now->left == 0) {
		now = grove_gen_yield(NULL);
		if (!now)
			return -1;
	}
	now->left--;
	return (unsigned char)*now->at++;
}

static int read_until(char end, char *text, size_t size)
{
	size_t n = 0;
	int c;

	while ((c = next_char()) >= 0 && c != end)
		if (n < size - 1)
			text[n++] = (char)c;
	text[n] = '\0';
	return c < 0 ? -1 : (int)n;
}

static void *parser(void *target)
{
	char text[128];
	int n;

	while ((n = read_until('<', text, sizeof(text))) >= 0) {
		struct event e = { EVENT_TEXT, text, n };

		if (n)
			grove_gen_send(target, &e, NULL);
		if (read_until('>', text, sizeof(text)) < 0)
			break;
		e = text[0] == '/' ? (struct event){ EVENT_END, text + 1, 0 } : (struct event){ EVENT_START, text, 0 };
		grove_gen_send(target, &e, NULL);
	}
	return NULL;
}

int main(void)
{
	grove_generator *filter = bus_filter_new(), *p = grove_coroutine_new(parser, filter);
	int left = (int)strlen(bus_xml);

	for (const char *at = bus_xml; left > 0; at += BUS_PIECE, left -= BUS_PIECE) {
		struct piece piece = { at, left < BUS_PIECE ? left : BUS_PIECE };

		grove_gen_send(p, &piece, NULL);
	}
	grove_generator_free(p);
	bus_filter_free(filter);
	return 0;
}
