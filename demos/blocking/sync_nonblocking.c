/*
 * sync_nonblocking.c - synchronous and non-blocking (2 of 4): one thing after the other, and the program asks again and again
 *
 * A non-blocking call returns at once: with a result, or with EAGAIN.  The program keeps the processor and may do something else
 * before it asks again, but it has to be written that way, at each place where it waits.  Here it only counts.  Still 1 2 3 x y z.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <unistd.h>

static long asked_in_vain;

static void pause_by_asking(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	struct itimerspec in_a_second = { .it_value.tv_sec = 1 };
	uint64_t ticks;

	timerfd_settime(fd, 0, &in_a_second, NULL);
	while (read(fd, &ticks, sizeof(ticks)) == -1 && errno == EAGAIN) {
		asked_in_vain++;
		usleep(1000);
	}
	close(fd);
}

static void numbers(void)
{
	puts("1");
	puts("2");
	pause_by_asking();
	puts("3");
}

static void letters(void)
{
	puts("x");
	pause_by_asking();
	puts("y");
	puts("z");
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	numbers();
	letters();
	puts(asked_in_vain > 2 ? "most of the asking was in vain" : "asked in vain at most once for each pause");
	fprintf(stderr, "%ld times\n", asked_in_vain);
	return 0;
}
