/*
 * select.c - channels: hand-over without a buffer, and whichever of several comes first
 *
 * A channel without capacity is a meeting: send returns when somebody has the item.  select waits for one of several sends and
 * receives, does that one only, and has a deadline.  A closed channel says so to everybody.
 */
#include <errno.h>
#include <grove.h>
#include <stdio.h>
#include <string.h>

struct feed {
	grove_channel *channel;
	const char *name;
	int64_t pause;
	int n;
};

static void *feeds(void *arg)
{
	struct feed *f = arg;

	for (int i = 0; i < f->n; i++) {
		grove_sleep(f->pause);
		grove_channel_send(f->channel, (void *)f->name, GROVE_FOREVER);
	}
	grove_channel_close(f->channel);
	return NULL;
}

int main(void)
{
	struct feed fast = { grove_channel_new(0), "tick", GROVE_MS(100), 3 }, slow = { grove_channel_new(0), "tock", GROVE_MS(250), 1 };
	struct grove_case cases[] = { { .channel = fast.channel, .op = GROVE_RECV }, { .channel = slow.channel, .op = GROVE_RECV } };
	grove_channel *wide = grove_channel_new(2);
	int open = 2, i;

	printf("nobody is there: %s\n", grove_channel_send(fast.channel, NULL, 0) < 0 ? strerrorname_np(errno) : "sent");
	for (i = 0; grove_channel_send(wide, NULL, 0) == 0; i++)
		;
	printf("a channel of capacity %zu keeps %d\n", grove_channel_capacity(wide), i);
	printf("default case: %s\n", grove_select(cases, 2, 0) < 0 ? strerrorname_np(errno) : "chosen");

	grove_spawn_raw(feeds, &fast);
	grove_spawn_raw(feeds, &slow);
	while (open > 0) {
		i = grove_select(cases, 2, GROVE_SEC(3600));
		if (cases[i].error) {
			printf("channel %d is closed\n", i);
			cases[i].channel = NULL;		/* never ready from now on */
			open--;
		} else {
			printf("%s\n", (char *)cases[i].item);
		}
	}
	printf("deadline: %s\n", grove_select(cases, 2, GROVE_MS(20)) < 0 ? strerrorname_np(errno) : "chosen");
	grove_channel_free(fast.channel);
	grove_channel_free(slow.channel);
	grove_channel_free(wide);
	return 0;
}
