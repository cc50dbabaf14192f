/*
 * sync_blocking.c - synchronous and blocking (1 of 4): one thing after the other, and the process sleeps while it waits
 *
 *			blocking		non-blocking
 *	synchronous	this one		sync_nonblocking.c
 *	asynchronous	async_blocking.c	async_nonblocking.c
 *
 * Synchronous: numbers() is called, and has ended when the call returns.  Blocking: sleep() returns when it is over, not before.
 * Nothing else can happen meanwhile: 1 2 3 x y z.
 */
#include <stdio.h>
#include <unistd.h>

static void numbers(void)
{
	puts("1");
	puts("2");
	sleep(1);
	puts("3");
}

static void letters(void)
{
	puts("x");
	sleep(1);
	puts("y");
	puts("z");
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	numbers();
	letters();
	return 0;
}
