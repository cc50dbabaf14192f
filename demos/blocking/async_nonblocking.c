/*
 * async_nonblocking.c - asynchronous and non-blocking (4 of 4): two greenlets, and calls that park only the one that makes them
 *
 * The same functions as in async_blocking.c, to the letter; grove_patch() is the only difference.  From then on sleep() parks its
 * caller, and the kernel thread goes on with whoever is ready: 1 2 x 3 y z, in one second instead of two.  The code of numbers()
 * still reads from top to bottom, as if it blocked.
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

	if (grove_patch() == -1)
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	both[0] = grove_spawn(numbers, NULL);
	both[1] = grove_spawn(letters, NULL);
	grove_joinall(both, 2, 0, GROVE_FOREVER, 0);
	grove_release(both[0]);
	grove_release(both[1]);
	return 0;
}
