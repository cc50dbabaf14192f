/*
 * values.c - what belongs to one greenlet, and what it passes on
 *
 * A local is a variable of which every greenlet has its own, with a destructor; errno and __thread variables are such, too, and
 * fresh in each.  A variable of the other kind is inherited: a greenlet finds what its spawner had set, and what it sets is its
 * own.
 */
#include <errno.h>
#include <grove.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static grove_local *buffer;
static grove_var *user;
static __thread int calls;

static void forgets(void *value)
{
	printf("  the buffer of \"%s\" is freed\n", (char *)value);
	free(value);
}

static void *handles(void *arg)
{
	grove_local_set(buffer, strdup(arg));
	calls++;
	errno = (int)strlen(arg);
	grove_yield();			/* the others do the same now */
	printf("%s: user %s, calls %d, errno %d, buffer \"%s\"\n", (char *)arg, (char *)grove_var_get(user), calls, errno,
	       (char *)grove_local_get(buffer));
	return NULL;
}

static void serve(const char *request, const char *name)
{
	struct grove_token before;

	grove_var_set(user, (void *)name, &before);
	grove_spawn_raw(handles, (void *)request);
	grove_var_reset(user, &before);
}

int main(void)
{
	buffer = grove_local_new(forgets);
	user = grove_var_new("user", "nobody");
	serve("get", "ann");
	serve("post", "bob");
	grove_spawn_raw(handles, "delete");
	for (int i = 0; i < 5; i++)
		grove_yield();
	printf("main: user %s, calls %d, buffer %s\n", (char *)grove_var_get(user), calls, grove_local_get(buffer) ? "set" : "none");
	grove_var_free(user);
	grove_local_free(buffer);
	return 0;
}
