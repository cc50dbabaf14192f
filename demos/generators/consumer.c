/*
 * consumer.c - generators (4): producer and consumer in one thread
 *
 * The consumer is a generator, the producer an ordinary function that sends: each hands over to the other, without a lock, a queue or a second
 * thread.  (After Liao Xuefeng's Python tutorial.)
 */
#include <grove.h>
#include <stdio.h>

static void *consumer(void *arg)
{
	const char *r = "";
	long n;

	while ((n = (long)grove_gen_yield((void *)r))) {
		printf("[CONSUMER] Consuming %ld...\n", n);
		r = "200 OK";
	}
	return arg;
}

static void produce(grove_generator *c)
{
	void *r;

	grove_gen_next(c, NULL);
	for (long n = 1; n <= 5; n++) {
		printf("[PRODUCER] Producing %ld...\n", n);
		grove_gen_send(c, (void *)n, &r);
		printf("[PRODUCER] Consumer return: %s\n", (char *)r);
	}
	grove_gen_close(c);
}

int main(void)
{
	grove_generator *c = grove_generator_new(consumer, NULL);

	produce(c);
	grove_generator_free(c);
	return 0;
}
