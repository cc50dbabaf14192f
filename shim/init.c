/*
 * init.c - the shim is loaded: start the runtime before the program's main()
 */
#include "door.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --no-children: programs that this one starts run bare.  Our libraries are taken out of LD_PRELOAD, others stay. */
static void leave_children_alone(void)
{
	const char *was = getenv("LD_PRELOAD");
	char *now, *save = NULL, *list, *word;

	if (!was || !getenv("GROVE_NO_CHILDREN"))
		return;
	list = strdup(was);
	now = calloc(1, strlen(was) + 1);
	if (!list || !now)
		return;
	for (word = strtok_r(list, " :", &save); word; word = strtok_r(NULL, " :", &save)) {
		if (strstr(word, "libgrove-shim.so"))
			continue;
		if (*now)
			strcat(now, ":");
		strcat(now, word);
	}
	if (*now)
		setenv("LD_PRELOAD", now, 1);
	else
		unsetenv("LD_PRELOAD");
	free(list);
	free(now);
}

/* A libc may be without one of them: then nobody calls it. */
static void find_real_functions(void)
{
	for (struct door_real *const *r = __start_door_reals; r < __stop_door_reals; r++)
		door_find(*r);
	dlerror();
}

__attribute__((constructor)) static void start(void)
{
	int r;

	find_real_functions();
	leave_children_alone();
	r = gr_init(environ);
	if (r < 0)
		fprintf(stderr, "grove: cannot start (%s); the program runs with kernel threads\n", strerror(-r));
}
