/*
 * locks.c - locks of every kind: first come, first served, and never beyond a deadline
 *
 * What is released goes to who has waited longest, so nobody is passed over.  A kernel thread may stand in the same line as
 * greenlets, and a pthread mutex may guard what both of them touch.
 */
#include <errno.h>
#include <grove.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static grove_semaphore *two;
static grove_lock *lock;
static grove_condition *changed;
static grove_rwlock *book;
static grove_barrier *all_here;
static grove_event *go;
static struct grove_once once = GROVE_ONCE_INIT;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long money;

static void *guest(void *name)
{
	grove_semaphore_acquire(two, GROVE_FOREVER);
	printf("%s: has one of two places, %u left\n", (char *)name, grove_semaphore_value(two));
	grove_yield();
	grove_semaphore_release(two);
	return NULL;
}

static void *reader(void *name)
{
	grove_rwlock_rdlock(book, GROVE_FOREVER);
	printf("%s reads\n", (char *)name);
	grove_yield();
	grove_rwlock_unlock(book);
	return NULL;
}

static void *writer(void *name)
{
	grove_rwlock_wrlock(book, GROVE_FOREVER);
	printf("%s writes, alone\n", (char *)name);
	grove_rwlock_unlock(book);
	return NULL;
}

static int opens_the_shop(void *arg)
{
	(void)arg;
	printf("the shop is opened, once\n");
	return 0;
}

static void *comes(void *arg)
{
	grove_once_call(&once, opens_the_shop, NULL, GROVE_FOREVER);
	grove_event_wait(go, GROVE_FOREVER);
	if (grove_barrier_wait(all_here, GROVE_FOREVER) == GROVE_BARRIER_SERIAL)
		printf("all three are here; the last one says so\n");
	return arg;
}

static bool enough(void *arg)
{
	(void)arg;
	return money >= 30;
}

static void *buyer(void *arg)
{
	grove_lock_acquire(lock, GROVE_FOREVER);
	grove_condition_wait_for(changed, enough, NULL, GROVE_FOREVER);
	printf("buyer: there is enough\n");
	grove_lock_release(lock);
	return arg;
}

static void *earner(void *arg)		/* a greenlet, or a kernel thread */
{
	grove_lock_acquire(lock, GROVE_FOREVER);
	pthread_mutex_lock(&mutex);
	money += 10;
	pthread_mutex_unlock(&mutex);
	grove_condition_notify(changed, 1);
	grove_lock_release(lock);
	return arg;
}

static void run(grove_fn *fn[], const char *const names[], size_t n)
{
	grove_greenlet *g[4] = { NULL };

	for (size_t i = 0; i < n; i++)
		g[i] = grove_spawn(fn[i], (void *)names[i]);
	grove_joinall(g, n, 0, GROVE_FOREVER, GROVE_RAISE_ERROR);
	for (size_t i = 0; i < n; i++)
		grove_release(g[i]);
}

int main(void)
{
	two = grove_semaphore_new_bounded(2);
	run((grove_fn *[]){ guest, guest, guest }, (const char *const[]){ "ann", "bob", "cid" }, 3);
	printf("one release too many: %s\n", grove_semaphore_release(two) < 0 ? strerrorname_np(errno) : "0");

	book = grove_rwlock_new();
	run((grove_fn *[]){ reader, reader, writer, reader }, (const char *const[]){ "ann", "bob", "cid", "dan" }, 4);

	go = grove_event_new();
	printf("an event that nobody sets: %s\n", grove_event_wait(go, GROVE_MS(20)) < 0 ? strerrorname_np(errno) : "0");
	grove_event_set(go);
	all_here = grove_barrier_new(3);
	run((grove_fn *[]){ comes, comes, comes }, (const char *const[]){ "", "", "" }, 3);

	lock = grove_lock_new();
	changed = grove_condition_new(lock);
	grove_to_thread(earner, NULL, NULL, GROVE_FOREVER);
	run((grove_fn *[]){ buyer, earner, earner }, (const char *const[]){ "", "", "" }, 3);

	grove_condition_free(changed);
	grove_lock_free(lock);
	grove_barrier_free(all_here);
	grove_event_free(go);
	grove_rwlock_free(book);
	grove_semaphore_free(two);
	return 0;
}
