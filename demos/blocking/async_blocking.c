/*
 * async_blocking.c - asynchronous and blocking (3 of 4): two greenlets, and a call that blocks them both
 *
 * Asynchronous: grove_spawn() returns before numbers() has done anything; both are under way until they are joined.  But nothing is
 * patched here: libc's sleep() puts the kernel thread to sleep, and both greenlets with it.  So each runs to its end before the next
 * begins: 1 2 3 x y z.  The mistake everybody makes once in an event loop.
 */
#include <grove.h>
#include <stdio.h>
#include <unistd.h>

static void *numbers(void *arg)
{
	puts("1");
	puts("2");
	sleep(1);
	puts("3");
	return arg;
}

static void *letters(void *arg)
{
	puts("x");
	sleep(1);
	puts("y");
	puts("z");
	return arg;
}

int main(void)
{
	grove_greenlet *both[2];

	setvbuf(stdout, NULL, _IOLBF, 0);
	both[0] = grove_spawn(numbers, NULL);
	both[1] = grove_spawn(letters, NULL);
	grove_joinall(both, 2, 0, GROVE_FOREVER, 0);
	grove_release(both[0]);
	grove_release(both[1]);
	return 0;
}
