/* overflow.c - fills the stack of the main thread, or of one with so many KiB: overflow main | KIB */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

__attribute__((noinline)) static long down(volatile char *above, long n)
{
	volatile char here[256];

	memset((void *)here, (int)n, sizeof(here));
	here[0] = above[1];
	return n == 0 ? 0 : down(here, n + 1) + here[n % (long)sizeof(here)];
}

static void *deep(void *arg)
{
	char c[2] = { 0 };

	pthread_setname_np(pthread_self(), "deep");
	return down(c, 1) ? arg : NULL;
}

int main(int argc, char **argv)
{
	pthread_attr_t attr;
	pthread_t t;

	if (argc < 2 || strcmp(argv[1], "main") == 0)
		return deep(argv) != NULL;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, strtoul(argv[1], NULL, 10) << 10);
	pthread_create(&t, &attr, deep, NULL);
	pthread_join(t, NULL);
	return 0;
}
